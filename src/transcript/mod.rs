//! What the pusher sees, and what is kept of it.
//!
//! A [`Transcript`] is the writing end of one build's log: headers, details and warnings in Heroku's line grammar
//! (`words`), the buildpack's own output line by line, secrets taken out (`redact`). The log is a spool on disk
//! (`spool`), and everybody who reads it — the pusher, a re-attached pusher, the API — is a [`Follower`] with an
//! offset of its own. So a slow or lost reader never holds up a build, and nothing is whole in memory.
//!
//! What an app's processes put out is copied, line by line, into the app's own log (`app_log`).

mod app_log;
mod redact;
mod spool;
mod words;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use app_log::{AppLog, OutputLine, OutputLines};
pub use redact::Redactor;
pub use spool::Follower;
use spool::Spool;
pub use words::{detail, section, size, warning};

/// A partial line is shown once it is this long: a buildpack that never ends its line must not fill the memory.
const LONGEST_LINE: usize = 16 * 1024;

/// The writing end of a build's log. Cheap to clone; everything written is in order.
#[derive(Debug, Clone)]
pub struct Transcript(Arc<Mutex<Writer>>);

#[derive(Debug)]
struct Writer {
    spool: Spool,
    redactor: Redactor,
    /// The line that the build's output is in the middle of.
    partial: Vec<u8>,
    last_write: Instant,
    /// Where a process's output goes besides, and the process's name there.
    copy: Option<(Arc<AppLog>, String)>,
}

impl Transcript {
    /// Starts a log in the new folder `dir`. Of more than `max_bytes` the middle is dropped.
    pub fn create(dir: &Path, max_bytes: u64, redactor: Redactor) -> io::Result<Self> {
        Ok(Self::new(Spool::create(dir, max_bytes)?, redactor))
    }

    /// Takes up a log whose writer died, at its end.
    pub fn reopen(dir: &Path, max_bytes: u64, redactor: Redactor) -> io::Result<Self> {
        Ok(Self::new(Spool::reopen(dir, max_bytes)?, redactor))
    }

    fn new(spool: Spool, redactor: Redactor) -> Self {
        let writer = Writer { spool, redactor, partial: Vec::new(), last_write: Instant::now(), copy: None };
        Self(Arc::new(Mutex::new(writer)))
    }

    /// From now on, what is put out is copied to the app's log, under the name of the process.
    pub fn copy_output_to(&self, log: Arc<AppLog>, process: &str) {
        self.writer().copy = Some((log, process.to_owned()));
    }

    /// A reader from the first byte on.
    #[must_use]
    pub fn follow(&self) -> Follower {
        self.writer().spool.follow()
    }

    /// `-----> Compressing...`
    pub fn section(&self, text: &str) {
        self.write_line(&section(text));
    }

    /// The same, seven columns in.
    pub fn detail(&self, text: &str) {
        self.write_line(&detail(text));
    }

    /// ` !     Push failed`
    pub fn warning(&self, text: &str) {
        self.write_line(&warning(text));
    }

    /// A line as it is.
    pub fn line(&self, text: &str) {
        self.write_line(text);
    }

    /// A piece of a command's output, whatever its length; shown as soon as its line is complete.
    pub fn output(&self, piece: &[u8]) {
        let mut writer = self.writer();
        writer.partial.extend_from_slice(piece);
        writer.flush_lines();
    }

    /// Ends the line that a command left open.
    pub fn end_line(&self) {
        self.writer().end_line();
    }

    /// A text without the secrets that are kept out of the log, for what is kept beside it.
    #[must_use]
    pub fn redacted(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.writer().redactor.redact(text.as_bytes())).into_owned()
    }

    /// For how long nothing has been written.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.writer().last_write.elapsed()
    }

    /// Ends the log: followers get what is left and then the end.
    pub fn end(&self) {
        let mut writer = self.writer();
        writer.end_line();
        writer.spool.end();
    }

    fn write_line(&self, text: &str) {
        let mut writer = self.writer();
        writer.end_line();
        let mut line = text.as_bytes().to_vec();
        line.push(b'\n');
        writer.show(&line);
    }

    // The lock is held for one buffered write of a few lines to the page cache, never across an await.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.0.lock().expect("no writer panics")
    }
}

impl Writer {
    fn flush_lines(&mut self) {
        // A carriage return ends a line too: progress bars redraw with it.
        if let Some(end) = self.partial.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
            let lines: Vec<u8> = self.partial.drain(..=end).collect();
            self.show_output(&lines);
        }
        if self.partial.len() > LONGEST_LINE {
            // What could be the beginning of a secret stays back until its end is known.
            let ready = self.partial.len() - self.redactor.longest().min(LONGEST_LINE / 2);
            let start: Vec<u8> = self.partial.drain(..ready).collect();
            self.show_output(&start);
        }
    }

    fn end_line(&mut self) {
        if !self.partial.is_empty() {
            let mut line = std::mem::take(&mut self.partial);
            line.push(b'\n');
            self.show_output(&line);
        }
    }

    fn show_output(&mut self, lines: &[u8]) {
        self.last_write = Instant::now();
        let lines = self.redactor.redact(lines);
        if let Some((log, process)) = &self.copy {
            log.append(process, &lines);
        }
        self.spool.append(&lines);
    }

    fn show(&mut self, lines: &[u8]) {
        self.last_write = Instant::now();
        self.spool.append(&self.redactor.redact(lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) async fn read_all(mut follower: Follower) -> String {
        let mut all = Vec::new();
        while let Some(piece) = follower.next().await.unwrap() {
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).unwrap()
    }

    fn transcript(secrets: &[(&str, &str)]) -> (tempfile::TempDir, Transcript) {
        let dir = tempfile::tempdir().unwrap();
        let redactor = Redactor::new(secrets.iter().copied());
        let transcript = Transcript::create(&dir.path().join("log"), 1 << 20, redactor).unwrap();
        (dir, transcript)
    }

    #[tokio::test]
    async fn lines_of_hoist_and_of_the_build_keep_their_order() {
        let (_dir, transcript) = transcript(&[]);
        transcript.section("Node.js app detected");
        transcript.output(b"       half a");
        transcript.output(b" line\n       no end");
        transcript.warning("Push failed");
        transcript.end();
        let expected = "-----> Node.js app detected\n       half a line\n       no end\n !     Push failed\n";
        assert_eq!(read_all(transcript.follow()).await, expected);
    }

    #[tokio::test]
    async fn secrets_are_taken_out_across_pieces_and_endless_lines() {
        let (_dir, transcript) = transcript(&[("TOKEN", "abcdef-123456")]);
        transcript.output(b"token is abcdef-");
        transcript.output(b"123456!\n");
        let filler = "x".repeat(LONGEST_LINE - 6);
        transcript.output(format!("{filler}abcdef-").as_bytes());
        transcript.output(b"123456 and on");
        transcript.end();
        let text = read_all(transcript.follow()).await;
        assert!(text.starts_with("token is [TOKEN]!\n"), "{}", &text[..40]);
        assert!(text.ends_with("[TOKEN] and on\n") && !text.contains("123456"), "{}", &text[text.len() - 60..]);
    }
}
