//! A Docker Engine, over its API: it builds the images of strangers' Dockerfiles and hands them out, and it is what one of
//! the engines of `engine/` runs commands in.
//!
//! In the order of a build: `build` (a context goes in, output and an image come out), `progress` (what BuildKit says, in
//! lines), `images` (an image's bytes, and its removal). For that engine: `limits` (whether it holds any), `roots` (a stack's
//! root as an image; networks), `containers`.
//!
//! What isolates a stranger's `RUN` is the Engine: a container with its default seccomp profile and capabilities, never
//! privileged, with the network that the configuration names. Base images come from registries, not from what happens to
//! lie in the Engine ([`Pull::Always`]): other apps' images do.

mod build;
mod images;
mod progress;

mod containers;
mod limits;
mod roots;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion};

pub use build::{FailedStep, ImageBuild};
pub use containers::{Container, ContainerId, Streams};
pub use images::ImageName;
pub use roots::{Label, Listed};

/// For questions that the Engine answers at once.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Microseconds in which a CPU's time is counted out; the kernel's default.
const CPU_PERIOD: i32 = 100_000;

/// The first API whose Engine (23.0) takes BuildKit unless it is told otherwise.
const BUILDKIT_API: ClientVersion = ClientVersion { major_version: 1, minor_version: 42 };

/// Where the Engine is, and how it is to build.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its unix socket.
    pub socket: PathBuf,
    /// What tells this installation's images from others' in the same Engine; part of their names.
    pub owner: String,
    /// The Engine's own choice, if none is made: BuildKit from 23.0 on.
    pub builder: Option<Builder>,
    /// The network of `RUN`; the Engine's default, if none is named.
    pub network: Option<String>,
    /// The cgroup below which `RUN` runs; the Engine's default, if none is named.
    pub cgroup_parent: Option<String>,
    pub pull: Pull,
}

/// What carries a Dockerfile out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    BuildKit,
    /// What there was before BuildKit. Only this one keeps a memory limit.
    Classic,
}

/// When base images are fetched from their registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// For each build; what has not changed is not transferred again.
    Always,
    /// If the Engine does not have it. Any image in the Engine can be built upon then, also another app's.
    Missing,
}

/// The Engine. Cheap to clone; connects for each request, so that an Engine that comes and goes is no matter.
#[derive(Debug, Clone)]
pub struct Docker(Arc<Settings>);

/// Why the Engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error("no Docker Engine answers at {}", .socket.display())]
    Unreachable { socket: PathBuf, source: Box<Error> },
    #[error("the Docker Engine failed")]
    Engine(#[from] Error),
    /// The Dockerfile's, in most cases.
    #[error(transparent)]
    Step(FailedStep),
    #[error("the Docker Engine did not {what} within {} s", time.as_secs())]
    TooLate { what: &'static str, time: Duration },
    /// It can't run builds.
    #[error("the Docker Engine {0}")]
    Unfit(&'static str),
}

impl DockerError {
    /// Whether what was asked about, or needed for it, does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Engine(Error::DockerResponseServerError { status_code: 404, .. }))
    }
}

impl Docker {
    /// Does not connect yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// What tells this installation from others in the same Engine.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.0.owner
    }

    /// Where the Engine is.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.0.socket
    }

    /// Asks whether the Engine is there; fails with [`DockerError::Unreachable`] if not.
    pub async fn check(&self) -> Result<(), DockerError> {
        self.connect(ANSWER_TIME).await.map(drop)
    }

    /// A connection that speaks the Engine's version. Answers begin within `time`.
    async fn connect(&self, time: Duration) -> Result<bollard::Docker, DockerError> {
        let unreachable = |source| DockerError::Unreachable { socket: self.0.socket.clone(), source: Box::new(source) };
        let path = self.0.socket.to_string_lossy();
        let client =
            bollard::Docker::connect_with_unix(&path, ANSWER_TIME.as_secs(), API_DEFAULT_VERSION).map_err(unreachable)?;
        let client = client.negotiate_version().await.map_err(unreachable)?;
        Ok(client.with_timeout(time))
    }

    fn builder(&self, client: &bollard::Docker) -> Builder {
        let by_version = if client.client_version() < BUILDKIT_API { Builder::Classic } else { Builder::BuildKit };
        self.0.builder.unwrap_or(by_version)
    }
}

/// Adds parameters to a request's query that bollard has no field for, or one that is too narrow.
fn with_query(mut request: BollardRequest, more: &str) -> BollardRequest {
    let uri = request.uri();
    let joint = if uri.query().is_some() { '&' } else { '?' };
    let longer = format!("{uri}{joint}{more}");
    *request.uri_mut() = longer.parse().expect("an URI stays one with more parameters, which are encoded");
    request
}
