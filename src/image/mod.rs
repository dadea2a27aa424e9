//! Images: what is in them, apart from any registry and any engine's opinion of them.
//!
//! `config` is what an image says of itself, `read` reads one from the store, `archive` takes one over from a Docker Engine,
//! `unpack` makes one's root file system of its layers, and `roots` keeps those that were made.

mod archive;
mod config;
mod layers;
mod read;
mod roots;
mod unpack;

pub use archive::{KeepError, KeptImage, keep_archive};
pub use config::ImageConfig;
pub use read::{Image, ImageError, read};
pub use roots::{Root, Roots};
