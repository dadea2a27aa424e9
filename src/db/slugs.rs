//! Slugs: the rows that describe what the blob store keeps.

use sqlx::Row as _;

use super::{Connection, DbError, row};
use crate::model::{AppId, CommitId, Slug, SlugId};

/// Records a slug whose blob is stored already.
pub async fn insert(db: &mut Connection, slug: &Slug) -> Result<(), DbError> {
    let process_types = serde_json::to_string(&slug.process_types).expect("a map of texts is JSON");
    sqlx::query(
        "INSERT INTO slugs (id, app_id, digest, content_digest, size_bytes, stack, stack_digest, commit_id, process_types, language, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(slug.id.to_string())
    .bind(slug.app.to_string())
    .bind(slug.digest.to_string())
    .bind(slug.content_digest.to_string())
    .bind(i64::try_from(slug.size_bytes).unwrap_or(i64::MAX))
    .bind(slug.stack.as_str())
    .bind(slug.stack_digest.to_string())
    .bind(slug.commit.as_ref().map(CommitId::as_str))
    .bind(process_types)
    .bind(slug.language.as_deref())
    .bind(row::millis(slug.created_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Tells whether an app may use a slug: it was made for it, or the app has released it.
pub async fn is_of_app(db: &mut Connection, id: SlugId, app: AppId) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM slugs WHERE id = ?1 AND app_id = ?2 UNION ALL
               SELECT 1 FROM releases WHERE slug_id = ?1 AND app_id = ?2 LIMIT 1";
    Ok(sqlx::query(sql).bind(id.to_string()).bind(app.to_string()).fetch_optional(db).await?.is_some())
}

/// Gets a slug by its id.
pub async fn get(db: &mut Connection, id: SlugId) -> Result<Option<Slug>, DbError> {
    let row = sqlx::query("SELECT * FROM slugs WHERE id = ?").bind(id.to_string()).fetch_optional(db).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Slug {
        id: row::text(&row, "id")?,
        app: row::text(&row, "app_id")?,
        digest: row::text(&row, "digest")?,
        content_digest: row::text(&row, "content_digest")?,
        size_bytes: row::number(&row, "size_bytes")?,
        stack: row::text(&row, "stack")?,
        stack_digest: row::text(&row, "stack_digest")?,
        commit: row::optional(&row, "commit_id")?,
        process_types: row::json(&row, "process_types")?,
        language: row.try_get("language")?,
        created_at: row::time(&row, "created_at")?,
    }))
}
