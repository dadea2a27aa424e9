//! The stage: a build's folder becomes a slug in the store.

use std::io::{self, BufRead};
use std::num::NonZero;

use tokio::io::AsyncRead;
use tokio::task::spawn_blocking;

use super::feed;
use super::gzip::Gzip;
use super::last::LastSlug;
use super::output::{Bounds, Output, Stored};
use super::rewrite::{BadEntry, RewriteError, rewrite};
use super::runs::{Earlier, Note};
use crate::model::{Digest, Limits};
use crate::store::Store;
use crate::tarball::Observer;

/// More would keep more memory than they save time: reading the folder is then slower than compressing it.
const MAX_THREADS: usize = 8;

/// A slug in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Digest of the compressed archive, under which the store keeps it.
    pub digest: Digest,
    /// Digest of the archive before compression: OCI's diff id. Equal for equal folders, whatever compressed them.
    pub content_digest: Digest,
    /// Size of the compressed archive.
    pub size_bytes: u64,
    /// Size of the archive before compression.
    pub content_bytes: u64,
    /// Files and links in it; folders are not counted.
    pub files: u64,
}

/// Why there is no slug. The first four are the app's own doing, the others hoist's.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Packing stops there: the whole slug would have been at least of this size.
    #[error("the slug is larger than {limit_bytes} bytes")]
    TooLarge { size_bytes: u64, limit_bytes: u64 },
    /// Content that compresses well can be too much for the disk it is unpacked to (`build_disk_bytes`).
    #[error("the slug unpacks to more than {limit_bytes} bytes")]
    ContentTooLarge { limit_bytes: u64 },
    #[error(transparent)]
    BadEntry(BadEntry),
    /// The build has left something else in its folder's place, or one that can't be read.
    #[error("{0}")]
    BadFolder(#[source] io::Error),
    /// The engine's stream broke off, or is no tar.
    #[error("cannot read the build's folder")]
    Read(#[source] io::Error),
    #[error("cannot store the slug")]
    Store(#[source] io::Error),
}

impl From<RewriteError> for PackError {
    fn from(error: RewriteError) -> Self {
        match error {
            RewriteError::BadEntry(error) => Self::BadEntry(error),
            RewriteError::Input(error) if error.kind() == io::ErrorKind::NotADirectory => Self::BadFolder(error),
            RewriteError::Input(error) => Self::Read(error),
            RewriteError::Output(error) => error.into(),
        }
    }
}

impl From<io::Error> for PackError {
    /// Limits are held where the runs are taken, so they pass through `Write` on their way up.
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Store)
    }
}

/// Packs the tar of a build's folder, as [`take_out`](crate::engine::Environment::take_out) streams it, and stores it. The
/// observer sees the slug's files on their way, and comes back.
///
/// The tar is packed while it is read, on all cores, with bounded memory. What has not changed since the app's last slug is
/// taken from there as it was compressed then: the slug is the same, only sooner. Dropping the future ends the work at the
/// next piece of the tar and leaves nothing in the store.
pub async fn pack<O: Observer + Send + 'static>(
    tar: impl AsyncRead + Send + Unpin + 'static,
    store: &Store,
    last: &LastSlug,
    limits: &Limits,
    observer: O,
) -> Result<(Packed, O), PackError> {
    let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    pack_on(cores.min(const { NonZero::new(MAX_THREADS).unwrap() }), tar, store, last, limits, observer).await
}

async fn pack_on<O: Observer + Send + 'static>(
    threads: NonZero<usize>,
    tar: impl AsyncRead + Send + Unpin + 'static,
    store: &Store,
    last: &LastSlug,
    limits: &Limits,
    mut observer: O,
) -> Result<(Packed, O), PackError> {
    let (_wanted, input) = feed::to_thread(tar);
    let (store, last) = (store.clone(), last.clone());
    let bounds = Bounds { slug_bytes: limits.slug_bytes, content_bytes: limits.build_disk_bytes };
    let packing = spawn_blocking(move || {
        let earlier = last.open(&store);
        let output = Output::new(&store, earlier.as_ref(), bounds)?;
        let (packed, notes) = pack_blocking(threads, input, earlier.as_ref(), output, &mut observer)?;
        last.note(&packed.digest, &notes);
        Ok((packed, observer))
    });
    packing.await.unwrap_or_else(|panicked| Err(PackError::Store(io::Error::other(panicked))))
}

fn pack_blocking(
    threads: NonZero<usize>,
    input: impl BufRead,
    earlier: Option<&Earlier>,
    output: Output<'_>,
    observer: &mut impl Observer,
) -> Result<(Packed, Vec<Note>), PackError> {
    let (files, (output, trailer)) = std::thread::scope(|scope| {
        let mut gzip = Gzip::new(scope, threads, earlier, output);
        let rewritten = rewrite(input, &mut gzip, observer)?;
        Ok::<_, PackError>((rewritten.files, gzip.finish()?))
    })?;
    let Stored { digest, content_digest, size_bytes, content_bytes, notes } = output.finish(&trailer)?;
    Ok((Packed { digest, content_digest, size_bytes, content_bytes, files }, notes))
}

#[cfg(test)]
mod tests;
