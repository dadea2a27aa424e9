//! As much of Heroku's buildpack registry as its CLI needs to turn a name into what it then sets on the app. Users point
//! it here with `HEROKU_BUILDPACK_REGISTRY_URL`.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::extract::Named;
use super::types::RegisteredBuildpack;
use crate::ctx::Ctx;
use crate::deploy::meaning_of;
use crate::model::BuildpackRef;

/// `GET /buildpacks/NAMESPACE%2FNAME`. Public, as the registry is. What a name means stays hoist's secret, and may change until the
/// app is built: what the CLI sets is the name.
pub(super) async fn info(State(ctx): State<Ctx>, Named(name): Named) -> Result<Json<RegisteredBuildpack>, ApiError> {
    let not_found = || ApiError::NotFound("buildpack");
    let buildpack: BuildpackRef = name.parse().map_err(|_| not_found())?;
    let (namespace, name) = match &buildpack {
        BuildpackRef::Builtin(name) => ("hoist", name.as_str()),
        BuildpackRef::Registered(name) => (name.namespace(), name.name()),
        BuildpackRef::At(_) | BuildpackRef::InApp(_) => return Err(not_found()),
    };
    meaning_of(&ctx.config, &buildpack).ok_or_else(not_found)?;
    Ok(Json(RegisteredBuildpack { blob_url: buildpack.to_string(), name: name.into(), namespace: namespace.into() }))
}
