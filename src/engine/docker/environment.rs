//! One environment, as the daemon sees it: a container and the connection that keeps it alive.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, duplex, empty, sink};

use super::conversation::Conversation;
use super::frames::{Answer, Call, Filter, Input, PIECE_BYTES, Setup};
use super::{Containers, failed};
use crate::docker::{Container, ContainerId, Docker, Label};
use crate::engine::output::{Pipes, attach_until, stream_until};
use crate::engine::sandbox::cgroup::Events;
use crate::engine::sandbox::environment::{FILE_TOO_LARGE, UNPACK_TIMEOUT};
use crate::engine::sandbox::limits::{out_of_turn, watch_disk};
use crate::engine::sandbox::protocol::{Reply, Request};
use crate::engine::transfer::{TarStream, verdict_of, wide_pipe, with_verdict};
use crate::engine::{Command, EngineError, Exit, Spec, Stream, file_name};
use crate::model::WindowSize;

/// What hoist's own processes in the container count besides the commands': the first one, and for several commands at
/// once a supervisor each, with what hands its output on.
const OWN_PIDS: u32 = 32;

/// What those take of memory, which the container's limit counts as well.
const OWN_MEMORY_BYTES: u64 = 32 * 1024 * 1024;

/// What hoist's own processes in a container may do; commands may do none of it. As a sandbox's, but for what process 1
/// takes from itself, and what loads the network's filter.
const CAPABILITIES: [&str; 7] = ["SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE", "SYS_PTRACE", "SETPCAP"];
const LOADS_FILTER: &str = "NET_ADMIN";

/// Parts of `/sys` that tell about the host. What is left are the container's own cgroups.
const HIDDEN: [&str; 10] = [
    "/sys/block",
    "/sys/bus",
    "/sys/class",
    "/sys/dev",
    "/sys/devices",
    "/sys/firmware",
    "/sys/hypervisor",
    "/sys/kernel",
    "/sys/module",
    "/sys/power",
];

/// Which build's a container is, for people.
const NAME_LABEL: &str = "hoist.environment";

/// How long a container may give nothing more of a tar. On a busy disk, finding the next file takes its time.
const SILENCE_TIMEOUT: Duration = UNPACK_TIMEOUT;

/// How long removing a container may take that nobody waits for.
const REMOVE_TIMEOUT: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(in crate::engine) struct Environment {
    // In the order in which they may go.
    container: Removal,
    _hold: Hold,
    spec: Spec,
    containers: Arc<Containers>,
}

/// The connection to the first process, which ends with it. Never locked: it makes what can only be owned shareable.
struct Hold(#[expect(dead_code, reason = "what counts is when it is dropped")] Mutex<Conversation>);

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}

impl Environment {
    pub(super) async fn start(containers: Arc<Containers>, spec: Spec) -> Result<Self, EngineError> {
        // Goes on when nobody waits any more: what was made by then is known, and removed.
        let starting = tokio::spawn(Self::make(containers, spec));
        starting.await.map_err(|error| EngineError::io("starting was abandoned", error))?
    }

    async fn make(containers: Arc<Containers>, spec: Spec) -> Result<Self, EngineError> {
        let image = containers.image_of(&spec.root).await?;
        let name_servers = if spec.network { name_servers() } else { Vec::new() };
        if spec.network {
            containers.make_network().await?;
        }
        let docker = &containers.docker;
        let container = Container {
            image: image.to_string(),
            host_name: file_name(&spec.name),
            labels: vec![containers.label.clone(), Label::new(NAME_LABEL, &spec.name)],
            command: containers.program.hoist("container-init"),
            memory_bytes: spec.memory_bytes.saturating_add(OWN_MEMORY_BYTES),
            pids: spec.pids.saturating_add(OWN_PIDS),
            cpus: spec.cpus,
            network: spec.network.then(|| containers.network.clone()),
            name_servers: name_servers.clone(),
            capabilities: CAPABILITIES.into_iter().chain(spec.network.then_some(LOADS_FILTER)).collect(),
            hidden: HIDDEN.to_vec(),
        };
        let id = docker.create(&container).await.map_err(failed("cannot make a container"))?;
        let container = Removal { docker: docker.clone(), id: Some(id) };
        let streams = docker.start(container.id()).await.map_err(failed("cannot start a container"))?;
        let filter = if spec.network {
            Some(Filter { nft: containers.program.nft(), rules: containers.rules(&name_servers)? })
        } else {
            None
        };
        let setup = Setup {
            name: file_name(&spec.name),
            ca_bundle: containers.ca_bundle().await?,
            filter,
            max_file_bytes: spec.disk_bytes,
        };
        let mut conversation = Conversation::begin(streams, &setup).await?;
        match conversation.answer().await?.reply {
            Reply::Done => {}
            reply => return Err(EngineError::io("cannot set up a container", io::Error::other(out_of_turn(&reply)))),
        }
        containers.check_sizes(container.id()).await?;
        Ok(Self { container, _hold: Hold(Mutex::new(conversation)), spec, containers })
    }

    pub(in crate::engine) async fn put_in(&self, dir: &str, tar: impl AsyncRead + Send + Unpin) -> Result<(), EngineError> {
        let (mut conversation, _) = self.begin(Request::PutIn { dir: dir.into() }, Input::Tar).await?;
        let (answer, copied) = conversation.carry(tar, Some(UNPACK_TIMEOUT), sink(), sink()).await?;
        // The container's failure comes first: it is why copying failed too.
        match answer.reply {
            Reply::Done => copied.map_err(|error| EngineError::io("cannot read the tar to put in", error)),
            reply => Err(EngineError::io(format!("cannot unpack into {dir}"), io::Error::other(out_of_turn(&reply)))),
        }
    }

    pub(in crate::engine) async fn take_out(&self, dir: &str) -> Result<TarStream, EngineError> {
        let (mut conversation, _) = self.begin(Request::TakeOut { dir: dir.into() }, Input::TarOut).await?;
        let (sender, receiver) = wide_pipe()?;
        // Ends when nobody reads the pipe any more. The tar's end is not seen, so whatever comes last has that time after it.
        let taking = tokio::spawn(async move { conversation.take(SILENCE_TIMEOUT, sender).await });
        Ok(with_verdict(receiver, async { verdict_of(taking.await?.map_err(io::Error::other)?.reply) }))
    }

    pub(in crate::engine) async fn run(
        &self,
        command: Command,
        output: impl FnMut(Stream, &[u8]) + Send,
    ) -> Result<Exit, EngineError> {
        let ((stdout, stdout_end), (stderr, stderr_end)) = (duplex(PIECE_BYTES), duplex(PIECE_BYTES));
        let ending = self.exit(command, (Input::None, None), empty(), stdout_end, stderr_end);
        stream_until(ending, stdout, stderr, output).await
    }

    /// In a terminal of this size, if one is given.
    pub(in crate::engine) async fn run_attached(
        &self,
        command: Command,
        terminal: Option<WindowSize>,
        input: impl AsyncRead + Send + Unpin,
        output: impl AsyncWrite + Send + Unpin,
    ) -> Result<Option<Exit>, EngineError> {
        let ((stdin, stdin_end), (output_of_command, output_end)) = (duplex(PIECE_BYTES), duplex(PIECE_BYTES));
        let kind = if terminal.is_some() { Input::Terminal } else { Input::Command };
        let ending = self.exit(command, (kind, terminal), stdin_end, output_end, sink());
        attach_until(ending, Pipes { stdin, output: output_of_command }, input, output).await.transpose()
    }

    pub(in crate::engine) async fn stop(mut self) -> Result<(), EngineError> {
        let removing = self.containers.docker.remove_container(self.container.id());
        let removed = tokio::time::timeout(REMOVE_TIMEOUT, removing).await;
        let late = |_| EngineError::new(format!("a container was not removed within {} s", REMOVE_TIMEOUT.as_secs()));
        removed.map_err(late)?.map_err(failed("cannot remove a container"))?;
        self.container.id = None;
        Ok(())
    }

    /// Begins a request. Returns with it how often the container has run into a limit so far.
    async fn begin(&self, request: Request, input: Input) -> Result<(Conversation, Events), EngineError> {
        let command = self.containers.program.hoist("container-answer");
        let started = self.containers.docker.exec(self.container.id(), command).await;
        let streams = started.map_err(failed("cannot start a process in a container"))?;
        let call = Call { request, input, max_file_bytes: self.spec.disk_bytes };
        let mut conversation = Conversation::begin(streams, &call).await?;
        let events = conversation.ready().await?;
        Ok((conversation, events))
    }

    /// Waits for a command's end, or ends it when it runs into a limit.
    async fn exit(
        &self,
        command: Command,
        (kind, terminal): (Input, Option<WindowSize>),
        input: impl AsyncRead + Unpin,
        stdout: impl AsyncWrite + Unpin,
        stderr: impl AsyncWrite + Unpin,
    ) -> Result<Exit, EngineError> {
        let Command { argv, env, cwd, needs_network, timeout } = command;
        if needs_network && !self.spec.network {
            return Err(EngineError::new("the command needs a network and the environment has none"));
        }
        let (mut conversation, before) = self.begin(Request::Run { argv, env, cwd, terminal }, kind).await?;
        let unlinked = conversation.unlinked_bytes();
        let ended = tokio::select! {
            answer = conversation.carry(input, None, stdout, stderr) => Ok(answer),
            exit = watch_disk(self.spec.disk_bytes, || self.disk_bytes(&unlinked)) => Err(exit?),
            () = tokio::time::sleep(timeout) => Err(Exit::TimedOut),
        };
        match ended {
            Ok(Ok((answer, _))) => self.judge(&answer, before).await,
            // The kernel may have chosen hoist's own process, which is in the container too: the next one can tell.
            Ok(Err(lost)) => match self.begin(Request::MeasureMemory, Input::None).await {
                Ok((_, after)) if after.out_of_memory > before.out_of_memory => Ok(Exit::OutOfMemory),
                _ => Err(lost),
            },
            Err(exit) => {
                if let Err(error) = conversation.hang_up().await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "a command in a container does not end; it goes with the container");
                }
                Ok(exit)
            }
        }
    }

    /// Tells a command that failed by itself from one that failed for want of something.
    async fn judge(&self, answer: &Answer, before: Events) -> Result<Exit, EngineError> {
        let exit = match answer.reply {
            Reply::Exited { code: 0, .. } => return Ok(Exit::Code(0)),
            Reply::Exited { code, .. } => Exit::Code(code),
            Reply::Signaled { signal: FILE_TOO_LARGE, .. } => return Ok(Exit::OutOfDisk),
            Reply::Signaled { signal, .. } => Exit::Signal(signal),
            ref reply => return Err(out_of_turn(reply)),
        };
        if answer.events.out_of_memory > before.out_of_memory {
            return Ok(Exit::OutOfMemory);
        }
        if answer.events.out_of_pids > before.out_of_pids {
            return Ok(Exit::OutOfPids);
        }
        // Deleted files have gone with the command.
        let is_full = self.disk_bytes(&AtomicU64::new(0)).await? >= self.spec.disk_bytes;
        Ok(if is_full { Exit::OutOfDisk } else { exit })
    }

    /// Disk space taken by the container's writable layer, as the Engine adds it up, and by deleted files.
    async fn disk_bytes(&self, unlinked: &AtomicU64) -> Result<u64, EngineError> {
        let written = self.containers.docker.written_bytes(self.container.id()).await;
        // It could at the start: what it can't add up any more is nested deeper than a path is long, and counts as endless.
        let written = written.map_err(failed("cannot ask for a container's size"))?.unwrap_or(u64::MAX);
        Ok(written.saturating_add(unlinked.load(Ordering::Relaxed)))
    }
}

/// A container that is removed in the background when this goes.
#[derive(Debug)]
struct Removal {
    docker: Docker,
    /// None once it is removed.
    id: Option<ContainerId>,
}

impl Removal {
    fn id(&self) -> &ContainerId {
        self.id.as_ref().expect("taken only at the end")
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        // Without a runtime the daemon is ending: the container ends with its connection, and the Engine removes it.
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            let docker = self.docker.clone();
            runtime.spawn(async move {
                match tokio::time::timeout(REMOVE_TIMEOUT, docker.remove_container(&id)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!("cannot clear up after an environment: {error}"),
                    Err(_) => tracing::warn!("the container {id} was not removed in time"),
                }
            });
        }
    }
}

/// The host's own name servers, as far as a container can ask them: the Engine is told to, and the filter to let it.
fn name_servers() -> Vec<IpAddr> {
    // The second is where systemd-resolved keeps what it asks itself.
    let files = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    texts.map(|text| parse_name_servers(&text)).find(|servers| !servers.is_empty()).unwrap_or_default()
}

fn parse_name_servers(text: &str) -> Vec<IpAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok());
    servers.filter(|server: &IpAddr| server.is_ipv4() && !server.is_loopback()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_those_that_a_container_can_ask() {
        let text = "# a host's\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch example.com\n";
        assert_eq!(parse_name_servers(text), [IpAddr::from([192, 0, 2, 53])]);
        assert!(parse_name_servers("nameserver 127.0.0.1\n").is_empty());
    }
}
