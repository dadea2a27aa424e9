//! Dynos: what runs a release command or a one-off command.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NamedRef, Timestamp};
use crate::model::{DynoId, ReleaseId};

/// `GET /apps/APP/dynos/DYNO`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Dyno {
    pub app: NamedRef,
    pub attach_url: Option<String>,
    pub command: String,
    pub created_at: Timestamp,
    /// hoist's own addition: how it ended, as a shell has it; null while it runs and when hoist ended it.
    #[serde(default)]
    pub exit_status: Option<i32>,
    pub id: DynoId,
    pub name: String,
    /// hoist's own addition: the output, also while it is being written. Needs no credentials.
    #[serde(default)]
    pub output_stream_url: Option<String>,
    pub release: ReleaseRef,
    pub size: String,
    /// `starting`, `up`; of one that has ended `down` or, if it did not succeed, `crashed`.
    pub state: String,
    #[serde(rename = "type")]
    pub process_type: String,
    pub updated_at: Timestamp,
}

/// A release as a dyno shows it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseRef {
    pub id: ReleaseId,
    pub version: u32,
}

/// `POST /apps/APP/dynos`. What else clients send (`size`) has no meaning here and is ignored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewDyno {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach: Option<bool>,
    pub command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_no_tty: Option<bool>,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<u64>,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub process_type: Option<String>,
}
