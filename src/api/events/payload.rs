//! What webhooks are told (heroku-api 6).

use serde_json::{Value, json};

use super::resource;
use crate::api::error::ApiError;
use crate::api::types::{EventRef, IdRef, Timestamp, WebhookEvent, WebhookMetadata, WebhookNotification, WebhookPayload};
use crate::api::urls::Urls;
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::launch::{Occasion, RenderError};
use crate::model::{AddonBefore, AddonFacts, Change, CollaboratorFacts, Event, Facts, Permission};

/// The version of the API whose shapes `data` has.
const VERSION: &str = "application/vnd.heroku+json; version=3";

/// The body of an attempt to deliver an event.
pub async fn notification(ctx: &Ctx, occasion: &Occasion) -> Result<Vec<u8>, RenderError> {
    let event = &occasion.event;
    let payload = async { payload(&mut *ctx.db.read().await?, &Urls::new(ctx), event).await };
    let payload = payload.await.map_err(|error| match error {
        ApiError::Internal(error) => error,
        other => format!("{other:?}").into(),
    })?;
    let at = Timestamp(event.created_at);
    let webhook_metadata = WebhookMetadata {
        attempt: IdRef { id: occasion.attempt },
        delivery: IdRef { id: occasion.delivery },
        event: event_ref(event),
        webhook: IdRef { id: occasion.webhook },
    };
    let sequence = event.number;
    let body = WebhookNotification { created_at: at, id: event.id, payload, sequence, updated_at: at, webhook_metadata };
    Ok(serde_json::to_vec(&body)?)
}

/// An event as the API shows it.
pub(in crate::api) async fn describe(db: &mut Connection, urls: &Urls, event: &Event) -> Result<WebhookEvent, ApiError> {
    let at = Timestamp(event.created_at);
    let payload = payload(db, urls, event).await?;
    Ok(WebhookEvent { created_at: at, id: event.id, include: event.entity().to_string(), payload, updated_at: at })
}

async fn payload(db: &mut Connection, urls: &Urls, event: &Event) -> Result<WebhookPayload, ApiError> {
    let actor = (&db::accounts::get(db, event.by).await?).into();
    let data = resource(db, urls, event).await?.into_json();
    Ok(WebhookPayload {
        action: event.action.as_str().into(),
        actor,
        data: data.map_err(|error| ApiError::Internal(Box::new(error)))?,
        previous_data: previous(event),
        published_at: Timestamp(event.created_at),
        resource: event.entity().resource().into(),
        version: VERSION.into(),
    })
}

fn event_ref(event: &Event) -> EventRef {
    EventRef { id: event.id, include: event.entity().to_string() }
}

/// The fields that the event has changed, as they were.
fn previous(event: &Event) -> Value {
    match (&event.facts, event.action) {
        (Facts::Addon(AddonFacts { previous: Some(previous), .. }), _) => match previous {
            AddonBefore::Name(name) => json!({ "name": name }),
            AddonBefore::State(state) => json!({ "state": state }),
        },
        (Facts::App(facts), _) => facts.previous_name.as_ref().map_or_else(|| json!({}), |name| json!({ "name": name })),
        (Facts::Build { .. }, Change::Update) => json!({ "release": null, "slug": null, "status": "pending" }),
        (Facts::Dyno { .. }, Change::Update) => json!({ "state": "starting" }),
        (Facts::Collaborator(CollaboratorFacts { previous: Some(previous), .. }), _) => {
            json!({ "permissions": previous.iter().map(Permission::as_str).collect::<Vec<_>>() })
        }
        (Facts::Formation(facts), _) => match &facts.previous {
            Some((quantity, size)) => json!({ "quantity": quantity, "size": size }),
            None => json!({}),
        },
        (Facts::Release { previous: Some(status), .. }, _) => json!({ "status": status }),
        _ => json!({}),
    }
}
