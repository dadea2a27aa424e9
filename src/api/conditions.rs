//! What HTTP lets a client say about a request besides what it asks for: which method is meant, which media types are
//! understood, and what must be so for a change to be made.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower::util::MapRequestLayer;
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use super::error::ApiError;
use super::guard::Presented;
use super::marks;

const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// Heroku's media type, of which hoist speaks version 3 in all its variants (`3.sdk`).
const VENDOR: &str = "application/vnd.heroku+json";

/// Lets a POST mean another method, for clients that can't send it. It must stand in front of all routes, which are told
/// apart by their methods.
pub fn with_method_override(routes: Router) -> Router {
    Router::new().fallback_service(MapRequestLayer::new(override_method).layer(routes))
}

fn override_method(mut request: Request) -> Request {
    let wanted = request.headers().get(METHOD_OVERRIDE).map(|method| method.as_bytes().to_ascii_uppercase());
    let meant = match wanted.as_deref() {
        Some(b"PATCH") => Method::PATCH,
        Some(b"PUT") => Method::PUT,
        Some(b"DELETE") => Method::DELETE,
        _ => return request,
    };
    if *request.method() == Method::POST {
        *request.method_mut() = meant;
    }
    request
}

/// Open to pages from anywhere, as Heroku's: who has no token can do nothing, and cookies are not read.
pub(super) fn cors() -> CorsLayer {
    let exposed = ["etag", "request-id", "ratelimit-remaining", "retry-after", "content-range", "accept-ranges", "next-range"];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE])
        // Any would leave out Authorization.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed.map(HeaderName::from_static))
}

/// Refuses whoever understands nothing that hoist says.
pub(super) async fn accept(request: Request, next: Next) -> Response {
    if is_acceptable(request.headers()) { next.run(request).await } else { ApiError::NotAcceptable.into_response() }
}

fn is_acceptable(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(header::ACCEPT).iter().flat_map(|value| value.to_str().unwrap_or_default().split(','));
    !headers.contains_key(header::ACCEPT) || ranges.any(|range| speaks(range.trim()))
}

/// Whether hoist can answer in a media range, `application/vnd.heroku+json; version=3`.
fn speaks(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "*/*" | "application/*" | "application/json" => true,
        VENDOR => parts.all(|parameter| match parameter.split_once('=') {
            Some(("version", version)) => version == "3" || version.starts_with("3."),
            _ => true,
        }),
        _ => false,
    }
}

/// Makes a change only if what is there now has a tag that `If-Match` names (RFC 9110, 13.1.1). What is there is what the
/// same path answers to GET, asked of `reads`. It stands behind the guard, so that a change that is not made is counted and
/// recorded as any other, and the question is neither.
///
/// Two changes at the very same moment may both find what they expect: it guards against working from an old page, and
/// is no lock.
pub(super) async fn if_match(State(reads): State<Router>, request: Request, next: Next) -> Response {
    let wanted = request.headers().get(header::IF_MATCH).filter(|_| !request.method().is_safe()).cloned();
    let Some(wanted) = wanted else { return next.run(request).await };
    let read = match reads.oneshot(read_of(&request)).await {
        Ok(read) => read,
        Err(never) => match never {},
    };
    // Who may not read it hears that, and changes nothing unseen.
    if matches!(read.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return read;
    }
    let is_there = |tag: &HeaderValue| tag.to_str().is_ok_and(|tag| marks::names(&wanted, tag));
    if read.headers().get(header::ETAG).is_some_and(is_there) {
        return next.run(request).await;
    }
    ApiError::PreconditionFailed.into_response()
}

/// The GET of what a request would change, by the same caller.
fn read_of(request: &Request) -> Request {
    let mut read = Request::default();
    *read.uri_mut() = request.uri().clone();
    if let Some(presented) = request.extensions().get::<Presented>() {
        read.extensions_mut().insert(presented.clone());
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_speak_version_3_are_understood() {
        let check = |accept: &str, good: bool| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(is_acceptable(&headers), good, "{accept}");
        };
        for good in ["3", "3.sdk", "3.pipelines", "3.anything"] {
            check(&format!("application/vnd.heroku+json; version={good}"), true);
        }
        for good in
            ["*/*", "application/json", "text/html, */*;q=0.8", "application/vnd.heroku+json", "text/html,application/json"]
        {
            check(good, true);
        }
        for bad in
            ["text/html", "application/vnd.heroku+json; version=2", "application/xml", "application/vnd.heroku+json; version=31"]
        {
            check(bad, false);
        }
        assert!(is_acceptable(&HeaderMap::new()));
    }
}
