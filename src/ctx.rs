//! The long-lived handles, built once by `server` and passed down to `deploy`, no further.

use std::path::PathBuf;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::addons::Addons;
use crate::auth::Rates;
use crate::build::{CacheFolders, SourceFolders};
use crate::config::Config;
use crate::db::Db;
use crate::deploy::{Builds, Dynos, Packs, TestRuns};
use crate::docker::Docker;
use crate::engine::Engine;
use crate::git::{Fetches, Nonces, Repo};
use crate::image::Roots;
use crate::image::of_slug::SigningKey;
use crate::model::AppId;
use crate::outbox::Signals;
use crate::slug::LastSlugs;
use crate::store::Store;
use crate::tell::Providers;

/// Everything that outlives a connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ctx {
    pub config: Arc<Config>,
    pub db: Db,
    pub store: Store,
    /// What images are signed with.
    pub signing_key: SigningKey,
    pub engine: Engine,
    /// What builds images.
    pub docker: Docker,
    /// The images that are unpacked.
    pub roots: Roots,
    /// The build caches that are unpacked.
    pub cache_folders: CacheFolders,
    /// The sources that are exported.
    pub source_folders: SourceFolders,
    /// What new slugs may take over of earlier ones.
    pub last_slugs: LastSlugs,
    /// What certificates of pushes have to quote.
    pub nonces: Nonces,
    /// The work of those who fetch.
    pub fetches: Fetches,
    /// How often whom has knocked.
    pub rates: Rates,
    /// The servers of add-ons.
    pub addons: Addons,
    /// GitHub and its kin.
    pub providers: Providers,
    /// The buildpacks that are being fetched.
    pub packs: Packs,
    /// The builds that run and wait.
    pub builds: Builds,
    /// The release commands and one-off commands that run and wait.
    pub dynos: Dynos,
    /// The test runs that run and wait.
    pub test_runs: TestRuns,
    /// The hoist executable, for helpers.
    pub helper: PathBuf,
    /// Cancelled when the daemon is to stop: no new work from then on.
    pub stopping: CancellationToken,
    /// Cancelled when the grace period is over: running builds end now.
    pub killing: CancellationToken,
    /// Owns every task that outlives the request that started it.
    pub tasks: TaskTracker,
}

impl Ctx {
    /// The clock.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        Self::now_utc()
    }

    /// The clock, for what gets no `Ctx`.
    #[must_use]
    pub fn now_utc() -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    /// What wakes and ends the loops that keep rows moving.
    #[must_use]
    pub fn signals(&self) -> Signals {
        Signals { commits: self.db.commits(), stopping: self.stopping.clone(), killing: self.killing.clone() }
    }

    /// Opens an app's repository, creating it at first use.
    pub fn repo(&self, app: AppId) -> std::io::Result<Repo> {
        Repo::open(&self.repo_dir(app), &self.helper, &self.config.limits)
    }

    /// Where other servers' buildpacks are while they are fetched: a repository that never has packs of its own.
    pub fn buildpacks_repo(&self) -> std::io::Result<Repo> {
        Repo::open(&self.config.data_dir.join("buildpacks"), &self.helper, &self.config.limits)
    }

    /// Where an app's repository lies.
    #[must_use]
    pub fn repo_dir(&self, app: AppId) -> PathBuf {
        self.config.data_dir.join("repos").join(app.to_string())
    }
}
