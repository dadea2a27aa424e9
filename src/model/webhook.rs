//! Webhooks: who is told what has happened to an app.

use std::str::FromStr;

use time::OffsetDateTime;

use super::{AppId, Entity, Invalid, WebhookId};

/// How much is done for a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One attempt.
    Notify,
    /// Attempts until one succeeds, in order, for a limited time.
    Sync,
}

impl Level {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Sync => "sync",
        }
    }
}

impl FromStr for Level {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "notify" => Ok(Self::Notify),
            "sync" => Ok(Self::Sync),
            _ => Err(Invalid(format!("`{}` is not a level: it is `notify` or `sync`.", text.escape_debug()))),
        }
    }
}

/// An app's webhook, without its secrets.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub id: WebhookId,
    pub app: AppId,
    /// May hold a secret of the receiver's: not for logs.
    pub url: String,
    pub include: Vec<Entity>,
    pub level: Level,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Nothing has been attempted yet.
    Pending,
    /// An attempt has failed, and another one will be made.
    Retrying,
    Succeeded,
    Failed,
}

impl DeliveryStatus {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for DeliveryStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Pending, Self::Retrying, Self::Succeeded, Self::Failed];
        all.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            let known = all.map(Self::as_str).join(", ");
            Invalid(format!("`{}` is not a status of deliveries. Known are: {known}.", text.escape_debug()))
        })
    }
}
