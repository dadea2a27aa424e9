//! Every route of the API, a file for each family, and what each is for.

mod account;
mod addons;
mod apps;
mod builds;
mod ci;
mod connections;
mod dynos;
mod events;
mod git_credentials;
mod pipelines;
mod releases;
mod review_apps;
mod setups;

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::openapi::OpenApi;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router, middleware};

use super::error::ApiError;
use super::openapi::{about, fails_with_an_error, finish};
use super::{absent, conditions, guard, log_sessions, marks, permit, slugs, sources, streams};
use crate::ctx::Ctx;

/// Largest request body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// The whole API, with an answer in its own shape for every other path.
pub fn router(ctx: Ctx) -> Router {
    let mut api = OpenApi::default();
    let routes = ApiRouter::new()
        .merge(account::routes())
        .merge(apps::routes())
        .merge(builds::routes())
        .merge(releases::routes())
        .merge(dynos::routes())
        .merge(pipelines::routes())
        .merge(addons::routes())
        .merge(absent::routes())
        .merge(ci::routes())
        .merge(events::routes())
        .merge(review_apps::routes())
        .merge(setups::routes())
        .merge(connections::routes())
        .merge(git_credentials::routes())
        .finish_api_with(&mut api, fails_with_an_error);
    finish(&mut api);
    let api = Arc::new(api);
    let reads = routes.clone().layer(middleware::from_fn(marks::mark)).with_state(ctx.clone());
    routes
        .route_layer(middleware::from_fn_with_state(reads, conditions::if_match))
        .route_layer(middleware::from_fn_with_state(ctx.clone(), guard::guard))
        .route("/openapi.json", get(move || async move { Json(Arc::clone(&api)) }))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(conditions::accept))
        .layer(middleware::from_fn(marks::mark))
        // Behind the marks: an ETag would want the whole of a stream first.
        .merge(permitted().route_layer(middleware::from_fn_with_state(ctx.clone(), permit::check)))
        .merge(secret())
        .layer(conditions::cors())
        .layer(middleware::from_fn(marks::identify))
        .with_state(ctx)
}

/// What is read and written as it comes. The addresses are told by the API, and are not made up by clients: each is
/// signed.
fn permitted() -> Router<Ctx> {
    Router::new()
        .route("/blobs/slugs/{slug}", get(streams::slug_blob).put(slugs::upload))
        .route("/streams/builds/{build}", get(streams::build_output))
        .route("/streams/releases/{release}", get(streams::release_output))
        .route("/streams/dynos/{dyno}", get(streams::dyno_output))
        .route("/streams/test-runs/{run}/{log}", get(streams::test_log))
}

/// The same with addresses that are secrets themselves.
fn secret() -> Router<Ctx> {
    Router::new()
        .route("/blobs/sources/{source}", get(sources::blob).put(sources::upload))
        .route("/streams/logs", get(log_sessions::read))
}

async fn no_route() -> ApiError {
    ApiError::NoRoute
}
