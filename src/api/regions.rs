//! Regions: one, which is this installation.

use axum::Json;
use time::OffsetDateTime;

use super::error::ApiError;
use super::extract::{Caller, Named};
use super::types::{NamedRef, Provider, Region, Timestamp};

/// The name that the Heroku CLI takes for granted and does not mention.
const NAME: &str = "us";

/// The region as apps show it.
pub(super) fn here() -> NamedRef {
    NamedRef::named("region", NAME)
}

/// `GET /regions`
pub(super) async fn list(_: Caller) -> Json<Vec<Region>> {
    Json(vec![describe()])
}

/// `GET /regions/{region}`, by name or id.
pub(super) async fn info(_: Caller, Named(region): Named) -> Result<Json<Region>, ApiError> {
    let here = here();
    if region == here.name || region == here.id { Ok(Json(describe())) } else { Err(ApiError::NotFound("region")) }
}

fn describe() -> Region {
    let NamedRef { id, name } = here();
    // It has always been there.
    let created_at = Timestamp(OffsetDateTime::UNIX_EPOCH);
    Region {
        country: "here".into(),
        created_at,
        description: "This installation".into(),
        id,
        locale: "here".into(),
        provider: Provider { name: "hoist".into(), region: name.clone() },
        name,
        private_capable: false,
        updated_at: created_at,
    }
}
