//! The files themselves: Git LFS's basic transfer.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::answer;
use super::caller::Caller;
use super::error::LfsError;
use crate::ctx::Ctx;
use crate::lfs;
use crate::model::{ByteRange, LfsOperation, parse_byte_range};
use crate::telemetry;

type InObject = Path<(String, String)>;

/// `PUT`: takes a file, if it is what the client has told that it would be.
pub(super) async fn put(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((repo, oid)): InObject,
    request: Request,
) -> Result<StatusCode, LfsError> {
    let (app, object) = caller.open_object(&ctx, (&repo, &oid), LfsOperation::Upload).await?;
    let (parts, body) = request.into_parts();
    if content_length(&parts.headers).is_some_and(|length| length != object.size_bytes) {
        return Err(LfsError::Invalid(format!("The object has {} bytes, by what was told of it.", object.size_bytes)));
    }
    let (body, silence) = (body.into_data_stream(), ctx.config.limits.idle_time);
    lfs::keep_object(&ctx.db, &ctx.store, (app.id, &object), body, silence, || ctx.now()).await?;
    telemetry::received("http", usize::try_from(object.size_bytes).unwrap_or(usize::MAX));
    Ok(StatusCode::OK)
}

/// `POST /verify`: whether a file has come.
pub(super) async fn verify(State(ctx): State<Ctx>, caller: Caller, Path((repo, oid)): InObject) -> Result<Response, LfsError> {
    let (app, object) = caller.open_object(&ctx, (&repo, &oid), LfsOperation::Upload).await?;
    match lfs::have_objects(&ctx.db, app.id, &[object]).await?.as_slice() {
        [true] => Ok(answer(StatusCode::OK, &json!({"oid": object.digest.hex(), "size": object.size_bytes}))),
        _ => Err(LfsError::NoSuchObject(object.digest)),
    }
}

/// `GET` and `HEAD`: the file, or a part of it.
pub(super) async fn get(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((repo, oid)): InObject,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, LfsError> {
    let (app, object) = caller.open_object(&ctx, (&repo, &oid), LfsOperation::Download).await?;
    if lfs::have_objects(&ctx.db, app.id, &[object]).await? != [true] {
        return Err(LfsError::NoSuchObject(object.digest));
    }
    let size_bytes = object.size_bytes;
    // RFC 9110 knows ranges for GET only.
    let asked = headers.get(header::RANGE).filter(|_| method == Method::GET).and_then(|value| value.to_str().ok());
    let (status, range) = match parse_byte_range(asked, size_bytes) {
        ByteRange::All => (StatusCode::OK, 0..size_bytes),
        ByteRange::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        ByteRange::Nothing => return Err(LfsError::RangeNotSatisfiable { size_bytes }),
    };
    let told = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let mut answer = (status, told).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let told = format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1);
        answer.headers_mut().insert(header::CONTENT_RANGE, told.try_into().expect("numbers are ASCII"));
    }
    if method == Method::GET {
        *answer.body_mut() = Body::from_stream(ctx.store.read(&object.digest, range).await?);
    }
    Ok(answer)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
