//! All SQL: one file per table, plain functions over a connection, so that any of them can share a transaction.
//!
//! In reading order: who (`accounts`, `tokens`, `ssh_keys`) and what they did (`audit`), what (`apps`, `app_details`,
//! `collaborators`, `buildpacks` and, of those that were fetched, `buildpack_copies`), the repository (`refs` and what they
//! were, `past_refs`; `packs` and those that go, `old_packs`; `lfs_objects`, `lfs_locks`) and the images that are pushed
//! (`registry`), what was uploaded and built (`sources`, `builds`, `build_sources`, `build_buildpacks`, `build_facts`, `build_inputs`, `slugs`,
//! `slug_statements`, `oci_images`; `artifacts` is either) or is to be uploaded (`slug_uploads`), what was released (`releases`,
//! `phases`), how it is scaled (`formations`) and promoted (`pipelines` and its kin, `review_apps`), what was run (`dynos`) and put out (`logs`), set up
//! (`app_setups`) and tested (`test_runs`, `test_cases`), which databases apps use (`addons`, `addon_attachments`).
//! `connections` are the repositories on forges from which apps are deployed, `deliveries_in` what those forges have told, and
//! `triggers` what is to be deployed therefore; `follower_deploys` is what is to be deployed of pushes to other apps.
//! `events` is what has happened, and `webhooks` with `webhook_deliveries` who is
//! told; `tellings` is what is told elsewhere, `notifications` who asked for that of releases, and `build_origins` which builds
//! came from a forge. `push_certificates` is what signed pushes were signed with.
//! `garbage` is what nothing refers to. `cipher` keeps config vars
//! secret at rest.
//!
//! SQLite in WAL mode with `synchronous=FULL`: what `commit` has answered survives a power cut. One writer and
//! several readers per process; other processes (`hoist admin`) wait their turn by the busy time-out.

pub mod accounts;
pub mod audit;
pub mod ssh_keys;
pub mod tokens;

pub mod app_details;
pub mod apps;
pub mod buildpack_copies;
pub mod buildpacks;
pub mod collaborators;

pub mod lfs_locks;
pub mod lfs_objects;
pub mod old_packs;
pub mod packs;
pub mod past_refs;
pub mod refs;
pub mod registry;

pub mod artifacts;
pub mod build_buildpacks;
pub mod build_facts;
pub mod build_inputs;
pub mod build_origins;
pub mod build_sources;
pub mod builds;
pub mod formations;
pub mod oci_images;
pub mod phases;
pub mod push_certificates;
pub mod releases;
pub mod slug_statements;
pub mod slug_uploads;
pub mod slugs;
pub mod sources;

pub mod pipeline_config_vars;
pub mod pipeline_couplings;
pub mod pipeline_promotions;
pub mod pipelines;
pub mod pull_requests;
pub mod review_app_configs;
pub mod review_apps;

pub mod dynos;
pub mod logs;

pub mod addon_attachments;
pub mod addons;
pub mod app_setups;
pub mod events;
pub mod notifications;
pub mod tellings;
pub mod test_cases;
pub mod test_runs;
pub mod webhook_deliveries;
pub mod webhooks;

pub mod connections;
pub mod deliveries_in;
pub mod follower_deploys;
pub mod git_credentials;
pub mod triggers;

pub mod garbage;

mod cipher;
mod row;
mod window;
mod write;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool};
use tokio::sync::watch;

pub use cipher::Cipher;
pub use window::{Order, TextWindow, Window};
pub use write::Write;

/// How long one statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
const READERS: u32 = 4;

/// Connections to the database of this installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    writer: SqlitePool,
    readers: SqlitePool,
    cipher: Cipher,
    commits: watch::Sender<()>,
}

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("the database failed")]
    Sql(#[from] sqlx::Error),
    #[error("the database could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row that hoist can't have written, or that somebody changed.
    #[error("the database holds a bad {what}: {why}")]
    Corrupt { what: &'static str, why: String },
    #[error("the key file {path} can't be used")]
    Key { path: String, source: std::io::Error },
}

impl DbError {
    /// Tells whether a UNIQUE constraint refused the row.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Tells whether a FOREIGN KEY constraint kept the row.
    #[must_use]
    pub fn is_referred_to(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.is_foreign_key_violation())
    }
}

/// A connection that statements run on: a reader's, or the inside of a transaction.
pub type Connection = SqliteConnection;

impl Db {
    /// Opens the database below `data_dir`, creating or upgrading it, and the key of its secrets beside it.
    pub async fn open(data_dir: &Path) -> Result<Self, DbError> {
        let cipher = Cipher::open(&data_dir.join("secret.key"))?;
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join("hoist.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        sqlx::migrate!("src/db/migrations/sqlite").run(&writer).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options.read_only(true));
        Ok(Self { writer, readers, cipher, commits: watch::Sender::new(()) })
    }

    /// A connection that only reads, as of now.
    pub async fn read(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>, DbError> {
        Ok(self.readers.acquire().await?)
    }

    /// Starts the one transaction that may write now. Dropped without `commit`, it leaves no trace.
    pub async fn write(&self) -> Result<Write, DbError> {
        // IMMEDIATE: take the write lock now. A transaction that reads first and writes later could otherwise
        // find that another process wrote in between.
        self.begin("PRAGMA synchronous = FULL; BEGIN IMMEDIATE").await
    }

    /// As [`Db::write`], but `commit` does not wait for the disk. The log is written in order, so that what [`Db::write`]
    /// commits later takes it along to the disk: for what must be recorded no later than something else. A power cut may
    /// take the last of it; the end of the process does not.
    pub async fn write_ahead(&self) -> Result<Write, DbError> {
        self.begin("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE").await
    }

    async fn begin(&self, statement: &'static str) -> Result<Write, DbError> {
        Ok(Write::new(self.writer.begin_with(statement).await?, self.commits.clone()))
    }

    /// Changes with each commit of this process: who waits for rows looks again then, and not by the clock.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<()> {
        self.commits.subscribe()
    }

    /// The key under which config vars are kept.
    #[must_use]
    pub fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    /// Waits for running statements and closes every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::*;

    async fn synchronous(tx: &mut Connection) -> i64 {
        sqlx::query("PRAGMA synchronous").fetch_one(tx).await.unwrap().try_get(0).unwrap()
    }

    #[tokio::test]
    async fn every_transaction_waits_for_the_disk_unless_it_says_otherwise() {
        let (normal, full) = (1, 2);
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        assert_eq!(synchronous(&mut db.write().await.unwrap()).await, full);
        assert_eq!(synchronous(&mut db.write_ahead().await.unwrap()).await, normal);
        assert_eq!(synchronous(&mut db.write().await.unwrap()).await, full);
    }
}
