//! What changes something, as the audit trail has it. An upload is recorded when it begins, as is a mount: what is sent to the
//! address that it gives out is part of that change.

use axum::http::request::Parts;
use serde_json::{Value, json};

use super::caller::Caller;
use super::error::RegistryError;
use super::repository::In;
use crate::audit;
use crate::auth;
use crate::ctx::Ctx;
use crate::model::{Deed, Outcome, Repository};

/// A kind of thing and what is done with it.
pub(super) type Verb = (&'static str, &'static str);

/// Records a change before and after it is made.
pub(super) async fn audited<A, T>(
    ctx: &Ctx,
    within: &In<A>,
    (kind, action): Verb,
    named: Value,
    change: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    let data = json!({"repository": within.repository.to_string(), "values": named});
    let deed = Deed { app: Some(within.place.app), kind: kind.into(), action: action.into(), data };
    let begun = audit::begin(&ctx.db, &within.caller.actor(), &deed, ctx.now()).await?;
    let result = change.await;
    let outcome = match &result {
        Ok(_) => Outcome::Succeeded,
        Err(error) if error.is_ours() => Outcome::Failed(error.status().as_u16().to_string()),
        Err(error) => Outcome::Refused(error.status().as_u16().to_string()),
    };
    audit::end(&ctx.db, begun, &outcome, ctx.now()).await;
    result
}

/// Records what somebody had no right to do.
pub(super) async fn refused(ctx: &Ctx, caller: &Caller, repository: &Repository, parts: &Parts) -> Result<(), RegistryError> {
    let found = auth::find_app(&ctx.db, caller.account.id, repository.app.as_str()).await?;
    let action = if parts.method.is_safe() { "read" } else { "update" };
    let deed = Deed {
        app: found.map(|(app, _)| app.id),
        kind: "images".into(),
        action: action.into(),
        data: json!({"repository": repository.to_string()}),
    };
    Ok(audit::refused(&ctx.db, &caller.actor(), &deed, "403".into(), ctx.now()).await?)
}
