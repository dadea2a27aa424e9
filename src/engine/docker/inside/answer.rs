//! Answers one request: a child does, by the same code as in a sandbox; this process hands its input and output on.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::pipe::{PipeFlags, pipe_with};

use super::relay::{Ends, relay};
use super::{read_call, reply};
use crate::engine::docker::frames::{Call, Input, Kind};
use crate::engine::sandbox::cgroup::Cgroups;
use crate::engine::sandbox::init::answer::answer as answer_request;
use crate::engine::sandbox::init::confine::confine;
use crate::engine::sandbox::init::serve::Inside;
use crate::engine::sandbox::init::{describe, sys};

pub(super) fn answer() -> io::Result<()> {
    let Some(call) = read_call::<Call>()? else { return Ok(()) };
    confine(call.max_file_bytes, None).map_err(|error| io::Error::other(describe(&error)))?;
    let before = Cgroups::events_of_container()?;
    let (ours, theirs) = UnixStream::pair()?;
    let (our_ends, their_ends) = ends(call.input)?;
    match sys::fork()? {
        sys::Fork::Child => {
            // What this process keeps open would never end.
            drop((ours, our_ends));
            let inside = Inside { upper: File::open("/")?.into(), lower: Vec::new(), join_files: Vec::new() };
            let files = std::iter::once(theirs.into()).chain(their_ends).collect();
            answer_request(files, &inside);
            std::process::exit(0)
        }
        sys::Fork::Parent(_) => {
            drop((theirs, their_ends));
            let answered = relay(ours, our_ends, &call.request, before)?;
            reply(answered, Cgroups::events_of_container()?)
        }
    }
}

/// Makes the pipes of a request, and the ends in the order in which the request wants them attached.
fn ends(input: Input) -> io::Result<(Ends, Vec<OwnedFd>)> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC);
    let mut ends = Ends::default();
    let theirs = match input {
        Input::None => {
            let ((stdout, stdout_end), (stderr, stderr_end)) = (pipe()?, pipe()?);
            ends.outputs = vec![(Kind::Stdout, stdout), (Kind::Stderr, stderr)];
            vec![stdout_end, stderr_end]
        }
        Input::Command => {
            let ((output, output_end), (stdin_end, stdin)) = (pipe()?, pipe()?);
            (ends.input, ends.outputs) = (Some(stdin), vec![(Kind::Stdout, output)]);
            vec![output_end.try_clone()?, output_end, stdin_end]
        }
        Input::Terminal => {
            ends.is_terminal = true;
            Vec::new()
        }
        Input::Tar => {
            let (tar_end, tar) = pipe()?;
            ends.input = Some(tar);
            vec![tar_end]
        }
        Input::TarOut => {
            let (tar, tar_end) = pipe()?;
            ends.outputs = vec![(Kind::Stdout, tar)];
            vec![tar_end]
        }
    };
    Ok((ends, theirs))
}
