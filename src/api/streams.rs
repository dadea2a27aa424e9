//! What is streamed: logs and slugs' bytes. Their addresses ask for no token, as Heroku's do: its CLI sends none. What
//! they ask for instead is in `permit`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tokio_util::io::ReaderStream;

use super::error::ApiError;
use super::extract::{Named, Names};
use super::log_stream;
use crate::ctx::Ctx;
use crate::db;
use crate::deploy;

/// `GET /streams/builds/{build}`: the log of a build, to its end, also while it grows.
pub(super) async fn build_output(State(ctx): State<Ctx>, Named(build): Named, headers: HeaderMap) -> Result<Response, ApiError> {
    let build = build.parse().map_err(|_| ApiError::NotFound("build"))?;
    let log = deploy::open_log(&ctx, build).await?.ok_or(ApiError::NotFound("build"))?;
    Ok(log_stream::respond(log, &headers))
}

/// `GET /streams/releases/{release}`: the output of a release's command, likewise. Not found before it starts: clients
/// take that for "not yet" (heroku-api 2.6).
pub(super) async fn release_output(
    State(ctx): State<Ctx>,
    Named(release): Named,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let release = release.parse().map_err(|_| ApiError::NotFound("release"))?;
    let log = deploy::open_release_log(&ctx, release).await?.ok_or(ApiError::NotFound("release"))?;
    Ok(log_stream::respond(log, &headers))
}

/// `GET /streams/dynos/{dyno}`: the output of a one-off command, likewise.
pub(super) async fn dyno_output(State(ctx): State<Ctx>, Named(dyno): Named, headers: HeaderMap) -> Result<Response, ApiError> {
    let dyno = dyno.parse().map_err(|_| ApiError::NotFound("dyno"))?;
    let log = deploy::open_dyno_log(&ctx, dyno).await?.ok_or(ApiError::NotFound("dyno"))?;
    Ok(log_stream::respond(log, &headers))
}

/// `GET /streams/test-runs/{run}/{log}`: an output of a test run, likewise. Not found before it starts.
pub(super) async fn test_log(
    State(ctx): State<Ctx>,
    Names([run, log]): Names<2>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let missing = || ApiError::NotFound("test_run");
    let (run, log) = (run.parse().map_err(|_| missing())?, log.parse().map_err(|_| missing())?);
    if let Some(log) = deploy::open_test_log(&ctx, run, log).await? {
        return Ok(log_stream::respond(log, &headers));
    }
    let run = db::test_runs::get(&mut *ctx.db.read().await?, run).await?.ok_or_else(missing)?;
    // A crash came before its first line.
    run.end.map(|_| ().into_response()).ok_or_else(missing)
}

/// `GET /blobs/slugs/{slug}`: a slug's archive.
pub(super) async fn slug_blob(State(ctx): State<Ctx>, Named(slug): Named) -> Result<Response, ApiError> {
    let id = slug.parse().map_err(|_| ApiError::NotFound("slug"))?;
    let slug = db::slugs::get(&mut *ctx.db.read().await?, id).await?.ok_or(ApiError::NotFound("slug"))?;
    let file = ctx.store.open_blob(&slug.digest).await?;
    let headers = [(header::CONTENT_TYPE, "application/gzip".to_owned()), (header::CONTENT_LENGTH, slug.size_bytes.to_string())];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}
