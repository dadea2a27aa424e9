//! What an environment leaves on the host while it lives, and how that goes away.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::Sandbox;
use super::cgroup::{Cgroup, Limits};
use super::helper::Helper;
use super::network::Network;
use super::prepared::Prepared;
use super::protocol::Setup;
use crate::engine::{EngineError, Spec, file_name};

/// How long the sandbox may take to die and its files to go: a writable layer has up to some million of them.
const ERASE_TIMEOUT: Duration = Duration::from_mins(2);

/// The helper, folder and cgroup of one environment. Erased in the background if it is dropped.
#[derive(Debug)]
pub(super) struct Footprint(Option<Parts>);

#[derive(Debug)]
struct Parts {
    // In the order in which they may go: the processes first.
    helper: Helper,
    folder: Folder,
    cgroup: Option<Cgroup>,
}

impl Footprint {
    /// Makes everything that an environment needs on the host, blockingly, and returns its network beside. When this
    /// returns, the environment takes invitations.
    pub(super) fn make(
        sandbox: &Arc<Sandbox>,
        spec: &Spec,
        layer: Option<PathBuf>,
        own: Option<PathBuf>,
    ) -> Result<(Self, Option<Network>), EngineError> {
        let prepared = sandbox.reserve.take_or_make(sandbox, spec.network)?;
        let folder = match own {
            Some(path) => Folder::adopt(sandbox, &spec.name, &path)?,
            None => Folder::make(sandbox, &spec.name)?,
        };
        let cgroup = make_cgroup(sandbox, spec, &folder.name)?;
        let join_files = cgroup.as_ref().map(Cgroup::join_files).transpose();
        let join_files = join_files.map_err(|error| EngineError::io("cannot open the cgroup", error))?.unwrap_or_default();
        let join_files: Vec<_> = join_files.iter().map(|file| file.as_fd()).collect();
        prepared.set_up(&Setup { layer, ..setup(sandbox, spec, &folder.path) }, &join_files)?;
        let Prepared { helper, network, .. } = prepared;
        Ok((Self(Some(Parts { helper, folder, cgroup })), network))
    }

    pub(super) fn helper(&self) -> &Helper {
        &self.0.as_ref().expect("taken only at the end").helper
    }

    pub(super) fn cgroup(&self) -> Option<&Cgroup> {
        self.0.as_ref().and_then(|parts| parts.cgroup.as_ref())
    }

    /// Kills everything and removes everything, blockingly.
    pub(super) fn erase(mut self) -> Result<(), EngineError> {
        self.0.take().map_or(Ok(()), Parts::erase)
    }
}

impl Drop for Footprint {
    fn drop(&mut self) {
        let Some(parts) = self.0.take() else { return };
        // The processes die at once; the files may take a while, and nothing on an async thread may.
        parts.helper.hang_up();
        let erase = move || {
            if let Err(error) = parts.erase() {
                tracing::warn!("cannot clear up after an environment: {error}");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(erase)),
            Err(_) => erase(),
        }
    }
}

impl Parts {
    fn erase(self) -> Result<(), EngineError> {
        let Self { mut helper, folder, cgroup } = self;
        helper.hang_up();
        let ended = helper.wait(ERASE_TIMEOUT);
        // Kills, should it not have ended.
        drop(helper);
        let emptied = folder.remove();
        let removed = cgroup.map_or(Ok(()), Cgroup::remove).map_err(|error| EngineError::io("cannot remove the cgroup", error));
        ended.and(emptied).and(removed)
    }
}

fn make_cgroup(sandbox: &Sandbox, spec: &Spec, name: &str) -> Result<Option<Cgroup>, EngineError> {
    let Some(cgroups) = &sandbox.cgroups else { return Ok(None) };
    let limits = Limits { memory_bytes: spec.memory_bytes, pids: spec.pids, cpus: spec.cpus };
    let cgroup = cgroups.create(&format!("{}{name}", sandbox.cgroup_prefix), limits);
    cgroup.map(Some).map_err(|error| EngineError::io("cannot make a cgroup", error))
}

fn setup(sandbox: &Sandbox, spec: &Spec, folder: &Path) -> Setup {
    Setup {
        name: file_name(&spec.name),
        root: spec.root.clone(),
        layer: None,
        dir: folder.to_owned(),
        ca_bundle: sandbox.ca_bundle.clone(),
        has_network: spec.network,
        max_file_bytes: spec.disk_bytes,
        max_processes: sandbox.cgroups.is_none().then_some(spec.pids),
    }
}

/// An environment's own folder, in the work folder or made in advance. Removed when this goes, if it is empty.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// No other environment's.
    name: String,
    sandbox: Arc<Sandbox>,
}

impl Folder {
    fn make(sandbox: &Arc<Sandbox>, name: &str) -> Result<Self, EngineError> {
        let prefix = format!("{}-", file_name(name));
        let made = sandbox.yard.next_lot().and_then(|lot| tempfile::Builder::new().prefix(&prefix).tempdir_in(lot));
        let path = made.map_err(|error| EngineError::io("cannot make the environment's folder", error))?.keep();
        let name = path.file_name().unwrap_or_default().display().to_string();
        let folder = Self { path, name, sandbox: Arc::clone(sandbox) };
        sandbox.roots.mapping.give_away(&folder.path)?;
        Ok(folder)
    }

    /// Takes one over in which something was unpacked.
    fn adopt(sandbox: &Arc<Sandbox>, name: &str, path: &Path) -> Result<Self, EngineError> {
        // The helper, which is to open it, stands elsewhere.
        let path = path.canonicalize().map_err(|error| EngineError::io(format!("cannot find {}", path.display()), error))?;
        let name = format!("{}-{}", file_name(name), Uuid::new_v4().simple());
        Ok(Self { path, name, sandbox: Arc::clone(sandbox) })
    }

    /// Removes the folder with whatever the helper has left in it.
    fn remove(self) -> Result<(), EngineError> {
        self.sandbox.roots.remove_folder(&self.path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Usually gone already; otherwise it is swept when the engine opens again, or by whoever made it in advance.
        let _ = std::fs::remove_dir(&self.path);
    }
}
