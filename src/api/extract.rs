//! What handlers take: who asks, for which app, and with which body.

use std::collections::HashMap;
use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::auth;
use crate::ctx::Ctx;
use crate::model::{Account, Action, App, Permissions};

/// The account whose token came with the request.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Account);

/// The app that the path names, in which the caller may do `A`. A handler says in its signature what it is about to do,
/// and is not reached by whoever may not.
#[derive(Debug)]
pub(super) struct InApp<A> {
    pub(super) app: App,
    pub(super) by: Account,
    pub(super) permissions: Permissions,
    allowed: PhantomData<A>,
}

/// An [`Action`] as a type.
pub(super) trait Allowed {
    const ACTION: Action;
}

#[derive(Debug)]
pub(super) struct See;
#[derive(Debug)]
pub(super) struct ReadCode;
#[derive(Debug)]
pub(super) struct Deploy;
#[derive(Debug)]
pub(super) struct Configure;
#[derive(Debug)]
pub(super) struct Operate;
#[derive(Debug)]
pub(super) struct Manage;

impl Allowed for See {
    const ACTION: Action = Action::See;
}
impl Allowed for ReadCode {
    const ACTION: Action = Action::ReadCode;
}
impl Allowed for Deploy {
    const ACTION: Action = Action::Deploy;
}
impl Allowed for Configure {
    const ACTION: Action = Action::Configure;
}
impl Allowed for Operate {
    const ACTION: Action = Action::Operate;
}
impl Allowed for Manage {
    const ACTION: Action = Action::Manage;
}

/// The last thing that the path names: `7` in `/apps/example/releases/7`.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

/// A JSON body of at most the router's limit. An absent body is an empty object; the content type is not asked for.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl FromRequestParts<Ctx> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).ok_or(ApiError::Unauthorized(
            "There were no credentials in your request. Send your API token as `Authorization: Bearer TOKEN`.",
        ))?;
        let refuse = ApiError::Unauthorized("Invalid credentials provided.");
        let Some(token) = header.to_str().ok().and_then(token) else { return Err(refuse) };
        auth::by_token(&ctx.db, &token, ctx.now()).await?.map(Self).ok_or(refuse)
    }
}

impl<A: Allowed> FromRequestParts<Ctx> for InApp<A> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let Caller(by) = Caller::from_request_parts(parts, ctx).await?;
        let Ok(Path(path)) = Path::<HashMap<String, String>>::from_request_parts(parts, ctx).await else {
            return Err(ApiError::NotFound("app"));
        };
        let name_or_id = path.get("app").expect("every route with an app has {app}");
        let (app, permissions) = auth::open_app(&ctx.db, by.id, name_or_id, A::ACTION).await?;
        Ok(Self { app, by, permissions, allowed: PhantomData })
    }
}

impl FromRequestParts<Ctx> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        // What can't be read (bytes that are no UTF-8) names nothing.
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, ctx).await.map_err(|_| ApiError::NoRoute)?;
        path.0.into_iter().next_back().map(|(_, value)| Self(value)).ok_or(ApiError::NoRoute)
    }
}

impl<A> InApp<A> {
    /// Refuses what the caller may not do besides, where that depends on the request's body.
    pub(super) async fn may(&self, ctx: &Ctx, action: Action) -> Result<(), ApiError> {
        Ok(auth::check(&ctx.db, &self.app, &self.permissions, action).await?)
    }
}

impl<T: DeserializeOwned> FromRequest<Ctx> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, ctx: &Ctx) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, ctx).await?;
        let bytes = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
        Ok(Self(serde_json::from_slice(bytes)?))
    }
}

/// `Bearer TOKEN`, or `Basic` with the token as the password of any user.
fn token(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
    plain.split_once(':').map(|(_user, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_in_three_forms() {
        let basic = |plain: &str| token(&format!("Basic {}", BASE64_STANDARD.encode(plain)));
        assert_eq!(token("Bearer t0").as_deref(), Some("t0"));
        assert_eq!(token("bearer  t0 ").as_deref(), Some("t0"));
        assert_eq!(basic(":t0").as_deref(), Some("t0"));
        assert_eq!(basic("a@example.com:t0").as_deref(), Some("t0"));
        for bad in ["", "Bearer", "Digest t0", "Basic ???", "t0"] {
            assert_eq!(token(bad), None, "{bad}");
        }
        assert_eq!(basic("no colon"), None);
    }
}
