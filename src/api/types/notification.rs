//! Who is told of an app's releases.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NamedRef, Timestamp};
use crate::model::NotificationId;

/// `GET /apps/APP/notifications`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    pub app: NamedRef,
    pub created_at: Timestamp,
    pub id: NotificationId,
    /// `command`, `email` or `url`.
    pub kind: String,
    /// The command, the address or the URL.
    pub target: String,
}

/// `POST /apps/APP/notifications`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewNotification {
    pub kind: String,
    pub target: String,
}
