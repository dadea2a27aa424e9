//! Fetches over HTTP: the advertisement, then requests that each stand alone.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures_util::TryStreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, DuplexStream};
use tokio_util::io::{ReaderStream, StreamReader};
use tracing::{Instrument as _, warn};

use super::{Entering, git_answer, our_fault, peer_of, refuse, refused, visitor};
use crate::ctx::Ctx;
use crate::git::{self, FetchError, Version};
use crate::model::{Door, Invalid, Need, Peer, RequestId};
use crate::transport::app_path::parse_app_path;
use crate::transport::fetch::{self, Source};
use crate::transport::push::Visitor;

/// What may wait for a slow client, in bytes: a few pieces of a pack.
const ANSWER_BUFFER: usize = 1024 * 1024;
/// What is handed to the connection at once.
const ANSWER_PIECE: usize = 256 * 1024;

/// Answers `GET /APP.git/info/refs?service=git-upload-pack`.
pub(super) async fn info_refs(ctx: &Ctx, entering: Entering<'_>, headers: &HeaderMap) -> Result<Response, Response> {
    let id = entering.id;
    let visitor = visitor(ctx, &entering, Need::Read).await?;
    let name = parse_app_path(entering.repo).map_err(|Invalid(text)| refuse(StatusCode::NOT_FOUND, &format!("{text}\n")))?;
    let app = fetch::begin(ctx, &visitor, name.as_str()).await.map_err(|why| refused(why, id))?;
    let version = version(headers);
    // It says nothing of the app: whoever speaks it asks for the refs later.
    let refs = if version == Version::V2 {
        git::advertisement_v2()
    } else {
        let source = fetch::open(ctx, app).await.map_err(|why| refused(why, id))?;
        let told = fetch::advertisement(&source, version, Door::GitHttp).await.inspect_err(|error| log(&source, error));
        told.map_err(|_| our_fault("The refs can't be read.", id))?
    };
    Ok(git_answer("application/x-git-upload-pack-advertisement", Body::from(refs)))
}

/// Answers `POST /APP.git/git-upload-pack`.
pub(super) async fn upload_pack(
    State(ctx): State<Ctx>,
    Path(repo): Path<String>,
    Extension(id): Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Result<Response, Response> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes().trim_ascii());
    if content_type != Some(b"application/x-git-upload-pack-request") {
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is no fetch: its content type is not git's.\n"));
    }
    let entering = Entering { headers: request.headers(), address: peer_of(peer), repo: &repo, id };
    let visitor = visitor(&ctx, &entering, Need::Read).await?;
    let name = parse_app_path(&repo).map_err(|Invalid(text)| refuse(StatusCode::NOT_FOUND, &format!("{text}\n")))?;
    let app = fetch::find(&ctx, &visitor, name.as_str()).await.map_err(|why| refused(why, id))?;
    let source = fetch::open(&ctx, app).await.map_err(|why| refused(why, id))?;
    let version = version(request.headers());
    let mut reader = StreamReader::new(request.into_body().into_data_stream().map_err(std::io::Error::other));
    // As with a push: a client that waits for `100 Continue` takes anything else for the end.
    reader
        .fill_buf()
        .await
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, &format!("The request's body can't be read: {error}.\n")))?;
    let (sink, answer) = tokio::io::duplex(ANSWER_BUFFER);
    ctx.tasks.spawn(serve(visitor, source, version, reader, sink).in_current_span());
    let answer = ReaderStream::with_capacity(answer, ANSWER_PIECE);
    Ok(git_answer("application/x-git-upload-pack-result", Body::from_stream(answer)))
}

async fn serve(visitor: Visitor, source: Source, version: Version, reader: impl AsyncRead + Unpin, writer: DuplexStream) {
    if let Err(error) = fetch::serve(&visitor, &source, version, reader, writer).await {
        log(&source, &error);
    }
}

/// A client's mistakes and departures are no business of the operator's.
fn log(source: &Source, error: &FetchError) {
    let cause = error as &dyn std::error::Error;
    warn!(app.name = %source.app.name, error = cause, "fetch failed");
}

fn version(headers: &HeaderMap) -> Version {
    headers.get("git-protocol").and_then(|value| value.to_str().ok()).map_or(Version::V0, Version::read)
}
