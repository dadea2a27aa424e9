//! What a release of images is made of.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NamedRef, Never, Timestamp};
use crate::model::{OciImageId, ProcessType};

/// One of `GET /apps/APP/oci-images/IMAGE`. Digest, repository and architecture are those of the image that stands for all,
/// `web`'s as a rule; what hoist does not know of an image is empty.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OciImage {
    pub architecture: Option<String>,
    pub base_image_name: String,
    pub base_top_layer: String,
    pub buildpacks: Vec<Never>,
    pub commit: String,
    pub commit_description: String,
    pub created_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// The manifest's.
    pub digest: String,
    pub id: OciImageId,
    pub image_repo: String,
    pub process_types: BTreeMap<ProcessType, OciProcessType>,
    pub stack: NamedRef,
    pub updated_at: Timestamp,
}

/// What runs for one of its process types.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct OciProcessType {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_cmd: Option<String>,
    /// Of a new one: what a shell in the image is to run in place of the image's own command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// hoist's own addition: the manifest's, in the repository of this process type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// hoist's own addition: the image's id, as Docker names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
}

/// `POST /apps/APP/oci-images`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewOciImage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The manifest's, or the image's id.
    pub digest: String,
    #[serde(default)]
    pub process_types: BTreeMap<ProcessType, OciProcessType>,
}
