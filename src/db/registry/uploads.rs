//! Blobs that are being uploaded.

use time::OffsetDateTime;

use super::super::{Connection, DbError, row};
use super::{Place, at};
use crate::model::BlobUploadId;

/// Begins an upload, whose empty file is there.
pub async fn insert(db: &mut Connection, id: BlobUploadId, place: &Place, now: OffsetDateTime) -> Result<(), DbError> {
    let sql = "INSERT INTO blob_uploads (app_id, process_type, id, created_at) VALUES (?, ?, ?, ?)";
    at(sql, place).bind(id.to_string()).bind(row::millis(now)).execute(db).await?;
    Ok(())
}

/// The repository that is being uploaded to.
pub async fn get(db: &mut Connection, id: BlobUploadId) -> Result<Option<Place>, DbError> {
    let row = sqlx::query("SELECT * FROM blob_uploads WHERE id = ?").bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(Place::of).transpose()
}

/// Ends an upload and tells whether it was there.
pub async fn delete(db: &mut Connection, id: BlobUploadId) -> Result<bool, DbError> {
    let deleted = sqlx::query("DELETE FROM blob_uploads WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(deleted.rows_affected() > 0)
}

/// Lists the uploads that began before a time.
pub async fn begun_before(db: &mut Connection, time: OffsetDateTime) -> Result<Vec<BlobUploadId>, DbError> {
    let sql = "SELECT id FROM blob_uploads WHERE created_at < ?";
    let rows = sqlx::query(sql).bind(row::millis(time)).fetch_all(db).await?;
    rows.iter().map(|row| row::text(row, "id")).collect()
}
