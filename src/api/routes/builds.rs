//! Builds, and what they are made of.

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};

use super::about;
use crate::api::{buildpack_installations, buildpacks, builds, sources};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/apps/{app}/buildpack-installations",
            get_with(buildpack_installations::list, about("The app's buildpacks"))
                .put_with(buildpack_installations::replace, about("Replace the app's buildpacks")),
        )
        .api_route(
            "/apps/{app}/builds",
            get_with(builds::list, about("The app's builds")).post_with(builds::create, about("Build an archive")),
        )
        .api_route(
            "/apps/{app}/builds/{build}",
            get_with(builds::info, about("A build")).delete_with(builds::cancel, about("Cancel a build")),
        )
        .api_route("/apps/{app}/build-cache", delete_with(builds::purge_cache, about("Remove the build cache")))
        .api_route("/apps/{app}/sources", post_with(sources::create_in_app, about("Ask for a place to upload an archive to")))
        .api_route("/buildpacks/{name}", get_with(buildpacks::info, about("A buildpack that hoist knows by name")))
        .api_route("/sources", post_with(sources::create, about("Ask for a place to upload an archive to")))
}
