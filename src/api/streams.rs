//! What is streamed: builds' logs and slugs' bytes. The addresses hold ids that cannot be guessed and ask for no token,
//! as Heroku's do: its CLI sends none.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio_util::io::ReaderStream;

use super::error::ApiError;
use crate::ctx::Ctx;
use crate::db;
use crate::deploy::{self, Log};

/// Clients give up after 60 s of silence (heroku-api 2.6).
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// `GET /streams/builds/{build}`: the log of a build, to its end, also while it grows.
pub(super) async fn build_output(State(ctx): State<Ctx>, Path(build): Path<String>) -> Result<Response, ApiError> {
    let build = build.parse().map_err(|_| ApiError::NotFound("build"))?;
    let log = deploy::open_log(&ctx, build).await?.ok_or(ApiError::NotFound("build"))?;
    let body = Body::from_stream(stream::unfold(log, next_piece));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// The next piece of the log, or a NUL to keep the connection alive.
async fn next_piece(mut log: Log) -> Option<(std::io::Result<Bytes>, Log)> {
    match tokio::time::timeout(KEEP_ALIVE, log.next()).await {
        Ok(piece) => piece.map(|piece| (piece, log)),
        Err(_silence) => Some((Ok(Bytes::from_static(b"\0")), log)),
    }
}

/// `GET /blobs/slugs/{slug}`: a slug's archive.
pub(super) async fn slug_blob(State(ctx): State<Ctx>, Path(slug): Path<String>) -> Result<Response, ApiError> {
    let id = slug.parse().map_err(|_| ApiError::NotFound("slug"))?;
    let slug = db::slugs::get(&mut *ctx.db.read().await?, id).await?.ok_or(ApiError::NotFound("slug"))?;
    let file = ctx.store.open_blob(&slug.digest).await?;
    let headers = [(header::CONTENT_TYPE, "application/gzip".to_owned()), (header::CONTENT_LENGTH, slug.size_bytes.to_string())];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}
