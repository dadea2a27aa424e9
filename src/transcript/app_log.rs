//! The output of an app's processes, all in one log of its own, of which the newest part is kept.
//!
//! Each line has the time at which hoist took it from its process: later than the process wrote it, by what the pipe
//! between them held. The output that is kept for itself ([`super::Transcript`]) has no times, and need not: a place in
//! it is a number of bytes.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use time::OffsetDateTime;

use super::spool::{Follower, Spool};

/// An app's log. Its one writer, for as long as somebody writes or reads it.
#[derive(Debug)]
pub struct AppLog {
    spool: Mutex<Spool>,
    now: fn() -> OffsetDateTime,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// When hoist got it.
    pub at: OffsetDateTime,
    /// `run.1234`
    pub process: String,
    pub text: String,
    /// Where the log goes on behind it.
    pub end: u64,
}

impl AppLog {
    /// Opens the log in the folder `dir`, making it at first use. Of more than `max_bytes` the oldest part is dropped.
    pub fn open(dir: &Path, max_bytes: u64, now: fn() -> OffsetDateTime) -> io::Result<Self> {
        let mut spool = Spool::open_endless(dir, max_bytes)?;
        // A killed daemon may have left half a line.
        spool.append(b"\n");
        Ok(Self { spool: Mutex::new(spool), now })
    }

    /// Adds what a process has put out. A carriage return ends a line, as a progress bar's does.
    pub(super) fn append(&self, process: &str, lines: &[u8]) {
        let millis = (self.now)().unix_timestamp_nanos() / 1_000_000;
        let mut records = Vec::with_capacity(lines.len() + 64);
        for line in lines.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
            records.extend_from_slice(format!("{millis} {process} ").as_bytes());
            records.extend_from_slice(line);
            records.push(b'\n');
        }
        self.spool().append(&records);
    }

    /// How long it is now, with what was dropped.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.spool().follow().len_of_log()
    }

    /// Its lines behind a place in it.
    #[must_use]
    pub fn lines(&self, from: u64) -> OutputLines {
        let follower = self.spool().follow().from(from);
        OutputLines { follower, buffer: Vec::new(), taken: 0, in_gap: false }
    }

    // The lock is held for one buffered write of a few lines to the page cache, never across an await.
    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().expect("no writer panics")
    }
}

/// A reader of an app's log, at its own pace.
#[derive(Debug)]
pub struct OutputLines {
    follower: Follower,
    buffer: Vec<u8>,
    /// How much of the buffer has been read.
    taken: usize,
    /// Whether the buffer begins in the middle of a line, because what was before it is dropped.
    in_gap: bool,
}

impl OutputLines {
    /// The next line that is there now. What is no line of a log is passed over.
    pub async fn next(&mut self) -> io::Result<Option<OutputLine>> {
        loop {
            while let Some(length) = self.buffer[self.taken..].iter().position(|byte| *byte == b'\n') {
                let start = self.taken;
                self.taken += length + 1;
                let end = self.follower.offset() - (self.buffer.len() - self.taken) as u64;
                let is_whole = !std::mem::take(&mut self.in_gap);
                if let Some(line) = parse(&self.buffer[start..start + length], end).filter(|_| is_whole) {
                    return Ok(Some(line));
                }
            }
            if !self.follower.has_more() {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    /// Waits until [`OutputLines::next`] may have more.
    pub async fn grown(&mut self) {
        self.follower.grown().await;
    }

    async fn read(&mut self) -> io::Result<()> {
        self.buffer.drain(..std::mem::take(&mut self.taken));
        let before = self.follower.offset();
        let piece = self.follower.next().await?.unwrap_or_default();
        if self.follower.offset() - before == piece.len() as u64 {
            self.buffer.extend_from_slice(&piece);
        } else {
            // The piece says that something was dropped, and is not in the log.
            self.buffer.clear();
            self.in_gap = true;
        }
        Ok(())
    }
}

/// `MILLISECONDS PROCESS TEXT`
fn parse(line: &[u8], end: u64) -> Option<OutputLine> {
    let line = String::from_utf8_lossy(line);
    let mut parts = line.splitn(3, ' ');
    let millis: i128 = parts.next()?.parse().ok()?;
    let (process, text) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let at = OffsetDateTime::from_unix_timestamp_nanos(millis.checked_mul(1_000_000)?).ok()?;
    Some(OutputLine { at, process, text, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> AppLog {
        AppLog::open(dir, 4 * 1024, || OffsetDateTime::UNIX_EPOCH).unwrap()
    }

    async fn texts(mut lines: OutputLines) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            texts.push(format!("{} {}", line.process, line.text));
        }
        texts
    }

    #[tokio::test]
    async fn lines_are_read_from_any_place_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        log.append("run.1", b"one\n10%\r20%\n\n");
        log.append("run.2", b"two words\n");
        assert_eq!(texts(log.lines(0)).await, ["run.1 one", "run.1 10%", "run.1 20%", "run.2 two words"]);
        let mut lines = log.lines(0);
        let first = lines.next().await.unwrap().unwrap();
        assert_eq!(first.at, OffsetDateTime::UNIX_EPOCH);
        // As if it had been killed in the middle of a line.
        log.spool().append(b"0 run.3 hal");
        drop(log);
        let log = open(dir.path());
        log.append("run.4", b"whole\n");
        assert_eq!(texts(log.lines(first.end)).await[3..], ["run.3 hal", "run.4 whole"]);
    }

    #[tokio::test]
    async fn the_oldest_lines_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        let mut slow = log.lines(0);
        for number in 0..2000 {
            log.append("run.1", format!("line {number:04}\n").as_bytes());
        }
        let kept = texts(log.lines(0)).await;
        assert!((100..300).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept.last().unwrap(), "run.1 line 1999");
        assert!(kept.iter().all(|line| line.len() == "run.1 line 0000".len()), "only whole lines");
        assert_eq!(slow.next().await.unwrap().map(|line| line.text), kept[0].strip_prefix("run.1 ").map(str::to_owned));
    }

    #[tokio::test]
    async fn a_reader_waits_for_more() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        let mut lines = log.lines(log.end());
        assert_eq!(lines.next().await.unwrap(), None);
        let waiting = tokio::spawn(async move {
            lines.grown().await;
            lines.next().await.unwrap().unwrap().text
        });
        log.append("run.1", b"late\n");
        assert_eq!(waiting.await.unwrap(), "late");
    }
}
