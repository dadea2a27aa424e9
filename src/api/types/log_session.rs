//! Sessions of an app's log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;

/// `POST /apps/APP/log-sessions`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewLogSession {
    /// Name of a dyno, or a process type; the Heroku CLI says so in place of the schema's `dyno_name`.
    #[serde(default, alias = "dyno_name", skip_serializing_if = "Option::is_none")]
    pub dyno: Option<String>,
    /// How many of the last lines to begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// `app` or `hoist` (or `heroku`, which means the same).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<bool>,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub process_type: Option<String>,
}

/// Its answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LogSession {
    pub created_at: Timestamp,
    pub id: Uuid,
    /// Where the log is. Needs no credentials: who has the URL may read it, until it expires.
    pub logplex_url: String,
    pub updated_at: Timestamp,
}
