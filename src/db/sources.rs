//! Uploaded sources: where an archive may be put, and what was put there.

use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AccountId, Digest, SourceId, UploadId};

/// A place for an archive.
#[derive(Debug, Clone)]
pub struct Source {
    /// Who knows it may read the archive.
    pub id: SourceId,
    /// Who knows it may put one there.
    pub upload: UploadId,
    /// What was put there last.
    pub digest: Option<Digest>,
    pub expires_at: OffsetDateTime,
}

/// Adds a place, and forgets those that expired before `at`.
pub async fn insert(db: &mut Connection, source: &Source, by: AccountId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("DELETE FROM sources WHERE expires_at < ?").bind(row::millis(at)).execute(&mut *db).await?;
    sqlx::query("INSERT INTO sources (id, upload_id, account_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?)")
        .bind(source.id.to_string())
        .bind(source.upload.to_string())
        .bind(by.to_string())
        .bind(row::millis(at))
        .bind(row::millis(source.expires_at))
        .execute(db)
        .await?;
    Ok(())
}

/// Finds a place that has not expired.
pub async fn get(db: &mut Connection, id: SourceId, at: OffsetDateTime) -> Result<Option<Source>, DbError> {
    let query = sqlx::query("SELECT * FROM sources WHERE id = ? AND expires_at >= ?").bind(id.to_string());
    query.bind(row::millis(at)).fetch_optional(db).await?.as_ref().map(source).transpose()
}

/// Finds a place that has not expired, by the secret that allows to put something there.
pub async fn by_upload(db: &mut Connection, upload: UploadId, at: OffsetDateTime) -> Result<Option<Source>, DbError> {
    let query = sqlx::query("SELECT * FROM sources WHERE upload_id = ? AND expires_at >= ?").bind(upload.to_string());
    query.bind(row::millis(at)).fetch_optional(db).await?.as_ref().map(source).transpose()
}

/// Records what was put there.
pub async fn set_digest(db: &mut Connection, id: SourceId, digest: &Digest) -> Result<(), DbError> {
    sqlx::query("UPDATE sources SET digest = ? WHERE id = ?").bind(digest.to_string()).bind(id.to_string()).execute(db).await?;
    Ok(())
}

fn source(row: &sqlx::sqlite::SqliteRow) -> Result<Source, DbError> {
    Ok(Source {
        id: row::text(row, "id")?,
        upload: row::text(row, "upload_id")?,
        digest: row::optional(row, "digest")?,
        expires_at: row::time(row, "expires_at")?,
    })
}
