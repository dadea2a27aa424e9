//! What handlers take: who asks, for which app, and with which body.

use std::collections::HashMap;
use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::Method;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::guard::{Holder, Presented};
use crate::auth;
use crate::ctx::Ctx;
use crate::model::{Account, Action, App, Need, Permissions};

/// The account whose token came with the request, which is about apps and their like: to read them, or to change them.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Account);

/// The same for a request that only reads, whatever its method.
#[derive(Debug)]
pub(super) struct Reader(pub(super) Account);

/// The same for a request that is about secrets: to read them, or to change them.
#[derive(Debug)]
pub(super) struct Secrets(pub(super) Account);

/// The same for a request that asks who one is, which every token may.
#[derive(Debug)]
pub(super) struct Oneself(pub(super) Holder);

/// The same for a request that is about the account itself.
#[derive(Debug)]
pub(super) struct WholeAccount(pub(super) Holder);

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

macro_rules! actions {
    ($($action:ident),+) => {$(
        #[derive(Debug)]
        pub(super) struct $action;

        impl Allowed for $action {
            const ACTION: Action = Action::$action;
        }
    )+};
}

actions!(See, ReadLog, ReadCode, Deploy, Configure, Operate, Manage);

/// The last thing that the path names: `7` in `/apps/example/releases/7`.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

/// The last things that the path names, in the path's order.
#[derive(Debug)]
pub(super) struct Names<const N: usize>(pub(super) [String; N]);

/// A JSON body of at most the router's limit. An absent body is an empty object; the content type is not asked for.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl FromRequestParts<Ctx> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Ctx) -> Result<Self, ApiError> {
        let need = if reads(parts) { Need::Read } else { Need::Write };
        Ok(Self(holder(parts, need)?.account))
    }
}

impl FromRequestParts<Ctx> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Ctx) -> Result<Self, ApiError> {
        Ok(Self(holder(parts, Need::Read)?.account))
    }
}

impl FromRequestParts<Ctx> for Secrets {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Ctx) -> Result<Self, ApiError> {
        let need = if reads(parts) { Need::ReadProtected } else { Need::WriteProtected };
        Ok(Self(holder(parts, need)?.account))
    }
}

impl FromRequestParts<Ctx> for Oneself {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Ctx) -> Result<Self, ApiError> {
        Ok(Self(holder(parts, Need::Identity)?))
    }
}

impl FromRequestParts<Ctx> for WholeAccount {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Ctx) -> Result<Self, ApiError> {
        Ok(Self(holder(parts, Need::Account)?))
    }
}

/// Whose token came with the request, if it may be used for it.
fn holder(parts: &Parts, need: Need) -> Result<Holder, ApiError> {
    let holder = match parts.extensions.get().expect("the guard stands before every handler that asks who it is") {
        Presented::Token(holder) => holder,
        Presented::Unknown => return Err(ApiError::Unauthorized("Invalid credentials provided.")),
        Presented::Nothing => {
            return Err(ApiError::Unauthorized(
                "There were no credentials in your request. Send your API token as `Authorization: Bearer TOKEN`.",
            ));
        }
    };
    let scopes = &holder.authorization.scopes;
    if scopes.allow(need) {
        return Ok(Holder::clone(holder));
    }
    let enough = need.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" or ");
    Err(ApiError::Forbidden(format!(
        "Your token's scope is {scopes}, and this takes {enough}. Make another one with hoist authorizations:create --scope."
    )))
}

fn reads(parts: &Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD)
}

impl<A: Allowed> FromRequestParts<Ctx> for InApp<A> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        let need = if reads(parts) { Need::to_read(A::ACTION) } else { Need::to_change(A::ACTION) };
        let by = holder(parts, need)?.account;
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
        let Names([name]) = Names::from_request_parts(parts, ctx).await?;
        Ok(Self(name))
    }
}

impl<const N: usize> FromRequestParts<Ctx> for Names<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, ApiError> {
        // What can't be read (bytes that are no UTF-8) names nothing.
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, ctx).await.map_err(|_| ApiError::NoRoute)?;
        let mut names: Vec<_> = path.0.into_iter().map(|(_, value)| value).collect();
        let last = names.split_off(names.len().saturating_sub(N));
        last.try_into().map(Self).map_err(|_| ApiError::NoRoute)
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
