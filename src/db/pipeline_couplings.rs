//! Which app stands where in which pipeline. Those of destroyed apps are found by no function here.

use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::apps::VISIBLE;
use super::{Connection, DbError, row};
use crate::model::{AccountId, AppId, Coupling, CouplingId, PipelineId, Stage};

const SELECT: &str = "SELECT pipeline_couplings.* FROM pipeline_couplings
    JOIN apps ON apps.id = pipeline_couplings.app_id WHERE apps.destroyed_at IS NULL";

/// Adds an app to a pipeline. Fails with [`DbError::is_taken`] when the app is in one already.
pub async fn insert(db: &mut Connection, coupling: &Coupling) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO pipeline_couplings (id, app_id, pipeline_id, stage, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(coupling.id.to_string())
    .bind(coupling.app.to_string())
    .bind(coupling.pipeline.to_string())
    .bind(coupling.stage.as_str())
    .bind(row::millis(coupling.created_at))
    .bind(row::millis(coupling.updated_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Lists the couplings of the apps that an account owns or collaborates on.
pub async fn visible_to(db: &mut Connection, account: AccountId) -> Result<Vec<Coupling>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM pipeline_couplings WHERE app_id IN {VISIBLE} ORDER BY created_at"));
    let rows = sqlx::query(sql).bind(account.to_string()).fetch_all(db).await?;
    rows.iter().map(coupling).collect()
}

/// Finds an app's place.
pub async fn of_app(db: &mut Connection, app: AppId) -> Result<Option<Coupling>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} AND apps.id = ?"));
    sqlx::query(sql).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(coupling).transpose()
}

/// Lists a pipeline's couplings, whoever may see them.
pub async fn of_pipeline(db: &mut Connection, pipeline: PipelineId) -> Result<Vec<Coupling>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} AND pipeline_couplings.pipeline_id = ?"));
    let rows = sqlx::query(sql).bind(pipeline.to_string()).fetch_all(db).await?;
    rows.iter().map(coupling).collect()
}

/// Moves an app to another stage of its pipeline.
pub async fn set_stage(db: &mut Connection, id: CouplingId, stage: Stage, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("UPDATE pipeline_couplings SET stage = ?, updated_at = ? WHERE id = ?")
        .bind(stage.as_str())
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Takes an app out of its pipeline.
pub async fn delete(db: &mut Connection, id: CouplingId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM pipeline_couplings WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(())
}

fn coupling(row: &SqliteRow) -> Result<Coupling, DbError> {
    Ok(Coupling {
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        pipeline: row::text(row, "pipeline_id")?,
        stage: row::text(row, "stage")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
