//! What pipelines' review apps are like.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Connection, DbError, row};
use crate::model::{BaseName, PipelineId, ReviewAppConfig, StaleDays};

/// Enables a pipeline's review apps. Fails with [`DbError::is_taken`] when they are already.
pub async fn insert(db: &mut Connection, config: &ReviewAppConfig) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO review_app_configs (pipeline_id, account_id, automatic, destroy_stale, stale_days, wait_for_ci, base_name,
           forks, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(config.pipeline.to_string())
    .bind(config.by.to_string())
    .bind(config.automatic)
    .bind(config.destroy_stale)
    .bind(config.stale_days.get())
    .bind(config.wait_for_ci)
    .bind(config.base_name.as_ref().map(BaseName::as_str))
    .bind(config.forks.as_str())
    .bind(row::millis(config.created_at))
    .bind(row::millis(config.updated_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces everything that can be changed.
pub async fn update(db: &mut Connection, config: &ReviewAppConfig) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE review_app_configs SET automatic = ?, destroy_stale = ?, stale_days = ?, wait_for_ci = ?, base_name = ?,
           forks = ?, updated_at = ? WHERE pipeline_id = ?",
    )
    .bind(config.automatic)
    .bind(config.destroy_stale)
    .bind(config.stale_days.get())
    .bind(config.wait_for_ci)
    .bind(config.base_name.as_ref().map(BaseName::as_str))
    .bind(config.forks.as_str())
    .bind(row::millis(config.updated_at))
    .bind(config.pipeline.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Finds a pipeline's; none if its review apps are not enabled.
pub async fn get(db: &mut Connection, pipeline: PipelineId) -> Result<Option<ReviewAppConfig>, DbError> {
    let query = sqlx::query("SELECT * FROM review_app_configs WHERE pipeline_id = ?").bind(pipeline.to_string());
    query.fetch_optional(db).await?.as_ref().map(config).transpose()
}

/// Disables a pipeline's review apps. Those there are stay.
pub async fn delete(db: &mut Connection, pipeline: PipelineId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM review_app_configs WHERE pipeline_id = ?").bind(pipeline.to_string()).execute(db).await?;
    Ok(())
}

fn config(row: &SqliteRow) -> Result<ReviewAppConfig, DbError> {
    let stale_days = StaleDays::try_from(row.try_get::<i64, _>("stale_days")?);
    Ok(ReviewAppConfig {
        pipeline: row::text(row, "pipeline_id")?,
        by: row::text(row, "account_id")?,
        automatic: row.try_get("automatic")?,
        destroy_stale: row.try_get("destroy_stale")?,
        stale_days: stale_days.map_err(|why| DbError::Corrupt { what: "stale_days", why: why.to_string() })?,
        wait_for_ci: row.try_get("wait_for_ci")?,
        base_name: row::optional(row, "base_name")?,
        forks: row::text(row, "forks")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
