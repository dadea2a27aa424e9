//! Who one is.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::extract::{Body, Named, Oneself, WholeAccount};
use super::types::{self, AccountChange, RateLimits};
use crate::auth;
use crate::ctx::Ctx;
use crate::model::{Account, OneLine};

/// `GET /account`
pub(super) async fn info(Oneself(holder): Oneself) -> Json<types::Account> {
    Json((&holder.account).into())
}

/// `PATCH /account`: the name, an empty one for none.
pub(super) async fn update(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    Body(change): Body<AccountChange>,
) -> Result<Json<types::Account>, ApiError> {
    let Some(name) = change.name else { return Ok(Json((&holder.account).into())) };
    let name = Some(name.as_str()).filter(|name| !name.trim().is_empty()).map(str::parse::<OneLine>);
    let name = name.transpose().map_err(ApiError::unfit("name"))?;
    let account = auth::rename_account(&ctx.db, holder.account, name.as_ref()).await?;
    Ok(Json((&account).into()))
}

/// `GET /users/{user}`: oneself only, as `~`, by address or by id.
pub(super) async fn user_info(Oneself(holder): Oneself, Named(user): Named) -> Result<Json<types::Account>, ApiError> {
    oneself(&holder.account, &user)?;
    Ok(Json((&holder.account).into()))
}

/// `GET /account/rate-limits`
pub(super) async fn rate_limits(State(ctx): State<Ctx>, Oneself(holder): Oneself) -> Json<RateLimits> {
    let remaining = ctx.rates.api.remaining(&holder.authorization.id, ctx.now());
    // Where there is no limit, there is always more.
    Json(RateLimits { remaining: remaining.unwrap_or(u32::MAX) })
}

/// Refuses a path that names another user than the caller.
pub(super) fn oneself(account: &Account, user: &str) -> Result<(), ApiError> {
    let me = user == "~" || user.eq_ignore_ascii_case(account.email.as_str()) || user == account.id.to_string();
    if me { Ok(()) } else { Err(ApiError::NotFound("user")) }
}
