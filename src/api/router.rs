//! Every route of the API.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, post};

use super::error::ApiError;
use super::{
    account, addons, apps, buildpack_installations, buildpacks, builds, collaborators, config_vars, dyno_sizes, dynos, filters,
    formation, keys, ledger, marks, pipeline_couplings, pipeline_promotions, pipelines, releases, slugs, sources, stacks,
    streams,
};
use crate::ctx::Ctx;

/// Largest request body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// The whole API, with an answer in its own shape for every other path.
pub fn router(ctx: Ctx) -> Router {
    Router::new()
        .route("/account", get(account::info))
        .route("/users/{user}", get(account::user_info))
        .route("/users/{user}/apps", get(apps::list_of_user))
        .route("/users/{user}/pipeline-couplings", get(pipeline_couplings::list_of_user))
        .route("/account/keys", get(keys::list).post(keys::create))
        .route("/account/keys/{key}", get(keys::info).delete(keys::destroy))
        .route("/apps", get(apps::list).post(apps::create))
        .route("/apps/{app}", get(apps::info).patch(apps::update).delete(apps::destroy))
        .route("/apps/{app}/addons", get(addons::list))
        .route("/apps/{app}/available-stacks", get(stacks::list_of_app))
        .route("/apps/{app}/buildpack-installations", get(buildpack_installations::list).put(buildpack_installations::replace))
        .route("/apps/{app}/builds", get(builds::list).post(builds::create))
        .route("/apps/{app}/builds/{build}", get(builds::info).delete(builds::cancel))
        .route("/apps/{app}/build-cache", delete(builds::purge_cache))
        .route("/apps/{app}/collaborators", get(collaborators::list).post(collaborators::create))
        .route(
            "/apps/{app}/collaborators/{user}",
            get(collaborators::info).patch(collaborators::update).delete(collaborators::destroy),
        )
        .route("/teams/apps/{app}/collaborators", get(collaborators::list).post(collaborators::create))
        .route(
            "/teams/apps/{app}/collaborators/{user}",
            get(collaborators::info).patch(collaborators::update).delete(collaborators::destroy),
        )
        .route("/apps/{app}/config-vars", get(config_vars::info).patch(config_vars::update))
        .route("/apps/{app}/available-dyno-sizes", get(dyno_sizes::list_of_app))
        .route("/apps/{app}/dynos", get(dynos::list).post(dynos::create))
        .route("/apps/{app}/dynos/{dyno}", get(dynos::info).delete(dynos::stop))
        .route("/apps/{app}/dynos/{dyno}/actions/stop", post(dynos::stop))
        .route("/apps/{app}/formation", get(formation::list).patch(formation::update_all))
        .route("/apps/{app}/formation/{type}", get(formation::info).patch(formation::update))
        .route("/apps/{app}/pipeline-couplings", get(pipeline_couplings::of_app))
        .route("/apps/{app}/releases", get(releases::list).post(releases::create))
        .route("/apps/{app}/releases/{release}", get(releases::info))
        .route("/apps/{app}/releases/{release}/config-vars", get(releases::config_vars))
        .route("/apps/{app}/releases/{release}/block", get(ledger::block_info).put(ledger::block).post(ledger::block))
        .route("/apps/{app}/releases/{release}/diff/{other}", get(ledger::diff))
        .route("/apps/{app}/releases/verification", get(ledger::verify))
        .route("/apps/{app}/slugs", post(slugs::create))
        .route("/apps/{app}/slugs/{slug}", get(slugs::info))
        .route("/apps/{app}/sources", post(sources::create_in_app))
        .route("/buildpacks/{name}", get(buildpacks::info))
        .route("/dyno-sizes", get(dyno_sizes::list))
        .route("/dyno-sizes/{size}", get(dyno_sizes::info))
        .route("/filters/apps", post(filters::apps))
        .route("/pipeline-couplings", get(pipeline_couplings::list).post(pipeline_couplings::create))
        .route(
            "/pipeline-couplings/{coupling}",
            get(pipeline_couplings::info).patch(pipeline_couplings::update).delete(pipeline_couplings::destroy),
        )
        .route("/pipeline-promotions", post(pipeline_promotions::create))
        .route("/pipeline-promotions/{promotion}", get(pipeline_promotions::info))
        .route("/pipeline-promotions/{promotion}/promotion-targets", get(pipeline_promotions::targets))
        .route("/pipelines", get(pipelines::list).post(pipelines::create))
        .route("/pipelines/{pipeline}", get(pipelines::info).patch(pipelines::update).delete(pipelines::destroy))
        .route("/pipelines/{pipeline}/latest-builds", get(pipelines::latest_builds))
        .route("/pipelines/{pipeline}/latest-deployments", get(pipelines::latest_releases))
        .route("/pipelines/{pipeline}/latest-releases", get(pipelines::latest_releases))
        .route("/pipelines/{pipeline}/pipeline-couplings", get(pipeline_couplings::list_of_pipeline))
        .route("/sources", post(sources::create))
        .route("/stacks", get(stacks::list))
        .route("/stacks/{stack}", get(stacks::info))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(marks::mark))
        // Behind the marks: an ETag would want the whole of a stream first.
        .route("/blobs/slugs/{slug}", get(streams::slug_blob).put(slugs::upload))
        .route("/blobs/sources/{source}", get(sources::blob).put(sources::upload))
        .route("/streams/builds/{build}", get(streams::build_output))
        .route("/streams/releases/{release}", get(streams::release_output))
        .route("/streams/dynos/{dyno}", get(streams::dyno_output))
        .with_state(ctx)
}

async fn no_route() -> ApiError {
    ApiError::NoRoute
}
