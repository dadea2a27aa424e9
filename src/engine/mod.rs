//! Where strangers' commands run.
//!
//! One small surface over a closed set of engines: start an environment from a stack's root file system, put a
//! tar in, run commands with streamed output, take a tar out, stop. Nothing here assumes that the caller can see
//! the environment's files.
//!
//! In reading order: this file is the surface; `output` hands a command's output on; `transfer` moves tars through pipes;
//! `shelf` keeps what was unpacked; `tree` packs, unpacks, measures and removes file trees for every engine; `sandbox` is
//! the default engine, Linux namespaces; `docker` has a Docker Engine's containers be environments; `local` isolates
//! nothing and serves hoist's own fast tests.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe;

use crate::docker::Docker;
use crate::model::WindowSize;

mod output;
mod shelf;
mod transfer;
mod tree;

mod docker;
mod local;
mod sandbox;

pub use docker::inside_main;
pub use sandbox::helper_main;
#[cfg(test)]
pub(crate) use shelf::tests::shelf_below;
pub use shelf::{Kept, Shelf, flush};
pub use transfer::wide_pipe;
pub use tree::make_yard;

/// Where the host's CA bundle ([`Settings::ca_bundle`]) is found inside a sandbox. Whoever runs a command names it
/// in that command's environment (`SSL_CERT_FILE` and its like).
pub const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Variables by which common tools find the CA bundle.
pub const CA_VARIABLES: [&str; 6] =
    ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE"];

/// Said where environments have no layers.
const NO_LAYERS: &str = "this engine starts no environment over a folder";

/// What an installation says about its engine.
#[derive(Debug, Clone)]
pub struct Settings {
    pub kind: Kind,
    /// The hoist executable, which the engine starts again as its helper.
    pub helper: PathBuf,
    /// Folder for the environments' writable files; swept at start, so no two daemons may share it.
    pub work_dir: PathBuf,
    /// The host's CA bundle, made available inside; `None` when the host has none.
    pub ca_bundle: Option<PathBuf>,
    /// Networks that builds may reach although they are private, as `10.1.0.0/16`.
    pub allow_networks: Vec<(IpAddr, u8)>,
}

/// Which engine.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Linux namespaces, the default.
    Sandbox,
    /// Containers of a Docker Engine.
    Docker(Docker),
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

/// How a command ended. A command that cannot be started at all ends as in a shell: code 127 when it was not
/// found, 126 otherwise, with a line on its standard error.
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
    pub source: Option<io::Error>,
}

impl EngineError {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }

    /// What is wrong with the layers that were to be unpacked, if that is why they were not.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.source.as_ref().filter(|source| source.kind() == io::ErrorKind::InvalidData).map(ToString::to_string)
    }
}

/// What an environment has from its beginning, beside its root. By default nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Groundwork<'a> {
    /// What [`Engine::unpack_layer`] made. It is never written to, and must stay until the environment has ended.
    ///
    /// What is in it can be changed inside like everything else, but for one thing: a folder of it can't be renamed
    /// (`EXDEV`), which `mv` and its like meet by copying.
    pub layer: Option<&'a Path>,
    /// What [`Engine::unpack_for_one`] made. It becomes the environment's own, as if it had been put in, and goes with it.
    pub own: Option<&'a Path>,
}

/// A started engine.
#[derive(Debug, Clone)]
pub struct Engine(EngineKind);

#[derive(Debug, Clone)]
enum EngineKind {
    Sandbox(Arc<sandbox::Sandbox>),
    Docker(Arc<docker::Containers>),
    Local(Arc<local::Local>),
}

/// A running environment. Dropping it kills every process in it and removes its files.
#[derive(Debug)]
pub struct Environment(EnvironmentKind);

#[derive(Debug)]
enum EnvironmentKind {
    Sandbox(Box<sandbox::Environment>),
    Docker(Box<docker::Environment>),
    Local(local::Environment),
}

impl Engine {
    /// Checks that this host can run the engine, and removes what an earlier daemon left in the work folder. The
    /// error says what to install or allow.
    pub async fn open(settings: Settings) -> Result<Self, EngineError> {
        Ok(Self(match settings.kind.clone() {
            Kind::Sandbox => EngineKind::Sandbox(Arc::new(sandbox::Sandbox::open(settings)?)),
            Kind::Docker(docker) => EngineKind::Docker(Arc::new(docker::Containers::open(docker, settings).await?)),
            Kind::Local => EngineKind::Local(Arc::new(local::Local::open(settings)?)),
        }))
    }

    /// Unpacks a stack's root file system into `dest` so that environments can start from it. Owners are kept as
    /// they appear inside (uids up to 65,535); device nodes are left out. What a failure leaves behind goes away
    /// with [`Engine::remove_root`].
    pub async fn unpack_root(&self, tar: impl AsyncRead + Send + Unpin, dest: &Path) -> Result<(), EngineError> {
        match &self.0 {
            EngineKind::Sandbox(sandbox) => sandbox.roots().unpack_root(tar, dest).await,
            EngineKind::Docker(containers) => containers.roots().unpack_root(tar, dest).await,
            EngineKind::Local(local) => local.unpack_root(tar, dest).await,
        }
    }

    /// Unpacks what [`Environment::take_out`] gave into `dest`, so that environments can be
    /// [started over](Engine::start_over) it and find it in the folder `at`. As [`Engine::unpack_root`] otherwise.
    pub async fn unpack_layer(&self, tar: impl AsyncRead + Send + Unpin, dest: &Path, at: &str) -> Result<(), EngineError> {
        match &self.0 {
            EngineKind::Sandbox(sandbox) => sandbox.roots().unpack_layer(tar, dest, at).await,
            EngineKind::Docker(_) | EngineKind::Local(_) => Err(EngineError::new(NO_LAYERS)),
        }
    }

    /// Unpacks a tar into `dest`, so that one environment can be [started over](Engine::start_over) it and find it in the folder
    /// `at` as if it had been [put in](Environment::put_in). Every stack has the folders above that.
    pub async fn unpack_for_one(&self, tar: impl AsyncRead + Send + Unpin, dest: &Path, at: &str) -> Result<(), EngineError> {
        match &self.0 {
            EngineKind::Sandbox(sandbox) => sandbox.roots().unpack_for_one(tar, dest, at).await,
            EngineKind::Docker(_) | EngineKind::Local(_) => Err(EngineError::new(NO_LAYERS)),
        }
    }

    /// Makes a root file system in `dest` of an image's layers, plain tars one behind the other and the lowest first, of at
    /// most so many entries. What is there already is the lowest of all. As [`Engine::unpack_root`] otherwise.
    /// [`EngineError::refusal`] tells what is wrong with a layer.
    pub async fn unpack_layers(
        &self,
        tars: impl AsyncRead + Send + Unpin,
        dest: &Path,
        max_entries: u64,
    ) -> Result<(), EngineError> {
        match &self.0 {
            EngineKind::Sandbox(sandbox) => sandbox.roots().unpack_layers(tars, dest, max_entries).await,
            EngineKind::Docker(containers) => containers.roots().unpack_layers(tars, dest, max_entries).await,
            EngineKind::Local(local) => local.unpack_layers(tars, dest, max_entries).await,
        }
    }

    /// Streams what [`Engine::unpack_root`] made as an uncompressed tar, entries sorted by name, owners as they appear
    /// inside, and no time later than `latest_secs`: the same root gives the same bytes on any host. A failure on the way
    /// is an error of the reader, never a clean end.
    pub fn pack_root(&self, root: &Path, latest_secs: u64) -> Result<impl AsyncRead + Send + Unpin + use<>, EngineError> {
        match &self.0 {
            EngineKind::Sandbox(sandbox) => sandbox.roots().pack_root(root, latest_secs),
            EngineKind::Docker(containers) => containers.roots().pack_root(root, latest_secs),
            EngineKind::Local(local) => local.pack_root(root, latest_secs),
        }
    }

    /// Removes what [`Engine::unpack_root`] made. Nothing there is no error.
    pub async fn remove_root(&self, dest: &Path) -> Result<(), EngineError> {
        match &self.0 {
            EngineKind::Sandbox(sandbox) => sandbox.roots().remove_root(dest).await,
            EngineKind::Docker(containers) => containers.remove_root(dest).await,
            EngineKind::Local(local) => local.remove_root(dest).await,
        }
    }

    /// Fails where environments can't start from what a stranger has made: in `Docker`, hoist's own processes start in a root,
    /// and what it brings along (a folder of their name, `/etc/ld.so.preload`, `/etc/nsswitch.conf`) would run as root and
    /// could remove the network's filter.
    pub fn check_strangers_roots(&self) -> Result<(), EngineError> {
        match &self.0 {
            EngineKind::Docker(_) => {
                Err(EngineError::new("commands of an image can't be run with the engine `docker`, only with `sandbox`"))
            }
            EngineKind::Sandbox(_) | EngineKind::Local(_) => Ok(()),
        }
    }

    /// Starts an environment.
    pub async fn start(&self, spec: Spec) -> Result<Environment, EngineError> {
        Ok(Environment(match &self.0 {
            EngineKind::Sandbox(sandbox) => EnvironmentKind::Sandbox(Box::new(sandbox.start(spec, Groundwork::default()).await?)),
            EngineKind::Docker(containers) => EnvironmentKind::Docker(Box::new(containers.start(spec).await?)),
            EngineKind::Local(local) => EnvironmentKind::Local(local.start(&spec)?),
        }))
    }

    /// Tells whether environments can be [started over](Engine::start_over) a folder; where not, files have to be
    /// [put in](Environment::put_in).
    #[must_use]
    pub fn has_layers(&self) -> bool {
        matches!(self.0, EngineKind::Sandbox(_))
    }

    /// Starts an environment that has something from the beginning, however much that is.
    pub async fn start_over(&self, spec: Spec, groundwork: Groundwork<'_>) -> Result<Environment, EngineError> {
        match &self.0 {
            EngineKind::Sandbox(sandbox) => {
                Ok(Environment(EnvironmentKind::Sandbox(Box::new(sandbox.start(spec, groundwork).await?))))
            }
            EngineKind::Docker(_) | EngineKind::Local(_) => Err(EngineError::new(NO_LAYERS)),
        }
    }
}

impl Environment {
    /// What commands must call the folder or file that this surface calls `inside` (absolute). The same name in a
    /// sandbox; `Local` has no root of its own and answers with a path below its temporary folder. Folders given
    /// to this surface are translated already; values in `argv` and `env` are the caller's to translate.
    #[must_use]
    pub fn path(&self, inside: &str) -> String {
        match &self.0 {
            EnvironmentKind::Sandbox(_) | EnvironmentKind::Docker(_) => inside.to_owned(),
            EnvironmentKind::Local(local) => local.path(inside).display().to_string(),
        }
    }

    /// Unpacks a tar below `dir` (created, owned by `app`). Names that leave `dir`, also through symbolic links in
    /// the archive, and device nodes are refused.
    pub async fn put_in(&self, dir: &str, tar: impl AsyncRead + Send + Unpin) -> Result<(), EngineError> {
        match &self.0 {
            EnvironmentKind::Sandbox(sandbox) => sandbox.put_in(dir, tar).await,
            EnvironmentKind::Docker(container) => container.put_in(dir, tar).await,
            EnvironmentKind::Local(local) => local.put_in(dir, tar).await,
        }
    }

    /// As [`put_in`](Self::put_in), what comes through a pipe: without a detour where the environment can read that itself. It
    /// waits for whoever writes to the pipe; how long is for the caller to say.
    pub async fn put_in_piped(&self, dir: &str, tar: pipe::Receiver) -> Result<(), EngineError> {
        match &self.0 {
            EnvironmentKind::Sandbox(sandbox) => sandbox.put_in_piped(dir, tar).await,
            EnvironmentKind::Docker(container) => container.put_in(dir, tar).await,
            EnvironmentKind::Local(local) => local.put_in(dir, tar).await,
        }
    }

    /// Removes files, links and whole folders below `dir`, each named by its path there and a NUL. What is not there is no error.
    /// Only where environments can be [started over](Engine::start_over) something.
    pub async fn remove_in(&self, dir: &str, names: impl AsyncRead + Send + Unpin) -> Result<(), EngineError> {
        match &self.0 {
            EnvironmentKind::Sandbox(sandbox) => sandbox.remove_in(dir, names).await,
            EnvironmentKind::Docker(_) | EnvironmentKind::Local(_) => Err(EngineError::new(NO_LAYERS)),
        }
    }

    /// Runs a command and hands its output on, piece by piece as it comes. Several may run at once. The command
    /// ends with its first process: what that left running is killed. Dropping the future kills the command and
    /// all it started.
    pub async fn run(&self, command: Command, output: impl FnMut(Stream, &[u8]) + Send) -> Result<Exit, EngineError> {
        match &self.0 {
            EnvironmentKind::Sandbox(sandbox) => sandbox.run(command, output).await,
            EnvironmentKind::Docker(container) => container.run(command, output).await,
            EnvironmentKind::Local(local) => local.run(command, output).await,
        }
    }

    /// Runs a command with `input` as its standard input and both its outputs going to `output`, which may be slow: the
    /// command waits for it. `None` when the output could not be written any more, which ends the command. Both may be
    /// a terminal of the size given, but in `Local`, which has none to give.
    pub async fn run_attached(
        &self,
        command: Command,
        terminal: Option<WindowSize>,
        input: impl AsyncRead + Send + Unpin,
        output: impl AsyncWrite + Send + Unpin,
    ) -> Result<Option<Exit>, EngineError> {
        match &self.0 {
            EnvironmentKind::Sandbox(sandbox) => match terminal {
                Some(size) => sandbox.run_in_terminal(command, size, input, output).await,
                None => sandbox.run_attached(command, input, output).await,
            },
            EnvironmentKind::Docker(container) => container.run_attached(command, terminal, input, output).await,
            EnvironmentKind::Local(local) => local.run_attached(command, input, output).await,
        }
    }

    /// Streams `dir` as an uncompressed tar, entries sorted by name, names relative (`./a/b`). A failure on the way
    /// is an error of the reader, never a clean end. It is of the kind [`io::ErrorKind::NotADirectory`] where commands have
    /// made of `dir` what can't be taken out: something else than a folder, or one that `app` can't read to its ends.
    pub async fn take_out(&self, dir: &str) -> Result<impl AsyncRead + Send + Unpin + use<>, EngineError> {
        match &self.0 {
            EnvironmentKind::Sandbox(sandbox) => sandbox.take_out(dir).await,
            EnvironmentKind::Docker(container) => container.take_out(dir).await,
            EnvironmentKind::Local(local) => local.take_out(dir),
        }
    }

    /// Tells whether anything in `dir` may have been written, changed or removed since the environment started.
    pub async fn has_written(&self, dir: &str) -> Result<bool, EngineError> {
        match &self.0 {
            EnvironmentKind::Sandbox(sandbox) => sandbox.has_written(dir).await,
            EnvironmentKind::Docker(_) | EnvironmentKind::Local(_) => Ok(true),
        }
    }

    /// Kills everything, removes everything, and says if that failed.
    pub async fn stop(self) -> Result<(), EngineError> {
        match self.0 {
            EnvironmentKind::Sandbox(sandbox) => sandbox.stop().await,
            EnvironmentKind::Docker(container) => container.stop().await,
            EnvironmentKind::Local(local) => local.stop().await,
        }
    }
}

/// What of an environment's name may be part of a file name: at most 40 letters, digits, `-` and `_`.
fn file_name(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')).take(40).collect()
}
