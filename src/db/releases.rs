//! The ledger's rows. Append-only: triggers in the database refuse anything else, and each row carries the hash of
//! the one before (`chain`). What happens to a release later is a row of its own: its statuses, and its block (`statuses`
//! proves them).

mod chain;
mod statuses;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Cipher, Connection, DbError, Window, addon_attachments, events, row};
use crate::model::{
    AccountId, AppId, ArtifactId, AttachedAddon, BuildId, Change, CommitId, ConfigVars, Facts, OciImageId, OneLine, Release,
    ReleaseId, ReleaseStatus, ReleaseVersion, SlugId,
};

pub use chain::{Broken, Fault, Verification, verify};

/// What a new row of the ledger says. The version and the hash come from the row before it, the add-ons and the values of
/// the config vars that they own from what is attached to the app now, whatever causes the release.
#[derive(Debug, Clone)]
pub struct NewRelease {
    pub app: AppId,
    pub description: String,
    pub by: AccountId,
    pub artifact: Option<ArtifactId>,
    pub build: Option<BuildId>,
    pub commit: Option<CommitId>,
    pub config: ConfigVars,
    pub status: ReleaseStatus,
    pub at: OffsetDateTime,
}

/// That nobody may go back to a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub reason: String,
    pub by: AccountId,
    pub created_at: OffsetDateTime,
}

/// `current` is the newest release whose last status is `succeeded`.
const SELECT: &str = "SELECT releases.*,
    (SELECT reason FROM release_blocks WHERE release_id = releases.id) AS blocked,
    (SELECT status FROM release_events WHERE release_id = releases.id ORDER BY number DESC LIMIT 1) AS status,
    releases.version = (SELECT MAX (version) FROM succeeded_releases WHERE app_id = releases.app_id) AS current,
    (SELECT created_at FROM release_events WHERE release_id = releases.id ORDER BY number DESC LIMIT 1) AS updated_at,
    EXISTS (SELECT 1 FROM release_events WHERE release_id = releases.id AND status = 'pending') AS has_command
    FROM releases";

/// Appends a release. Must run inside a write transaction: the version is the last one's plus one.
pub async fn append(db: &mut Connection, cipher: &Cipher, new: NewRelease) -> Result<Release, DbError> {
    let last = sqlx::query("SELECT version, hash FROM releases WHERE app_id = ? ORDER BY version DESC LIMIT 1")
        .bind(new.app.to_string())
        .fetch_optional(&mut *db)
        .await?;
    let (version, previous_hash) = match &last {
        Some(row) => (row::number::<u32>(row, "version")? + 1, row.try_get::<String, _>("hash")?),
        None => (1, String::new()),
    };
    let id = ReleaseId::new();
    let mut vars = new.config.clone();
    vars.0.extend(addon_attachments::values(db, cipher, new.app).await?);
    let plain = serde_json::to_vec(&vars).expect("a map of texts is JSON");
    let config = cipher.seal(&id.to_string(), &plain);
    let attached: Vec<AttachedAddon> = addon_attachments::snapshot(db, new.app).await?;
    let addons = serde_json::to_string(&attached).expect("a list of texts is JSON");
    let version = ReleaseVersion(version);
    let row = Row { id, version, new: &new, config: &config, addons: &addons, previous_hash: &previous_hash };
    let hash = chain::hash(db, &row).await?;
    insert(db, &row, &hash).await?;
    insert_status(db, id, new.status, None, new.at).await?;
    let facts = Facts::Release { id, status: new.status, previous: None };
    events::record(db, &events::NewEvent { app: new.app, action: Change::Create, by: new.by, facts, at: new.at }).await?;
    get(db, new.app, version).await?.ok_or(DbError::Corrupt { what: "release", why: "it was just appended".into() })
}

/// Adds what happened to a release, and why.
pub async fn add_event_because(
    db: &mut Connection,
    release: ReleaseId,
    status: ReleaseStatus,
    reason: Option<&str>,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    insert_status(db, release, status, reason, at).await?;
    record_update(db, release, status, at).await
}

/// Notes that the command of a pending release begins: Heroku's webhooks tell it between the release and its end.
pub async fn begin_command(db: &mut Connection, release: ReleaseId, at: OffsetDateTime) -> Result<(), DbError> {
    record_update(db, release, ReleaseStatus::Pending, at).await
}

/// Records an event of a release that was pending until now.
async fn record_update(db: &mut Connection, id: ReleaseId, status: ReleaseStatus, at: OffsetDateTime) -> Result<(), DbError> {
    let row =
        sqlx::query("SELECT app_id, account_id FROM releases WHERE id = ?").bind(id.to_string()).fetch_one(&mut *db).await?;
    let (app, by) = (row::text(&row, "app_id")?, row::text(&row, "account_id")?);
    let facts = Facts::Release { id, status, previous: Some(ReleaseStatus::Pending) };
    events::record(db, &events::NewEvent { app, action: Change::Update, by, facts, at }).await
}

async fn insert_status(
    db: &mut Connection,
    release: ReleaseId,
    status: ReleaseStatus,
    reason: Option<&str>,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let hash = statuses::status_hash(db, release, status, reason, at).await?;
    sqlx::query("INSERT INTO release_events (release_id, status, reason, created_at, hash) VALUES (?, ?, ?, ?, ?)")
        .bind(release.to_string())
        .bind(status.as_str())
        .bind(reason)
        .bind(row::millis(at))
        .bind(hash)
        .execute(db)
        .await?;
    Ok(())
}

/// Finds one release of an app.
pub async fn get(db: &mut Connection, app: AppId, version: ReleaseVersion) -> Result<Option<Release>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE app_id = ? AND version = ?"));
    let row = sqlx::query(sql).bind(app.to_string()).bind(version.0).fetch_optional(db).await?;
    row.as_ref().map(release).transpose()
}

/// Finds one release of an app by its id.
pub async fn by_id(db: &mut Connection, app: AppId, id: ReleaseId) -> Result<Option<Release>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE app_id = ? AND id = ?"));
    let row = sqlx::query(sql).bind(app.to_string()).bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(release).transpose()
}

/// Lists an app's releases, newest first.
pub async fn list(db: &mut Connection, app: AppId, most: u32) -> Result<Vec<Release>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE app_id = ? ORDER BY version DESC LIMIT ?"));
    let rows = sqlx::query(sql).bind(app.to_string()).bind(most).fetch_all(db).await?;
    rows.iter().map(release).collect()
}

/// Lists the releases whose versions are in the window.
pub async fn window(db: &mut Connection, app: AppId, window: Window) -> Result<Vec<Release>, DbError> {
    let order = window.order.sql();
    let sql =
        sqlx::AssertSqlSafe(format!("{SELECT} WHERE app_id = ? AND version BETWEEN ? AND ? ORDER BY version {order} LIMIT ?"));
    let rows = sqlx::query(sql).bind(app.to_string()).bind(window.from).bind(window.to).bind(window.most).fetch_all(db).await?;
    rows.iter().map(release).collect()
}

/// The release that runs: the newest that succeeded.
pub async fn current(db: &mut Connection, app: AppId) -> Result<Option<Release>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE app_id = ?1 AND version = (SELECT MAX (version) FROM succeeded_releases WHERE app_id = ?1)"
    ));
    let row = sqlx::query(sql).bind(app.to_string()).fetch_optional(db).await?;
    row.as_ref().map(release).transpose()
}

/// The release that the next one builds upon, its code and its config: the newest, whatever became of it, except that
/// one whose push waits for its success, or was refused for the want of it, never happened.
pub async fn base(db: &mut Connection, app: AppId) -> Result<Option<Release>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT * FROM ({SELECT} WHERE app_id = ?) AS ledger
         WHERE status = 'succeeded' OR NOT EXISTS (SELECT 1 FROM release_refs WHERE release_id = ledger.id)
         ORDER BY version DESC LIMIT 1"
    ));
    let row = sqlx::query(sql).bind(app.to_string()).fetch_optional(db).await?;
    row.as_ref().map(release).transpose()
}

/// Lists the releases of all apps whose command has not ended: after a crash, those that it cut off.
pub async fn pending(db: &mut Connection) -> Result<Vec<Release>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM ({SELECT}) AS ledger WHERE status = 'pending' ORDER BY created_at"));
    let rows = sqlx::query(sql).fetch_all(db).await?;
    rows.iter().map(release).collect()
}

/// Tells whether there is such a release in any app.
pub async fn exists(db: &mut Connection, id: ReleaseId) -> Result<bool, DbError> {
    Ok(sqlx::query("SELECT 1 FROM releases WHERE id = ?").bind(id.to_string()).fetch_optional(db).await?.is_some())
}

/// Why the release has its status, where there was more to say.
pub async fn reason(db: &mut Connection, id: ReleaseId) -> Result<Option<String>, DbError> {
    let row = sqlx::query("SELECT reason FROM release_events WHERE release_id = ? ORDER BY number DESC LIMIT 1");
    Ok(row.bind(id.to_string()).fetch_one(db).await?.try_get("reason")?)
}

/// The newest release, whatever became of it.
pub async fn newest(db: &mut Connection, app: AppId) -> Result<Option<Release>, DbError> {
    Ok(list(db, app, 1).await?.pop())
}

/// The release that was made by a build, if any. Later releases of the same slug (of changed config vars) name the
/// build too.
pub async fn by_build(db: &mut Connection, app: AppId, build: BuildId) -> Result<Option<Release>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE app_id = ? AND build_id = ? ORDER BY version LIMIT 1"));
    let row = sqlx::query(sql).bind(app.to_string()).bind(build.to_string()).fetch_optional(db).await?;
    row.as_ref().map(release).transpose()
}

/// The app's newest release of a slug or an image.
pub async fn newest_of(db: &mut Connection, app: AppId, artifact: ArtifactId) -> Result<Option<Release>, DbError> {
    let (column, id) = match artifact {
        ArtifactId::Slug(id) => ("slug_id", id.to_string()),
        ArtifactId::OciImage(id) => ("oci_image_id", id.to_string()),
    };
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE app_id = ? AND {column} = ? ORDER BY version DESC LIMIT 1"));
    let row = sqlx::query(sql).bind(app.to_string()).bind(id).fetch_optional(db).await?;
    row.as_ref().map(release).transpose()
}

/// Decrypts the config vars of a release.
pub async fn config(db: &mut Connection, cipher: &Cipher, release: ReleaseId) -> Result<ConfigVars, DbError> {
    let row = sqlx::query("SELECT config FROM releases WHERE id = ?").bind(release.to_string()).fetch_one(db).await?;
    let sealed: Vec<u8> = row.try_get("config")?;
    let bad = |why: &str| DbError::Corrupt { what: "config snapshot", why: format!("{why} (release {release})") };
    let plain = cipher.open_sealed(&release.to_string(), &sealed).ok_or_else(|| bad("it can't be opened with this key"))?;
    serde_json::from_slice(&plain).map_err(|_| bad("it is not a map of texts"))
}

/// Blocks a release. Fails with [`DbError::is_taken`] when it is blocked already.
pub async fn block(
    db: &mut Connection,
    release: ReleaseId,
    by: AccountId,
    reason: &OneLine,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("INSERT INTO release_blocks (release_id, account_id, reason, created_at, hash) VALUES (?, ?, ?, ?, ?)")
        .bind(release.to_string())
        .bind(by.to_string())
        .bind(reason.as_str())
        .bind(row::millis(at))
        .bind(statuses::block_hash(release, by, reason, at))
        .execute(db)
        .await?;
    Ok(())
}

/// Reads a release's block, if there is one.
pub async fn block_of(db: &mut Connection, release: ReleaseId) -> Result<Option<Block>, DbError> {
    let row =
        sqlx::query("SELECT * FROM release_blocks WHERE release_id = ?").bind(release.to_string()).fetch_optional(db).await?;
    let Some(row) = row else { return Ok(None) };
    let (by, created_at) = (row::text(&row, "account_id")?, row::time(&row, "created_at")?);
    Ok(Some(Block { reason: row.try_get("reason")?, by, created_at }))
}

/// A row about to be written.
struct Row<'a> {
    id: ReleaseId,
    version: ReleaseVersion,
    new: &'a NewRelease,
    config: &'a [u8],
    /// The add-ons that are attached, in JSON.
    addons: &'a str,
    previous_hash: &'a str,
}

impl Row<'_> {
    fn slug(&self) -> Option<SlugId> {
        self.new.artifact.and_then(|id| if let ArtifactId::Slug(id) = id { Some(id) } else { None })
    }

    fn oci_image(&self) -> Option<OciImageId> {
        self.new.artifact.and_then(|id| if let ArtifactId::OciImage(id) = id { Some(id) } else { None })
    }
}

async fn insert(db: &mut Connection, row: &Row<'_>, hash: &str) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO releases (id, app_id, version, description, account_id, slug_id, oci_image_id, build_id, commit_id, config, addons, previous_hash, hash, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.id.to_string())
    .bind(row.new.app.to_string())
    .bind(row.version.0)
    .bind(&row.new.description)
    .bind(row.new.by.to_string())
    .bind(row.slug().map(|id| id.to_string()))
    .bind(row.oci_image().map(|id| id.to_string()))
    .bind(row.new.build.map(|id| id.to_string()))
    .bind(row.new.commit.as_ref().map(CommitId::as_str))
    .bind(row.config)
    .bind(row.addons)
    .bind(row.previous_hash)
    .bind(hash)
    .bind(row::millis(row.new.at))
    .execute(db)
    .await?;
    Ok(())
}

fn release(row: &SqliteRow) -> Result<Release, DbError> {
    Ok(Release {
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        version: ReleaseVersion(row::number(row, "version")?),
        description: row.try_get("description")?,
        by: row::text(row, "account_id")?,
        slug: row::optional(row, "slug_id")?,
        oci_image: row::optional(row, "oci_image_id")?,
        build: row::optional(row, "build_id")?,
        commit: row::optional(row, "commit_id")?,
        addons: row::json(row, "addons")?,
        status: row::text(row, "status")?,
        current: row.try_get::<Option<bool>, _>("current")?.unwrap_or(false),
        blocked: row.try_get("blocked")?,
        hash: row::text(row, "hash")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
        has_command: row.try_get("has_command")?,
    })
}
