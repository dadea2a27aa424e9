//! Pipelines. A destroyed one keeps its row (its promotions stay) but is found by no function here.

use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::apps::VISIBLE;
use super::{Connection, DbError, connections, review_app_configs, review_apps, row};
use crate::model::{AccountId, Connected, Pipeline, PipelineId, PipelineName};

/// Adds a pipeline. Fails with [`DbError::is_taken`] when its owner has one of this name.
pub async fn insert(db: &mut Connection, pipeline: &Pipeline) -> Result<(), DbError> {
    sqlx::query("INSERT INTO pipelines (id, name, owner_id, created_at, updated_at) VALUES (?, ?, ?, ?, ?)")
        .bind(pipeline.id.to_string())
        .bind(pipeline.name.as_str())
        .bind(pipeline.owner.to_string())
        .bind(row::millis(pipeline.created_at))
        .bind(row::millis(pipeline.updated_at))
        .execute(db)
        .await?;
    Ok(())
}

/// Finds a living pipeline.
pub async fn get(db: &mut Connection, id: PipelineId) -> Result<Option<Pipeline>, DbError> {
    let query = sqlx::query("SELECT * FROM pipelines WHERE id = ? AND destroyed_at IS NULL").bind(id.to_string());
    query.fetch_optional(db).await?.as_ref().map(pipeline).transpose()
}

/// Lists the living pipelines that an account owns or works on an app of, by name.
pub async fn visible_to(db: &mut Connection, account: AccountId) -> Result<Vec<Pipeline>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT * FROM pipelines WHERE destroyed_at IS NULL AND (owner_id = ?1 OR id IN (
           SELECT pipeline_id FROM pipeline_couplings WHERE app_id IN {VISIBLE})) ORDER BY name, id"
    ));
    let rows = sqlx::query(sql).bind(account.to_string()).fetch_all(db).await?;
    rows.iter().map(pipeline).collect()
}

/// Renames a pipeline. Fails with [`DbError::is_taken`] when its owner has one of this name.
pub async fn rename(db: &mut Connection, id: PipelineId, name: &PipelineName, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("UPDATE pipelines SET name = ?, updated_at = ? WHERE id = ?")
        .bind(name.as_str())
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Gives a living pipeline from one owner to another, and tells whether it was the first one's. Fails with
/// [`DbError::is_taken`] when the other has one of its name.
pub async fn set_owner(
    db: &mut Connection,
    id: PipelineId,
    (from, to): (AccountId, AccountId),
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let query =
        sqlx::query("UPDATE pipelines SET owner_id = ?, updated_at = ? WHERE id = ? AND owner_id = ? AND destroyed_at IS NULL")
            .bind(to.to_string())
            .bind(row::millis(at))
            .bind(id.to_string())
            .bind(from.to_string());
    Ok(query.execute(db).await?.rows_affected() > 0)
}

/// Marks a pipeline as destroyed and lets its apps go, review apps as well.
pub async fn destroy(db: &mut Connection, id: PipelineId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("DELETE FROM pipeline_couplings WHERE pipeline_id = ?").bind(id.to_string()).execute(&mut *db).await?;
    connections::delete_of(db, Connected::Pipeline(id)).await?;
    review_app_configs::delete(db, id).await?;
    review_apps::let_go(db, id, at).await?;
    sqlx::query("UPDATE pipelines SET destroyed_at = ? WHERE id = ?")
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

fn pipeline(row: &SqliteRow) -> Result<Pipeline, DbError> {
    Ok(Pipeline {
        id: row::text(row, "id")?,
        name: row::text(row, "name")?,
        owner: row::text(row, "owner_id")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
