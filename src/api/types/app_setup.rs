//! Setups of apps from their app.json.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NamedRef, NewSourceBlob, Timestamp};
use crate::model::{AppSetupId, BuildId};

/// `GET /app-setups/SETUP`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AppSetup {
    pub app: NamedRef,
    pub build: Option<SetupBuild>,
    pub created_at: Timestamp,
    pub failure_message: Option<String>,
    pub id: AppSetupId,
    /// What is wrong with app.json.
    pub manifest_errors: Vec<String>,
    pub postdeploy: Option<Postdeploy>,
    pub resolved_success_url: Option<String>,
    /// `pending`, `succeeded` or `failed`.
    pub status: String,
    pub updated_at: Timestamp,
}

/// The build of a setup.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetupBuild {
    pub id: BuildId,
    pub output_stream_url: String,
    pub status: String,
}

/// What became of the postdeploy script.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Postdeploy {
    /// None when hoist ended it.
    pub exit_code: Option<i32>,
    /// No more than its beginning, if it is long.
    pub output: String,
}

/// `POST /app-setups`. What else clients send (region, organization) has no meaning here and is ignored.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewAppSetup {
    #[serde(default)]
    pub source_blob: Option<NewSourceBlob>,
    #[serde(default)]
    pub app: SetupApp,
    #[serde(default)]
    pub overrides: SetupOverrides,
}

/// What the app is to be.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SetupApp {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// What wins over app.json.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SetupOverrides {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buildpacks: Vec<super::NewBuildpack>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    /// Texts: of anything else, a message would show the value.
    pub env: BTreeMap<String, Value>,
}

impl std::fmt::Debug for SetupOverrides {
    /// Without the values, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.env.keys().collect();
        f.debug_struct("SetupOverrides").field("buildpacks", &self.buildpacks).field("env", &keys).finish()
    }
}
