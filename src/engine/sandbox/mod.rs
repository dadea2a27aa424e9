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
//! each other; `helper` starts a helper and sees it through; `roots` has helpers make and remove root file systems;
//! `prepared` keeps one in reserve; `environment` is one environment as the daemon sees it, `limits` how its limits are watched, `footprint` what it leaves on the host; `init` is everything that runs in
//! the helper.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tree::Yard;
use super::{EngineError, Groundwork, Settings, Spec};
use cgroup::Cgroups;
use filter::NAME_SERVER;
use prepared::Reserve;

pub(super) mod cgroup;
pub(super) mod filter;
mod network;
pub(super) mod programs;
mod user;

pub(super) mod protocol;

mod helper;
mod roots;

mod prepared;

pub(super) mod environment;
mod footprint;
pub(super) mod limits;

pub(super) mod init;

pub(super) use environment::Environment;
pub use init::helper_main;
pub(super) use roots::Roots;

/// What the engine knows about its host.
#[derive(Debug)]
pub(super) struct Sandbox {
    roots: Arc<Roots>,
    yard: Yard,
    ca_bundle: Option<PathBuf>,
    allow_networks: Vec<(IpAddr, u8)>,
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
        let yard = Yard::open(&settings.work_dir).map_err(cannot)?;
        let sandbox = Self {
            roots: Arc::new(Roots::open(settings.helper)?),
            cgroup_prefix: format!("hoist-{:08x}-", crc32fast::hash(yard.dir().as_os_str().as_encoded_bytes())),
            yard,
            ca_bundle: settings.ca_bundle,
            allow_networks: settings.allow_networks,
            cgroups: Cgroups::find(),
            nft: programs::find("nft", "nftables")?,
            carrier: network::Carrier::find()?,
            reserve: Reserve::default(),
        };
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
        let cannot = |error| EngineError::io(format!("cannot sweep {}", self.yard.dir().display()), error);
        self.yard.trees().map_err(cannot)?.iter().try_for_each(|tree| self.roots.remove_folder(tree))?;
        if let Some(cgroups) = &self.cgroups {
            cgroups.sweep(&self.cgroup_prefix);
        }
        Ok(())
    }

    /// What makes and removes the root file systems that environments start from.
    pub(super) fn roots(&self) -> &Arc<Roots> {
        &self.roots
    }

    pub(super) async fn start(self: &Arc<Self>, spec: Spec, groundwork: Groundwork<'_>) -> Result<Environment, EngineError> {
        let Groundwork { layer, own } = groundwork;
        Environment::start(Arc::clone(self), spec, layer.map(Path::to_owned), own.map(Path::to_owned)).await
    }

    /// The filter rules of an environment that starts now.
    fn rules(&self) -> Result<String, EngineError> {
        Ok(filter::rules(&[NAME_SERVER.into()], &self.allow_networks, &filter::own_addresses()?))
    }
}
