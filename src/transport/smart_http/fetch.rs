//! Fetches over HTTP: the advertisement, then requests that each stand alone.

use std::io;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncRead, DuplexStream};
use tokio_util::io::{ReaderStream, StreamReader};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Entering, first_bytes, git_answer, our_fault, peer_of, refuse, refused, visitor};
use crate::ctx::Ctx;
use crate::git::{self, Version};
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
        let source = fetch::open(ctx, &visitor, app).await.map_err(|why| refused(why, id))?;
        let told = fetch::advertisement(&source, version, Door::GitHttp)
            .await
            .inspect_err(|error| fetch::log(source.app.name.as_str(), error));
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
    let app = fetch::follow(&ctx, &visitor, name.as_str()).await.map_err(|why| refused(why, id))?;
    let source = fetch::open(&ctx, &visitor, app).await.map_err(|why| refused(why, id))?;
    let version = version(request.headers());
    let mut reader = StreamReader::new(request.into_body().into_data_stream().map_err(io::Error::other));
    first_bytes(&mut reader, ctx.config.limits.idle_time).await?;
    let (sink, from) = tokio::io::duplex(ANSWER_BUFFER);
    let (body, gone) = answer(from);
    // Between two writes nothing else tells that the client has gone.
    let serve = gone.run_until_cancelled_owned(serve(visitor, source, version, reader, sink).in_current_span());
    ctx.tasks.spawn(serve);
    Ok(git_answer("application/x-git-upload-pack-result", Body::from_stream(body)))
}

async fn serve(visitor: Visitor, source: Source, version: Version, reader: impl AsyncRead + Unpin, writer: DuplexStream) {
    if let Err(error) = fetch::serve(&visitor, &source, version, reader, writer).await {
        fetch::log(source.app.name.as_str(), &error);
    }
}

/// An answer's body, and what is cancelled when nobody takes it any more: the connection drops it then.
fn answer(from: DuplexStream) -> (impl Stream<Item = io::Result<Bytes>>, CancellationToken) {
    let gone = CancellationToken::new();
    let guard = gone.clone().drop_guard();
    let body = ReaderStream::with_capacity(from, ANSWER_PIECE).inspect(move |_| _ = &guard);
    (body, gone)
}

fn version(headers: &HeaderMap) -> Version {
    headers.get("git-protocol").and_then(|value| value.to_str().ok()).map_or(Version::V0, Version::read)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn who_drops_the_answer_has_gone() {
        let (mut sink, from) = tokio::io::duplex(64);
        let (body, gone) = answer(from);
        let mut body = Box::pin(body);
        sink.write_all(b"0000").await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "0000");
        assert!(!gone.is_cancelled());
        drop(body);
        assert!(gone.is_cancelled());
    }
}
