//! No isolation: commands run as the daemon's own user on the host's own files, limited by time alone.
//!
//! An environment is a temporary folder. Absolute paths given to the surface mean paths below it (`/app` is
//! `TEMP/app`), see [`Local::path`](Environment::path). A command runs in a process group of its own; what leaves
//! that group outlives it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;

use super::output::{Pipes, attach_until, cannot_start, output_pipe, stream_until};
use super::transfer::{TarStream, copy_into, wide_pipe, with_verdict};
use super::{Command, EngineError, Exit, Settings, Spec, Stream, tree};

#[derive(Debug)]
pub(super) struct Local {
    work_dir: PathBuf,
}

impl Local {
    pub(super) fn open(settings: Settings) -> Result<Self, EngineError> {
        let work_dir = settings.work_dir;
        let cannot = |error| EngineError::io(format!("cannot prepare the work folder {}", work_dir.display()), error);
        std::fs::create_dir_all(&work_dir).map_err(cannot)?;
        tree::remove_contents(File::open(&work_dir).map_err(cannot)?).map_err(cannot)?;
        Ok(Self { work_dir })
    }

    pub(super) async fn unpack_root(&self, tar: impl AsyncRead + Send + Unpin, dest: &Path) -> Result<(), EngineError> {
        unpack(tar, dest).await
    }

    pub(super) async fn unpack_layers(
        &self,
        tars: impl AsyncRead + Send + Unpin,
        dest: &Path,
        max_entries: u64,
    ) -> Result<(), EngineError> {
        unpack_with(tars, dest, move |pipe, dest| tree::unpack_layers(pipe, dest, max_entries)).await
    }

    #[expect(clippy::unused_self, reason = "a surface that every engine has")]
    pub(super) fn pack_root(&self, root: &Path, latest_secs: u64) -> Result<TarStream, EngineError> {
        let (pipe, receiver) = tar_pipe()?;
        let root = root.to_owned();
        let writer = tokio::task::spawn_blocking(move || tree::write_until(&tree::open_tree(&root)?, &root, latest_secs, pipe));
        Ok(with_verdict(receiver, async { writer.await? }))
    }

    pub(super) async fn remove_root(&self, dest: &Path) -> Result<(), EngineError> {
        match tokio::fs::remove_dir_all(dest).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(EngineError::io(format!("cannot remove {}", dest.display()), error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn start(&self, spec: &Spec) -> Result<Environment, EngineError> {
        let temp = tempfile::Builder::new().prefix(&format!("{}-", super::file_name(&spec.name))).tempdir_in(&self.work_dir);
        Ok(Environment { temp: temp.map_err(|error| EngineError::io("cannot make the environment's folder", error))? })
    }
}

#[derive(Debug)]
pub(super) struct Environment {
    temp: TempDir,
}

impl Environment {
    /// The path below the temporary folder that stands for `inside`.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.temp.path().join(inside.trim_start_matches('/'))
    }

    pub(super) async fn put_in(&self, dir: &str, tar: impl AsyncRead + Send + Unpin) -> Result<(), EngineError> {
        unpack(tar, &self.path(dir)).await
    }

    pub(super) async fn run(&self, command: Command, mut output: impl FnMut(Stream, &[u8]) + Send) -> Result<Exit, EngineError> {
        let mut group = match self.spawn(&command, [Stdio::null(), Stdio::piped(), Stdio::piped()]) {
            Ok(group) => group,
            Err(error) => {
                let (code, message) = cannot_start(&command.argv, &command.cwd, &error);
                output(Stream::Stderr, message.as_bytes());
                return Ok(Exit::Code(code));
            }
        };
        let stdout = group.leader.stdout.take().expect("asked for above");
        let stderr = group.leader.stderr.take().expect("asked for above");
        stream_until(group.end_within(command.timeout), stdout, stderr, output).await
    }

    pub(super) async fn run_attached(
        &self,
        command: Command,
        input: impl AsyncRead + Send + Unpin,
        mut output: impl AsyncWrite + Send + Unpin,
    ) -> Result<Option<Exit>, EngineError> {
        let (output_of_command, output_end) = output_pipe()?;
        let same_end = output_end.try_clone().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
        let mut group = match self.spawn(&command, [Stdio::piped(), output_end.into(), same_end.into()]) {
            Ok(group) => group,
            Err(error) => {
                let (code, message) = cannot_start(&command.argv, &command.cwd, &error);
                return Ok(output.write_all(message.as_bytes()).await.is_ok().then_some(Exit::Code(code)));
            }
        };
        let pipes = Pipes { stdin: group.leader.stdin.take().expect("asked for above"), output: output_of_command };
        attach_until(group.end_within(command.timeout), pipes, input, output).await.transpose()
    }

    fn spawn(&self, command: &Command, [stdin, stdout, stderr]: [Stdio; 3]) -> std::io::Result<Group> {
        let (program, arguments) = command.argv.split_first().ok_or(std::io::ErrorKind::NotFound)?;
        #[expect(clippy::disallowed_methods, reason = "the engine is where processes are started")]
        let leader = tokio::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&command.env)
            .current_dir(self.path(&command.cwd))
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()?;
        let id = leader.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("not waited for yet");
        Ok(Group { leader, id })
    }

    pub(super) fn take_out(&self, dir: &str) -> Result<TarStream, EngineError> {
        let (pipe, receiver) = tar_pipe()?;
        let dir = self.path(dir);
        let writer = tokio::task::spawn_blocking(move || tree::write(&tree::open_tree(&dir)?, &dir, pipe));
        Ok(with_verdict(receiver, async { writer.await? }))
    }

    pub(super) async fn stop(self) -> Result<(), EngineError> {
        let path = self.temp.keep();
        tokio::fs::remove_dir_all(&path).await.map_err(|error| EngineError::io("cannot remove the environment's folder", error))
    }
}

/// A pipe for a tar that is written blockingly.
fn tar_pipe() -> Result<(File, Receiver), EngineError> {
    let (sender, receiver) = wide_pipe()?;
    let pipe = sender.into_blocking_fd().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
    Ok((File::from(pipe), receiver))
}

/// Unpacks `tar` into `dest` on a thread for blocking work.
async fn unpack(tar: impl AsyncRead + Send + Unpin, dest: &Path) -> Result<(), EngineError> {
    unpack_with(tar, dest, tree::unpack).await
}

async fn unpack_with(
    tar: impl AsyncRead + Send + Unpin,
    dest: &Path,
    unpack: impl FnOnce(File, &Path) -> std::io::Result<()> + Send + 'static,
) -> Result<(), EngineError> {
    let what = format!("cannot unpack into {}", dest.display());
    let (sender, receiver) = wide_pipe()?;
    let pipe = File::from(receiver.into_blocking_fd().map_err(|error| EngineError::io(&*what, error))?);
    let dest = dest.to_owned();
    let reader = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&dest)?;
        unpack(pipe, &dest)
    });
    let copied = copy_into(tar, sender).await;
    // The reader's failure comes first: it is why copying failed too.
    let unpacked = reader.await.map_err(std::io::Error::from).flatten();
    unpacked.and(copied).map_err(|error| EngineError::io(what, error))
}

/// A command's process group, killed when this goes.
struct Group {
    leader: Child,
    id: Pid,
}

impl Group {
    /// Waits for the leader's end, then kills the rest.
    async fn end_within(mut self, time: Duration) -> Result<Exit, EngineError> {
        match tokio::time::timeout(time, self.leader.wait()).await {
            Ok(status) => status.map(exit_of).map_err(|error| EngineError::io("cannot wait for the command", error)),
            Err(_) => Ok(Exit::TimedOut),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Usually nobody is left in it.
        let _ = kill_process_group(self.id, Signal::KILL);
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    status.signal().map_or_else(|| Exit::Code(status.code().expect("ended, but not by a signal")), Exit::Signal)
}
