//! What is on its way to webhooks or has come there, and the events that it tells of.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};

use super::error::ApiError;
use super::events;
use super::extract::{InApp, Named, See};
use super::range::{Page, Range};
use super::types::{EventRef, Timestamp, WebhookAttempt, WebhookDelivery, WebhookEvent, WebhookRef};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db;
use crate::db::webhook_deliveries::{Attempt, Delivery};
use crate::model::Event;

/// `GET /apps/{app}/webhook-deliveries`, also `?eq[status]=STATUS`.
pub(super) async fn list(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Query(filter): Query<HashMap<String, String>>,
    range: Range,
) -> Result<Page<WebhookDelivery>, ApiError> {
    let status = filter.get("eq[status]").map(|status| status.parse()).transpose()?;
    let window = range.window("seq", &["id", "created_at"])?;
    let deliveries = db::webhook_deliveries::window(&mut *ctx.db.read().await?, at.app.id, status, window).await?;
    let page = range.page(deliveries, &("seq", |delivery: &Delivery| delivery.number.to_string()), "seq");
    Ok(page.map(describe))
}

/// `GET /apps/{app}/webhook-deliveries/{delivery}`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Named(delivery): Named,
) -> Result<Json<WebhookDelivery>, ApiError> {
    let id = delivery.parse().map_err(|_| ApiError::NotFound("webhook_delivery"))?;
    let delivery = db::webhook_deliveries::get(&mut *ctx.db.read().await?, at.app.id, id).await?;
    Ok(Json(describe(delivery.ok_or(ApiError::NotFound("webhook_delivery"))?)))
}

/// `GET /apps/{app}/webhook-events`
pub(super) async fn list_events(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<WebhookEvent>, ApiError> {
    let window = range.window("seq", &["id", "created_at"])?;
    let mut db = ctx.db.read().await?;
    let events = db::events::window(&mut db, at.app.id, window).await?;
    let page = range.page(events, &("seq", |event: &Event| event.number.to_string()), "seq");
    let (urls, mut described) = (Urls::new(&ctx), Vec::new());
    for event in page.items() {
        described.push(events::describe(&mut db, &urls, event).await?);
    }
    let mut described = described.into_iter();
    Ok(page.map(|_| described.next().expect("one for each")))
}

/// `GET /apps/{app}/webhook-events/{event}`
pub(super) async fn event_info(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Named(event): Named,
) -> Result<Json<WebhookEvent>, ApiError> {
    let id = event.parse().map_err(|_| ApiError::NotFound("webhook_event"))?;
    let mut db = ctx.db.read().await?;
    let event = db::events::get(&mut db, at.app.id, id).await?.ok_or(ApiError::NotFound("webhook_event"))?;
    Ok(Json(events::describe(&mut db, &Urls::new(&ctx), &event).await?))
}

fn describe(delivery: Delivery) -> WebhookDelivery {
    WebhookDelivery {
        created_at: Timestamp(delivery.created_at),
        event: EventRef { id: delivery.event, include: delivery.entity.to_string() },
        id: delivery.id,
        last_attempt: delivery.last_attempt.map(describe_attempt),
        next_attempt_at: delivery.next_attempt_at.map(Timestamp),
        num_attempts: delivery.attempts,
        status: delivery.status.as_str().into(),
        updated_at: Timestamp(delivery.updated_at),
        webhook: WebhookRef { id: delivery.webhook, level: delivery.level.as_str().into() },
    }
}

fn describe_attempt(attempt: Attempt) -> WebhookAttempt {
    WebhookAttempt {
        code: attempt.code,
        created_at: Timestamp(attempt.started_at),
        error_class: attempt.error_class,
        id: attempt.id,
        status: if attempt.has_succeeded { "succeeded" } else { "failed" }.into(),
        updated_at: Timestamp(attempt.ended_at),
    }
}
