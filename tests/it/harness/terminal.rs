//! A terminal in which somebody types and waits for what the screen shows.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

/// A shell in one of `script`'s terminals.
pub(crate) struct Terminal {
    script: Child,
    seen: Vec<u8>,
    /// How much of it has been waited for.
    passed: usize,
}

impl Terminal {
    /// Starts a shell's command line in the folder and environment that `prepare` gives it.
    pub(crate) fn start(line: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut script = Command::new("timeout");
        script.args(["60", "script", "--quiet", "--return", "--echo", "never", "--command", line, "/dev/null"]);
        prepare(&mut script);
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { script, seen: Vec::new(), passed: 0 }
    }

    /// Reads on until the screen has shown this, after what was waited for before.
    pub(crate) fn until(&mut self, text: &str) {
        let mut piece = [0; 4096];
        loop {
            let new = &self.seen[self.passed..];
            if let Some(at) = new.windows(text.len()).position(|part| part == text.as_bytes()) {
                self.passed += at + text.len();
                return;
            }
            let length = self.script.stdout.as_mut().unwrap().read(&mut piece).unwrap();
            assert!(length > 0, "{text:?} is not in:\n{}", self.screen());
            self.seen.extend_from_slice(&piece[..length]);
        }
    }

    pub(crate) fn type_in(&mut self, keys: &[u8]) {
        self.script.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// Waits for the end, and returns the exit code.
    pub(crate) fn end(&mut self) -> i32 {
        self.script.stdout.take().unwrap().read_to_end(&mut self.seen).unwrap();
        self.script.wait().unwrap().code().unwrap()
    }

    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}
