//! Starts a helper process and sees it through its job, blockingly.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use serde::Serialize;

use super::protocol::{Job, Mapped, Report, receive, send};
use super::{Roots, programs};
use crate::engine::EngineError;

/// How long a helper may take for any step of setting up.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// A helper process; killed, with all that it has started, when this goes.
#[derive(Debug)]
pub(super) struct Helper {
    child: Child,
    control: OwnedFd,
}

impl Helper {
    /// Starts a helper for `job` with `files` attached, and maps its user ids. `name` is shown in process lists.
    pub(super) fn start(roots: &Roots, name: &str, job: &Job, files: &[BorrowedFd<'_>]) -> Result<Self, EngineError> {
        let cannot = |error: io::Error| EngineError::io(format!("cannot start the helper {}", roots.helper.display()), error);
        let (control, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|error| cannot(error.into()))?;
        #[expect(clippy::disallowed_methods, reason = "the engine is where processes are started")]
        let child = Command::new(&roots.helper)
            .args(["sandbox-init", name])
            .env_clear()
            .process_group(0)
            .stdin(theirs)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let helper = Self { child, control };
        send(&helper.control, job, files).map_err(cannot)?;
        helper.expect(&Report::Unshared, STEP_TIMEOUT)?;
        roots.mapping.apply(helper.id())?;
        send(&helper.control, &Mapped, &[]).map_err(cannot)?;
        Ok(helper)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the helper is still there.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a message that its job wants, with `files` attached.
    pub(super) fn tell(&self, message: &impl Serialize, files: &[BorrowedFd<'_>]) -> Result<(), EngineError> {
        send(&self.control, message, files).map_err(|error| EngineError::io("the helper takes no word", error))
    }

    /// Waits until the helper says that it is done with its job and has ended.
    pub(super) fn finish(mut self, timeout: Duration) -> Result<(), EngineError> {
        self.expect(&Report::Done, timeout)?;
        self.wait(STEP_TIMEOUT)
    }

    /// Waits for a report, which should be this one.
    pub(super) fn expect(&self, expected: &Report, timeout: Duration) -> Result<(), EngineError> {
        let received = match programs::is_ready_within(&self.control, timeout) {
            Ok(true) => receive::<Report>(&self.control),
            Ok(false) => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        };
        match received {
            Ok(Some((report, _))) if report == *expected => Ok(()),
            Ok(Some((Report::Failed(what), _))) => Err(EngineError::new(what)),
            Ok(Some((Report::Refused(why), _))) => {
                Err(EngineError::io("cannot unpack", io::Error::new(io::ErrorKind::InvalidData, why)))
            }
            Ok(Some((report, _))) => Err(EngineError::new(format!("the helper reported {report:?} out of turn"))),
            Ok(None) => Err(EngineError::new("the helper ended without a word")),
            Err(error) => Err(EngineError::io("the helper does not report", error)),
        }
    }

    /// What the helper writes on its standard output, which can be taken once.
    pub(super) fn take_output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Another hold on the control socket.
    pub(super) fn control(&self) -> io::Result<OwnedFd> {
        self.control.try_clone()
    }

    /// Tells the helper's sandbox to end, also if others hold the control socket.
    pub(super) fn hang_up(&self) {
        // Fails only if the other end is gone, which is as good.
        let _ = rustix::net::shutdown(&self.control, rustix::net::Shutdown::Both);
    }

    /// Waits until the helper has ended.
    pub(super) fn wait(&mut self, timeout: Duration) -> Result<(), EngineError> {
        match programs::wait_within(&mut self.child, timeout) {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(EngineError::new(format!("the helper failed ({status})"))),
            Ok(None) => Err(EngineError::new("the helper does not end")),
            Err(error) => Err(EngineError::io("cannot wait for the helper", error)),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        programs::kill(&mut self.child);
    }
}
