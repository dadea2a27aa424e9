//! As much of Heroku's buildpack registry as its CLI needs to turn a name into what it then sets on the app. Users point
//! it here with `HEROKU_BUILDPACK_REGISTRY_URL`.

use axum::Json;

use super::error::ApiError;
use super::extract::Named;
use super::types::RegisteredBuildpack;
use crate::model::BuildpackRef;

/// `GET /buildpacks/NAMESPACE%2FNAME`. Public, as the registry is.
pub(super) async fn info(Named(name): Named) -> Result<Json<RegisteredBuildpack>, ApiError> {
    let buildpack: BuildpackRef = name.parse().map_err(|_| ApiError::NotFound("buildpack"))?;
    match &buildpack {
        BuildpackRef::Builtin(name) => {
            Ok(Json(RegisteredBuildpack { blob_url: buildpack.to_string(), name: name.clone(), namespace: "hoist".into() }))
        }
        BuildpackRef::InApp(_) => Err(ApiError::NotFound("buildpack")),
    }
}
