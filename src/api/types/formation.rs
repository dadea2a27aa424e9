//! Process types and their scale.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NamedRef, Never, Timestamp, present};

/// `GET /apps/APP/formation/TYPE`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Formation {
    pub app: NamedRef,
    pub command: String,
    pub created_at: Timestamp,
    pub dyno_size: NamedRef,
    pub id: String,
    pub quantity: u32,
    /// Name of a dyno size.
    pub size: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub updated_at: Timestamp,
}

/// `PATCH /apps/APP/formation`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct FormationUpdates {
    pub updates: Vec<FormationUpdate>,
}

/// `PATCH /apps/APP/formation/TYPE`, and one of several.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct FormationUpdate {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A number, or a text: `2`, `"2"`, `"+1"`, `"-1"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dyno_size: Option<NameOrId>,
    /// The image that is to run, by its id or its manifest's digest; `null` takes the process type away.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub docker_image: Option<Option<String>>,
}

impl FormationUpdate {
    /// Whether it says how many there are to be, or how large.
    pub(crate) fn scales(&self) -> bool {
        self.quantity.is_some() || self.size.is_some() || self.dyno_size.is_some()
    }
}

/// A thing named by either.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NameOrId {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `GET /dyno-sizes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DynoSize {
    pub architecture: String,
    pub compute: u32,
    pub cost: Never,
    pub dedicated: bool,
    pub generation: NamedRef,
    pub id: String,
    /// In GB.
    pub memory: f64,
    pub name: String,
    pub precise_dyno_units: f64,
    pub private_space_only: bool,
}
