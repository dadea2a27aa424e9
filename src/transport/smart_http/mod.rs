//! git's smart HTTP protocol: pushes here, fetches in `fetch`.

mod fetch;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, DuplexStream};
use tokio::time::timeout;
use tokio_util::io::{InspectReader, ReaderStream, StreamReader};
use tower_http::decompression::RequestDecompressionLayer;
use tracing::{Instrument as _, warn};

use super::app_path::parse_app_path;
use super::push::{self, Refused, Target, Visitor};
use crate::auth::Credentials;
use crate::ctx::Ctx;
use crate::model::{Account, AuthorizationId, Credential, Door, Invalid, Need, Peer, RequestId};
use crate::{auth, telemetry};

/// What may wait for a slow client, in bytes.
const ANSWER_BUFFER: usize = 64 * 1024;
/// A request that only asks whether the credentials are good. git sends it before a push too big to send twice.
const PROBE: &[u8] = b"0000";

const NOT_DUMB: &str = "hoist speaks git's smart HTTP protocol only: use git 1.6.6 or newer.\n";
const WHO_ARE_YOU: &str = "!	WARNING:
!	hoist doesn't know you. The password that git asks for is your hoist API token;
!	the user name can be anything. Do not authenticate with e-mail address and password.
!	No token yet? Ask your administrator for `hoist admin user:add EMAIL`, then retry the git command.
";

/// The routes.
pub fn routes(ctx: Ctx) -> Router {
    Router::new()
        .route("/{repo}/info/refs", get(info_refs))
        .route("/{repo}/git-receive-pack", post(receive_pack).layer(RequestDecompressionLayer::new()))
        .route("/{repo}/HEAD", get(dumb))
        .route("/{repo}/objects/{*path}", get(dumb))
        .route("/{repo}/git-upload-pack", post(fetch::upload_pack).layer(RequestDecompressionLayer::new()))
        .with_state(ctx)
}

/// What git before 1.6.6, and a `wget`, ask for: there are no such files.
async fn dumb() -> Response {
    refuse(StatusCode::FORBIDDEN, NOT_DUMB)
}

#[derive(Deserialize)]
struct Wanted {
    service: Option<String>,
}

async fn info_refs(
    State(ctx): State<Ctx>,
    Path(repo): Path<String>,
    Query(wanted): Query<Wanted>,
    Extension(id): Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let entering = Entering { headers: &headers, address: peer_of(peer), repo: &repo, id };
    match wanted.service.as_deref() {
        Some("git-receive-pack") => {}
        Some("git-upload-pack") => return fetch::info_refs(&ctx, entering, &headers).await,
        _ => return Err(refuse(StatusCode::FORBIDDEN, NOT_DUMB)),
    }
    let (_, target) = open(&ctx, &entering).await?;
    let mut refs = Vec::new();
    if let Err(error) = push::advertise(&target, &mut refs).await {
        warn!(app.name = %target.app.name, %error, "can't tell the refs");
        return Err(our_fault("The refs can't be read.", id));
    }
    Ok(git_answer("application/x-git-receive-pack-advertisement", Body::from(refs)))
}

async fn receive_pack(
    State(ctx): State<Ctx>,
    Path(repo): Path<String>,
    Extension(id): Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Result<Response, Response> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes().trim_ascii());
    if content_type != Some(b"application/x-git-receive-pack-request") {
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is no push: its content type is not git's.\n"));
    }
    let entering = Entering { headers: request.headers(), address: peer_of(peer), repo: &repo, id };
    let (visitor, target) = open(&ctx, &entering).await?;
    let body = request.into_body();
    let is_probe_sized = body.size_hint().exact() == Some(PROBE.len() as u64);
    let mut reader = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
    let start = first_bytes(&mut reader, ctx.config.limits.idle_time).await?;
    let (sink, answer) = tokio::io::duplex(ANSWER_BUFFER);
    if !(is_probe_sized && start == PROBE) {
        let reader = InspectReader::new(reader, |bytes| telemetry::received("http", bytes.len()));
        ctx.tasks.spawn(receive(ctx.clone(), visitor, target, reader, sink).in_current_span());
    }
    let answer = ReaderStream::with_capacity(answer, ANSWER_BUFFER);
    Ok(git_answer("application/x-git-receive-pack-result", Body::from_stream(answer)))
}

/// The first bytes of a request's body, before the answer's head: a client that waits for `100 Continue` takes anything else for
/// the end. A connection that is kept awake by other requests, as with HTTP/2, says nothing of this one.
async fn first_bytes(body: &mut (impl AsyncBufRead + Unpin), patience: Duration) -> Result<&[u8], Response> {
    match timeout(patience, body.fill_buf()).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(refuse(StatusCode::BAD_REQUEST, &format!("The request's body can't be read: {error}.\n"))),
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "The request's body does not come. Please try again.\n")),
    }
}

async fn receive(
    ctx: Ctx,
    visitor: Visitor,
    target: Target,
    reader: impl tokio::io::AsyncRead + Send + Unpin + 'static,
    writer: DuplexStream,
) {
    let app = target.app.name.clone();
    if let Err(error) = push::receive(&ctx, &visitor, target, reader, writer).await {
        warn!(app.name = %app, error = &error as &dyn std::error::Error, "push failed");
    }
}

/// A request that has just come in.
struct Entering<'a> {
    headers: &'a HeaderMap,
    address: IpAddr,
    repo: &'a str,
    id: RequestId,
}

/// Who pushes, and to what; or the answer to somebody who may not.
async fn open(ctx: &Ctx, entering: &Entering<'_>) -> Result<(Visitor, Target), Response> {
    let visitor = visitor(ctx, entering, Need::Write).await?;
    let name = parse_app_path(entering.repo).map_err(|Invalid(text)| refuse(StatusCode::NOT_FOUND, &format!("{text}\n")))?;
    let target = push::open(ctx, &visitor, name.as_str()).await.map_err(|why| refused(why, entering.id))?;
    Ok((visitor, target))
}

/// Who knocks; or the answer to somebody who is not known, or whose token is not for this.
async fn visitor(ctx: &Ctx, entering: &Entering<'_>, need: Need) -> Result<Visitor, Response> {
    let Entering { headers, address, id, .. } = entering;
    let (account, authorization) = authenticate(ctx, headers, *id, need).await?;
    let credential = Credential::Authorization(authorization);
    Ok(Visitor { account, credential, door: Door::GitHttp, address: *address, request: id.0 })
}

/// What somebody hears to whom the app is not open.
fn refused(why: Refused, id: RequestId) -> Response {
    match why {
        Refused::TooOften(wait) => {
            let answer = refuse(StatusCode::TOO_MANY_REQUESTS, &push::too_often(wait));
            ([(header::RETRY_AFTER, wait.whole_seconds().to_string())], answer).into_response()
        }
        Refused::NotFound(text) => refuse(StatusCode::NOT_FOUND, &format!("{text}\n")),
        Refused::Forbidden(text) => refuse(StatusCode::FORBIDDEN, &format!("{text}\n")),
        Refused::Unavailable(text) => our_fault(&text, id),
    }
}

/// The connection's other end; there is none where the routes are called without a connection.
fn peer_of(peer: Option<Extension<Peer>>) -> IpAddr {
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(Peer(address))| address)
}

async fn authenticate(ctx: &Ctx, headers: &HeaderMap, id: RequestId, need: Need) -> Result<(Account, AuthorizationId), Response> {
    let unknown = || {
        let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"hoist\"")];
        (ask, refuse(StatusCode::UNAUTHORIZED, WHO_ARE_YOU)).into_response()
    };
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(Credentials::read).ok_or_else(unknown)?.token;
    match auth::by_token(&ctx.db, token.expose(), ctx.now()).await {
        Ok(Some((account, authorization))) if authorization.scopes.allow(need) => Ok((account, authorization.id)),
        Ok(Some((_, authorization))) => {
            let takes = if need == Need::Write { "a push takes write or global" } else { "a fetch takes read, write or global" };
            let text = format!("Your token's scope is {}, and {takes}.\n", authorization.scopes);
            Err(refuse(StatusCode::FORBIDDEN, &text))
        }
        Ok(None) => Err(unknown()),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "can't look a token up");
            Err(our_fault("Tokens can't be checked now.", id))
        }
    }
}

/// A refusal in words. git shows a `text/plain` body to its user, line by line behind `remote: `.
fn refuse(status: StatusCode, text: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (status, headers, text.to_owned()).into_response()
}

fn our_fault(text: &str, RequestId(id): RequestId) -> Response {
    let text = format!("{text}\nIt is hoist's fault, not yours. Please try again; if it stays, tell your administrator: {id}\n");
    refuse(StatusCode::SERVICE_UNAVAILABLE, &text)
}

fn git_answer(content_type: &'static str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache, max-age=0, must-revalidate"),
        // For proxies that know HTTP/1.0 only, as git's own server does.
        (header::PRAGMA, "no-cache"),
        (header::EXPIRES, "Fri, 01 Jan 1980 00:00:00 GMT"),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, BufReader};

    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let (mut client, body) = tokio::io::duplex(64);
        let mut body = BufReader::new(body);
        let refused = first_bytes(&mut body, Duration::ZERO).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
        client.write_all(b"0000").await.unwrap();
        assert_eq!(first_bytes(&mut body, Duration::ZERO).await.unwrap(), b"0000");
    }
}
