//! The audit trail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{NamedRef, Timestamp, UserRef};
use crate::db::audit::Event;

/// `GET /apps/APP/audit-events`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuditEvent {
    /// `create`, `update`, `destroy`, or a verb of its own.
    pub action: String,
    /// None for whoever runs the installation.
    pub actor: Option<UserRef>,
    pub app: Option<NamedRef>,
    pub created_at: Timestamp,
    /// `authorization ID`, `ssh-key FINGERPRINT` or `uid NUMBER`.
    pub credential: String,
    /// Names of what was changed.
    pub data: Value,
    pub id: Uuid,
    pub number: u32,
    /// Null when it was cut off, or goes on.
    pub outcome: Option<AuditOutcome>,
    pub request: AuditRequest,
    /// The kind of thing.
    #[serde(rename = "type")]
    pub kind: String,
}

/// How an event ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuditOutcome {
    /// `succeeded`, `refused` or `failed`.
    pub status: String,
    /// Why it did not succeed.
    pub detail: String,
}

/// Where an event came from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuditRequest {
    /// `api`, `git-http`, `git-ssh` or `admin`.
    pub door: String,
    pub id: Uuid,
    pub ip_address: Option<String>,
}

impl From<Event> for AuditEvent {
    fn from(event: Event) -> Self {
        Self {
            action: event.action,
            actor: event.account.map(|(id, email)| UserRef { id, email: email.to_string() }),
            app: event.app.map(|(id, name)| NamedRef { id: id.to_string(), name: name.to_string() }),
            created_at: Timestamp(event.created_at),
            credential: event.credential,
            data: event.data,
            id: event.id,
            number: event.number,
            outcome: event.outcome.map(|(status, detail)| AuditOutcome { status, detail }),
            request: AuditRequest { door: event.door.as_str().into(), id: event.request, ip_address: event.address },
            kind: event.kind,
        }
    }
}
