//! An environment's network, carried by `slirp4netns`.
//!
//! The network namespace starts with nothing but its own loopback. The helper loads the filter rules, and only
//! then does the daemon start `slirp4netns`, which makes the interface and hands packets on as an ordinary process
//! of the host. It runs beside the environment's first commands; only those that say so wait for it. It ends when
//! its standard input does: with the environment, and also when the daemon is killed.

use std::path::PathBuf;
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::programs;
use crate::engine::EngineError;

/// How long the helper may take to load the rules: longer than the program that it does so with, so that the failure
/// names that.
const FILTER_TIMEOUT: Duration = programs::TIMEOUT.saturating_add(Duration::from_secs(5));

/// How long `slirp4netns` may take to make the interface.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a command waits for the network: until every step has had its time.
const READY_TIMEOUT: Duration = FILTER_TIMEOUT.saturating_add(CONNECT_TIMEOUT).saturating_add(Duration::from_secs(1));

#[derive(Debug, Clone)]
enum State {
    Starting,
    Ready,
    Failed(String),
}

/// What carries the networks, as it is started on this host.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    slirp4netns: PathBuf,
    /// `unshare`, where the daemon is root.
    unshare: Option<PathBuf>,
}

impl Carrier {
    pub(super) fn find() -> Result<Self, EngineError> {
        let is_root = rustix::process::geteuid().is_root();
        Ok(Self {
            slirp4netns: programs::find("slirp4netns", "slirp4netns")?,
            unshare: is_root.then(|| programs::find("unshare", "util-linux")).transpose()?,
        })
    }

    /// The program to run and its first arguments.
    ///
    /// Run by root, `slirp4netns` hides the host's folders from itself in a mount namespace that still takes part in the
    /// host's, but for `/` alone: what it unmounts there, such as the root of a running container below a shared
    /// `/var/lib/docker`, is then unmounted for everybody. So root starts it where no mount is shared. For an ordinary
    /// user the kernel sees to that, because the namespace belongs to the sandbox's user namespace.
    fn command(&self) -> tokio::process::Command {
        #[expect(clippy::disallowed_methods, reason = "the engine is where processes are started")]
        let mut command = tokio::process::Command::new(self.unshare.as_ref().unwrap_or(&self.slirp4netns));
        if self.unshare.is_some() {
            command.args(["--mount", "--propagation", "private", "--"]).arg(&self.slirp4netns);
        }
        command
    }
}

/// One environment's network, taken down when this goes.
#[derive(Debug)]
pub(super) struct Network {
    state: watch::Receiver<State>,
    carrier: JoinHandle<()>,
}

impl Network {
    /// Connects the namespaces of the helper `pid` once that says on `filtered` that the rules are loaded.
    pub(super) fn start(carrier: &Carrier, pid: u32, filtered: ChildStdout) -> Self {
        let (sender, state) = watch::channel(State::Starting);
        let carrier = carrier.clone();
        let carrier = tokio::spawn(async move {
            let failure = carry(&carrier, pid, filtered, &sender).await;
            tracing::warn!("an environment's network is gone: {failure}");
            sender.send_replace(State::Failed(failure));
        });
        Self { state, carrier }
    }

    /// Waits until the network is up.
    pub(super) async fn ready(&self) -> Result<(), EngineError> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Starting));
        match tokio::time::timeout(READY_TIMEOUT, settled).await.map(|settled| settled.map(|state| state.clone())) {
            Ok(Ok(State::Ready)) => Ok(()),
            Ok(Ok(State::Failed(failure))) => Err(EngineError::new(format!("the sandbox has no network: {failure}"))),
            _ => Err(EngineError::new(format!("the sandbox's network was not up within {} s", READY_TIMEOUT.as_secs()))),
        }
    }

    /// Whether it will not come up, or is gone again.
    pub(super) fn has_failed(&self) -> bool {
        matches!(*self.state.borrow(), State::Failed(_))
    }

    pub(super) async fn stop(mut self) {
        self.carrier.abort();
        // It was told to end; how it took that does not matter.
        let _ = (&mut self.carrier).await;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

/// Connects the network and keeps it up for as long as that goes; says why it ended.
async fn carry(carrier: &Carrier, pid: u32, filtered: ChildStdout, state: &watch::Sender<State>) -> String {
    match wait_for_filter(filtered, FILTER_TIMEOUT).await {
        Ok(line) if line == FILTERED => {}
        Ok(line) => return line,
        Err(error) => return format!("no word of the filter rules: {error}"),
    }
    match start_slirp(carrier, pid) {
        Ok(slirp) => attend(slirp, state, CONNECT_TIMEOUT).await,
        Err(error) => format!("cannot run {}: {error}", carrier.slirp4netns.display()),
    }
}

/// Waits until `slirp4netns` has ended, which it should not, or is not ready in time.
async fn attend(mut slirp: Child, state: &watch::Sender<State>, timeout: Duration) -> String {
    let mut ready = slirp.stdout.take().expect("asked for");
    let mut diagnostics = slirp.stderr.take().expect("asked for");
    let mut tail = Vec::new();
    let mut piece = [0; 1024];
    let mut is_waiting = true;
    let late = tokio::time::sleep(timeout);
    tokio::pin!(late);
    loop {
        tokio::select! {
            byte = ready.read_u8(), if is_waiting => {
                is_waiting = false;
                if byte.is_ok() {
                    state.send_replace(State::Ready);
                }
            }
            read = diagnostics.read(&mut piece) => match read {
                Ok(0) | Err(_) => break,
                Ok(length) => {
                    tail.extend_from_slice(&piece[..length]);
                    tail.drain(..tail.len().saturating_sub(MAX_DIAGNOSTICS_BYTES));
                }
            },
            () = &mut late, if !is_ready(state) => return format!("slirp4netns was not ready within {timeout:?}"),
        }
    }
    format!("slirp4netns ended: {}", String::from_utf8_lossy(&tail).trim())
}

fn is_ready(state: &watch::Sender<State>) -> bool {
    matches!(*state.borrow(), State::Ready)
}

/// What the helper says once the rules are loaded; anything else is why they could not be.
pub(super) const FILTERED: &str = "filtered";

/// How much of what `slirp4netns` said last is kept to explain its end.
const MAX_DIAGNOSTICS_BYTES: usize = 2048;

async fn wait_for_filter(filtered: ChildStdout, timeout: Duration) -> std::io::Result<String> {
    let mut line = String::new();
    let reader = tokio::process::ChildStdout::from_std(filtered)?;
    tokio::time::timeout(timeout, BufReader::new(reader.take(8 * 1024)).read_line(&mut line)).await??;
    Ok(line.trim_end().to_owned())
}

fn start_slirp(carrier: &Carrier, pid: u32) -> std::io::Result<Child> {
    carrier
        .command()
        .args(["--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"])
        .args(["--exit-fd=0", "--ready-fd=1", &pid.to_string(), "tap0"])
        .env_clear()
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    /// A program that never says a word.
    fn stuck() -> tokio::process::Command {
        #[expect(clippy::disallowed_methods, reason = "stands in for a program of the engine")]
        let mut stuck = tokio::process::Command::new("/bin/sleep");
        stuck.arg("1000").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        stuck
    }

    #[tokio::test]
    async fn a_carrier_that_never_gets_ready_is_given_up() {
        let (state, _keep) = watch::channel(State::Starting);
        assert_eq!(attend(stuck().spawn().unwrap(), &state, SHORT).await, "slirp4netns was not ready within 50ms");
    }

    #[tokio::test]
    async fn a_helper_that_never_speaks_of_the_filter_is_given_up() {
        let mut helper = stuck().into_std().spawn().unwrap();
        let error = wait_for_filter(helper.stdout.take().unwrap(), SHORT).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        helper.kill().unwrap();
        helper.wait().unwrap();
    }
}
