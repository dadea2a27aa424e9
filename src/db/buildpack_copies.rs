//! The copies of buildpacks that have been fetched. Their files are in the blob store.

use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AppId, BuildpackVersion, Digest};

/// Whose copy it is: of what everybody may fetch, or of what opens with an app's credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CopyKey {
    pub app: Option<AppId>,
    /// Where it is fetched from.
    pub place: String,
}

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildpackCopy {
    pub version: BuildpackVersion,
    /// Of the tar of its files.
    pub digest: Digest,
    pub fetched_at: OffsetDateTime,
    /// When its server last said that it is the newest one.
    pub checked_at: OffsetDateTime,
    /// When that server was last asked, whatever came of it.
    pub asked_at: OffsetDateTime,
    pub used_at: OffsetDateTime,
}

/// Finds the copy.
pub async fn get(db: &mut Connection, key: &CopyKey) -> Result<Option<BuildpackCopy>, DbError> {
    let row = sqlx::query("SELECT * FROM buildpack_copies WHERE app_id = ? AND place = ?");
    let row = row.bind(scope(key)).bind(&key.place).fetch_optional(db).await?;
    row.as_ref().map(copy).transpose()
}

/// Keeps a copy in the place of an older one.
pub async fn set(db: &mut Connection, key: &CopyKey, copy: &BuildpackCopy) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO buildpack_copies (app_id, place, version, digest, fetched_at, checked_at, asked_at, used_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (app_id, place) DO UPDATE SET version = excluded.version, digest = excluded.digest,
            fetched_at = excluded.fetched_at, checked_at = excluded.checked_at, asked_at = excluded.asked_at,
            used_at = excluded.used_at",
    )
    .bind(scope(key))
    .bind(&key.place)
    .bind(copy.version.to_string())
    .bind(copy.digest.to_string())
    .bind(row::millis(copy.fetched_at))
    .bind(row::millis(copy.checked_at))
    .bind(row::millis(copy.asked_at))
    .bind(row::millis(copy.used_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that a copy is used.
pub async fn touch(db: &mut Connection, key: &CopyKey, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("UPDATE buildpack_copies SET used_at = ? WHERE app_id = ? AND place = ?")
        .bind(row::millis(at))
        .bind(scope(key))
        .bind(&key.place)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets the copies that nobody has used since a time.
pub async fn forget_unused(db: &mut Connection, before: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("DELETE FROM buildpack_copies WHERE used_at < ?").bind(row::millis(before)).execute(db).await?;
    Ok(())
}

/// Removes all that are an app's own.
pub(super) async fn delete_of(db: &mut Connection, app: AppId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM buildpack_copies WHERE app_id = ?").bind(app.to_string()).execute(db).await?;
    Ok(())
}

fn scope(key: &CopyKey) -> String {
    key.app.map(|app| app.to_string()).unwrap_or_default()
}

fn copy(row: &SqliteRow) -> Result<BuildpackCopy, DbError> {
    Ok(BuildpackCopy {
        version: row::text(row, "version")?,
        digest: row::text(row, "digest")?,
        fetched_at: row::time(row, "fetched_at")?,
        checked_at: row::time(row, "checked_at")?,
        asked_at: row::time(row, "asked_at")?,
        used_at: row::time(row, "used_at")?,
    })
}
