//! A blob that comes in several requests, and across restarts of the daemon.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use rustix::io::pwritev;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::uploads::{Progress, Turn};
use super::{Store, blocking, touch};
use crate::model::{BlobUploadId, Digest};

/// How much is collected before a thread writes and hashes it, while the next is being collected.
const BATCH_BYTES: usize = 1024 * 1024;
/// How much is read at a time of what an earlier process has received.
const READ_BYTES: usize = 1024 * 1024;

/// Why an upload can't go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// A later request of the same client goes on with it.
    #[error("another request goes on with this upload")]
    TakenOver,
    #[error("a blob has at most {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("only {size_bytes} bytes came")]
    TooShort { size_bytes: u64 },
    #[error("nothing came for {0:?}")]
    Stalled(Duration),
    /// The client is gone, or has sent something that is no HTTP.
    #[error("the connection broke")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("its bytes have the digest {0}")]
    OtherDigest(Digest),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An upload and the right to go on with it. Dropped, it stays where it is.
#[derive(Debug)]
pub struct Upload {
    store: Store,
    id: BlobUploadId,
    file: File,
    turn: Turn,
}

impl Store {
    /// Makes room for an upload.
    pub async fn begin_upload(&self, id: BlobUploadId) -> io::Result<()> {
        let path = self.upload_path(id);
        blocking(move || File::create_new(path).map(drop)).await
    }

    /// Goes on with an upload; `NotFound` when it has ended. A request that was at it is told to end. The first one of this
    /// process reads what is there, because a hash that is half made can't be kept.
    pub async fn resume_upload(&self, id: BlobUploadId) -> Result<Upload, UploadError> {
        let mut turn = self.uploads.take_turn(id).await?;
        let store = self.clone();
        let resumed = blocking(move || {
            let file = OpenOptions::new().read(true).write(true).open(store.upload_path(id))?;
            if turn.progress.is_none() {
                *turn.progress = Some(hash(&file)?);
            }
            Ok(Upload { store, id, file, turn })
        });
        Ok(resumed.await?)
    }

    /// How many bytes of an upload have come; `NotFound` when it has ended.
    pub async fn upload_size(&self, id: BlobUploadId) -> io::Result<u64> {
        Ok(tokio::fs::metadata(self.upload_path(id)).await?.len())
    }

    /// Ends an upload without a blob; one that is not there is fine.
    pub async fn remove_upload(&self, id: BlobUploadId) -> io::Result<()> {
        self.uploads.forget(id);
        match tokio::fs::remove_file(self.upload_path(id)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Lists the uploads of which nothing has come since `before`.
    pub async fn stale_uploads(&self, before: SystemTime) -> io::Result<Vec<BlobUploadId>> {
        let dir = self.uploads_dir();
        blocking(move || {
            let mut stale = Vec::new();
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                match entry.metadata() {
                    Ok(metadata) if metadata.modified()? < before => stale.push(id),
                    // Finished just now.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(stale)
        })
        .await
    }

    pub(super) fn uploads_dir(&self) -> PathBuf {
        self.dir.join("uploads")
    }

    fn upload_path(&self, id: BlobUploadId) -> PathBuf {
        self.uploads_dir().join(id.to_string())
    }
}

impl Upload {
    /// How many bytes have come.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.turn.progress.as_ref().map_or(0, |progress| progress.size_bytes)
    }

    /// Takes all of `body`, of which something has to come every `silence`, up to `limit_bytes` for the whole upload. What
    /// has come before an error stays. Each batch is written and hashed while the next one comes.
    pub async fn receive<E>(
        self,
        body: impl Stream<Item = Result<Bytes, E>>,
        limit_bytes: u64,
        silence: Duration,
    ) -> Result<Self, UploadError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let give_way = self.turn.give_way.clone();
        let mut incoming = Incoming { body: pin!(body), size_bytes: self.size_bytes(), limit_bytes, silence, give_way };
        let mut upload = self;
        let mut batch = incoming.batch().await;
        loop {
            let Batch { pieces, end } = batch;
            if let Some(end) = end {
                let upload = blocking(move || upload.append(&pieces)).await?;
                return end.map(|()| upload);
            }
            let (appended, next) = tokio::join!(blocking(move || upload.append(&pieces)), incoming.batch());
            (upload, batch) = (appended?, next);
        }
    }

    /// Makes a blob of it, if it has the digest that its client has told, and returns its size. Otherwise nothing is left.
    pub async fn finish(self, told: Digest) -> Result<u64, UploadError> {
        let finished = tokio::task::spawn_blocking(move || self.place(told));
        finished.await.map_err(io::Error::other)?
    }

    fn append(mut self, pieces: &[Bytes]) -> io::Result<Self> {
        // Gone if writing fails midway: then the file is to be read again.
        let mut progress = self.turn.progress.take().expect("it was read when it was resumed");
        write_all_at(&self.file, pieces, progress.size_bytes)?;
        for piece in pieces {
            progress.hasher.update(piece);
            progress.size_bytes += piece.len() as u64;
        }
        *self.turn.progress = Some(progress);
        Ok(self)
    }

    fn place(mut self, told: Digest) -> Result<u64, UploadError> {
        let progress = self.turn.progress.take().expect("it was read when it was resumed");
        let digest = Digest::from_bytes(progress.hasher.finalize().into());
        let path = self.store.upload_path(self.id);
        if digest == told {
            self.file.set_permissions(std::fs::Permissions::from_mode(0o444))?;
            // Its last byte may have come long ago, and what is old and not recorded yet could be collected.
            touch(&path)?;
            self.store.place(&digest, &self.file, false, |place| std::fs::rename(&path, place))?;
        }
        self.store.uploads.forget(self.id);
        match std::fs::remove_file(&path) {
            // It has become the blob.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        if digest == told { Ok(progress.size_bytes) } else { Err(UploadError::OtherDigest(digest)) }
    }
}

/// What comes from the client.
pub(super) struct Incoming<'a, S> {
    pub(super) body: Pin<&'a mut S>,
    /// With what has been received before.
    pub(super) size_bytes: u64,
    pub(super) limit_bytes: u64,
    pub(super) silence: Duration,
    pub(super) give_way: CancellationToken,
}

/// Some of it, and whether that was the last.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) pieces: Vec<Bytes>,
    pub(super) end: Option<Result<(), UploadError>>,
}

impl<S, E> Incoming<'_, S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) async fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut batch_bytes = 0;
        while batch_bytes < BATCH_BYTES && batch.end.is_none() {
            match self.piece().await {
                Ok(Some(piece)) => {
                    batch_bytes += piece.len();
                    batch.pieces.push(piece);
                }
                Ok(None) => batch.end = Some(Ok(())),
                Err(error) => batch.end = Some(Err(error)),
            }
        }
        batch
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, UploadError> {
        let next = self.give_way.run_until_cancelled(timeout(self.silence, self.body.next()));
        let next = next.await.ok_or(UploadError::TakenOver)?;
        let Some(piece) = next.map_err(|_| UploadError::Stalled(self.silence))? else { return Ok(None) };
        let piece = piece.map_err(|error| UploadError::Cut(error.into()))?;
        self.size_bytes += piece.len() as u64;
        if self.size_bytes > self.limit_bytes {
            return Err(UploadError::TooLarge { limit_bytes: self.limit_bytes });
        }
        Ok(Some(piece))
    }
}

/// Writes the pieces one behind the other, with as few calls as can be: the file system then takes memory for them in large
/// parts, which costs half of what page by page does.
fn write_all_at(file: &File, pieces: &[Bytes], mut at: u64) -> io::Result<()> {
    let mut slices: Vec<_> = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| IoSlice::new(piece)).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match rustix::io::retry_on_intr(|| pwritev(file, left, at))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => {
                at += count as u64;
                IoSlice::advance_slices(&mut left, count);
            }
        }
    }
    Ok(())
}

/// Reads what an earlier process has received.
fn hash(mut file: &File) -> io::Result<Progress> {
    let mut progress = Progress { hasher: Sha256::new(), size_bytes: 0 };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(progress),
            count => {
                progress.hasher.update(&buffer[..count]);
                progress.size_bytes += count as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests;
