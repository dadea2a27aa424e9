//! The default engine: Linux namespaces, without any daemon or container runtime.
//!
//! It is a small runner of hoist's own because speed decides how a push feels, and no library fits: `libcontainer`
//! takes twice as long to start a process, needs the C library libseccomp for its filter and may not be used from
//! a process with threads; `crun` refuses hosts whose cgroups are half version 1; a container engine takes 200 ms
//! and more. Fixed needs (one overlay, one user, one kind of network) keep the runner small.
//!
//! ```text
//! daemon ── control socket ──┐        user namespace, pid, network, ipc, uts, cgroup namespaces
//!    │ starts                │       ┌──────────────────────────────────────────────────────────┐
//!    └─► helper (keeper) ──forks──► process 1 ──forks──► supervisor ──starts──► command (as app) │
//!                                    │  + mount namespace, seccomp, no privileges to gain        │
//!                                    └──────────────────────────────────────────────────────────┘
//! ```
//!
//! Whatever happens to the daemon, nothing stays: process 1 ends when the control socket closes and takes its pid
//! namespace along; the keeper then removes the files and ends. What even that leaves (folders and cgroups after a
//! crash of the host) is swept when the engine opens.
//!
//! In reading order: this file opens the engine; `user`, `cgroup`, `filter` and `network` are what it finds out
//! about the host and takes from it, `programs` runs the host's programs; `protocol` is what the processes say to
//! each other; `helper` starts a helper and sees it through; `prepared` keeps one in reserve; `environment` is one
//! environment as the daemon sees it,
//! `limits` how its limits are watched, `footprint` what it leaves on the host; `init` is everything that runs in
//! the helper.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;

use super::transfer::{TarStream, copy_into, wide_pipe, with_verdict};
use super::{EngineError, Settings, Spec};
use cgroup::Cgroups;
use helper::Helper;
use prepared::Reserve;
use protocol::Job;
use user::Mapping;

mod cgroup;
mod filter;
mod network;
mod programs;
mod user;

mod protocol;

mod helper;

mod prepared;

mod environment;
mod footprint;
mod limits;

mod init;

pub(super) use environment::Environment;
pub use init::helper_main;

/// How long unpacking or removing a root file system may take once its bytes are there.
const FILES_TIMEOUT: Duration = Duration::from_mins(15);

/// What the engine knows about its host.
#[derive(Debug)]
pub(super) struct Sandbox {
    helper: PathBuf,
    work_dir: PathBuf,
    ca_bundle: Option<PathBuf>,
    allow_networks: Vec<(IpAddr, u8)>,
    mapping: Mapping,
    /// Nothing where this user may make none; limits are softer then.
    cgroups: Option<Cgroups>,
    /// What the names of this engine's cgroups start with.
    cgroup_prefix: String,
    nft: PathBuf,
    carrier: network::Carrier,
    reserve: Reserve,
}

impl Sandbox {
    pub(super) fn open(settings: Settings) -> Result<Self, EngineError> {
        let cannot = |error| EngineError::io(format!("cannot prepare the work folder {}", settings.work_dir.display()), error);
        std::fs::create_dir_all(&settings.work_dir).map_err(cannot)?;
        let work_dir = settings.work_dir.canonicalize().map_err(cannot)?;
        let sandbox = Self {
            helper: settings.helper,
            cgroup_prefix: format!("hoist-{:08x}-", crc32fast::hash(work_dir.as_os_str().as_encoded_bytes())),
            work_dir,
            ca_bundle: settings.ca_bundle,
            allow_networks: settings.allow_networks,
            mapping: Mapping::find()?,
            cgroups: Cgroups::find(),
            nft: programs::find("nft", "nftables")?,
            carrier: network::Carrier::find()?,
            reserve: Reserve::default(),
        };
        Helper::start(&sandbox, "probe", &Job::Probe, &[])?.finish(FILES_TIMEOUT)?;
        sandbox.sweep()?;
        if sandbox.cgroups.is_none() {
            tracing::warn!(
                "no cgroups can be made here, so sandboxes share all CPUs, their memory is looked at only every {} ms, \
                 and running out of processes is recognised less surely",
                limits::MEMORY_INTERVAL.as_millis()
            );
        }
        Ok(sandbox)
    }

    /// Removes what earlier daemons left behind.
    fn sweep(&self) -> Result<(), EngineError> {
        let cannot = |error| EngineError::io(format!("cannot sweep {}", self.work_dir.display()), error);
        for entry in std::fs::read_dir(&self.work_dir).map_err(cannot)? {
            self.remove_folder(&entry.map_err(cannot)?.path())?;
        }
        if let Some(cgroups) = &self.cgroups {
            cgroups.sweep(&self.cgroup_prefix);
        }
        Ok(())
    }

    pub(super) async fn unpack_root(
        self: &Arc<Self>,
        tar: impl AsyncRead + Send + Unpin,
        dest: &Path,
    ) -> Result<(), EngineError> {
        self.unpack_by(tar, dest, |dest| Job::Unpack { dest }).await
    }

    pub(super) async fn unpack_layer(
        self: &Arc<Self>,
        tar: impl AsyncRead + Send + Unpin,
        dest: &Path,
        at: &str,
    ) -> Result<(), EngineError> {
        let at = PathBuf::from(at);
        self.unpack_by(tar, dest, |dest| Job::UnpackLayer { dest, at }).await
    }

    pub(super) async fn unpack_layers(
        self: &Arc<Self>,
        tars: impl AsyncRead + Send + Unpin,
        dest: &Path,
        max_entries: u64,
    ) -> Result<(), EngineError> {
        self.unpack_by(tars, dest, move |dest| Job::UnpackLayers { dest, max_entries }).await
    }

    /// Has a helper unpack `tar` into a folder, made if missing.
    async fn unpack_by(
        self: &Arc<Self>,
        tar: impl AsyncRead + Send + Unpin,
        dest: &Path,
        job: impl FnOnce(PathBuf) -> Job + Send + 'static,
    ) -> Result<(), EngineError> {
        let (sender, receiver) = wide_pipe()?;
        let pipe = receiver.into_blocking_fd().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
        let (sandbox, dest) = (Arc::clone(self), dest.to_owned());
        let unpacking = tokio::task::spawn_blocking(move || {
            let made = match std::fs::create_dir(&dest) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => dest.canonicalize(),
                made => made.and_then(|()| dest.canonicalize()),
            };
            let dest = made.map_err(|error| EngineError::io(format!("cannot make {}", dest.display()), error))?;
            sandbox.mapping.give_away(&dest)?;
            let helper = Helper::start(&sandbox, "unpack", &job(dest), &[pipe.as_fd()])?;
            // Only the helper's end is left, so that copying fails when the helper does.
            drop(pipe);
            helper.finish(FILES_TIMEOUT)
        });
        let copied = copy_into(tar, sender).await;
        // The helper's failure comes first: it is why copying failed too.
        unpacking.await.map_err(|error| EngineError::io("unpacking was abandoned", error))??;
        copied.map_err(|error| EngineError::io("cannot read the root file system's tar", error))
    }

    pub(super) fn pack_root(self: &Arc<Self>, root: &Path, latest_secs: u64) -> Result<TarStream, EngineError> {
        let (sender, receiver) = wide_pipe()?;
        let pipe = sender.into_blocking_fd().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
        let (sandbox, root) = (Arc::clone(self), root.to_owned());
        let packing = tokio::task::spawn_blocking(move || {
            let root = root.canonicalize().map_err(|error| EngineError::io(format!("cannot find {}", root.display()), error))?;
            let helper = Helper::start(&sandbox, "pack", &Job::Pack { root, latest_secs }, &[pipe.as_fd()])?;
            // Only the helper's end is left, so that reading ends when the helper does.
            drop(pipe);
            helper.finish(FILES_TIMEOUT)
        });
        Ok(with_verdict(receiver, async { packing.await?.map_err(std::io::Error::other) }))
    }

    pub(super) async fn remove_root(self: &Arc<Self>, dest: &Path) -> Result<(), EngineError> {
        let (sandbox, dest) = (Arc::clone(self), dest.to_owned());
        tokio::task::spawn_blocking(move || sandbox.remove_folder(&dest))
            .await
            .map_err(|error| EngineError::io("removing was abandoned", error))?
    }

    pub(super) async fn start(self: &Arc<Self>, spec: Spec, layer: Option<&Path>) -> Result<Environment, EngineError> {
        Environment::start(Arc::clone(self), spec, layer.map(Path::to_owned)).await
    }

    /// Removes a folder whose contents belong to the sandbox's users. The helper of an environment that is just
    /// ending may be at it too: what counts is that the folder is gone.
    fn remove_folder(&self, folder: &Path) -> Result<(), EngineError> {
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                let cannot = |error| EngineError::io(format!("cannot remove {}", folder.display()), error);
                return std::fs::remove_file(folder).map_err(cannot);
            }
            removed => return gone(folder, removed),
        }
        let emptied = self.empty_folder(folder);
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => emptied.and(gone(folder, Err(error))),
            removed => gone(folder, removed),
        }
    }

    fn empty_folder(&self, folder: &Path) -> Result<(), EngineError> {
        let cannot = |error| EngineError::io(format!("cannot find {}", folder.display()), error);
        let dir = folder.canonicalize().map_err(cannot)?;
        Helper::start(self, "remove", &Job::Remove { dir }, &[])?.finish(FILES_TIMEOUT)
    }

    /// The filter rules of an environment that starts now.
    fn rules(&self) -> Result<String, EngineError> {
        let trie = std::fs::read_to_string("/proc/net/fib_trie")
            .map_err(|error| EngineError::io("cannot find this host's own addresses", error))?;
        Ok(filter::rules(&self.allow_networks, &filter::own_addresses(&trie)))
    }
}

/// Whether removing a folder left none, no matter who did it.
fn gone(folder: &Path, removed: std::io::Result<()>) -> Result<(), EngineError> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(EngineError::io(format!("cannot remove {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}
