//! Who knocks: read once for each request, counted and recorded. What they may do, `extract` asks.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::audited;
use super::error::ApiError;
use crate::auth::{self, Credentials, TooOften};
use crate::ctx::Ctx;
use crate::model::{Account, Authorization, Peer, mask};

const RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Where logins come to; see `oauth_authorizations`.
const LOGIN: &str = "/oauth/authorizations";
/// Costs nothing, because it tells what the others cost.
const FREE: &str = "/account/rate-limits";

/// What a request's `Authorization` header is good for.
#[derive(Debug, Clone)]
pub(super) enum Presented {
    Nothing,
    /// A token that hoist does not know, or that has expired.
    Unknown,
    Token(Box<Holder>),
}

/// The account whose token came with a request, and which token that is.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub(super) account: Account,
    /// With the mask of the token that came, also where none is stored.
    pub(super) authorization: Authorization,
    /// The user name of `Basic`, if it is not empty.
    pub(super) user: Option<String>,
}

/// Looks the token up, counts the request, records it and lets it in. Whoever has no good token is let in, too: handlers
/// that take one refuse it, and there are some that take none.
pub(super) async fn guard(State(ctx): State<Ctx>, mut request: Request, next: Next) -> Response {
    let credentials = read(&request);
    let presented = match look_up(&ctx, credentials, login_from(&request)).await {
        Ok(presented) => presented,
        Err(error) => return error.into_response(),
    };
    let remaining = match count(&ctx, &request, &presented) {
        Ok(remaining) => remaining,
        Err(too_often) => return with_remaining(ApiError::from(too_often).into_response(), Some(0)),
    };
    request.extensions_mut().insert(presented.clone());
    let (request, audited) = match audited::begin(&ctx, presented.holder(), request).await {
        Ok(begun) => begun,
        Err(error) => return with_remaining(error.into_response(), remaining),
    };
    let response = next.run(request).await;
    match audited::end(&ctx, audited, response.status()).await {
        Ok(()) => with_remaining(response, remaining),
        Err(error) => with_remaining(error.into_response(), remaining),
    }
}

impl Presented {
    fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Token(holder) => Some(holder),
            Self::Nothing | Self::Unknown => None,
        }
    }
}

/// `login_from` is set when a password is to be exchanged for a token: that can't be tried as often as one likes.
async fn look_up(ctx: &Ctx, read: Read, login_from: Option<IpAddr>) -> Result<Presented, ApiError> {
    let Credentials { user, token } = match read {
        Read::Nothing => return Ok(Presented::Nothing),
        Read::Garbage => return Ok(Presented::Unknown),
        Read::Credentials(credentials) => credentials,
    };
    if let (Some(_), Some(address)) = (&user, login_from) {
        ctx.rates.login(address, ctx.now())?;
    }
    let Some((account, authorization)) = auth::by_token(&ctx.db, token.expose(), ctx.now()).await? else {
        return Ok(Presented::Unknown);
    };
    let authorization = Authorization { mask: Some(mask(&token)), ..authorization };
    Ok(Presented::Token(Box::new(Holder { account, authorization, user })))
}

fn login_from(request: &Request) -> Option<IpAddr> {
    let is_login = *request.method() == Method::POST && request.uri().path() == LOGIN;
    request.extensions().get().filter(|_| is_login).map(|Peer(address)| *address)
}

fn count(ctx: &Ctx, request: &Request, presented: &Presented) -> Result<Option<u32>, TooOften> {
    let Some(holder) = presented.holder() else { return Ok(None) };
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if path == Some(FREE) {
        return Ok(ctx.rates.api.remaining(&holder.authorization.id, ctx.now()));
    }
    ctx.rates.api.take(holder.authorization.id, ctx.now())
}

fn with_remaining(mut response: Response, remaining: Option<u32>) -> Response {
    if let Some(remaining) = remaining {
        response.headers_mut().insert(RATELIMIT_REMAINING, HeaderValue::from(remaining));
    }
    response
}

impl From<TooOften> for ApiError {
    fn from(TooOften { retry_after }: TooOften) -> Self {
        let whole_seconds = u64::try_from(retry_after.whole_seconds()).unwrap_or_default() + 1;
        Self::RateLimit { retry_after: Duration::from_secs(whole_seconds) }
    }
}

enum Read {
    Nothing,
    Garbage,
    Credentials(Credentials),
}

fn read(request: &Request) -> Read {
    let Some(header) = request.headers().get(AUTHORIZATION) else { return Read::Nothing };
    header.to_str().ok().and_then(Credentials::read).map_or(Read::Garbage, Read::Credentials)
}
