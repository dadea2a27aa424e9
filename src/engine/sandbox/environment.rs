//! One environment, as the daemon sees it.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::Sandbox;
use super::cgroup::{Cgroup, Events};
use super::footprint::Footprint;
use super::helper::Helper;
use super::limits::{disk_bytes, out_of_turn, watch_disk, watch_memory};
use super::network::Network;
use super::protocol::{Invitation, MAX_LINE_BYTES, Reply, Request, Terminal, receive, send};
use crate::engine::output::{Pipes, attach_until, output_pipe, stream_until};
use crate::engine::transfer::{TarStream, copy_into, verdict_of, wide_pipe, with_verdict};
use crate::engine::{Command, EngineError, Exit, Spec, Stream};
use crate::model::WindowSize;

/// How long the sandbox may take for what needs no work: a measurement, or to end a tree that was given up.
pub(in crate::engine) const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long unpacking may go on after the last byte was handed over.
pub(in crate::engine) const UNPACK_TIMEOUT: Duration = Duration::from_mins(2);

/// Signal that ends a process whose file grows past the limit.
pub(in crate::engine) const FILE_TOO_LARGE: i32 = libc::SIGXFSZ;

#[derive(Debug)]
pub(in crate::engine) struct Environment {
    // In the order in which they may go.
    network: Option<Network>,
    control: UnixStream,
    footprint: Footprint,
    spec: Spec,
    sandbox: Arc<Sandbox>,
}

impl Environment {
    pub(super) async fn start(
        sandbox: Arc<Sandbox>,
        spec: Spec,
        layer: Option<PathBuf>,
        own: Option<PathBuf>,
    ) -> Result<Self, EngineError> {
        let maker = Arc::clone(&sandbox);
        let ((footprint, network), spec) =
            tokio::task::spawn_blocking(move || Footprint::make(&maker, &spec, layer, own).map(|made| (made, spec)))
                .await
                .map_err(|error| EngineError::io("starting was abandoned", error))??;
        let control = control(footprint.helper()).map_err(|error| EngineError::io("cannot talk to the sandbox", error))?;
        Ok(Self { network, control, footprint, spec, sandbox })
    }

    pub(in crate::engine) async fn put_in(&self, dir: &str, tar: impl AsyncRead + Send + Unpin) -> Result<(), EngineError> {
        let done = self.feed(&Request::PutIn { dir: PathBuf::from(dir) }, tar).await?;
        done.map_err(|error| EngineError::io(format!("cannot unpack into {dir}"), error))
    }

    pub(in crate::engine) async fn put_in_piped(&self, dir: &str, tar: pipe::Receiver) -> Result<(), EngineError> {
        let mut conversation = self.invite_reader(&Request::PutIn { dir: PathBuf::from(dir) }, tar).await?;
        match reply(&mut conversation).await? {
            Reply::Done => Ok(()),
            reply => Err(EngineError::io(format!("cannot unpack into {dir}"), io::Error::other(out_of_turn(&reply)))),
        }
    }

    pub(in crate::engine) async fn remove_in(&self, dir: &str, names: impl AsyncRead + Send + Unpin) -> Result<(), EngineError> {
        let done = self.feed(&Request::Remove { dir: PathBuf::from(dir) }, names).await?;
        done.map_err(|error| EngineError::io(format!("cannot remove what is in {dir}"), error))
    }

    /// Has a request carried out with what it is fed from `input`.
    async fn feed(&self, request: &Request, input: impl AsyncRead + Send + Unpin) -> Result<io::Result<()>, EngineError> {
        let (sender, receiver) = wide_pipe()?;
        let mut conversation = self.invite_reader(request, receiver).await?;
        let copied = copy_into(input, sender).await;
        // The sandbox's failure comes first: it is why copying failed too.
        Ok(match in_time(UNPACK_TIMEOUT, reply(&mut conversation)).await? {
            Reply::Done => copied,
            reply => Err(io::Error::other(out_of_turn(&reply))),
        })
    }

    /// Makes a request with a pipe to read from. Only the sandbox's end of it is left, so that writing fails when the sandbox does.
    async fn invite_reader(&self, request: &Request, pipe: pipe::Receiver) -> Result<UnixStream, EngineError> {
        let pipe = pipe.into_blocking_fd().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
        self.invite(request, &[pipe.as_fd()]).await
    }

    pub(in crate::engine) async fn take_out(&self, dir: &str) -> Result<TarStream, EngineError> {
        let (sender, receiver) = wide_pipe()?;
        let pipe = sender.into_blocking_fd().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
        let request = Request::TakeOut { dir: PathBuf::from(dir) };
        let mut conversation = self.invite(&request, &[pipe.as_fd()]).await?;
        let verdict =
            async move { verdict_of(in_time(REPLY_TIMEOUT, reply(&mut conversation)).await.map_err(io::Error::other)?) };
        Ok(with_verdict(receiver, verdict))
    }

    pub(in crate::engine) async fn run(
        &self,
        command: Command,
        output: impl FnMut(Stream, &[u8]) + Send,
    ) -> Result<Exit, EngineError> {
        self.wait_for_network(&command).await?;
        let before = self.events()?;
        let ((stdout, stdout_end), (stderr, stderr_end)) = (output_pipe()?, output_pipe()?);
        let Command { argv, env, cwd, timeout, .. } = command;
        let request = Request::Run { argv, env, cwd, terminal: None };
        let conversation = self.invite(&request, &[stdout_end.as_fd(), stderr_end.as_fd()]).await?;
        drop((stdout_end, stderr_end));
        stream_until(self.exit(conversation, timeout, before), stdout, stderr, output).await
    }

    pub(in crate::engine) async fn run_attached(
        &self,
        command: Command,
        input: impl AsyncRead + Send + Unpin,
        output: impl AsyncWrite + Send + Unpin,
    ) -> Result<Option<Exit>, EngineError> {
        self.wait_for_network(&command).await?;
        let before = self.events()?;
        let ((output_of_command, output_end), (stdin_end, stdin)) = (output_pipe()?, input_pipe()?);
        let Command { argv, env, cwd, timeout, .. } = command;
        let request = Request::Run { argv, env, cwd, terminal: None };
        let files = [output_end.as_fd(), output_end.as_fd(), stdin_end.as_fd()];
        let conversation = self.invite(&request, &files).await?;
        drop((output_end, stdin_end));
        let ending = self.exit(conversation, timeout, before);
        attach_until(ending, Pipes { stdin, output: output_of_command }, input, output).await.transpose()
    }

    /// As `run_attached`, in a terminal of this size.
    pub(in crate::engine) async fn run_in_terminal(
        &self,
        command: Command,
        size: WindowSize,
        input: impl AsyncRead + Send + Unpin,
        output: impl AsyncWrite + Send + Unpin,
    ) -> Result<Option<Exit>, EngineError> {
        self.wait_for_network(&command).await?;
        let before = self.events()?;
        let Command { argv, env, cwd, timeout, .. } = command;
        let request = Request::Run { argv, env, cwd, terminal: Some(size) };
        let conversation = self.invite(&request, &[]).await?;
        let (stdin, terminal) = in_time(REPLY_TIMEOUT, take_terminal(&conversation)).await?;
        let ending = self.exit(conversation, timeout, before);
        attach_until(ending, Pipes { stdin, output: terminal }, input, output).await.transpose()
    }

    async fn wait_for_network(&self, command: &Command) -> Result<(), EngineError> {
        if !command.needs_network {
            return Ok(());
        }
        let no_network = || EngineError::new("the command needs a network and the environment has none");
        self.network.as_ref().ok_or_else(no_network)?.ready().await
    }

    pub(in crate::engine) async fn has_written(&self, dir: &str) -> Result<bool, EngineError> {
        match self.ask(&Request::LookForChanges { dir: dir.into() }).await? {
            Reply::Changes { are_any } => Ok(are_any),
            reply => Err(out_of_turn(&reply)),
        }
    }

    pub(in crate::engine) async fn stop(self) -> Result<(), EngineError> {
        let Self { network, control, footprint, sandbox, .. } = self;
        drop(control);
        if let Some(network) = network {
            network.stop().await;
        }
        let erasing = move || {
            let erased = footprint.erase();
            sandbox.reserve.fill(&sandbox);
            erased
        };
        tokio::task::spawn_blocking(erasing).await.map_err(|error| EngineError::io("stopping was abandoned", error))?
    }

    /// Makes a request that nothing is attached to.
    pub(super) async fn ask(&self, request: &Request) -> Result<Reply, EngineError> {
        let mut conversation = self.invite(request, &[]).await?;
        in_time(REPLY_TIMEOUT, reply(&mut conversation)).await
    }

    /// Begins a conversation with a request.
    async fn invite(&self, request: &Request, files: &[BorrowedFd<'_>]) -> Result<UnixStream, EngineError> {
        let cannot = |error| EngineError::io("the sandbox takes no requests any more", error);
        let (ours, theirs) = StdUnixStream::pair().map_err(cannot)?;
        ours.set_nonblocking(true).map_err(cannot)?;
        let files: Vec<_> = std::iter::once(theirs.as_fd()).chain(files.iter().copied()).collect();
        let sending = self.control.async_io(Interest::WRITABLE, || send(&self.control, &Invitation, &files));
        tokio::time::timeout(REPLY_TIMEOUT, sending).await.map_err(io::Error::from).flatten().map_err(cannot)?;
        drop(theirs);
        let mut line = serde_json::to_vec(request).map_err(|error| cannot(error.into()))?;
        line.push(b'\n');
        if line.len() as u64 > MAX_LINE_BYTES {
            return Err(EngineError::new("arguments and environment of the command are too large"));
        }
        let mut conversation = UnixStream::from_std(ours).map_err(cannot)?;
        conversation.write_all(&line).await.map_err(cannot)?;
        Ok(conversation)
    }

    /// Waits for a command's end, or ends it when it runs into a limit.
    async fn exit(&self, conversation: UnixStream, timeout: Duration, before: Option<Events>) -> Result<Exit, EngineError> {
        let (mut replies, hold) = conversation.into_split();
        let mut most_threads = 0;
        let ended = tokio::select! {
            reply = reply(&mut replies) => Ok(reply?),
            exit = watch_disk(self.spec.disk_bytes, || disk_bytes(self)) => Err(exit?),
            exit = watch_memory(self, self.spec.memory_bytes, &mut most_threads), if before.is_none() => Err(exit?),
            () = tokio::time::sleep(timeout) => Err(Exit::TimedOut),
        };
        match ended {
            Ok(reply) => self.judge(&reply, before, most_threads).await,
            Err(exit) => {
                // Hanging up ends the command; the reply comes when its tree is dead.
                drop(hold);
                in_time(REPLY_TIMEOUT, reply(&mut replies)).await?;
                Ok(exit)
            }
        }
    }

    /// Tells a command that failed by itself from one that failed for want of something.
    ///
    /// Without cgroups nothing counts how often the limit of processes (`RLIMIT_NPROC`) was met: the kernel answers
    /// `EAGAIN` and forgets. What is known is how many there were whenever memory was looked at, and when the command
    /// ended. A command that meets the limit between two looks, and ends its processes before it ends itself, is
    /// not recognised: its exit code is its own.
    async fn judge(&self, reply: &Reply, before: Option<Events>, most_threads: u32) -> Result<Exit, EngineError> {
        let (exit, threads_at_end) = match *reply {
            Reply::Exited { code: 0, .. } => return Ok(Exit::Code(0)),
            Reply::Exited { code, threads } => (Exit::Code(code), threads),
            Reply::Signaled { signal: FILE_TOO_LARGE, .. } => return Ok(Exit::OutOfDisk),
            Reply::Signaled { signal, threads } => (Exit::Signal(signal), threads),
            ref reply => return Err(out_of_turn(reply)),
        };
        let most_threads = most_threads.max(threads_at_end);
        match (before, self.events()?) {
            (Some(before), Some(after)) if after.out_of_memory > before.out_of_memory => return Ok(Exit::OutOfMemory),
            (Some(before), Some(after)) if after.out_of_pids > before.out_of_pids => return Ok(Exit::OutOfPids),
            // Seen only now and then, so nearly all of them count as all.
            (None, _) if most_threads >= self.spec.pids - self.spec.pids / 16 => return Ok(Exit::OutOfPids),
            _ => {}
        }
        let is_full = disk_bytes(self).await? >= self.spec.disk_bytes;
        Ok(if is_full { Exit::OutOfDisk } else { exit })
    }

    fn events(&self) -> Result<Option<Events>, EngineError> {
        let events = self.footprint.cgroup().map(Cgroup::events).transpose();
        events.map_err(|error| EngineError::io("cannot read the cgroup's events", error))
    }
}

/// The control socket for use among async tasks. Tokio knows no socket of packets; as a stream it is only waited
/// for, never read or written.
fn control(helper: &Helper) -> io::Result<UnixStream> {
    let control = StdUnixStream::from(helper.control()?);
    control.set_nonblocking(true)?;
    UnixStream::from_std(control)
}

/// The end for the command, which blocks as programs expect, and the writing end of a pipe.
fn input_pipe() -> Result<(OwnedFd, pipe::Sender), EngineError> {
    let pipe = pipe::pipe().and_then(|(sender, receiver)| Ok((receiver.into_blocking_fd()?, sender)));
    pipe.map_err(|error| EngineError::io("cannot make a pipe", error))
}

/// Takes the other end of a command's terminal: for writing, and for reading, which fails when the command's is closed.
async fn take_terminal(conversation: &UnixStream) -> Result<(pipe::Sender, pipe::Receiver), EngineError> {
    let cannot = |error: io::Error| EngineError::io("cannot take the command's terminal", error);
    let receiving = conversation.async_io(Interest::READABLE, || receive::<Terminal>(conversation));
    let (Terminal, files) = receiving.await.map_err(cannot)?.ok_or_else(|| cannot(io::ErrorKind::UnexpectedEof.into()))?;
    let file = files.into_iter().next().ok_or_else(|| cannot(io::ErrorKind::InvalidData.into()))?;
    let ends = || {
        rustix::io::ioctl_fionbio(&file, true)?;
        let writing = pipe::Sender::from_owned_fd_unchecked(file.try_clone()?)?;
        Ok((writing, pipe::Receiver::from_owned_fd_unchecked(file)?))
    };
    ends().map_err(cannot)
}

/// Reads the reply, which ends with the conversation.
async fn reply(conversation: &mut (impl AsyncRead + Unpin)) -> Result<Reply, EngineError> {
    let mut line = Vec::new();
    conversation
        .take(MAX_LINE_BYTES)
        .read_to_end(&mut line)
        .await
        .map_err(|error| EngineError::io("cannot read the sandbox's reply", error))?;
    serde_json::from_slice(&line).map_err(|error| EngineError::io("the sandbox ended without a reply", error))
}

async fn in_time<T>(limit: Duration, reply: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    let late = |_| EngineError::new(format!("the sandbox did not reply within {} s", limit.as_secs()));
    tokio::time::timeout(limit, reply).await.map_err(late)?
}
