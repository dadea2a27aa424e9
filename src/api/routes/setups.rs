//! Apps set up as their app.json says.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use super::about;
use crate::api::app_setups;
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route("/app-setups", post_with(app_setups::create, about("Set up an app from an archive, as its app.json says")))
        .api_route("/app-setups/{setup}", get_with(app_setups::info, about("What became of setting up an app")))
}
