//! Webhooks, and what is delivered to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{IdRef, NamedRef, Timestamp, UserRef, present};
use crate::model::{AttemptId, DeliveryId, EventId, Secret, WebhookId};

/// `GET /apps/APP/webhooks/WEBHOOK`. The secret and the authorization are never shown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    pub app: NamedRef,
    pub created_at: Timestamp,
    pub id: WebhookId,
    pub include: Vec<String>,
    /// `notify` or `sync`.
    pub level: String,
    pub updated_at: Timestamp,
    pub url: String,
}

/// `POST /apps/APP/webhooks`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewWebhook {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Secret>,
    pub include: Vec<String>,
    pub level: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    pub url: String,
}

/// `PATCH /apps/APP/webhooks/WEBHOOK`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct WebhookChange {
    /// `null` takes it away, and nothing leaves it as it is.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Option<Secret>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// `GET /apps/APP/webhook-deliveries/DELIVERY`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDelivery {
    pub created_at: Timestamp,
    pub event: EventRef,
    pub id: DeliveryId,
    pub last_attempt: Option<WebhookAttempt>,
    pub next_attempt_at: Option<Timestamp>,
    pub num_attempts: u32,
    /// `pending`, `retrying`, `failed` or `succeeded`.
    pub status: String,
    pub updated_at: Timestamp,
    pub webhook: WebhookRef,
}

/// An event as its deliveries show it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EventRef {
    pub id: EventId,
    pub include: String,
}

/// A webhook as its deliveries show it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookRef {
    pub id: WebhookId,
    pub level: String,
}

/// One attempt of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookAttempt {
    /// Of the receiver's answer.
    pub code: Option<u16>,
    pub created_at: Timestamp,
    /// Why there was no answer.
    pub error_class: Option<String>,
    pub id: AttemptId,
    /// `succeeded` or `failed`.
    pub status: String,
    pub updated_at: Timestamp,
}

/// `GET /apps/APP/webhook-events/EVENT`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookEvent {
    pub created_at: Timestamp,
    pub id: EventId,
    pub include: String,
    pub payload: WebhookPayload,
    pub updated_at: Timestamp,
}

/// What has happened.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookPayload {
    /// `create`, `update` or `destroy`.
    pub action: String,
    pub actor: UserRef,
    /// The resource, in the API's shape, as it was then.
    pub data: Value,
    /// What was changed, as it was before.
    pub previous_data: Value,
    pub published_at: Timestamp,
    pub resource: String,
    pub version: String,
}

/// What a receiver gets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookNotification {
    pub created_at: Timestamp,
    pub id: EventId,
    #[serde(flatten)]
    pub payload: WebhookPayload,
    /// Grows from event to event.
    pub sequence: i64,
    pub updated_at: Timestamp,
    pub webhook_metadata: WebhookMetadata,
}

/// Which delivery of what it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookMetadata {
    pub attempt: IdRef<AttemptId>,
    /// The same in each attempt.
    pub delivery: IdRef<DeliveryId>,
    pub event: EventRef,
    pub webhook: IdRef<WebhookId>,
}
