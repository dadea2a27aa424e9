//! The registry: the OCI Distribution API, version 1.1, under `/v2/`. A repository is an app and a process type,
//! `my-app/web`; an app that is not the caller's is answered like one that does not exist, and none is ever made here.
//!
//! In reading order: `caller` is who asks, by an API token or by one of `token`'s; `repository` what about, and whether they
//! may. Then one file per family of the specification: `manifests` with `accept`, `blobs`, `uploads` with
//! `content_range`, `lists` (tags, repositories) and `referrers`. `audited` records what changes something, `error` is every
//! answer that is not a success.

mod caller;
mod challenge;
mod repository;
mod token;

mod accept;
mod blobs;
mod content_range;
mod lists;
mod manifests;
mod referrers;
mod uploads;

mod audited;
mod error;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};

use self::caller::Caller;
use self::error::RegistryError;
use crate::ctx::Ctx;
use crate::model::Repository;

/// Docker's name for the header by which it once told this API from its predecessor.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The routes, with the numbers that the specification gives them.
pub fn routes(ctx: Ctx) -> Router {
    let upload = get(uploads::status).patch(uploads::patch).put(uploads::put).delete(uploads::cancel);
    let manifest = get(manifests::get).put(manifests::put).delete(manifests::delete);
    Router::new()
        .route("/v2/", get(base)) // end-1
        .route("/v2", get(base))
        .route("/v2/token", get(token::issue))
        .route("/v2/_catalog", get(lists::repositories))
        .route("/v2/{app}/{type}/blobs/{digest}", get(blobs::get).delete(blobs::delete)) // end-2, 10
        .route("/v2/{app}/{type}/manifests/{reference}", manifest) // end-3, 7, 9
        .route("/v2/{app}/{type}/blobs/uploads/", post(uploads::begin)) // end-4, 11
        .route("/v2/{app}/{type}/blobs/uploads", post(uploads::begin))
        .route("/v2/{app}/{type}/blobs/uploads/{upload}", upload) // end-5, 6, 13, 14
        .route("/v2/{app}/{type}/tags/list", get(lists::tags)) // end-8
        .route("/v2/{app}/{type}/referrers/{digest}", get(referrers::list)) // end-12
        .route("/v2/{app}", any(no_route))
        .route("/v2/{app}/{type}", any(no_route))
        .route("/v2/{app}/{type}/{*rest}", any(no_route))
        .method_not_allowed_fallback(async || RegistryError::Unsupported("This can't be done here."))
        .layer(middleware::from_fn(with_version))
        .with_state(ctx)
}

/// Tells that this is a registry, and whether the caller is known.
async fn base(_: Caller) -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({}))
}

/// Answers what has another form than an app and a process type, to those who are known.
async fn no_route(_: Caller, uri: Uri) -> RegistryError {
    let rest = uri.path().trim_start_matches("/v2/");
    let families = ["/blobs/", "/manifests/", "/tags/", "/referrers/"];
    let name = families.iter().find_map(|family| rest.split_once(family)).map_or(rest, |(name, _)| name);
    match name.parse::<Repository>() {
        Ok(_) => RegistryError::Unsupported("There is nothing of this kind in a repository."),
        Err(invalid) => RegistryError::NoSuchRepository(invalid.to_string()),
    }
}

async fn with_version(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}
