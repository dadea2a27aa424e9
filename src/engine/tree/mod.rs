//! File trees, for every engine: `write` makes a tar of one as `walk` finds it, `unpack` makes one of a tar, with `new_file`
//! for most of it, `layers` of an image's layers, `measure` counts the disk space of one, `remove` takes one away. All of
//! it is blocking and meets trees made by strangers: nested deeper than a path is long, changing while they are read, full of
//! links that point elsewhere. `yard` is where they stand.

use std::io::ErrorKind;

mod layers;
mod measure;
mod new_file;
mod remove;
mod unpack;
mod walk;
mod write;
mod yard;

pub(super) use layers::unpack_layers;
pub(super) use measure::disk_bytes;
pub(super) use remove::{remove_contents, remove_named};
pub(super) use unpack::{unpack, unpack_root};
pub(super) use walk::open_tree;
pub(super) use write::{write, write_until};
pub(super) use yard::Yard;
pub use yard::make_yard;

/// The kind of error of a tree that can't be read for what has been made of it.
pub(in crate::engine) const UNFIT: ErrorKind = ErrorKind::NotADirectory;

/// Deepest nesting of folders that is read. Real trees stay far below; a path this deep no longer fits into
/// `PATH_MAX` anyway.
const MAX_DEPTH: usize = 512;
