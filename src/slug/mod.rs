//! Slugs: a build's folder as one compressed, digested blob, and back.
//!
//! `pack` is the stage. `feed` hands the engine's tar to a thread of its own. There `rewrite` makes it a slug's, entry by
//! entry, with `tarball` to take it apart and `entry_path` to say what may stand where; `gzip` compresses on all
//! cores, one `chunk` at a time, or takes over what a chunk became in the app's `last` slug, whose `runs` are noted; `output`
//! puts together what comes out, and in the store. `unpack` is the way back. `receive` takes a slug that was made elsewhere,
//! and `diff` says which files differ between two.

mod pack;

mod feed;
mod rewrite;

mod entry_path;

mod chunk;
mod gzip;
mod last;
mod output;
mod runs;

mod unpack;

mod receive;

mod diff;

pub use diff::{DiffError, FileChanges, diff};
pub use last::{LastSlug, LastSlugs};
pub use pack::{PackError, Packed, pack};
pub use receive::{ReceiveError, Received, receive};
pub use rewrite::{BadEntry, RewriteError, Rewritten, rewrite};
pub use unpack::open_tar;
