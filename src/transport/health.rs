//! What an operator's monitor asks: `/healthz` and `/metrics`.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::time::timeout;

use crate::auth;
use crate::ctx::Ctx;
use crate::db::DbError;
use crate::telemetry;

/// How soon the database must answer to count as alive.
const PATIENCE: Duration = Duration::from_secs(2);

/// The routes.
pub fn routes(ctx: Ctx) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/metrics", get(metrics)).with_state(ctx)
}

async fn healthz(State(ctx): State<Ctx>) -> (StatusCode, String) {
    match timeout(PATIENCE, ask_database(&ctx)).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n".into()),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the database failed a health check");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, format!("the database has not answered within {PATIENCE:?}\n")),
    }
}

/// A read that needs the tables to be there.
async fn ask_database(ctx: &Ctx) -> Result<(), DbError> {
    auth::by_token(&ctx.db, "", ctx.now()).await.map(drop)
}

async fn metrics() -> String {
    telemetry::render()
}
