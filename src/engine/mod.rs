//! Where strangers' commands run.
//!
//! One small surface over a closed set of engines: start an environment from a stack's root file system, put a
//! tar in, run commands with streamed output, take a tar out, stop. Nothing here assumes that the caller can see
//! the environment's files.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncRead;

/// Where the CA bundle is inside an environment.
pub const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What an installation says about its engine.
#[derive(Debug, Clone)]
pub struct Settings {
    pub kind: Kind,
    /// The hoist executable, which the engine starts again as its helper.
    pub helper: PathBuf,
    /// Folder for the environments' writable files; swept at start.
    pub work_dir: PathBuf,
    /// The host's CA bundle, made available inside; `None` when the host has none.
    pub ca_bundle: Option<PathBuf>,
    /// Networks that builds may reach although they are private, as `10.1.0.0/16`.
    pub allow_networks: Vec<(IpAddr, u8)>,
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Linux namespaces, the default.
    Sandbox,
    /// No isolation at all; for hoist's own fast tests.
    Local,
}

/// What one environment may use.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Root file system of the stack (never written to). Ignored by `Local`.
    pub root: PathBuf,
    /// Shown in process lists and folder names: the build's id.
    pub name: String,
    pub memory_bytes: u64,
    pub pids: u32,
    /// 0 means all.
    pub cpus: u32,
    pub disk_bytes: u64,
    /// Whether the environment gets a (filtered) network.
    pub network: bool,
}

/// One command to run in an environment, as the unprivileged user `app` (uid 1000).
#[derive(Debug, Clone)]
pub struct Command {
    pub argv: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    pub cwd: String,
    /// Whether to wait until the environment's network is up before starting.
    pub needs_network: bool,
    /// The command and all it started are killed after this time.
    pub timeout: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    TimedOut,
    OutOfMemory,
    OutOfDisk,
    OutOfPids,
}

/// Which of a command's outputs a piece comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A failure of the engine itself, never of what ran in it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct EngineError {
    pub what: String,
    #[source]
    pub source: Option<std::io::Error>,
}

/// A started engine.
#[derive(Debug, Clone)]
pub struct Engine(());

/// A running environment. Dropping it kills every process in it and removes its files.
#[derive(Debug)]
pub struct Environment(());

#[expect(clippy::unimplemented, reason = "signatures only")]
impl Engine {
    /// Checks that this host can run the engine; the error says what to install or allow.
    pub fn open(_settings: Settings) -> Result<Self, EngineError> {
        Ok(Self(()))
    }

    /// Unpacks a stack's root file system so that environments can start from it (owners as they appear inside).
    pub async fn unpack_root(&self, _tar: impl AsyncRead + Send + Unpin, _dest: &std::path::Path) -> Result<(), EngineError> {
        unimplemented!()
    }

    /// Removes what [`Engine::unpack_root`] made.
    pub async fn remove_root(&self, _dest: &std::path::Path) -> Result<(), EngineError> {
        unimplemented!()
    }

    /// Starts an environment.
    pub async fn start(&self, _spec: Spec) -> Result<Environment, EngineError> {
        unimplemented!()
    }
}

#[expect(clippy::unimplemented, reason = "signatures only")]
impl Environment {
    /// Where a path inside the environment is, seen by its commands.
    #[must_use]
    pub fn path(&self, inside: &str) -> String {
        inside.to_owned()
    }

    /// Unpacks a tar below `dir` (created, owned by `app`).
    pub async fn put_in(&self, _dir: &str, _tar: impl AsyncRead + Send + Unpin) -> Result<(), EngineError> {
        unimplemented!()
    }

    /// Runs a command and hands its output on, piece by piece as it comes. Several may run at once. Dropping the
    /// future kills the command and all it started.
    pub async fn run(&self, _command: Command, _output: impl FnMut(Stream, &[u8]) + Send) -> Result<Exit, EngineError> {
        unimplemented!()
    }

    /// Streams `dir` as an uncompressed tar, entries sorted by name, names relative (`./a/b`).
    pub async fn take_out(&self, _dir: &str) -> Result<impl AsyncRead + Send + Unpin + use<>, EngineError> {
        Ok(tokio::io::empty())
    }

    /// Kills everything, removes everything, and says if that failed.
    pub async fn stop(self) -> Result<(), EngineError> {
        unimplemented!()
    }
}

/// Entry point of the helper process.
#[must_use]
pub fn helper_main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
