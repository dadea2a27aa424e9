//! What runs, and how much of it.

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};

use super::about;
use crate::api::{dyno_sizes, dynos, formation};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/apps/{app}/available-dyno-sizes",
            get_with(dyno_sizes::list_of_app, about("The sizes that dynos of the app can have")),
        )
        .api_route(
            "/apps/{app}/dynos",
            get_with(dynos::list, about("The app's one-off commands and release commands that run"))
                .post_with(dynos::create, about("Run a one-off command"))
                .delete_with(dynos::stop_all, about("Stop the app's one-off commands")),
        )
        .api_route(
            "/apps/{app}/dynos/{dyno}",
            get_with(dynos::info, about("A dyno")).delete_with(dynos::stop, about("Stop a command")),
        )
        .api_route("/apps/{app}/dynos/{dyno}/actions/stop", post_with(dynos::stop, about("Stop a command")))
        .api_route(
            "/apps/{app}/formation",
            get_with(formation::list, about("How the process types are scaled"))
                .patch_with(formation::update_all, about("Scale process types, or release images for them")),
        )
        .api_route(
            "/apps/{app}/formation/{type}",
            get_with(formation::info, about("How a process type is scaled"))
                .patch_with(formation::update, about("Scale a process type, or release an image for it")),
        )
        .api_route("/dyno-sizes", get_with(dyno_sizes::list, about("The sizes of dynos")))
        .api_route("/dyno-sizes/{size}", get_with(dyno_sizes::info, about("A size of dynos")))
        .api_route(
            "/apps/{app}/formations/{type}",
            delete_with(dynos::stop_of_type, about("Stop the app's one-off commands of a type")),
        )
        .api_route(
            "/apps/{app}/formations/{type}/actions/stop",
            post_with(dynos::stop_of_type, about("Stop the app's one-off commands of a type")),
        )
}
