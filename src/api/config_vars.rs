//! The config vars of an app.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::error::ApiError;
use super::extract::{Body, Configure, InApp};
use crate::ctx::Ctx;
use crate::model::{ConfigKey, ConfigVars, Secret};
use crate::{deploy, release};

/// `GET /apps/{app}/config-vars`
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp<Configure>) -> Result<Json<ConfigVars>, ApiError> {
    Ok(Json(release::current_config(&ctx.db, at.app.id).await?))
}

/// `PATCH /apps/{app}/config-vars`: sets what is a text, unsets what is null, and answers with the whole map. The
/// release is made before the answer: the Heroku CLI asks for it next.
pub(super) async fn update(
    State(ctx): State<Ctx>,
    at: InApp<Configure>,
    Body(changes): Body<BTreeMap<String, Value>>,
) -> Result<Json<ConfigVars>, ApiError> {
    let changes = changes.into_iter().map(change).collect::<Result<_, ApiError>>()?;
    let (config, release) = release::change_config(&ctx.db, at.app.id, at.by.id, &changes, ctx.now()).await?;
    if let Some(release) = release {
        deploy::begin_phase(&ctx, &release);
    }
    Ok(Json(config))
}

pub(super) fn change((key, value): (String, Value)) -> Result<(ConfigKey, Option<Secret>), ApiError> {
    let key: ConfigKey = key.parse()?;
    match value {
        Value::String(text) => Ok((key, Some(Secret::new(text)))),
        Value::Null => Ok((key, None)),
        // Without the value: errors are shown and kept in places where config values must not be.
        _ => Err(ApiError::InvalidParams(format!("The value of {key} must be a text, or null to unset it."))),
    }
}
