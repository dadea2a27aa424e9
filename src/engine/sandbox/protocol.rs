//! What the daemon says to its helper and to the sandbox inside, and back.
//!
//! Two sockets are in use. The *control* socket (packets, with open files attached) carries the setting up, and
//! afterwards only invitations: each hands over one end of a *conversation*, a stream socket that carries one
//! [`Request`] and one [`Reply`], each a line of JSON. Who closes its end of a conversation early calls the request
//! off; who closes the control socket ends the sandbox.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::WindowSize;

/// Longest message on the control socket; a job with its filter rules takes about 3 KiB.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Most files attached to one message: a conversation, two outputs and an input, or the join files of three cgroups.
const MAX_FILES: usize = 4;

/// Longest line of a conversation; the kernel accepts about 2 MiB of arguments and environment.
pub(in crate::engine) const MAX_LINE_BYTES: u64 = 8 * 1024 * 1024;

/// What a helper is started for.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) enum Job {
    /// Nothing but entering a user namespace.
    Probe,
    /// Make the namespaces of an environment and load the filter into its network; what environment, says a
    /// [`Setup`] that follows, perhaps much later.
    Environment { filter: Option<Filter> },
    /// Unpack the attached tar into a folder, which becomes the root meanwhile.
    Unpack { dest: PathBuf },
    /// Unpack the attached tar into a folder below such a folder, whose path down to it is made for `app`.
    UnpackLayer { dest: PathBuf, at: PathBuf },
    /// Unpack the attached tar as what an environment of its own folder `dest` has there from its beginning, likewise.
    UnpackForOne { dest: PathBuf, at: PathBuf },
    /// Unpack the attached layers of an image, one behind the other, likewise.
    UnpackLayers { dest: PathBuf, max_entries: u64 },
    /// Write everything in a folder as a tar into the attached pipe, with no time later than this.
    Pack { root: PathBuf, latest_secs: u64 },
    /// Remove everything in a folder.
    Remove { dir: PathBuf },
}

/// How an environment is to be set up. The cgroups' join files are attached.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Setup {
    pub(in crate::engine) name: String,
    pub(in crate::engine) root: PathBuf,
    /// What is seen where the root has nothing.
    pub(in crate::engine) layer: Option<PathBuf>,
    /// The environment's own folder, owned by the sandbox's root, with nothing in it but perhaps what is there from the
    /// beginning.
    pub(in crate::engine) dir: PathBuf,
    pub(in crate::engine) ca_bundle: Option<PathBuf>,
    pub(in crate::engine) has_network: bool,
    pub(in crate::engine) max_file_bytes: u64,
    /// Limit per user, where no cgroup limits the processes.
    pub(in crate::engine) max_processes: Option<u32>,
}

/// Rules to load into the environment's network before it is connected to anything.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Filter {
    pub(in crate::engine) nft: PathBuf,
    pub(in crate::engine) rules: String,
}

/// What a helper reports while it does its job.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) enum Report {
    /// In a user namespace of its own, waiting for its ids to be mapped ([`Mapped`]).
    Unshared,
    /// The job is done, or the environment takes invitations.
    Done,
    /// What was to be unpacked is wrong in itself.
    Refused(String),
    Failed(String),
}

/// The daemon's answer to [`Report::Unshared`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Mapped;

/// An invitation: the conversation is attached, and after it the files that the request is about.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Invitation;

/// A terminal was made: the daemon's end of it is attached.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Terminal;

/// What an environment can be asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) enum Request {
    /// Attached: standard output, standard error and, if there is one, standard input. Of a command in a terminal none
    /// is: the first answer is a [`Terminal`].
    Run {
        argv: Vec<String>,
        env: BTreeMap<String, String>,
        cwd: String,
        terminal: Option<WindowSize>,
    },
    /// Attached: where the tar comes from.
    PutIn {
        dir: PathBuf,
    },
    /// Attached: where the names come from, each with a NUL behind it.
    Remove {
        dir: PathBuf,
    },
    /// Attached: where the tar goes.
    TakeOut {
        dir: PathBuf,
    },
    MeasureDisk,
    MeasureMemory,
    LookForChanges {
        dir: PathBuf,
    },
}

/// What comes of a [`Request`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) enum Reply {
    Done,
    /// The command has ended. `threads` is how many `app` had at that moment, where no cgroup counts them.
    Exited {
        code: i32,
        threads: u32,
    },
    Signaled {
        signal: i32,
        threads: u32,
    },
    Disk {
        bytes: u64,
    },
    Memory {
        bytes: u64,
        threads: u32,
    },
    Changes {
        are_any: bool,
    },
    /// What was to be taken out is none any more that can be.
    Refused(String),
    Failed(String),
}

/// Sends one message with `files` attached.
pub(in crate::engine) fn send(socket: impl AsFd, message: &impl Serialize, files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::other("too many files for one message"));
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message with its files; nothing when the other end is closed.
pub(in crate::engine) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MAX_MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let files = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => files.collect(),
        _ => Vec::new(),
    });
    let files = files.collect();
    Ok(Some((serde_json::from_slice(&bytes[..received.bytes])?, files)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    #[test]
    fn messages_bring_their_files_and_closing_is_seen() {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, b"through").unwrap();
        drop(writer);
        send(&ours, &Report::Failed("why".into()), &[reader.as_fd()]).unwrap();
        drop(ours);

        let (report, files) = receive::<Report>(&theirs).unwrap().unwrap();
        let mut text = String::new();
        File::from(files.into_iter().next().unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!((report, text.as_str()), (Report::Failed("why".into()), "through"));
        assert!(receive::<Report>(&theirs).unwrap().is_none());
    }
}
