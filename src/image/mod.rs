//! Images: those in repositories, what may come in, which manifest a tag names, and what may go; and what is in them.
//! `of_slug` makes images of slugs.
//!
//! In reading order: `blobs` and `manifests` are what clients push and delete, `tags` is which manifest is meant, `stale`
//! ends uploads that nobody goes on with. `read` reads one from the store, `archive` takes one over from a Docker Engine, `unpack`
//! makes its root file system of its layers, and `roots` keeps those that were made.

pub mod of_slug;

mod blobs;
mod manifests;
mod stale;
mod tags;

mod archive;
mod read;
mod roots;
mod unpack;

pub use archive::{KeepError, KeptImage, keep_archive};
pub use blobs::{adopt_upload, begin_upload, cancel_upload, delete_blob, mount_blob};
pub use manifests::{NewManifest, PutError, delete_manifest, put_manifest};
pub use read::{Image, UnusableImage, read};
pub use roots::{Root, Roots};
pub use stale::end_stale_uploads;
pub use tags::{CURRENT, LATEST, ReleaseTag, delete_tag, list_tags, merge_tags, resolve};

use crate::db::DbError;
use crate::model::{Digest, Tag};
use crate::store::UploadError;

/// Why something can't be pushed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is nothing of this name.
    #[error("there is no such thing")]
    NotFound,
    #[error("the tag {0} is the ledger's: it names what a release runs, and can't be pushed or deleted")]
    LedgersTag(Tag),
    #[error("the manifest {0} is made of it; delete that first")]
    PartOf(Digest),
    #[error("a release runs it; what has been released stays")]
    Released,
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the blob store failed")]
    Store(#[from] std::io::Error),
}
