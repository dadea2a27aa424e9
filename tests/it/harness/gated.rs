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
        // The API is asked again and again.
        let limits = format!("api_requests_per_hour = 1000000\n{limits}");
        let daemon = Daemon::start_with(&format!("engine = \"local\"\n[limits]\n{limits}\n"));
        let user = daemon.user("alice@example.com");
        let gate = daemon.data_dir().join("gate");
        let gated = Self { daemon, user, tree: WorkTree::with_pack("gated"), gate };
        gated.create(&gated.user, "shop");
        gated
    }

    /// Makes another app whose builds wait at the gate.
    pub(crate) fn create(&self, user: &User, app: &str) {
        self.daemon.client(user, &["apps:create", app]);
        self.daemon.client(user, &["buildpacks:set", "./pack", "--app", app]);
        self.daemon.client(user, &["config:set", &format!("GATE={}", self.gate.display()), "--app", app]);
    }

    /// Waits until the newest build of an app has so many others before it.
    pub(crate) fn until_ahead(&self, user: &User, app: &str, ahead: usize) {
        until(|| {
            let builds = self.daemon.get(user, &format!("/apps/{app}/builds"));
            builds.as_array().unwrap().iter().any(|build| build["builds_ahead"] == ahead)
        });
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

/// Waits until the log of an app's build that has not ended says this.
pub(crate) fn until_log(daemon: &Daemon, user: &User, app: &str, text: &str) {
    until(|| {
        let builds = daemon.get(user, &format!("/apps/{app}/builds"));
        let mut pending = builds.as_array().unwrap().iter().filter(|build| build["status"] == "pending");
        pending.any(|build| spooled(daemon, build["id"].as_str().unwrap()).contains(text))
    });
}

/// What a log says so far: following it would only end with it.
fn spooled(daemon: &Daemon, id: &str) -> String {
    let files = std::fs::read_dir(daemon.data_dir().join("logs").join(id)).into_iter().flatten().flatten();
    files.map(|file| String::from_utf8_lossy(&std::fs::read(file.path()).unwrap_or_default()).into_owned()).collect()
}

/// Waits until something is so.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "it did not happen");
        std::thread::yield_now();
    }
}
