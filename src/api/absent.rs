//! What Heroku has and hoist has not. Lists of it are empty; whoever wants more is told why there is none, and what to do
//! instead, so that every command of Heroku's CLI says something true.

use axum::routing::{MethodRouter, any};
use axum::{Json, Router};

use super::domains;
use super::error::ApiError;
use super::extract::{Caller, InApp, See};
use super::types::Never;
use crate::ctx::Ctx;

const TEAMS: &str = "hoist has no teams: an app belongs to an account, and `access:add` lets others work on it.";
const SPACES: &str = "hoist has no private spaces: every app is built and released in this installation.";
const FEATURES: &str = "hoist has no features to turn on or off.";
const DOMAINS: &str = "hoist routes no requests. Whatever runs the app does, and that is where it gets domains and certificates.";
const DRAINS: &str = "hoist has no drains: it keeps the logs of builds, release commands and one-off commands itself.";
const AUTOSCALING: &str = "hoist runs no web processes, so it can't scale them by their load.";
const TRANSFERS: &str = "hoist can't transfer apps. `access:add` lets another account work on one.";

/// The routes of all of it.
pub(super) fn routes() -> Router<Ctx> {
    Router::new()
        .route("/account/app-transfers", refuse(TRANSFERS).get(none))
        .route("/account/app-transfers/{transfer}", refuse(TRANSFERS))
        .route("/account/features", refuse(FEATURES).get(none))
        .route("/account/features/{feature}", refuse(FEATURES))
        .route("/apps/{app}/domains", refuse(DOMAINS).get(domains::list))
        .route("/apps/{app}/domains/{domain}", refuse(DOMAINS))
        .route("/apps/{app}/features", refuse(FEATURES).get(none_of_app))
        .route("/apps/{app}/features/{feature}", refuse(FEATURES))
        .route("/apps/{app}/formation/{type}/monitors", refuse(AUTOSCALING).get(none_of_app))
        .route("/apps/{app}/log-drains", refuse(DRAINS).get(none_of_app))
        .route("/apps/{app}/log-drains/{drain}", refuse(DRAINS))
        .route("/apps/{app}/sni-endpoints", refuse(DOMAINS).get(none_of_app))
        .route("/apps/{app}/sni-endpoints/{endpoint}", refuse(DOMAINS))
        .route("/apps/{app}/telemetry-drains", refuse(DRAINS).get(none_of_app))
        .route("/spaces", refuse(SPACES).get(none))
        .route("/spaces/{*rest}", refuse(SPACES))
        .route("/teams", refuse(TEAMS).get(none))
        .route("/teams/{*rest}", refuse(TEAMS))
        .route("/telemetry-drains/{drain}", refuse(DRAINS))
}

async fn none(_: Caller) -> Json<Vec<Never>> {
    Json(Vec::new())
}

async fn none_of_app(_: InApp<See>) -> Json<Vec<Never>> {
    Json(Vec::new())
}

fn refuse(why: &'static str) -> MethodRouter<Ctx> {
    any(async move |_: Caller| ApiError::Absent(why))
}
