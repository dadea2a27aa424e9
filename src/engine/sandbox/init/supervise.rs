//! Runs one command and ends its whole tree.
//!
//! The supervisor is the *subreaper* of the command: whatever the command starts stays its descendant, also when it
//! detaches itself. So the tree is complete when the supervisor has no children left.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, Uid, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, pidfd_open,
    pidfd_send_signal, set_child_subreaper, wait,
};
use rustix::thread::set_thread_res_uid;

use super::answer::{APP, threads_of_app};
use super::serve::Inside;
use super::{sys, terminal};
use crate::engine::output::cannot_start;
use crate::engine::sandbox::protocol::Reply;
use crate::model::WindowSize;

/// How long a tree may take to die one by one. After that it multiplies as fast as it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// How readily the kernel ends this process when memory runs out.
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Somebody who has no processes.
const NOBODY: u32 = 65_534;

/// A command's standard files.
pub(super) struct CommandFiles {
    stdin: Stdio,
    stdout: OwnedFd,
    stderr: OwnedFd,
    /// Whether they are one terminal.
    is_terminal: bool,
}

impl CommandFiles {
    /// Takes them from what is attached to the request, or makes a terminal.
    pub(super) fn take(
        mut attached: impl Iterator<Item = OwnedFd>,
        terminal: Option<WindowSize>,
        conversation: &UnixStream,
    ) -> io::Result<Self> {
        if let Some(size) = terminal {
            let terminal = terminal::open(size, conversation)?;
            let (stdin, stdout) = (terminal.try_clone()?.into(), terminal.try_clone()?);
            return Ok(Self { stdin, stdout, stderr: terminal, is_terminal: true });
        }
        let (Some(stdout), Some(stderr)) = (attached.next(), attached.next()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        Ok(Self { stdin: attached.next().map_or_else(Stdio::null, Stdio::from), stdout, stderr, is_terminal: false })
    }
}

/// Runs a command as `app` until it ends or the daemon hangs up; then kills what is left of its tree.
pub(super) fn run(
    argv: &[String],
    env: &BTreeMap<String, String>,
    cwd: &str,
    files: CommandFiles,
    conversation: &UnixStream,
    inside: &Inside,
) -> io::Result<Reply> {
    set_child_subreaper(Some(getpid()))?;
    let mut diagnostics = std::fs::File::from(files.stderr.try_clone()?);
    // Before the command, which may leave no room for another thread.
    let to_kill = kill_on_hang_up(conversation.try_clone()?)?;
    let command = match start(argv, env, cwd, files, inside) {
        Ok(pid) => pid,
        Err(error) => {
            let (code, message) = cannot_start(argv, cwd, &error);
            // Nobody may be reading any more.
            let _ = diagnostics.write_all(message.as_bytes());
            return Ok(Reply::Exited { code, threads: 0 });
        }
    };
    drop(diagnostics);
    // Gone only with this process.
    let _ = to_kill.send(pidfd_open(command, PidfdFlags::empty())?);
    let status = wait_for(command)?;
    // Before its tree goes: a command that ends because nothing more can be started leaves what it has started.
    let threads = if inside.join_files.is_empty() { threads_of_app()? } else { 0 };
    end_tree()?;
    Ok(reply(status, threads))
}

fn start(argv: &[String], env: &BTreeMap<String, String>, cwd: &str, files: CommandFiles, inside: &Inside) -> io::Result<Pid> {
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::NotFound)?;
    #[expect(clippy::disallowed_methods, reason = "the engine is where processes are started")]
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(env).current_dir(cwd);
    command.stdin(files.stdin).stdout(files.stdout).stderr(files.stderr);
    command.uid(APP).gid(APP);
    if files.is_terminal {
        sys::own_terminal(&mut command);
    } else {
        command.process_group(0);
    }
    let join_files = inside.join_files.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
    sys::join_cgroups(&mut command, join_files);
    going_first(|| Ok(Pid::from_child(&command.spawn()?)))
}

/// Has whatever `start` starts be the first to go when memory runs out: before hoist's own processes, which a container's
/// limit counts as well. Where that can't be, the largest goes.
fn going_first<T>(start: impl FnOnce() -> T) -> T {
    let own = std::fs::read_to_string(OOM_SCORE).unwrap_or_default();
    // It is inherited. The command can't raise its own: it may not write there between becoming `app` and beginning.
    let _ = std::fs::write(OOM_SCORE, "1000");
    let started = start();
    let _ = std::fs::write(OOM_SCORE, own);
    started
}

/// Kills the command that it is told of when the daemon closes its end of the conversation. A thread waits for that; it
/// goes with this process.
fn kill_on_hang_up(mut conversation: UnixStream) -> io::Result<mpsc::Sender<OwnedFd>> {
    let (to_kill, started) = mpsc::channel::<OwnedFd>();
    std::thread::Builder::new().spawn(move || {
        // The daemon sends nothing more: this ends with the conversation, in whatever way.
        let _ = conversation.read(&mut [0]);
        if let Ok(process) = started.recv() {
            // It may have ended meanwhile.
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    })?;
    Ok(to_kill)
}

/// Waits for the command, and reaps orphans of its tree meanwhile.
fn wait_for(command: Pid) -> io::Result<WaitStatus> {
    loop {
        if let Some((pid, status)) = retry_on_intr(|| wait(WaitOptions::empty()))?
            && pid == command
        {
            return Ok(status);
        }
    }
}

/// Kills all descendants and waits until none is left.
fn end_tree() -> io::Result<()> {
    let deadline = Instant::now() + END_TIMEOUT;
    loop {
        let descendants = descendants()?;
        for pid in &descendants {
            // It may have ended meanwhile.
            let _ = kill_process(*pid, Signal::KILL);
        }
        if Instant::now() > deadline {
            end_all_of_app()?;
        }
        // Some child was among those killed, so the first wait ends soon; it spares going round idly.
        let mut options = if descendants.is_empty() { WaitOptions::NOHANG } else { WaitOptions::empty() };
        loop {
            match retry_on_intr(|| wait(options)) {
                Ok(Some(_)) => options = WaitOptions::NOHANG,
                Ok(None) => break,
                Err(Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Kills all that `app` runs in the environment at one stroke: nothing can be started during that. Other commands go too;
/// they share the environment with a fork bomb.
fn end_all_of_app() -> io::Result<()> {
    let (root, nobody, app) = (Uid::ROOT, Uid::from_raw(NOBODY), Uid::from_raw(APP));
    // So it can signal `app`'s processes and not root's, which are hoist's; and `app` can't signal it meanwhile.
    set_thread_res_uid(nobody, app, root)?;
    // There may be none left.
    let _ = kill_process_group(Pid::INIT, Signal::KILL);
    Ok(set_thread_res_uid(root, root, root)?)
}

/// All processes whose ancestor this process is.
fn descendants() -> io::Result<Vec<Pid>> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for pid in processes()? {
        // Processes that end meanwhile have no parent to ask for.
        if let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            && let Some(parent) = parse_parent(&stat)
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut ancestors = vec![getpid().as_raw_pid()];
    while let Some(ancestor) = ancestors.pop() {
        for child in children.remove(&ancestor).unwrap_or_default() {
            found.extend(Pid::from_raw(child));
            ancestors.push(child);
        }
    }
    Ok(found)
}

/// The ids of all processes in the environment.
pub(in crate::engine) fn processes() -> io::Result<Vec<i32>> {
    let names = std::fs::read_dir("/proc")?.map(|entry| entry.map(|entry| entry.file_name()));
    Ok(names.collect::<io::Result<Vec<_>>>()?.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// The parent's id in the text of `/proc/PID/stat`, where it follows the name (in parentheses, and able to contain
/// some) and the state.
fn parse_parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn reply(status: WaitStatus, threads: u32) -> Reply {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Reply::Exited { code, threads },
        (None, Some(signal)) => Reply::Signaled { signal, threads },
        (None, None) => Reply::Failed("the command ended in an unknown way".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parse_parent("12 (a) b (c)) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parse_parent("broken"), None);
    }
}
