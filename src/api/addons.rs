//! Add-ons: there are none, and `heroku apps:info` asks for them first.

use axum::Json;

use super::extract::{InApp, See};
use super::types::Never;

/// `GET /apps/{app}/addons`
pub(super) async fn list(_: InApp<See>) -> Json<Vec<Never>> {
    Json(Vec::new())
}
