//! Slugs that were announced and not uploaded yet.

use sqlx::Row as _;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AppId, CommitId, Digest, ProcessTypes, SlugId, StackName};

/// A slug without its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlugUpload {
    pub id: SlugId,
    pub app: AppId,
    /// What the archive's digest must be, if it was announced.
    pub checksum: Option<Digest>,
    pub stack: StackName,
    pub stack_digest: Digest,
    pub commit: Option<CommitId>,
    pub process_types: ProcessTypes,
    pub language: Option<String>,
    pub created_at: OffsetDateTime,
}

/// Announces a slug.
pub async fn insert(db: &mut Connection, upload: &SlugUpload) -> Result<(), DbError> {
    let process_types = serde_json::to_string(&upload.process_types).expect("a map of texts is JSON");
    sqlx::query(
        "INSERT INTO slug_uploads (id, app_id, checksum, stack, stack_digest, commit_id, process_types, language, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(upload.id.to_string())
    .bind(upload.app.to_string())
    .bind(upload.checksum.map(|checksum| checksum.to_string()))
    .bind(upload.stack.as_str())
    .bind(upload.stack_digest.to_string())
    .bind(upload.commit.as_ref().map(CommitId::as_str))
    .bind(process_types)
    .bind(upload.language.as_deref())
    .bind(row::millis(upload.created_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Finds an announced slug.
pub async fn get(db: &mut Connection, id: SlugId) -> Result<Option<SlugUpload>, DbError> {
    let row = sqlx::query("SELECT * FROM slug_uploads WHERE id = ?").bind(id.to_string()).fetch_optional(db).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(SlugUpload {
        id: row::text(&row, "id")?,
        app: row::text(&row, "app_id")?,
        checksum: row::optional(&row, "checksum")?,
        stack: row::text(&row, "stack")?,
        stack_digest: row::text(&row, "stack_digest")?,
        commit: row::optional(&row, "commit_id")?,
        process_types: row::json(&row, "process_types")?,
        language: row.try_get("language")?,
        created_at: row::time(&row, "created_at")?,
    }))
}

/// Takes an announced slug off the list and tells whether it was there.
pub async fn delete(db: &mut Connection, id: SlugId) -> Result<bool, DbError> {
    let done = sqlx::query("DELETE FROM slug_uploads WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets what was announced before `time` and never came.
pub async fn delete_before(db: &mut Connection, time: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("DELETE FROM slug_uploads WHERE created_at < ?").bind(row::millis(time)).execute(db).await?;
    Ok(())
}
