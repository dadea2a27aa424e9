//! Slugs: a build's folder as one compressed, digested blob, and back.
//!
//! `pack` is the stage. `feed` hands the engine's tar to a thread of its own. There `rewrite` makes it a slug's, entry by
//! entry, with `tarball` to take it apart and `entry_path` to say what may stand where; `gzip` compresses on all
//! cores; and what comes out streams into the store. `unpack` is the way back. `receive` takes a slug that was made elsewhere,
//! and `diff` says which files differ between two.

mod pack;

mod feed;
mod rewrite;

mod entry_path;

mod gzip;
mod unpack;

mod receive;

mod diff;

pub use diff::{DiffError, FileChanges, diff};
pub use pack::{PackError, Packed, pack};
pub use receive::{ReceiveError, Received, receive};
pub use rewrite::{BadEntry, RewriteError, Rewritten, rewrite};
pub use unpack::open_tar;
