//! The config vars of a pipeline's stage: what its tests, or its review apps, get. Kept sealed.

use sqlx::Row as _;
use time::OffsetDateTime;

use super::{Cipher, Connection, DbError, row};
use crate::model::{ConfigVars, PipelineId, Stage};

/// The config vars of a stage; none were set if there is no row.
pub async fn get(db: &mut Connection, cipher: &Cipher, pipeline: PipelineId, stage: Stage) -> Result<ConfigVars, DbError> {
    let query = sqlx::query("SELECT config FROM pipeline_config_vars WHERE pipeline_id = ? AND stage = ?");
    let Some(row) = query.bind(pipeline.to_string()).bind(stage.as_str()).fetch_optional(db).await? else {
        return Ok(ConfigVars::default());
    };
    let bad = |why: &str| DbError::Corrupt { what: "pipeline's config vars", why: why.to_owned() };
    let sealed: Vec<u8> = row.try_get("config")?;
    let plain =
        cipher.open_sealed(&context(pipeline, stage), &sealed).ok_or_else(|| bad("they can't be opened with this key"))?;
    serde_json::from_slice(&plain).map_err(|error| bad(&error.to_string()))
}

/// Replaces the config vars of a stage.
pub async fn set(
    db: &mut Connection,
    cipher: &Cipher,
    (pipeline, stage): (PipelineId, Stage),
    config: &ConfigVars,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let plain = serde_json::to_vec(config).expect("a map of texts is JSON");
    sqlx::query(
        "INSERT INTO pipeline_config_vars (pipeline_id, stage, config, updated_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (pipeline_id, stage) DO UPDATE SET config = ?3, updated_at = ?4",
    )
    .bind(pipeline.to_string())
    .bind(stage.as_str())
    .bind(cipher.seal(&context(pipeline, stage), &plain))
    .bind(row::millis(at))
    .execute(db)
    .await?;
    Ok(())
}

/// Binds what is sealed to its row.
fn context(pipeline: PipelineId, stage: Stage) -> String {
    format!("{pipeline} {stage}")
}
