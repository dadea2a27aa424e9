//! Places where an archive can be put for a build. Who knows the address may use it, as with Heroku's, until it expires.

use std::io;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;
use tokio_util::io::{ReaderStream, StreamReader};

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Caller, Deploy, InApp, Named};
use super::types::{self, SourceUrls};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db::sources::Source;
use crate::db::{self, DbError};
use crate::model::{Account, SourceId, UploadId};

/// How long an address can be used, and the longest that an upload may take.
const VALID: Duration = Duration::from_hours(1);

/// `POST /sources`
pub(super) async fn create(State(ctx): State<Ctx>, Caller(account): Caller) -> Result<Created<types::Source>, ApiError> {
    new_source(&ctx, &account).await
}

/// `POST /apps/{app}/sources`, deprecated: the same, for those who may work on the app.
pub(super) async fn create_in_app(State(ctx): State<Ctx>, at: InApp<Deploy>) -> Result<Created<types::Source>, ApiError> {
    new_source(&ctx, &at.by).await
}

async fn new_source(ctx: &Ctx, by: &Account) -> Result<Created<types::Source>, ApiError> {
    let now = ctx.now();
    let source = Source { id: SourceId::new(), upload: UploadId::new(), digest: None, expires_at: now + VALID };
    let mut tx = ctx.db.write().await?;
    db::sources::insert(&mut tx, &source, by.id, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    let urls = Urls::new(ctx);
    let source_blob = SourceUrls { get_url: urls.source(source.id), put_url: urls.upload(source.upload) };
    Ok(Created(types::Source { source_blob }))
}

/// `PUT /blobs/sources/{upload}`: takes the archive, whatever its content type. A second one replaces it.
pub(super) async fn upload(
    State(ctx): State<Ctx>,
    Named(upload): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let upload: UploadId = upload.parse().map_err(|_| ApiError::NotFound("source"))?;
    let source = db::sources::by_upload(&mut *ctx.db.read().await?, upload, ctx.now()).await?;
    let source = source.ok_or(ApiError::NotFound("source"))?;
    let limit = ctx.config.limits.source_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(ApiError::LargerThan(limit));
    }
    let content = StreamReader::new(Box::pin(limited(body.into_data_stream(), limit)));
    let stored = timeout(VALID, ctx.store.put(content)).await;
    let stored = stored.map_err(|_| ApiError::BadRequest("The upload took longer than an hour.".into()))?;
    let (digest, _) = stored.map_err(|error| match error.downcast::<Broken>() {
        Ok(Broken::TooLarge) => ApiError::LargerThan(limit),
        Ok(Broken::Off) => ApiError::BadRequest("The archive could not be read to its end.".into()),
        Err(error) => error.into(),
    })?;
    let mut tx = ctx.db.write().await?;
    db::sources::set_digest(&mut tx, source.id, &digest).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(StatusCode::OK)
}

/// Why an upload ended early; hoist's own failures aside.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("too large")]
    TooLarge,
    #[error("broken off")]
    Off,
}

/// Fails once there is more than allowed, so that nothing of it is kept.
fn limited(body: BodyDataStream, limit: u64) -> impl Stream<Item = io::Result<Bytes>> {
    let mut total = 0;
    body.map(move |piece| {
        let piece = piece.map_err(|_| io::Error::other(Broken::Off))?;
        total += piece.len() as u64;
        if total > limit { Err(io::Error::other(Broken::TooLarge)) } else { Ok(piece) }
    })
}

/// `GET /blobs/sources/{source}`: gives the archive back.
pub(super) async fn blob(State(ctx): State<Ctx>, Named(source): Named) -> Result<Response, ApiError> {
    let id: SourceId = source.parse().map_err(|_| ApiError::NotFound("source"))?;
    let source = db::sources::get(&mut *ctx.db.read().await?, id, ctx.now()).await?;
    let digest = source.and_then(|source| source.digest).ok_or(ApiError::NotFound("source"))?;
    let size_bytes = ctx.store.size(&digest).await?;
    let file = ctx.store.open_blob(&digest).await?;
    let headers = [(header::CONTENT_TYPE, "application/gzip".to_owned()), (header::CONTENT_LENGTH, size_bytes.to_string())];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}
