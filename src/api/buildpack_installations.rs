//! The buildpacks set on an app.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::extract::{Body, Deploy, InApp, See};
use super::types::{BuildpackInstallation, BuildpackUpdate, BuildpackUpdates};
use crate::build::builtin;
use crate::config::Config;
use crate::ctx::Ctx;
use crate::db;
use crate::deploy::meaning_of;
use crate::model::BuildpackRef;

/// `GET /apps/{app}/buildpack-installations`: in order, and always all of them.
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>) -> Result<Json<Vec<BuildpackInstallation>>, ApiError> {
    Ok(Json(describe(&db::buildpacks::list(&mut *ctx.db.read().await?, at.app.id).await?)))
}

/// `PUT /apps/{app}/buildpack-installations`: replaces all of them; an empty list goes back to detection.
pub(super) async fn replace(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
    Body(BuildpackUpdates { updates }): Body<BuildpackUpdates>,
) -> Result<Json<Vec<BuildpackInstallation>>, ApiError> {
    let buildpacks = updates.into_iter().map(|update| buildpack(&ctx.config, update)).collect::<Result<Vec<_>, ApiError>>()?;
    crate::apps::set_buildpacks(&ctx.db, &at.app, &buildpacks).await?;
    Ok(Json(describe(&buildpacks)))
}

fn buildpack(config: &Config, update: BuildpackUpdate) -> Result<BuildpackRef, ApiError> {
    let missing = || ApiError::InvalidParams("Each of the updates must name a `buildpack`.".into());
    known(config, &update.buildpack.ok_or_else(missing)?)
}

/// Reads the name of a buildpack that there is; what is on another server is looked for when an app is built.
pub(super) fn known(config: &Config, name: &str) -> Result<BuildpackRef, ApiError> {
    let buildpack: BuildpackRef = name.parse()?;
    if meaning_of(config, &buildpack).is_none() {
        let known = builtin::names().join(", ");
        return Err(ApiError::InvalidParams(format!("There is no buildpack {buildpack}. hoist comes with: {known}.")));
    }
    Ok(buildpack)
}

fn describe(buildpacks: &[BuildpackRef]) -> Vec<BuildpackInstallation> {
    let installation =
        |(ordinal, buildpack): (usize, &BuildpackRef)| BuildpackInstallation { ordinal, buildpack: buildpack.into() };
    buildpacks.iter().enumerate().map(installation).collect()
}
