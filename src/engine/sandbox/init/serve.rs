//! The loop of process 1: takes invitations, forks somebody to answer each, and reaps.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, WaitOptions, pidfd_open, wait};

use super::answer;
use super::sys::{self, Fork};
use crate::engine::sandbox::protocol::{Invitation, receive};

/// What answering requests needs of the environment.
pub(in crate::engine) struct Inside {
    /// Folder of the writable layer.
    pub(in crate::engine) upper: OwnedFd,
    /// Those of the layers below.
    pub(in crate::engine) lower: Vec<OwnedFd>,
    /// Files through which commands join their cgroups.
    pub(in crate::engine) join_files: Vec<OwnedFd>,
}

/// Serves until the daemon closes the control socket.
pub(super) fn serve(control: &OwnedFd, inside: &Inside) {
    let mut answering: Vec<OwnedFd> = Vec::new();
    loop {
        let mut events: Vec<_> = answering.iter().map(|process| PollFd::new(process, PollFlags::IN)).collect();
        events.push(PollFd::new(control, PollFlags::IN));
        if poll(&mut events, None).is_err() {
            // A signal: none is expected, and none is lost.
            continue;
        }
        let has_ended: Vec<bool> = events.iter().map(|event| !event.revents().is_empty()).collect();
        let is_invited = has_ended.last().copied().unwrap_or(false);
        let mut ended = has_ended.into_iter();
        answering.retain(|_| !ended.next().unwrap_or(false));
        reap();
        if is_invited {
            match receive::<Invitation>(control) {
                Ok(Some((Invitation, files))) => answering.extend(fork_answer(files, inside)),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// Clears away whoever has ended: those who answered, and orphans of those who were killed while answering.
fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

/// Forks somebody to answer. If that fails, the conversation closes unanswered, which the daemon sees.
fn fork_answer(files: Vec<OwnedFd>, inside: &Inside) -> Option<OwnedFd> {
    match sys::fork().ok()? {
        Fork::Child => {
            answer::answer(files, inside);
            std::process::exit(0)
        }
        Fork::Parent(pid) => pidfd_open(pid, PidfdFlags::empty()).ok(),
    }
}
