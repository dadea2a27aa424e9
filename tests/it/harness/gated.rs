//! Builds that wait until a test lets them go on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Daemon, User, WorkTree};

/// How long something that must happen may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A daemon with an app whose builds wait at a gate. Without isolation: the gate is a file of the host.
pub(crate) struct Gated {
    pub(crate) daemon: Daemon,
    pub(crate) user: User,
    pub(crate) tree: WorkTree,
    gate: PathBuf,
}

impl Gated {
    pub(crate) fn new() -> Self {
        Self::with_limits("")
    }

    /// With this `[limits]` section.
    pub(crate) fn with_limits(limits: &str) -> Self {
        let daemon = Daemon::start_with(&format!("engine = \"local\"\n[limits]\n{limits}\n"));
        let user = daemon.user("alice@example.com");
        let gate = daemon.data_dir().join("gate");
        daemon.client(&user, &["apps:create", "shop"]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
        daemon.client(&user, &["config:set", &format!("GATE={}", gate.display()), "--app", "shop"]);
        Self { daemon, user, tree: WorkTree::with_pack("gated"), gate }
    }

    pub(crate) fn open_gate(&self) {
        std::fs::write(&self.gate, "").unwrap();
    }

    pub(crate) fn close_gate(&self) {
        std::fs::remove_file(&self.gate).unwrap();
    }

    pub(crate) fn deploys(&self) -> usize {
        self.daemon.releases(&self.user, "shop").iter().filter(|(_, what)| what.starts_with("Deploy")).count()
    }

    /// Waits until so many builds of the app are recorded.
    pub(crate) fn until_builds(&self, count: usize, status: &str) {
        until(|| {
            let builds = self.daemon.get(&self.user, "/apps/shop/builds");
            builds.as_array().unwrap().iter().filter(|build| build["status"] == status).count() == count
        });
    }
}

/// Waits until something is so.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "it did not happen");
        std::thread::yield_now();
    }
}
