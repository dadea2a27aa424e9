//! Files of Git LFS: which apps have been sent their bytes. A destroyed app has none.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row as _, Sqlite};
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AppId, Digest, LfsObject};

/// Records that an app has been sent a file, which is there, and tells whether there is such an app.
pub async fn insert(db: &mut Connection, app: AppId, object: &LfsObject, now: OffsetDateTime) -> Result<bool, DbError> {
    let sql = "INSERT INTO lfs_objects (app_id, digest, size_bytes, used_at)
               SELECT id, ?2, ?3, ?4 FROM apps WHERE id = ?1 AND destroyed_at IS NULL
               ON CONFLICT DO UPDATE SET used_at = MAX (used_at, excluded.used_at)";
    let inserted = of(sql, app, object).bind(row::millis(now)).execute(db).await?;
    Ok(inserted.rows_affected() > 0)
}

/// Tells whether an app has been sent a file of this digest and size.
pub async fn exists(db: &mut Connection, app: AppId, object: &LfsObject) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM lfs_objects WHERE app_id = ?1 AND digest = ?2 AND size_bytes = ?3) AS found";
    Ok(of(sql, app, object).fetch_one(db).await?.try_get("found")?)
}

/// Notes that somebody counts on a file from now on, and tells whether the app has been sent it.
pub async fn touch(db: &mut Connection, app: AppId, object: &LfsObject, now: OffsetDateTime) -> Result<bool, DbError> {
    let sql = "UPDATE lfs_objects SET used_at = MAX (used_at, ?4) WHERE app_id = ?1 AND digest = ?2 AND size_bytes = ?3";
    Ok(of(sql, app, object).bind(row::millis(now)).execute(db).await?.rows_affected() > 0)
}

/// Lists the apps with files that no commit is known to need, and on which nobody has counted since a time.
pub async fn apps_with_uncommitted(db: &mut Connection, before: OffsetDateTime) -> Result<Vec<AppId>, DbError> {
    let sql = "SELECT DISTINCT app_id FROM lfs_objects WHERE is_committed = 0 AND used_at < ?";
    let rows = sqlx::query(sql).bind(row::millis(before)).fetch_all(db).await?;
    rows.iter().map(|row| row::text(row, "app_id")).collect()
}

/// Lists an app's files among them.
pub async fn uncommitted(db: &mut Connection, app: AppId, before: OffsetDateTime) -> Result<Vec<LfsObject>, DbError> {
    let sql = "SELECT digest, size_bytes FROM lfs_objects WHERE is_committed = 0 AND app_id = ? AND used_at < ?";
    let rows = sqlx::query(sql).bind(app.to_string()).bind(row::millis(before)).fetch_all(db).await?;
    let object = |row| Ok(LfsObject { digest: row::text::<Digest>(row, "digest")?, size_bytes: row::number(row, "size_bytes")? });
    rows.iter().map(object).collect()
}

/// Notes that a commit needs a file, which is so for good.
pub async fn mark_committed(db: &mut Connection, app: AppId, object: &LfsObject) -> Result<(), DbError> {
    let sql = "UPDATE lfs_objects SET is_committed = 1 WHERE app_id = ?1 AND digest = ?2 AND size_bytes = ?3";
    of(sql, app, object).execute(db).await?;
    Ok(())
}

/// Forgets a file, unless somebody counts on it since a time.
pub async fn forget(db: &mut Connection, app: AppId, object: &LfsObject, before: OffsetDateTime) -> Result<bool, DbError> {
    let sql = "DELETE FROM lfs_objects
               WHERE app_id = ?1 AND digest = ?2 AND size_bytes = ?3 AND is_committed = 0 AND used_at < ?4";
    Ok(of(sql, app, object).bind(row::millis(before)).execute(db).await?.rows_affected() > 0)
}

/// Forgets all files of an app.
pub(super) async fn delete_of(db: &mut Connection, app: AppId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM lfs_objects WHERE app_id = ?").bind(app.to_string()).execute(db).await?;
    Ok(())
}

/// A statement about one file of an app's.
fn of(sql: &'static str, app: AppId, object: &LfsObject) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(sql).bind(app.to_string()).bind(object.digest.to_string()).bind(row::signed(object.size_bytes))
}
