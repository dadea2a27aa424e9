//! Apps. A destroyed app keeps its row (its releases stay) but is found by no function here.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{
    Connection, DbError, buildpack_copies, connections, events, git_credentials, lfs_locks, lfs_objects, notifications, packs,
    releases, review_apps, row, webhook_deliveries,
};
use crate::model::{AccountId, App, AppFacts, AppId, AppName, Change, Connected, Digest, Facts, SourceRoot, StackName};

/// The ids of the living apps that the account `?1` owns or collaborates on, as a subquery. Each half has an index, so that
/// no other apps are read.
pub(super) const VISIBLE: &str = "(SELECT id FROM apps WHERE owner_id = ?1 AND destroyed_at IS NULL
    UNION ALL SELECT apps.id FROM collaborators JOIN apps ON apps.id = collaborators.app_id
    WHERE collaborators.account_id = ?1 AND apps.destroyed_at IS NULL)";

/// Adds an app. Fails with [`DbError::is_taken`] when the name is taken.
pub async fn insert(db: &mut Connection, app: &App) -> Result<(), DbError> {
    sqlx::query("INSERT INTO apps (id, name, owner_id, stack, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(app.id.to_string())
        .bind(app.name.as_str())
        .bind(app.owner.to_string())
        .bind(app.stack.as_str())
        .bind(row::millis(app.created_at))
        .bind(row::millis(app.updated_at))
        .execute(&mut *db)
        .await?;
    record(db, app.id, Change::Create, app.owner, None, app.created_at).await
}

/// Finds a living app by its name.
pub async fn by_name(db: &mut Connection, name: &AppName) -> Result<Option<App>, DbError> {
    let row =
        sqlx::query("SELECT * FROM apps WHERE name = ? AND destroyed_at IS NULL").bind(name.as_str()).fetch_optional(db).await?;
    row.as_ref().map(app).transpose()
}

/// Finds a living app by its id.
pub async fn by_id(db: &mut Connection, id: AppId) -> Result<Option<App>, DbError> {
    let row =
        sqlx::query("SELECT * FROM apps WHERE id = ? AND destroyed_at IS NULL").bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(app).transpose()
}

/// Marks an app as destroyed; its name is free from then on, its connection to a repository and its cache are gone, and nothing
/// follows it.
/// Its webhooks hear of it, once.
pub async fn destroy(db: &mut Connection, id: AppId, by: AccountId, at: OffsetDateTime) -> Result<(), DbError> {
    let destroyed = sqlx::query(
        "UPDATE apps SET destroyed_at = ?, follows = NULL, cache_digest = NULL WHERE id = ? AND destroyed_at IS NULL",
    )
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(&mut *db)
    .await?;
    if destroyed.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query("UPDATE apps SET follows = NULL WHERE follows = ?").bind(id.to_string()).execute(&mut *db).await?;
    connections::delete_of(db, Connected::App(id)).await?;
    git_credentials::delete_of(db, id).await?;
    buildpack_copies::delete_of(db, id).await?;
    notifications::delete_of(db, id).await?;
    lfs_objects::delete_of(db, id).await?;
    lfs_locks::delete_of(db, id).await?;
    review_apps::deleted_with(db, id, at).await?;
    record(db, id, Change::Destroy, by, None, at).await?;
    webhook_deliveries::hasten(db, id, at).await
}

/// Renames an app. Fails with [`DbError::is_taken`] when the name is taken.
pub async fn rename(db: &mut Connection, id: AppId, name: &AppName, by: AccountId, at: OffsetDateTime) -> Result<(), DbError> {
    let before = get(db, id).await?.name;
    sqlx::query("UPDATE apps SET name = ?, updated_at = ? WHERE id = ?")
        .bind(name.as_str())
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(&mut *db)
        .await?;
    record(db, id, Change::Update, by, Some(before), at).await
}

/// Gets an app that another row names, also a destroyed one.
pub async fn get(db: &mut Connection, id: AppId) -> Result<App, DbError> {
    app(&sqlx::query("SELECT * FROM apps WHERE id = ?").bind(id.to_string()).fetch_one(db).await?)
}

/// Replaces the stack of the app's next build.
pub async fn set_stack(
    db: &mut Connection,
    id: AppId,
    stack: &StackName,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("UPDATE apps SET stack = ?, updated_at = ? WHERE id = ?")
        .bind(stack.as_str())
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(&mut *db)
        .await?;
    record(db, id, Change::Update, by, None, at).await
}

/// Names apps that are built on a stack or whose current release runs on it, at most `most`, in order.
pub async fn names_on_stack(db: &mut Connection, stack: &StackName, most: u32) -> Result<Vec<AppName>, DbError> {
    let sql = "SELECT apps.name FROM apps
        LEFT JOIN releases AS current ON current.app_id = apps.id
            AND current.version = (SELECT MAX (version) FROM succeeded_releases WHERE succeeded_releases.app_id = apps.id)
        LEFT JOIN slugs ON slugs.id = current.slug_id
        WHERE apps.destroyed_at IS NULL AND (apps.stack = ?1 OR slugs.stack = ?1)
        ORDER BY apps.name LIMIT ?2";
    let rows = sqlx::query(sql).bind(stack.as_str()).bind(most).fetch_all(db).await?;
    rows.iter().map(|row| row::text(row, "name")).collect()
}

/// The folder of the source that the app is built from; `None` for all of it.
pub async fn root(db: &mut Connection, id: AppId) -> Result<Option<SourceRoot>, DbError> {
    let row = sqlx::query("SELECT root FROM apps WHERE id = ?").bind(id.to_string()).fetch_one(db).await?;
    row::optional(&row, "root")
}

/// Replaces that folder.
pub async fn set_root(
    db: &mut Connection,
    id: AppId,
    root: Option<&SourceRoot>,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("UPDATE apps SET root = ?, updated_at = ? WHERE id = ?")
        .bind(root.map(SourceRoot::as_str))
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(&mut *db)
        .await?;
    record(db, id, Change::Update, by, None, at).await
}

/// Whether the app's slug is released again when nothing of what it is made of has changed.
pub async fn skips_unchanged(db: &mut Connection, id: AppId) -> Result<bool, DbError> {
    let row = sqlx::query("SELECT skip_unchanged FROM apps WHERE id = ?").bind(id.to_string()).fetch_one(db).await?;
    Ok(row.try_get("skip_unchanged")?)
}

/// Says whether it is.
pub async fn set_skips_unchanged(
    db: &mut Connection,
    id: AppId,
    skips: bool,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("UPDATE apps SET skip_unchanged = ?, updated_at = ? WHERE id = ?")
        .bind(skips)
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(&mut *db)
        .await?;
    record(db, id, Change::Update, by, None, at).await
}

/// The app with whose pushes an app is deployed too.
pub async fn followed(db: &mut Connection, id: AppId) -> Result<Option<AppId>, DbError> {
    let row = sqlx::query("SELECT follows FROM apps WHERE id = ?").bind(id.to_string()).fetch_one(db).await?;
    row::optional(&row, "follows")
}

/// How many living apps are deployed with an app's pushes.
pub async fn count_followers(db: &mut Connection, id: AppId) -> Result<usize, DbError> {
    let query = sqlx::query("SELECT COUNT (*) AS followers FROM apps WHERE follows = ? AND destroyed_at IS NULL");
    row::number(&query.bind(id.to_string()).fetch_one(db).await?, "followers")
}

/// Replaces the app with whose pushes an app is deployed.
pub async fn set_followed(
    db: &mut Connection,
    id: AppId,
    followed: Option<AppId>,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("UPDATE apps SET follows = ?, updated_at = ? WHERE id = ?")
        .bind(followed.map(|followed| followed.to_string()))
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(&mut *db)
        .await?;
    record(db, id, Change::Update, by, None, at).await
}

/// The blob that holds the build cache of the app's last good build.
pub async fn cache(db: &mut Connection, id: AppId) -> Result<Option<Digest>, DbError> {
    let row = sqlx::query("SELECT cache_digest FROM apps WHERE id = ?").bind(id.to_string()).fetch_one(db).await?;
    row::optional(&row, "cache_digest")
}

/// Tells whether any app's build cache is this blob.
pub async fn is_cache(db: &mut Connection, cache: &Digest) -> Result<bool, DbError> {
    let row = sqlx::query("SELECT 1 FROM apps WHERE cache_digest = ? LIMIT 1").bind(cache.to_string()).fetch_optional(db).await?;
    Ok(row.is_some())
}

/// Replaces the build cache.
pub async fn set_cache(db: &mut Connection, id: AppId, cache: Option<&Digest>) -> Result<(), DbError> {
    sqlx::query("UPDATE apps SET cache_digest = ? WHERE id = ?")
        .bind(cache.map(ToString::to_string))
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Takes the next fencing number for a build of the app.
pub async fn next_build_number(db: &mut Connection, id: AppId) -> Result<i64, DbError> {
    let row = sqlx::query("UPDATE apps SET last_build = last_build + 1 WHERE id = ? RETURNING last_build").bind(id.to_string());
    row::number(&row.fetch_one(db).await?, "last_build")
}

/// Records what has happened to the app itself, with the app as it is now.
async fn record(
    db: &mut Connection,
    id: AppId,
    action: Change,
    by: AccountId,
    previous_name: Option<AppName>,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let app = get(db, id).await?;
    let facts = Facts::App(AppFacts {
        name: app.name,
        owner: app.owner,
        stack: app.stack,
        created_at: app.created_at,
        updated_at: app.updated_at,
        release: releases::current(db, id).await?.map(|release| release.id),
        repo_bytes: packs::bytes(db, id).await?,
        previous_name,
    });
    events::record(db, &events::NewEvent { app: id, action, by, facts, at }).await
}

pub(super) fn app(row: &SqliteRow) -> Result<App, DbError> {
    let stack: StackName = row::text(row, "stack")?;
    Ok(App {
        id: row::text(row, "id")?,
        name: row::text(row, "name")?,
        owner: row::text(row, "owner_id")?,
        stack,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
