//! Which repository has which blob.

use sqlx::Row as _;
use time::OffsetDateTime;

use super::super::{Connection, DbError, apps, row};
use super::{Place, at, size as bytes};
use crate::model::{AccountId, AppId, Digest};

/// Records that a repository has a blob, whose file the caller has seen in this transaction.
pub async fn insert(
    db: &mut Connection,
    place: &Place,
    digest: &Digest,
    size_bytes: u64,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let sql = "INSERT INTO image_blobs (app_id, process_type, digest, size_bytes, used_at) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET used_at = MAX (used_at, excluded.used_at)";
    at(sql, place).bind(digest.to_string()).bind(bytes(size_bytes)).bind(row::millis(now)).execute(db).await?;
    Ok(())
}

/// The size in bytes of a blob that the repository has.
pub async fn size(db: &mut Connection, place: &Place, digest: &Digest) -> Result<Option<u64>, DbError> {
    let sql = "SELECT size_bytes FROM image_blobs WHERE app_id = ? AND process_type = ? AND digest = ?";
    let row = at(sql, place).bind(digest.to_string()).fetch_optional(db).await?;
    row.map(|row| row::number(&row, "size_bytes")).transpose()
}

/// Notes that somebody counts on a blob from now on, and tells whether the repository has it.
pub async fn touch(db: &mut Connection, place: &Place, digest: &Digest, now: OffsetDateTime) -> Result<bool, DbError> {
    let sql = "UPDATE image_blobs SET used_at = MAX (used_at, ?4) WHERE app_id = ?1 AND process_type = ?2 AND digest = ?3";
    let touched = at(sql, place).bind(digest.to_string()).bind(row::millis(now)).execute(db).await?;
    Ok(touched.rows_affected() > 0)
}

/// When a repository's blob was last pushed, asked for or mounted.
pub async fn used_at(db: &mut Connection, place: &Place, digest: &Digest) -> Result<Option<OffsetDateTime>, DbError> {
    let sql = "SELECT used_at FROM image_blobs WHERE app_id = ? AND process_type = ? AND digest = ?";
    let row = at(sql, place).bind(digest.to_string()).fetch_optional(db).await?;
    row.map(|row| row::time(&row, "used_at")).transpose()
}

/// Forgets that a repository has a blob and tells whether it had.
pub async fn delete(db: &mut Connection, place: &Place, digest: &Digest) -> Result<bool, DbError> {
    let sql = "DELETE FROM image_blobs WHERE app_id = ? AND process_type = ? AND digest = ?";
    Ok(at(sql, place).bind(digest.to_string()).execute(db).await?.rows_affected() > 0)
}

/// The living apps that the account has a part in and that have a blob in any of their repositories, with its size.
pub async fn apps_with(db: &mut Connection, account: AccountId, digest: &Digest) -> Result<Vec<(AppId, u64)>, DbError> {
    let sql = format!(
        "SELECT app_id, MAX (size_bytes) AS size_bytes FROM image_blobs WHERE digest = ?2 AND app_id IN {} GROUP BY app_id",
        apps::VISIBLE
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(account.to_string()).bind(digest.to_string()).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row::text(row, "app_id")?, row::number(row, "size_bytes")?))).collect()
}

/// Tells whether any repository has a blob, or a manifest, of this digest.
pub async fn is_anywhere(db: &mut Connection, digest: &Digest) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM image_blobs WHERE digest = ?1 UNION ALL SELECT 1 FROM manifests WHERE digest = ?1) AS found";
    Ok(sqlx::query(sql).bind(digest.to_string()).fetch_one(db).await?.try_get("found")?)
}
