//! The config vars that a pipeline's test runs and review apps get: for those who may run its tests and make its review apps,
//! as these can tell them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::error::ApiError;
use super::extract::{Body, Names, Secrets};
use super::{config_vars, pipeline_rights};
use crate::ctx::Ctx;
use crate::db;
use crate::model::{Action, ConfigVars, Stage};
use crate::pipelines;

/// `GET /pipelines/{pipeline}/stage/{stage}/config-vars`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Secrets(account): Secrets,
    Names([pipeline, stage]): Names<2>,
) -> Result<Json<ConfigVars>, ApiError> {
    let stage = parse_stage(&stage)?;
    let pipeline = pipeline_rights::open(&ctx, &account, &pipeline, Action::Configure).await?;
    Ok(Json(db::pipeline_config_vars::get(&mut *ctx.db.read().await?, ctx.db.cipher(), pipeline.id, stage).await?))
}

/// `PATCH /pipelines/{pipeline}/stage/{stage}/config-vars`: as for an app, but nothing is released.
pub(super) async fn update(
    State(ctx): State<Ctx>,
    Secrets(account): Secrets,
    Names([pipeline, stage]): Names<2>,
    Body(changes): Body<BTreeMap<String, Value>>,
) -> Result<Json<ConfigVars>, ApiError> {
    let stage = parse_stage(&stage)?;
    let changes = changes.into_iter().map(config_vars::change).collect::<Result<_, ApiError>>()?;
    let pipeline = pipeline_rights::open(&ctx, &account, &pipeline, Action::Configure).await?;
    Ok(Json(pipelines::change_config(&ctx.db, pipeline.id, stage, &changes, ctx.now()).await?))
}

/// At the other stages are apps that stay, which have config vars of their own.
fn parse_stage(stage: &str) -> Result<Stage, ApiError> {
    match stage.parse()? {
        stage @ (Stage::Test | Stage::Review) => Ok(stage),
        stage => Err(ApiError::InvalidParams(format!(
            "Only the stages test and review have config vars, not {stage}: set those of its apps."
        ))),
    }
}
