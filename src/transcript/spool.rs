//! A log on disk that is written once and read by many while it grows.
//!
//! The log is cut into segments of equal length, one file each. The first [`HEAD`] and the last [`TAIL`] are kept,
//! those between are dropped, and a notice stands in their place (design section 7). A log without an end keeps the last
//! ones alone.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::watch;

const HEAD: u64 = 4;
const TAIL: u64 = 4;
/// How much a follower takes at once, in bytes.
const READ_BYTES: u64 = 64 * 1024;

/// What followers wait for.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    len: u64,
    ended: bool,
}

/// The folder of a log, shared by its writer and its followers.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    /// Whether the last one to let go of it removes it.
    discarded: AtomicBool,
}

impl Drop for Dir {
    fn drop(&mut self) {
        // A handful of files: not worth a thread.
        if self.discarded.load(Ordering::Relaxed)
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, dir = %self.path.display(), "a log's spool can't be removed; the next start tries again");
        }
    }
}

#[derive(Debug)]
pub(super) struct Spool {
    dir: Arc<Dir>,
    /// How many of the first segments are kept.
    head: u64,
    segment_bytes: u64,
    file: Option<File>,
    state: watch::Sender<State>,
}

impl Spool {
    pub(super) fn create(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut spool = Self::closed(dir, max_bytes, HEAD);
        spool.file = Some(File::create(segment_path(dir, 0))?);
        Ok(spool)
    }

    fn closed(dir: &Path, max_bytes: u64, head: u64) -> Self {
        let segment_bytes = (max_bytes / (head + TAIL)).max(1024);
        Self {
            dir: Arc::new(Dir { path: dir.to_path_buf(), discarded: AtomicBool::new(false) }),
            head,
            segment_bytes,
            file: None,
            state: watch::Sender::new(State::default()),
        }
    }

    /// Goes on with the log that a dead process left, by its files alone.
    pub(super) fn reopen(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        Self::closed(dir, max_bytes, HEAD).at_its_end()
    }

    /// Goes on with a log that has no end, or begins it. Its length and `max_bytes` must go on as they were.
    pub(super) fn open_endless(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Self::closed(dir, max_bytes, 0).at_its_end()
    }

    fn at_its_end(self) -> io::Result<Self> {
        let mut spool = self;
        let dir = spool.dir.path.clone();
        let newest =
            std::fs::read_dir(&dir)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok()).max().unwrap_or(0);
        let file = File::options().append(true).create(true).open(segment_path(&dir, newest))?;
        let len = newest * spool.segment_bytes + file.metadata()?.len();
        spool.file = Some(file);
        spool.state.send_modify(|state| state.len = len);
        Ok(spool)
    }

    /// Appends to the log. A disk that refuses a log line must not end a build that works: the line is lost, the
    /// reason goes to hoist's own log.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_append(bytes) {
            tracing::error!(%error, dir = %self.dir.path.display(), "a build's log can't be written");
        }
    }

    fn try_append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let len = self.state.borrow().len;
            let room = self.segment_bytes - len % self.segment_bytes;
            let now = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            self.segment_for(len)?.write_all(&bytes[..now])?;
            self.state.send_modify(|state| state.len += now as u64);
            bytes = &bytes[now..];
        }
        Ok(())
    }

    fn segment_for(&mut self, offset: u64) -> io::Result<&mut File> {
        let index = offset / self.segment_bytes;
        if offset > 0 && offset.is_multiple_of(self.segment_bytes) || self.file.is_none() {
            self.file = Some(File::create(segment_path(&self.dir.path, index))?);
            if index >= self.head + TAIL {
                std::fs::remove_file(segment_path(&self.dir.path, index - TAIL))?;
            }
        }
        Ok(self.file.as_mut().expect("it was just opened"))
    }

    pub(super) fn end(&mut self) {
        self.file = None;
        self.state.send_modify(|state| state.ended = true);
    }

    pub(super) fn follow(&self) -> Follower {
        let (dir, state) = (Arc::clone(&self.dir), self.state.subscribe());
        Follower { dir, head: self.head, segment_bytes: self.segment_bytes, offset: 0, state }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Followers outlive the writer, and must not wait for a writer that is gone.
        self.state.send_modify(|state| state.ended = true);
    }
}

/// A reader of a log, at its own pace.
#[derive(Debug, Clone)]
pub struct Follower {
    dir: Arc<Dir>,
    head: u64,
    segment_bytes: u64,
    offset: u64,
    state: watch::Receiver<State>,
}

impl Follower {
    /// The next piece of the log; waits for one to be written; `None` at the end of an ended log.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let state = *self.state.borrow_and_update();
            if self.offset < state.len {
                return self.read(state.len).await.map(Some);
            }
            if state.ended {
                return Ok(None);
            }
            // An error says that the writer is gone; the next round sees what it left.
            if self.state.changed().await.is_err() && self.offset >= self.state.borrow().len {
                return Ok(None);
            }
        }
    }

    /// Goes on behind so many bytes of the log.
    #[must_use]
    pub fn from(self, offset: u64) -> Self {
        let offset = offset.min(self.len_of_log());
        Self { offset, ..self }
    }

    /// How many bytes of the log are behind it.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether there is something to read now.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.offset < self.len_of_log()
    }

    /// How long the log is now.
    #[must_use]
    pub fn len_of_log(&self) -> u64 {
        self.state.borrow().len
    }

    /// Waits until there is more to read. Never ends for a log whose writer is gone.
    pub async fn grown(&mut self) {
        let offset = self.offset;
        if self.state.wait_for(|state| offset < state.len).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Says that the log is kept elsewhere now: its files go when nobody writes or reads them any more.
    pub fn discard(&self) {
        self.dir.discarded.store(true, Ordering::Relaxed);
    }

    async fn read(&mut self, len: u64) -> io::Result<Bytes> {
        let (index, from) = (self.offset / self.segment_bytes, self.offset % self.segment_bytes);
        let most = READ_BYTES.min(self.segment_bytes - from).min(len - self.offset);
        let path = segment_path(&self.dir.path, index);
        let piece = tokio::task::spawn_blocking(move || read_at(&path, from, most)).await.map_err(io::Error::other)?;
        match piece {
            Ok(piece) => {
                self.offset += piece.len() as u64;
                Ok(piece)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && index >= self.head => Ok(self.skip_dropped(len)),
            Err(error) => Err(error),
        }
    }

    /// Goes on at the oldest segment that is still there and says so.
    fn skip_dropped(&mut self, len: u64) -> Bytes {
        let newest = (len - 1) / self.segment_bytes;
        let oldest_kept = (newest + 1).saturating_sub(TAIL) * self.segment_bytes;
        let dropped = oldest_kept.max(self.offset + 1) - self.offset;
        self.offset += dropped;
        Bytes::from(format!("\n !     {} of the log were dropped here: it is too long.\n", super::size(dropped)))
    }
}

fn read_at(path: &Path, from: u64, most: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(most).map_err(io::Error::other)?];
    let read = File::open(path)?.read_at(&mut buffer, from)?;
    buffer.truncate(read);
    Ok(buffer.into())
}

fn segment_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:08}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::read_all;
    use super::*;

    #[tokio::test]
    async fn the_middle_of_a_long_log_is_dropped_and_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(dir.path(), 8 * 1024).unwrap();
        for line in 0..2000 {
            spool.append(format!("line {line:010}\n").as_bytes());
        }
        spool.end();
        let text = read_all(spool.follow()).await;
        assert!(text.starts_with("line 0000000000\n") && text.ends_with("line 0000001999\n"));
        assert_eq!(text.matches("were dropped here").count(), 1);
        assert!(text.len() < 9 * 1024, "{}", text.len());
        assert!(std::fs::read_dir(dir.path()).unwrap().count() <= 8);
    }

    #[tokio::test]
    async fn a_discarded_log_stays_until_it_has_been_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut spool = Spool::create(&path, 1 << 20).unwrap();
        spool.append(b"one\n");
        spool.end();
        let follower = spool.follow();
        spool.follow().discard();
        drop(spool);
        assert_eq!(read_all(follower).await, "one\n");
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_follower_sees_what_comes_after_it_began() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(dir.path(), 1 << 20).unwrap();
        spool.append(b"one\n");
        let mut follower = spool.follow();
        assert_eq!(follower.next().await.unwrap().as_deref(), Some(b"one\n".as_slice()));
        let waiting = tokio::spawn(async move { (follower.next().await.unwrap(), follower.next().await.unwrap()) });
        spool.append(b"two\n");
        drop(spool);
        assert_eq!(waiting.await.unwrap(), (Some(Bytes::from("two\n")), None));
    }
}
