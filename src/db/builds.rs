//! Builds and their outcomes. Both are append-only: a build is recorded when accepted, and its outcome once.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, Window, build_buildpacks, build_sources, events, row};
use crate::model::{
    AccountId, AppId, BuildId, BuildStatus, BuildpackRef, Change, CommitId, Facts, SlugId, SourceBlob, StackName, UsedBuildpack,
};

/// A build with its outcome, if it has ended.
#[derive(Debug, Clone)]
pub struct Build {
    pub id: BuildId,
    pub app: AppId,
    /// Fencing number: the app's builds in the order in which they were accepted.
    pub number: i64,
    pub by: AccountId,
    pub commit: Option<CommitId>,
    /// What an archive's author says of it; none for a git push.
    pub source: Option<SourceBlob>,
    /// The buildpacks that a build of an archive was given; empty for a git push.
    pub buildpacks: Vec<BuildpackRef>,
    /// Those that it was made with, as soon as they were there.
    pub used: Vec<UsedBuildpack>,
    pub stack: StackName,
    pub created_at: OffsetDateTime,
    pub status: BuildStatus,
    /// Why it failed or was cancelled, in one line.
    pub reason: Option<String>,
    pub slug: Option<SlugId>,
    /// When it ended, or was accepted if it has not ended.
    pub updated_at: OffsetDateTime,
}

/// How a build ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub status: BuildStatus,
    pub reason: Option<String>,
    pub slug: Option<SlugId>,
}

const SELECT: &str = "SELECT builds.*, build_outcomes.status, build_outcomes.reason, build_outcomes.slug_id,
    build_sources.url, build_sources.checksum, build_sources.version, build_sources.version_description, build_sources.buildpacks,
    COALESCE (build_outcomes.created_at, builds.created_at) AS updated_at,
    (SELECT json_group_array (json_array (buildpack, version) ORDER BY ordinal) FROM build_buildpacks
        WHERE build_buildpacks.build_id = builds.id) AS used_buildpacks
    FROM builds LEFT JOIN build_outcomes ON build_outcomes.build_id = builds.id
    LEFT JOIN build_sources ON build_sources.build_id = builds.id";

/// Records an accepted build under the app's next fencing number, which it returns.
pub async fn insert(
    db: &mut Connection,
    id: BuildId,
    app: AppId,
    by: AccountId,
    commit: Option<&CommitId>,
    stack: &StackName,
    at: OffsetDateTime,
) -> Result<i64, DbError> {
    let number = super::apps::next_build_number(&mut *db, app).await?;
    sqlx::query("INSERT INTO builds (id, app_id, number, account_id, commit_id, stack, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(id.to_string())
        .bind(app.to_string())
        .bind(number)
        .bind(by.to_string())
        .bind(commit.map(CommitId::as_str))
        .bind(stack.as_str())
        .bind(row::millis(at))
        .execute(&mut *db)
        .await?;
    let facts = Facts::Build { id };
    events::record(db, &events::NewEvent { app, action: Change::Create, by, facts, at }).await?;
    Ok(number)
}

/// Records how a build ended. Fails with [`DbError::is_taken`] when it has ended already.
pub async fn end(db: &mut Connection, id: BuildId, outcome: &Outcome, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("INSERT INTO build_outcomes (build_id, status, reason, slug_id, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(id.to_string())
        .bind(outcome.status.as_str())
        .bind(outcome.reason.as_deref())
        .bind(outcome.slug.map(|slug| slug.to_string()))
        .bind(row::millis(at))
        .execute(&mut *db)
        .await?;
    let row = sqlx::query("SELECT app_id, account_id FROM builds WHERE id = ?").bind(id.to_string()).fetch_one(&mut *db).await?;
    let (app, by) = (row::text(&row, "app_id")?, row::text(&row, "account_id")?);
    events::record(db, &events::NewEvent { app, action: Change::Update, by, facts: Facts::Build { id }, at }).await
}

/// Finds a build of an app.
pub async fn get(db: &mut Connection, app: AppId, id: BuildId) -> Result<Option<Build>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE builds.app_id = ? AND builds.id = ?"));
    let row = sqlx::query(sql).bind(app.to_string()).bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(build).transpose()
}

/// Finds the build that made a slug, of whichever app.
pub async fn by_slug(db: &mut Connection, slug: SlugId) -> Result<Option<Build>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE build_outcomes.slug_id = ?"));
    let row = sqlx::query(sql).bind(slug.to_string()).fetch_optional(db).await?;
    row.as_ref().map(build).transpose()
}

/// Lists an app's builds, newest first.
pub async fn list(db: &mut Connection, app: AppId, most: u32) -> Result<Vec<Build>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE builds.app_id = ? ORDER BY builds.number DESC LIMIT ?"));
    let rows = sqlx::query(sql).bind(app.to_string()).bind(most).fetch_all(db).await?;
    rows.iter().map(build).collect()
}

/// Lists the builds whose numbers are in the window.
pub async fn window(db: &mut Connection, app: AppId, window: Window) -> Result<Vec<Build>, DbError> {
    let order = window.order.sql();
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE builds.app_id = ? AND builds.number BETWEEN ? AND ? ORDER BY builds.number {order} LIMIT ?"
    ));
    let rows = sqlx::query(sql).bind(app.to_string()).bind(window.from).bind(window.to).bind(window.most).fetch_all(db).await?;
    rows.iter().map(build).collect()
}

/// Lists the builds of all apps that have no outcome: after a crash, those that it cut off.
pub async fn unended(db: &mut Connection) -> Result<Vec<Build>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE build_outcomes.build_id IS NULL ORDER BY builds.created_at"));
    let rows = sqlx::query(sql).fetch_all(db).await?;
    rows.iter().map(build).collect()
}

/// Tells whether a build was recorded at all.
pub async fn exists(db: &mut Connection, id: BuildId) -> Result<bool, DbError> {
    Ok(sqlx::query("SELECT 1 FROM builds WHERE id = ?").bind(id.to_string()).fetch_optional(db).await?.is_some())
}

fn build(row: &SqliteRow) -> Result<Build, DbError> {
    Ok(Build {
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        number: row::number(row, "number")?,
        by: row::text(row, "account_id")?,
        commit: row::optional(row, "commit_id")?,
        source: build_sources::blob(row)?,
        buildpacks: build_sources::buildpacks(row)?,
        used: build_buildpacks::used(row)?,
        stack: row::text(row, "stack")?,
        created_at: row::time(row, "created_at")?,
        status: row::optional(row, "status")?.unwrap_or(BuildStatus::Pending),
        reason: row.try_get("reason")?,
        slug: row::optional(row, "slug_id")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
