//! The public key of the images' signatures: `/image-signing-key.pem`. Anybody may have it.

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use crate::ctx::Ctx;

/// The route.
pub fn routes(ctx: Ctx) -> Router {
    Router::new().route("/image-signing-key.pem", get(signing_key)).with_state(ctx)
}

async fn signing_key(State(ctx): State<Ctx>) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "application/x-pem-file")], ctx.signing_key.public_key_pem())
}
