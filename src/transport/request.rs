//! What every HTTP request gets, whoever answers it: an id, a line in the log, a place in the metrics, and an answer
//! even if its handler panics.

use std::any::Any;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, error, info, info_span};
use uuid::Uuid;

use crate::model::{RequestId, without_ids};
use crate::telemetry;

/// Heroku's name for the header that every answer carries and that a user quotes to the operator.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Puts ids, log, metrics and the net for panics around all routes.
pub(super) fn observed(routes: Router) -> Router {
    routes.layer(CatchPanicLayer::custom(panicked)).layer(middleware::from_fn(observe))
}

async fn observe(mut request: Request, next: Next) -> Response {
    let id = Uuid::new_v4();
    request.extensions_mut().insert(RequestId(id));
    let span = info_span!("request", id = %id, method = %request.method(), path = without_ids(request.uri().path()));
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.in_scope(|| info!(status = status.as_u16(), "request answered"));
    telemetry::http_answered(status.as_u16());
    let id = HeaderValue::try_from(id.to_string()).expect("an id is ASCII");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    error!(panic = text.unwrap_or("?"), "a request's handler panicked");
    let body = r#"{"id":"internal_server_error","message":"Internal server error. It is hoist's fault, not yours."}"#;
    (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(path: &str) -> Response {
        #[expect(clippy::panic, reason = "what is tested")]
        async fn broken() {
            panic!("for the test")
        }
        let routes = Router::new().route("/broken", get(broken));
        let request = Request::get(path).header(REQUEST_ID, "chosen-by-a-stranger").body(Body::empty()).unwrap();
        observed(routes).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn every_answer_has_an_id_of_ours() {
        for path in ["/nothing-here", "/broken"] {
            let id = ask(path).await.headers()[REQUEST_ID].to_str().unwrap().to_owned();
            assert!(Uuid::parse_str(&id).is_ok(), "{path}: {id}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_in_json() {
        let response = ask("/broken").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(response.into_body(), 1024).await.unwrap();
        assert!(body.starts_with(b"{\"id\":\"internal_server_error\""), "{body:?}");
    }
}
