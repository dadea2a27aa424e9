//! The user's terminal: how large it is, and handing its keys on as they are typed.

use std::io::{self, IsTerminal as _};

use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::model::WindowSize;

/// The size of the terminal that standard input and output are; `None` where one of them is not.
pub(super) fn size() -> Option<WindowSize> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return None;
    }
    let size = tcgetwinsize(stdout()).ok()?;
    Some(WindowSize::told(size.ws_col, size.ws_row))
}

/// A terminal that interprets nothing: Ctrl-C is a key like any other. Dropped, it is again as it was.
#[derive(Debug)]
pub(super) struct RawMode {
    before: Termios,
}

impl RawMode {
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        // `Drain` rather than `Flush`: what has been typed already is the command's.
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
    }
}
