//! The caller's SSH keys.

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Named, Oneself, WholeAccount};
use super::range::{Page, Range};
use super::types::{Key, NewKey};
use crate::ctx::Ctx;
use crate::model::Account;
use crate::{auth, db};

/// `GET /account/keys`
pub(super) async fn list(State(ctx): State<Ctx>, Oneself(holder): Oneself, range: Range) -> Result<Page<Key>, ApiError> {
    range.cut(
        keys_of(&ctx, &holder.account).await?,
        &[("id", |key| key.id.clone()), ("fingerprint", |key| key.fingerprint.clone())],
    )
}

/// `GET /account/keys/{key}`, by id or fingerprint.
pub(super) async fn info(State(ctx): State<Ctx>, Oneself(holder): Oneself, Named(key): Named) -> Result<Json<Key>, ApiError> {
    Ok(Json(find(&ctx, &holder.account, &key).await?))
}

/// `POST /account/keys`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    Body(new): Body<NewKey>,
) -> Result<Created<Key>, ApiError> {
    let key = auth::add_key(&ctx.db, holder.account.id, &new.public_key, ctx.now()).await?;
    Ok(Created(Key::of(&holder.account, key)))
}

/// `DELETE /account/keys/{key}`, by id or fingerprint.
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    Named(key): Named,
) -> Result<Json<Key>, ApiError> {
    let key = find(&ctx, &holder.account, &key).await?;
    let removed = auth::remove_key(&ctx.db, holder.account.id, &key.id).await?;
    removed.map(|key| Json(Key::of(&holder.account, key))).ok_or(ApiError::NotFound("key"))
}

async fn find(ctx: &Ctx, account: &Account, id_or_fingerprint: &str) -> Result<Key, ApiError> {
    let mut keys = keys_of(ctx, account).await?.into_iter();
    keys.find(|key| key.id == id_or_fingerprint || key.fingerprint == id_or_fingerprint).ok_or(ApiError::NotFound("key"))
}

async fn keys_of(ctx: &Ctx, account: &Account) -> Result<Vec<Key>, ApiError> {
    let keys = db::ssh_keys::list(&mut *ctx.db.read().await?, account.id).await?;
    Ok(keys.into_iter().map(|key| Key::of(account, key)).collect())
}
