//! An app's log: what has happened to it and what its processes have put out, in the order of time (heroku-api 3.14).
//!
//! Nothing is copied for it. The lines are made of two things that are kept anyway: the app's events (`lines`, the same that
//! webhooks tell of), and the output of its processes. `merge` reads both side by side, line by line. `session` is what was
//! asked for, sealed into the address, and `filter` which lines those are.

mod filter;
mod lines;
mod merge;
mod session;
mod start;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body as ResponseBody;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use uuid::Uuid;

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, InApp, ReadLog};
use super::types::{LogSession, NewLogSession, Timestamp};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db;
use merge::{Cursor, Merge, Piece};
use session::Session;

/// As in `log_stream`: proxies and clients give up after a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Otherwise the Heroku CLI hangs for three seconds at the end (heroku-api 3.14).
const BEGINNING: &str = "retry: 10\n\n";

/// `POST /apps/{app}/log-sessions`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<ReadLog>,
    Body(new): Body<NewLogSession>,
) -> Result<Created<LogSession>, ApiError> {
    let now = ctx.now();
    let session = Session::new(at.app.id, new, now)?.seal(ctx.db.cipher());
    let (created_at, updated_at) = (Timestamp(now), Timestamp(now));
    let logplex_url = Urls::new(&ctx).log(&session);
    Ok(Created(LogSession { created_at, id: Uuid::new_v4(), logplex_url, updated_at }))
}

/// `GET /streams/logs?session=SESSION`: server-sent events, each with the place behind it as its id.
pub(super) async fn read(
    State(ctx): State<Ctx>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let sealed = query.get("session").ok_or(ApiError::NotFound("log_session"))?;
    let session = Session::open(ctx.db.cipher(), sealed, ctx.now()).ok_or(ApiError::NotFound("log_session"))?;
    db::apps::by_id(&mut *ctx.db.read().await?, session.app).await?.ok_or(ApiError::NotFound("log_session"))?;
    let last_seen: Option<Cursor> = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let mut merge = Merge::open(&ctx, session, last_seen).await?;
    // What an EventSource takes as the end: without it, it would ask again and again (HTML, 9.2.3).
    if last_seen.is_some() && merge.is_over().await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let beginning = stream::once(async { Ok(Bytes::from_static(BEGINNING.as_bytes())) });
    let events = stream::unfold(Some(merge), next_event);
    let body = ResponseBody::from_stream(stream::StreamExt::chain(beginning, events));
    Ok(([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")], body).into_response())
}

/// The next event, or a comment to keep the connection alive. A log that can't be read any more ends with its connection.
async fn next_event(merge: Option<Merge>) -> Option<(std::io::Result<Bytes>, Option<Merge>)> {
    let mut merge = merge?;
    match tokio::time::timeout(KEEP_ALIVE, merge.next()).await {
        Err(_silence) => Some((Ok(Bytes::from_static(b":\n\n")), Some(merge))),
        Ok(Ok(Some(piece))) => Some((Ok(event(&piece).into()), Some(merge))),
        Ok(Ok(None)) => None,
        Ok(Err(error)) => {
            tracing::error!(?error, "an app's log can't be read");
            Some((Err(std::io::Error::other("the log can't be read")), None))
        }
    }
}

/// One event of several lines, where they belong to one place.
fn event(piece: &Piece) -> String {
    let mut event = format!("id: {}\n", piece.behind);
    for line in &piece.lines {
        writeln!(event, "data: {line}").expect("strings take everything");
    }
    event.push('\n');
    event
}
