//! The caller's API tokens. All of it takes a token that may do everything: another could make itself one.

use axum::Json;
use axum::extract::State;
use time::Duration;

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Named, WholeAccount};
use super::guard::Holder;
use super::range::{Page, Range};
use super::types::{AuthorizationChange, NewOauthAuthorization, OauthAuthorization};
use crate::auth::{self, NewAuthorization};
use crate::ctx::Ctx;
use crate::db;
use crate::model::{Authorization, OneLine, Origin, Scope, Scopes, Secret};

/// Heroku's own.
const DESCRIPTION: &str = "Long-lived user authorization";

/// `GET /oauth/authorizations`
pub(super) async fn list(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    range: Range,
) -> Result<Page<OauthAuthorization>, ApiError> {
    let all = all(&ctx, &holder).await?;
    let all = all.iter().map(|one| describe(&ctx, &holder, one, None)).collect();
    range.cut(all, &[("id", |one: &OauthAuthorization| one.id.to_string())])
}

/// `POST /oauth/authorizations`. As a login it comes with `Basic EMAIL:PASSWORD`: hoist has no passwords and takes a token
/// instead, of that very account.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    Body(new): Body<NewOauthAuthorization>,
) -> Result<Created<OauthAuthorization>, ApiError> {
    if holder.user.as_ref().is_some_and(|user| !user.eq_ignore_ascii_case(holder.account.email.as_str())) {
        return Err(ApiError::Unauthorized("This token is not of that account. Log in with the account's own address."));
    }
    if new.client.is_some() {
        return Err(no_clients());
    }
    let scopes = new.scope.unwrap_or_default().iter().map(|scope| scope.parse::<Scope>()).collect::<Result<Scopes, _>>()?;
    let expires_in = new.expires_in.map(|life| life.seconds()).transpose()?.map(Duration::seconds);
    let description = description(new.description.as_deref())?.unwrap_or(DESCRIPTION.parse().expect("one line"));
    let new = NewAuthorization { description, scopes, expires_in };
    let (made, token) = auth::authorize(&ctx.db, holder.account.id, new, ctx.now()).await?;
    Ok(Created(describe(&ctx, &holder, &made, Some(&token))))
}

/// `GET /oauth/authorizations/{authorization}`, by id; `~` is the account's own key, made by whoever runs hoist.
pub(super) async fn info(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    Named(id): Named,
) -> Result<Json<OauthAuthorization>, ApiError> {
    Ok(Json(describe(&ctx, &holder, &find(&ctx, &holder, &id).await?, None)))
}

/// `PATCH /oauth/authorizations/{authorization}`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    Named(id): Named,
    Body(change): Body<AuthorizationChange>,
) -> Result<Json<OauthAuthorization>, ApiError> {
    if change.client.is_some() {
        return Err(no_clients());
    }
    let mut one = find(&ctx, &holder, &id).await?;
    if let Some(description) = description(change.description.as_deref())? {
        one = auth::describe_authorization(&ctx.db, one, &description, ctx.now()).await?;
    }
    Ok(Json(describe(&ctx, &holder, &one, None)))
}

/// `DELETE /oauth/authorizations/{authorization}`
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    Named(id): Named,
) -> Result<Json<OauthAuthorization>, ApiError> {
    let one = find(&ctx, &holder, &id).await?;
    auth::revoke(&ctx.db, one.id).await?;
    Ok(Json(describe(&ctx, &holder, &one, None)))
}

/// `POST /oauth/authorizations/{authorization}/actions/regenerate-tokens`
pub(super) async fn regenerate(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    Named(id): Named,
) -> Result<Json<OauthAuthorization>, ApiError> {
    let one = find(&ctx, &holder, &id).await?;
    let (renewed, token) = auth::regenerate(&ctx.db, one, ctx.now()).await?;
    Ok(Json(describe(&ctx, &holder, &renewed, Some(&token))))
}

/// `GET` and `DELETE /oauth/sessions/{session}`: sessions are those of a browser, of which there are none. A logout asks.
pub(super) async fn session(WholeAccount(_): WholeAccount) -> ApiError {
    ApiError::NotFound("session")
}

async fn all(ctx: &Ctx, holder: &Holder) -> Result<Vec<Authorization>, ApiError> {
    Ok(db::tokens::list(&mut *ctx.db.read().await?, holder.account.id, ctx.now()).await?)
}

async fn find(ctx: &Ctx, holder: &Holder, id: &str) -> Result<Authorization, ApiError> {
    let mut all = all(ctx, holder).await?;
    // Of several, the one that is being used.
    all.sort_by_key(|one| one.id != holder.authorization.id);
    let is = |one: &Authorization| if id == "~" { one.origin == Origin::Admin } else { one.id.to_string() == id };
    all.into_iter().find(is).ok_or(ApiError::NotFound("authorization"))
}

fn description(text: Option<&str>) -> Result<Option<OneLine>, ApiError> {
    text.map(str::parse).transpose().map_err(ApiError::unfit("description"))
}

fn no_clients() -> ApiError {
    ApiError::InvalidParams("hoist has no OAuth clients; leave `client` out.".into())
}

/// `token` is shown only when it has just been made.
fn describe(ctx: &Ctx, holder: &Holder, one: &Authorization, token: Option<&Secret>) -> OauthAuthorization {
    let mask = if one.id == holder.authorization.id { &holder.authorization.mask } else { &one.mask };
    let shown = token.map(Secret::expose).or(mask.as_deref());
    OauthAuthorization::of(&holder.account, one, shown, ctx.now())
}
