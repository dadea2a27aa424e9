//! Blobs: slugs, packs, caches, build logs and sources, each under the SHA-256 of its bytes.
//!
//! A blob is at its place whole or not at all: it is written beside, flushed to disk, renamed, and its folder flushed.
//! Nothing here changes a blob afterwards. The layout below the store's folder is OCI's: `sha256/ab/abcdef…`,
//! `tmp/` for what is being written, and `uploads/` for what a client is uploading in as many requests as it likes, which
//! outlives the daemon.

mod old;
pub mod private_file;
mod read;
mod sent;
mod upload;
mod uploads;
mod writer;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::spawn_blocking;

use crate::model::Digest;

pub use old::FOLDERS;
pub use read::read_range;
pub use upload::{Upload, UploadError};
pub use writer::Writer;

/// How much [`Store::put`] hands to a blocking thread at a time.
const PUT_CHUNK_BYTES: usize = 256 * 1024;

/// For `utimensat`: the time at which it is called.
const NOW: Timestamps = {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    Timestamps { last_access: now, last_modification: now }
};

/// A content-addressed blob store in a local folder. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    dir: Arc<Path>,
    uploads: uploads::Uploads,
}

impl Store {
    /// Opens the store in `dir`, making it if need be, and removes what an earlier process left half-written: only one
    /// process may have a store open. Blocks; meant for the start of the daemon.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let store = Self { dir: dir.into().into(), uploads: uploads::Uploads::default() };
        // All folders now rather than with their first blob: storing a blob then flushes one folder, not two.
        for first in 0..=u8::MAX {
            std::fs::create_dir_all(store.dir.join(format!("sha256/{first:02x}")))?;
        }
        sync_dir(&store.dir.join("sha256"))?;
        let tmp = store.tmp();
        std::fs::create_dir_all(&tmp)?;
        for leftover in std::fs::read_dir(&tmp)? {
            std::fs::remove_file(leftover?.path())?;
        }
        std::fs::create_dir_all(store.uploads_dir())?;
        sync_dir(&store.dir)?;
        Ok(store)
    }

    /// The store in `dir` of a daemon that may be running: what is being written there is left alone.
    #[must_use]
    pub fn beside(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into().into(), uploads: uploads::Uploads::default() }
    }

    /// Starts a blob. Blocks, as does the writer; for threads that may.
    pub fn writer(&self) -> io::Result<Writer> {
        Writer::new(self.clone())
    }

    /// Stores all of `content` and returns its digest and its size in bytes. Dropping the future leaves nothing behind.
    pub async fn put(&self, mut content: impl AsyncRead + Unpin) -> io::Result<(Digest, u64)> {
        let store = self.clone();
        let mut writer = blocking(move || store.writer()).await?;
        loop {
            let mut chunk = Vec::with_capacity(PUT_CHUNK_BYTES);
            while chunk.len() < PUT_CHUNK_BYTES && content.read_buf(&mut chunk).await? > 0 {}
            if chunk.is_empty() {
                return blocking(move || writer.finish()).await;
            }
            writer = blocking(move || io::Write::write_all(&mut writer, &chunk).map(|()| writer)).await?;
        }
    }

    /// Makes a file without a name, for what is too large for memory and is not to be kept: it goes when it is closed.
    /// Blocks.
    pub fn scratch(&self) -> io::Result<File> {
        tempfile::tempfile_in(self.tmp())
    }

    /// Opens a blob for reading; `NotFound` when there is none of this digest.
    pub async fn open_blob(&self, digest: &Digest) -> io::Result<tokio::fs::File> {
        tokio::fs::File::open(self.path(digest)).await
    }

    /// The size of a blob in bytes; `NotFound` when there is none of this digest.
    pub async fn size(&self, digest: &Digest) -> io::Result<u64> {
        Ok(tokio::fs::metadata(self.path(digest)).await?.len())
    }

    /// Tells whether there is a blob of this digest.
    pub async fn contains(&self, digest: &Digest) -> io::Result<bool> {
        tokio::fs::try_exists(self.path(digest)).await
    }

    /// Counts on a blob from now on, as if it had been written again, if it is there. Blocks.
    pub fn keep(&self, digest: &Digest) -> io::Result<bool> {
        if !touch(&self.path(digest))? {
            return Ok(false);
        }
        // Its writer may have renamed it and not flushed the folder yet.
        sync_dir(&self.folder(digest))?;
        Ok(true)
    }

    /// Removes a blob; one that is not there is fine. The caller knows that nothing refers to it, or is about to.
    pub async fn remove(&self, digest: &Digest) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(digest)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Puts a written file at its blob's place by `rename`, or finds the blob there, unless it is to be made `anew`, and
    /// notes that somebody counts on it from now on: garbage collection leaves alone what is young. Blocks.
    fn place(&self, digest: &Digest, file: &File, anew: bool, rename: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let path = self.path(digest);
        if anew || !touch(&path)? {
            file.sync_all()?;
            // Replaces: should another writer of the same bytes have come first, one copy is as good as the other.
            rename(&path)?;
        }
        // Also when the blob was there: its writer may have renamed it and not flushed the folder yet.
        sync_dir(&self.folder(digest))
    }

    fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// The folder that a blob stands in: 256 of them keep each small.
    fn folder(&self, digest: &Digest) -> PathBuf {
        self.dir.join("sha256").join(&digest.hex()[..2])
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder(digest).join(digest.hex())
    }
}

/// Gives a file the time of now, and tells whether it is there.
fn touch(path: &Path) -> io::Result<bool> {
    // The owner of a file may do so though it is read-only.
    match rustix::fs::utimensat(rustix::fs::CWD, path, &NOW, rustix::fs::AtFlags::empty()) {
        // Between being found and getting its time it may have been put aside and, found old, removed (`remove_old`).
        Ok(()) => path.try_exists(),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Flushes a folder's list of names to disk.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
pub(crate) mod tests;
