//! What every answer carries: `Request-Id`, and on what was read an `ETag`, with `304` for a client that has it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::ApiError;
use crate::model::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

tokio::task_local! {
    /// For errors, which become answers where nobody has the request any more.
    static REQUEST: Uuid;
}

/// Tells the request's id, which the door has made: clients send back every id that they have seen, which is not to be
/// echoed.
pub(super) async fn identify(request: Request, next: Next) -> Response {
    let id = request.extensions().get().map_or_else(Uuid::new_v4, |RequestId(id)| *id);
    let mut response = REQUEST.scope(id, next.run(request)).await;
    let id = HeaderValue::try_from(id.to_string()).expect("a UUID is a header value");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The id of the request that is being answered.
pub(super) fn request_id() -> Uuid {
    REQUEST.try_with(|id| *id).unwrap_or_else(|_outside| Uuid::new_v4())
}

/// Marks an answer.
pub(super) async fn mark(request: Request, next: Next) -> Response {
    let read = *request.method() == Method::GET;
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let mut response = next.run(request).await;
    if read && response.status().is_success() && is_json(response.headers()) {
        response = with_etag(response, known.as_ref()).await;
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// Only JSON, which is in memory already; never a stream.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json")
}

async fn with_etag(response: Response, known: Option<&HeaderValue>) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = match to_bytes(body, usize::MAX).await {
        Ok(bytes) => bytes,
        Err(error) => return ApiError::Internal(Box::new(error)).into_response(),
    };
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&bytes)[..16]));
    let unchanged = known.is_some_and(|known| names(known, &etag));
    parts.headers.insert(header::ETAG, HeaderValue::try_from(etag).expect("hex digits are a header value"));
    if !unchanged {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

/// Whether `If-None-Match` or `If-Match` names the tag: a list of tags, weak or strong, or `*` (RFC 9110, 13.1.2).
pub(super) fn names(list: &HeaderValue, etag: &str) -> bool {
    let Ok(list) = list.to_str() else { return false };
    list.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_is_a_list() {
        let names = |list: &'static str| names(&HeaderValue::from_static(list), "\"abc\"");
        assert!(names("\"abc\"") && names("\"x\", W/\"abc\"") && names("*"));
        assert!(!names("\"x\"") && !names("abc") && !names(""));
    }
}
