//! The audit trail, read. A resource of hoist's own, in the shape of Heroku's for enterprises.

use axum::extract::State;

use super::error::ApiError;
use super::extract::{InApp, Manage, WholeAccount};
use super::range::{Page, Range};
use super::types::AuditEvent;
use crate::ctx::Ctx;
use crate::db::{self, audit::Event};

/// `GET /apps/{app}/audit-events`
pub(super) async fn of_app(State(ctx): State<Ctx>, at: InApp<Manage>, range: Range) -> Result<Page<AuditEvent>, ApiError> {
    let window = range.window("number", &["created_at", "id"])?;
    let events = db::audit::of_app(&mut *ctx.db.read().await?, at.app.id, window).await?;
    Ok(page(&range, events))
}

/// `GET /account/audit-events`: what the caller did, wherever.
pub(super) async fn of_account(
    State(ctx): State<Ctx>,
    WholeAccount(holder): WholeAccount,
    range: Range,
) -> Result<Page<AuditEvent>, ApiError> {
    let window = range.window("number", &["created_at", "id"])?;
    let events = db::audit::of_account(&mut *ctx.db.read().await?, holder.account.id, window).await?;
    Ok(page(&range, events))
}

fn page(range: &Range, events: Vec<Event>) -> Page<AuditEvent> {
    range.page(events, &("number", |event: &Event| event.number.to_string()), "created_at, number").map(Into::into)
}
