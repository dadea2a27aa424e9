//! Blobs, by digest: end-2 and end-10.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use time::Duration;

use super::audited::audited;
use super::error::RegistryError;
use super::manifests::CONTENT_DIGEST;
use super::repository::{Delete, In, Pull};
use crate::ctx::Ctx;
use crate::db::registry::{Place, blobs as rows};
use crate::deploy;
use crate::image;
use crate::model::{ByteRange, Digest, parse_byte_range};
use crate::store::read_range;

/// How exactly is kept when a blob was last asked for. Garbage collection reckons with hours.
const USED_EVERY: Duration = Duration::minutes(10);

/// `GET` and `HEAD`. Who asks whether a blob is there is about to count on it.
pub(super) async fn get(
    State(ctx): State<Ctx>,
    within: In<Pull>,
    Path((_, _, digest)): Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, RegistryError> {
    let digest = parse_digest(&digest)?;
    let size_bytes = rows::size(&mut *ctx.db.read().await?, &within.place, &digest).await?;
    let size_bytes = size_bytes.ok_or(RegistryError::BlobUnknown(digest))?;
    note_use(&ctx, &within.place, &digest).await?;
    // RFC 9110 knows ranges for GET only.
    let header = headers.get(header::RANGE).filter(|_| method == Method::GET).and_then(|value| value.to_str().ok());
    let (status, range) = match parse_byte_range(header, size_bytes) {
        ByteRange::All => (StatusCode::OK, 0..size_bytes),
        ByteRange::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        ByteRange::Nothing => return Err(RegistryError::RangeNotSatisfiable { size_bytes }),
    };
    let mut answer = (
        status,
        [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::ETAG, format!("\"{digest}\"")),
            (CONTENT_DIGEST, digest.to_string()),
        ],
    )
        .into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let told = format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1);
        answer.headers_mut().insert(header::CONTENT_RANGE, told.try_into().expect("numbers are ASCII"));
    }
    if method == Method::GET {
        *answer.body_mut() = Body::from_stream(read_range(deploy::open_image_blob(&ctx, &digest).await?, range));
    }
    Ok(answer)
}

/// `DELETE`.
pub(super) async fn delete(
    State(ctx): State<Ctx>,
    within: In<Delete>,
    Path((_, _, digest)): Path<(String, String, String)>,
) -> Result<StatusCode, RegistryError> {
    let digest = parse_digest(&digest)?;
    let delete = async {
        let deleted = image::delete_blob(&ctx.db, &within.place, &digest).await;
        deleted.map_err(|error| RegistryError::of(error, || RegistryError::BlobUnknown(digest)))
    };
    audited(&ctx, &within, ("blobs", "destroy"), json!({"digest": digest}), delete).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Reads a digest from an address.
pub(super) fn parse_digest(text: &str) -> Result<Digest, RegistryError> {
    text.parse().map_err(|_| {
        RegistryError::DigestInvalid(format!("`{}` is no digest that is kept here: use sha256", text.escape_debug()))
    })
}

async fn note_use(ctx: &Ctx, place: &Place, digest: &Digest) -> Result<(), RegistryError> {
    let used_at = rows::used_at(&mut *ctx.db.read().await?, place, digest).await?;
    if used_at.is_none_or(|used_at| ctx.now() - used_at < USED_EVERY) {
        return Ok(());
    }
    let mut tx = ctx.db.write_ahead().await?;
    rows::touch(&mut tx, place, digest, ctx.now()).await?;
    Ok(tx.commit().await.map_err(crate::db::DbError::from)?)
}
