//! Who one is.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::extract::{Body, Named, Oneself, Reader, WholeAccount};
use super::types::{self, AccountChange, RateLimits};
use crate::auth;
use crate::ctx::Ctx;
use crate::db;
use crate::model::{Account, AccountId, Email, OneLine};

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

/// `GET /users/{user}`: oneself, as `~`, by address or by id; of those whom one works with, who they are.
pub(super) async fn user_info(
    State(ctx): State<Ctx>,
    Oneself(holder): Oneself,
    reader: Result<Reader, ApiError>,
    Named(user): Named,
) -> Result<Json<types::User>, ApiError> {
    if oneself(&holder.account, &user).is_ok() {
        return Ok(Json(types::User::Oneself(Box::new((&holder.account).into()))));
    }
    // Every token may tell whose it is, but not all may tell of others.
    let Reader(account) = reader?;
    Ok(Json(types::User::Other((&known_to(&ctx, &account, &user).await?).into())))
}

/// Finds oneself or somebody with whom one works in an app or a pipeline, by address or by id. Others are like those who do
/// not exist.
pub(super) async fn known_to(ctx: &Ctx, account: &Account, user: &str) -> Result<Account, ApiError> {
    if oneself(account, user).is_ok() {
        return Ok(account.clone());
    }
    let mut db = ctx.db.read().await?;
    let found = match (user.parse::<AccountId>(), user.parse::<Email>()) {
        (Ok(id), _) => db::accounts::by_id(&mut db, id).await?,
        (_, Ok(email)) => db::accounts::by_email(&mut db, &email).await?,
        _ => None,
    };
    let found = found.ok_or(ApiError::NotFound("user"))?;
    if db::accounts::work_together(&mut db, account.id, found.id).await? { Ok(found) } else { Err(ApiError::NotFound("user")) }
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
