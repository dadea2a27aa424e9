//! The source tree, kept for as long as its images are built: each has a context of its own, made of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::super::source::{LeaveOut, export_source};
use super::super::{BuildError, Means, Source};
use crate::tarball::{BLOCK_BYTES, Kind, RawEntry, read_entry};
use crate::transcript::Transcript;

const READ_BYTES: usize = 256 * 1024;

/// A source tree as a tar, in a file without a name: it goes when this is dropped.
#[derive(Debug)]
pub struct Tree {
    file: Arc<File>,
    /// Ends the work of threads that read it.
    unwanted: CancellationToken,
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.unwanted.cancel();
    }
}

impl Tree {
    /// Exports or unpacks a source.
    pub async fn of(source: &Source, means: &Means<'_>, transcript: &Transcript) -> Result<Self, BuildError> {
        let file = means.store.scratch().map_err(unkept)?;
        let copy = file.try_clone().map_err(unkept)?;
        let keep = async |mut tar: Receiver| {
            let mut file = tokio::fs::File::from_std(copy);
            tokio::io::copy(&mut tar, &mut file).await.map_err(unkept)?;
            file.flush().await.map_err(unkept)
        };
        export_source(source, means, transcript, LeaveOut::Nothing, keep).await?;
        Ok(Self { file: Arc::new(file), unwanted: CancellationToken::new() })
    }

    /// Reads files, of each no more than so many bytes. What is not there, or a folder, is missing in the answer; of a link
    /// nothing is read.
    pub(super) async fn read(&self, wanted: BTreeMap<String, u64>) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
        self.scan(move |entries| {
            let mut found = BTreeMap::new();
            while let Some(entry) = entries.next()? {
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                match (wanted.get(&path), &entry.kind) {
                    (Some(most), Kind::File { .. }) => _ = found.insert(path, entries.start_of_content(*most)?),
                    (Some(_), Kind::Symlink { .. } | Kind::HardLink { .. }) => _ = found.insert(path, Vec::new()),
                    _ => {}
                }
            }
            Ok(found)
        })
        .await
    }

    /// Has a thread read the tree.
    pub(super) async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Entries) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BuildError> {
        let file = At { file: Arc::clone(&self.file), offset: 0, unwanted: self.unwanted.clone() };
        let mut entries = Entries { tar: BufReader::with_capacity(READ_BYTES, file), left_bytes: 0, content_bytes: 0 };
        let reading = spawn_blocking(move || read(&mut entries));
        reading.await.map_err(|panicked| unkept(io::Error::other(panicked)))?.map_err(unkept)
    }
}

/// The tree's entries, one after the other.
pub(super) struct Entries {
    tar: BufReader<At>,
    /// Of the last entry's content, with its padding.
    left_bytes: u64,
    /// Of the last entry's content, without.
    content_bytes: u64,
}

impl Entries {
    /// The next entry, whatever was read of the last one's content.
    pub(super) fn next(&mut self) -> io::Result<Option<RawEntry>> {
        while self.left_bytes > 0 {
            let here = self.tar.fill_buf()?.len() as u64;
            let skipped = here.min(self.left_bytes);
            if skipped == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.tar.consume(usize::try_from(skipped).expect("no longer than the buffer"));
            self.left_bytes -= skipped;
        }
        let entry = read_entry(&mut self.tar)?;
        if let Some(RawEntry { kind: Kind::File { size_bytes, .. }, .. }) = &entry {
            self.left_bytes = size_bytes.next_multiple_of(BLOCK_BYTES as u64);
            self.content_bytes = *size_bytes;
        }
        Ok(entry)
    }

    fn start_of_content(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        self.content(most).read_to_end(&mut start)?;
        Ok(start)
    }

    /// The last entry's content, at most so much of it. To be asked for once.
    pub(super) fn content(&mut self, size_bytes: u64) -> impl Read {
        Content { most: size_bytes.min(self.content_bytes), entries: self }
    }
}

struct Content<'a> {
    entries: &'a mut Entries,
    most: u64,
}

impl Read for Content<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.entries.tar).take(self.most).read(bytes)?;
        self.most -= read as u64;
        self.entries.left_bytes -= read as u64;
        Ok(read)
    }
}

/// A file from its beginning, whoever else reads it, until nobody wants it any more.
struct At {
    file: Arc<File>,
    offset: u64,
    unwanted: CancellationToken,
}

impl Read for At {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.unwanted.is_cancelled() {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        let read = self.file.read_at(bytes, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// A failure of hoist's own disk.
fn unkept(source: io::Error) -> BuildError {
    BuildError::Io { what: "the source can't be kept", source }
}
