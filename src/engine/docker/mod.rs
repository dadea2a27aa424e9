//! Environments that are containers of a Docker Engine.
//!
//! A stack's root becomes an image, once, with hoist's own executable in it, and an environment a container of that image.
//! Its first process is hoist's, and so is what each request starts beside it: both do there what a sandbox's processes
//! do, by the same code, so that commands end, are limited and are told apart in the same way. Nothing is shared with
//! the Engine but its socket.
//!
//! ```text
//! daemon ── attached ────────► container-init    sets up, then lives for as long as somebody is attached
//!    └───── exec, frames ────► container-answer ──forks──► supervisor ──starts──► command (as app)
//! ```
//!
//! Whatever happens to the daemon, nothing stays: the first process ends with the daemon's connection, takes all others
//! along, and the Engine removes the container. What a crash of the Engine leaves is swept when this opens.
//!
//! In reading order: this file opens the engine; `program` is what is put into images, `image` makes one of a root;
//! `environment` is one environment as the daemon sees it, `conversation` one request and its answer, `frames` their form;
//! `inside` is what runs in the container.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::sandbox::Roots;
use super::sandbox::filter;
use super::{EngineError, Settings, Spec};
use crate::docker::{ContainerId, Docker, DockerError, Label};
use program::Program;

mod image;
mod program;

mod conversation;
mod environment;
mod frames;

mod inside;

pub(super) use environment::Environment;
pub use inside::inside_main;

/// Whose containers and networks these are: the daemon's that has this work folder.
const WORK_DIR_LABEL: &str = "hoist.work-dir";

/// Whose images these are.
const OWNER_LABEL: &str = "hoist.owner";

/// The engine: where environments are containers.
#[derive(Debug)]
pub(super) struct Containers {
    docker: Docker,
    roots: Arc<Roots>,
    program: Program,
    ca_bundle: Option<PathBuf>,
    allow_networks: Vec<(IpAddr, u8)>,
    /// What containers and networks are found by.
    label: Label,
    network: String,
    /// What is in the Engine, by name: an image, the network. Who needs one that is being made waits for that.
    made: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
    /// There once the Engine has told how much a container has written.
    tells_sizes: OnceCell<()>,
}

impl Containers {
    /// Fails if no Docker Engine answers. Removes what an earlier daemon with this work folder has left in it.
    pub(super) async fn open(docker: Docker, settings: Settings) -> Result<Self, EngineError> {
        let cannot = |error| EngineError::io(format!("cannot prepare the work folder {}", settings.work_dir.display()), error);
        std::fs::create_dir_all(&settings.work_dir).map_err(cannot)?;
        let work_dir = settings.work_dir.canonicalize().map_err(cannot)?.display().to_string();
        for limit in docker.check_limits().await.map_err(failed("there is no Docker Engine to run builds in"))? {
            tracing::warn!(
                "the Docker Engine can't limit {limit}, so environments share all there is; `docker info` may say why"
            );
        }
        let helper = settings.helper.clone();
        let key = hex::encode(&Sha256::digest(work_dir.as_bytes())[..6]);
        let containers = Self {
            program: Program::find(&settings.helper).await?,
            roots: tokio::task::spawn_blocking(|| Roots::open(helper))
                .await
                .map_err(|error| EngineError::io("starting was abandoned", error))??
                .into(),
            docker,
            ca_bundle: settings.ca_bundle,
            allow_networks: settings.allow_networks,
            label: Label::new(WORK_DIR_LABEL, work_dir),
            network: format!("hoist-{key}"),
            made: Mutex::default(),
            tells_sizes: OnceCell::new(),
        };
        containers.sweep().await.map_err(failed("cannot sweep the Docker Engine"))?;
        Ok(containers)
    }

    /// Removes what earlier daemons left behind.
    async fn sweep(&self) -> Result<(), DockerError> {
        for container in self.docker.containers_with(&self.label).await? {
            self.docker.remove_container(&container).await?;
        }
        self.docker.remove_networks_with(&self.label).await?;
        self.sweep_images().await
    }

    /// Removes the images of roots that are gone, and those with another hoist in them.
    async fn sweep_images(&self) -> Result<(), DockerError> {
        for image in self.docker.images_with(&self.owner()).await? {
            let root = image.labels.get(image::ROOT_LABEL).map(Path::new).filter(|root| root.is_dir());
            if root.is_some_and(|root| self.image_name(root) == image.name) {
                continue;
            }
            self.forget(&image.name.to_string());
            if let Err(error) = self.docker.remove(&image.name).await {
                // Somebody else's container may be made of it.
                tracing::warn!("cannot remove the image {}: {error}", image.name);
            }
        }
        Ok(())
    }

    fn owner(&self) -> Label {
        Label::new(OWNER_LABEL, self.docker.owner())
    }

    /// What makes and removes the root file systems that images are made of.
    pub(super) fn roots(&self) -> &Arc<Roots> {
        &self.roots
    }

    /// Removes a root and its image, also if the root had another name when it was used.
    pub(super) async fn remove_root(&self, dest: &Path) -> Result<(), EngineError> {
        self.roots.remove_root(dest).await?;
        self.sweep_images().await.map_err(failed("cannot remove a root's image"))
    }

    pub(super) async fn start(self: &Arc<Self>, spec: Spec) -> Result<Environment, EngineError> {
        match Environment::start(Arc::clone(self), spec.clone()).await {
            // Somebody has tidied up the Engine: what was made once is made again.
            Err(error) if is_missing(&error) => {
                self.forget(&self.image_name(&spec.root).to_string());
                self.forget(&self.network);
                Environment::start(Arc::clone(self), spec).await
            }
            started => started,
        }
    }

    /// Makes what is not in the Engine yet, and only one at a time of each name.
    async fn make_once(&self, name: &str, make: impl Future<Output = Result<(), EngineError>>) -> Result<(), EngineError> {
        let cell = {
            let mut made = self.made.lock().map_err(|_| EngineError::new("an earlier start has panicked"))?;
            Arc::clone(made.entry(name.to_owned()).or_default())
        };
        cell.get_or_try_init(|| make).await.copied()
    }

    fn forget(&self, name: &str) {
        // Nobody panics while holding it.
        if let Ok(mut made) = self.made.lock() {
            made.remove(name);
        }
    }

    /// Sees to it that there is a network for environments.
    async fn make_network(&self) -> Result<(), EngineError> {
        let make = async {
            let made = self.docker.make_network(&self.network, &self.label).await;
            made.map_err(failed("cannot make a network for environments"))
        };
        self.make_once(&self.network, make).await
    }

    /// Sees to it that the Engine tells how much a container has written, by the first one that there is.
    async fn check_sizes(&self, id: &ContainerId) -> Result<(), EngineError> {
        let check = async { self.docker.check_written_bytes(id).await.map_err(failed("a build's disk can't be limited")) };
        self.tells_sizes.get_or_try_init(|| check).await.copied()
    }

    /// The text of the host's CA bundle.
    async fn ca_bundle(&self) -> Result<Option<String>, EngineError> {
        let Some(path) = &self.ca_bundle else { return Ok(None) };
        let text = tokio::fs::read_to_string(path).await;
        text.map(Some).map_err(|error| EngineError::io(format!("cannot read the CA bundle {}", path.display()), error))
    }

    /// The filter rules of an environment that starts now and asks these servers for names.
    fn rules(&self, name_servers: &[IpAddr]) -> Result<String, EngineError> {
        Ok(filter::rules(name_servers, &self.allow_networks, &filter::own_addresses()?))
    }
}

/// For `map_err`: puts what was being done before the Docker Engine's failure.
fn failed(what: &'static str) -> impl Fn(DockerError) -> EngineError {
    move |error| EngineError::io(what, std::io::Error::other(error))
}

/// Whether something was not in the Docker Engine.
fn is_missing(error: &EngineError) -> bool {
    let cause = error.source.as_ref().and_then(|source| source.get_ref());
    cause.and_then(|cause| cause.downcast_ref()).is_some_and(DockerError::is_missing)
}
