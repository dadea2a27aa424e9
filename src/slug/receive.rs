//! A slug that was made elsewhere, on its way into the store.
//!
//! It is kept byte for byte, so that its checksum stays the one that its maker knows. Before it counts it has been read
//! to its end: it is unpacked into `/` of an environment later, and is an image's layer as it is.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write as _};

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncRead;
use tokio::task::spawn_blocking;

use super::entry_path::EntryPath;
use super::feed;
use super::rewrite::{BadEntry, check_target};
use crate::model::{Digest, Limits};
use crate::store::{Store, Writer};
use crate::tarball::{BLOCK_BYTES, Kind, RawEntry, read_entry};

/// Most entries of an archive: what is remembered of each to find a path that comes twice is bounded by it.
const MAX_ENTRIES: usize = 1_000_000;

const BUFFER_BYTES: usize = 64 * 1024;

/// A slug's archive that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub digest: Digest,
    /// Digest of the archive before compression.
    pub content_digest: Digest,
    pub size_bytes: u64,
}

/// Why an archive was not taken. All but the last one are the sender's doing.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error("the archive is larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("the archive unpacks to more than {limit_bytes} bytes")]
    ContentTooLarge { limit_bytes: u64 },
    #[error("the archive has more than {MAX_ENTRIES} entries")]
    TooManyEntries,
    #[error(transparent)]
    BadEntry(BadEntry),
    /// It can't be unpacked.
    #[error("the archive is not a whole gzip-compressed tar")]
    NoArchive(#[source] io::Error),
    #[error("the archive's checksum is {found}, and {expected} was announced")]
    Checksum { expected: Digest, found: Digest },
    /// The sender went away.
    #[error("the archive did not come to its end")]
    Read(#[source] io::Error),
    #[error("cannot store the slug")]
    Store(#[source] io::Error),
}

impl From<io::Error> for ReceiveError {
    /// What the reader at the bottom says passes through `Read` on its way up; all else is said of the archive.
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::NoArchive)
    }
}

/// Takes an archive, with bounded memory. Dropping the future ends the work and leaves nothing in the store.
pub async fn receive(
    archive: impl AsyncRead + Send + Unpin + 'static,
    expected: Option<Digest>,
    store: &Store,
    limits: &Limits,
) -> Result<Received, ReceiveError> {
    let (_wanted, input) = feed::to_thread(archive);
    let (store, slug_bytes, content_bytes) = (store.clone(), limits.slug_bytes, limits.build_disk_bytes);
    let receiving = spawn_blocking(move || {
        let writer = store.writer().map_err(ReceiveError::Store)?;
        let kept = Kept { input, writer, size_bytes: 0, limit_bytes: slug_bytes, failed: None };
        receive_blocking(kept, content_bytes, expected)
    });
    receiving.await.unwrap_or_else(|panicked| Err(ReceiveError::Store(io::Error::other(panicked))))
}

fn receive_blocking<R: BufRead>(kept: Kept<R>, limit_bytes: u64, expected: Option<Digest>) -> Result<Received, ReceiveError> {
    let content = Content { tar: GzDecoder::new(kept), hasher: Sha256::new(), size_bytes: 0, limit_bytes };
    let mut content = BufReader::with_capacity(BUFFER_BYTES, content);
    check(&mut content)?;
    // What stands behind a tar's end is of the archive too.
    io::copy(&mut content, &mut io::sink())?;
    let Content { tar, hasher, .. } = content.into_inner();
    let mut kept = tar.into_inner();
    if !kept.fill_buf()?.is_empty() {
        // Readers disagree on whether to go on, so that one archive would be two things.
        return Err(ReceiveError::NoArchive(io::Error::other("there is more behind its end")));
    }
    let found = kept.writer.digest();
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(ReceiveError::Checksum { expected, found });
    }
    let (digest, size_bytes) = kept.writer.finish().map_err(ReceiveError::Store)?;
    Ok(Received { digest, content_digest: Digest::from_bytes(hasher.finalize().into()), size_bytes })
}

/// Reads a slug's tar to its end and refuses what may not stand in one.
fn check(tar: &mut impl BufRead) -> Result<(), ReceiveError> {
    let mut admission = Admission::default();
    while let Some(entry) = read_entry(tar)? {
        admission.admit(&entry).map_err(|why| ReceiveError::BadEntry(BadEntry { path: entry.path, why }))?;
        if admission.seen.len() > MAX_ENTRIES {
            return Err(ReceiveError::TooManyEntries);
        }
        if let Kind::File { size_bytes, .. } = entry.kind {
            let padded = size_bytes.next_multiple_of(BLOCK_BYTES as u64);
            if io::copy(&mut tar.take(padded), &mut io::sink())? != padded {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
    Ok(())
}

/// Decides what may stand in a slug that somebody else packed, in whatever order.
#[derive(Default)]
struct Admission {
    /// Every path so far and whether it is a folder; hashed with a key of this process, so that nobody can choose two
    /// paths of one hash.
    seen: HashMap<u64, bool>,
    hasher: RandomState,
}

impl Admission {
    fn admit(&mut self, entry: &RawEntry) -> Result<(), &'static str> {
        let path = EntryPath::parse(&entry.path)?;
        let is_folder = entry.kind == Kind::Folder;
        if path.as_bytes().is_empty() && is_folder {
            return Ok(());
        }
        below_app(&path)?;
        match &entry.kind {
            Kind::Folder | Kind::File { .. } => {}
            Kind::Special => return Err("a device or a pipe"),
            Kind::Symlink { target } => check_target(target)?,
            Kind::HardLink { target, .. } => self.check_link(target)?,
        }
        let path = path.as_bytes();
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        if slashes.into_iter().any(|(slash, _)| self.seen.get(&self.hash(&path[..slash])) == Some(&false)) {
            return Err("the path leads through something that is no folder");
        }
        if self.seen.insert(self.hash(path), is_folder).is_some() {
            return Err("the path comes twice");
        }
        Ok(())
    }

    fn check_link(&self, target: &[u8]) -> Result<(), &'static str> {
        let target = EntryPath::parse(target)?;
        below_app(&target)?;
        match self.seen.get(&self.hash(target.as_bytes())) {
            Some(false) => Ok(()),
            _ => Err("a hard link to what is no file before it"),
        }
    }

    fn hash(&self, path: &[u8]) -> u64 {
        self.hasher.hash_one(path)
    }
}

/// A slug holds `./app` and nothing else (conventions 3.7).
fn below_app(path: &EntryPath) -> Result<(), &'static str> {
    match path.as_bytes().strip_prefix(b"app") {
        Some([] | [b'/', ..]) => Ok(()),
        _ => Err("a slug holds nothing outside of ./app"),
    }
}

/// The archive as it comes: what is read of it is written to the store.
struct Kept<R> {
    input: R,
    writer: Writer,
    size_bytes: u64,
    limit_bytes: u64,
    /// Told by the next read: `consume` can't fail.
    failed: Option<ReceiveError>,
}

impl<R: BufRead> BufRead for Kept<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Some(failed) = self.failed.take() {
            return Err(io::Error::other(failed));
        }
        self.input.fill_buf().map_err(|error| io::Error::other(ReceiveError::Read(error)))
    }

    fn consume(&mut self, length: usize) {
        self.size_bytes += length as u64;
        let taken = self.input.fill_buf().map(|bytes| self.writer.write_all(&bytes[..length]));
        if self.size_bytes > self.limit_bytes {
            self.failed = Some(ReceiveError::TooLarge { limit_bytes: self.limit_bytes });
        } else if let Err(error) | Ok(Err(error)) = taken {
            self.failed = Some(ReceiveError::Store(error));
        }
        self.input.consume(length);
    }
}

impl<R: BufRead> Read for Kept<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(bytes)?;
        self.consume(length);
        Ok(length)
    }
}

/// The archive before compression.
struct Content<R> {
    tar: R,
    hasher: Sha256,
    size_bytes: u64,
    limit_bytes: u64,
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.tar.read(bytes)?;
        self.hasher.update(&bytes[..length]);
        self.size_bytes += length as u64;
        if self.size_bytes > self.limit_bytes {
            return Err(io::Error::other(ReceiveError::ContentTooLarge { limit_bytes: self.limit_bytes }));
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
