//! Add-ons, their attachments, services and plans.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NameOrId, NamedRef, Never, Timestamp};
use crate::model::{AddonId, AppId, AttachmentId, Secret};

/// `GET /addons/ADDON`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Addon {
    pub actions: Vec<Never>,
    pub addon_service: Expandable<AddonService>,
    /// The app that it was made for.
    pub app: NamedRef,
    pub billed_price: Price,
    pub billing_entity: BillingEntity,
    /// Those that it has on its own app.
    pub config_vars: Vec<String>,
    pub created_at: Timestamp,
    pub id: AddonId,
    pub name: String,
    pub plan: Expandable<Plan>,
    pub provider_id: String,
    pub provision_message: Option<String>,
    /// `provisioning`, `provisioned` or `deprovisioned`.
    pub state: String,
    pub updated_at: Timestamp,
    pub web_url: Option<String>,
}

/// A thing as a whole, for a client that sent `Accept-Expansion`, else its id and name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Expandable<T> {
    Whole(Box<T>),
    Ref(NamedRef),
}

/// Who pays: always an app, and never anything.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BillingEntity {
    pub id: AppId,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// What something costs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    pub cents: u32,
    pub contract: bool,
    pub unit: String,
}

/// `GET /addon-services/SERVICE`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AddonService {
    pub cli_plugin_name: Option<String>,
    pub created_at: Timestamp,
    pub human_name: String,
    pub id: String,
    pub name: String,
    pub state: String,
    pub supported_generations: Vec<NamedRef>,
    pub supports_multiple_installations: bool,
    pub supports_sharing: bool,
    pub updated_at: Timestamp,
}

/// `GET /addon-services/SERVICE/plans/PLAN`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "they are Heroku's")]
pub struct Plan {
    pub addon_service: NamedRef,
    pub compliance: Option<Vec<String>>,
    pub created_at: Timestamp,
    pub default: bool,
    pub description: String,
    pub human_name: String,
    pub id: String,
    pub installable_inside_private_network: bool,
    pub installable_outside_private_network: bool,
    pub name: String,
    pub price: Price,
    pub space_default: bool,
    pub state: String,
    pub updated_at: Timestamp,
    pub visible: bool,
}

/// `POST /apps/APP/addons`. `config`, a provider's own options, has no meaning here and is ignored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewAddon {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<NameOrId>,
    /// The app's name, to overwrite what there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub plan: Identity,
}

/// A thing named by a text, or by an object that has its name or id.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Identity {
    Text(String),
    Object(NameOrId),
}

impl Identity {
    /// The name or id, empty if there is neither.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Object(NameOrId { id, name }) => name.as_ref().or(id.as_ref()).map_or("", String::as_str),
        }
    }
}

/// `PATCH /apps/APP/addons/ADDON`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AddonChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Identity>,
}

/// `DELETE /apps/APP/addons/ADDON`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AddonEnd {
    /// Also if other apps use it.
    #[serde(default)]
    pub force: bool,
}

/// `POST /actions/addons/resolve`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AddonResolution {
    pub addon: String,
    #[serde(default)]
    pub app: Option<String>,
    #[serde(default)]
    pub addon_service: Option<String>,
}

/// `GET /addons/ADDON/config`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AddonConfig {
    pub name: String,
    pub value: Secret,
}

/// `GET /addon-attachments/ATTACHMENT`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AddonAttachment {
    pub addon: AddonRef,
    pub app: NamedRef,
    /// Not in the schema; the Heroku CLI asks for it.
    pub config_vars: Vec<String>,
    pub created_at: Timestamp,
    pub id: AttachmentId,
    pub log_input_url: Option<String>,
    pub name: String,
    pub namespace: Option<String>,
    pub updated_at: Timestamp,
    pub web_url: Option<String>,
}

/// The add-on of an attachment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AddonRef {
    pub app: NamedRef,
    pub id: AddonId,
    pub name: String,
    /// Not in the schema; the Heroku CLI asks for it.
    pub plan: NamedRef,
}

/// `POST /addon-attachments`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewAddonAttachment {
    pub addon: Identity,
    pub app: Identity,
    /// The app's name, to overwrite what there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// `POST /actions/addon-attachments/resolve`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AttachmentResolution {
    pub addon_attachment: String,
    #[serde(default)]
    pub app: Option<String>,
    #[serde(default)]
    pub addon_service: Option<String>,
}
