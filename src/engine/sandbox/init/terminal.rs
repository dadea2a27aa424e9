//! A terminal of the environment's own: the command gets one end, the daemon the other.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::fchown;
use std::os::unix::net::UnixStream;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::answer::APP;
use crate::engine::sandbox::protocol::{Terminal, send};
use crate::model::WindowSize;

/// Opens a terminal that belongs to `app`, hands its other end over in the conversation, and returns the command's.
pub(super) fn open(size: WindowSize, conversation: &UnixStream) -> io::Result<OwnedFd> {
    let other_end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    unlockpt(&other_end)?;
    let name = ptsname(&other_end, Vec::new())?;
    let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    fchown(&terminal, Some(APP), None)?;
    tcsetwinsize(&terminal, Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 })?;
    send(conversation, &Terminal, &[other_end.as_fd()])?;
    Ok(terminal)
}
