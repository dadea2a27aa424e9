//! Releases and slugs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IdRef, NamedRef, Timestamp, UsedBuildpack, UserRef};
use crate::model::{OciImageId, ProcessTypes, ReleaseId, SlugId};

/// `GET /apps/APP/releases/RELEASE`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    pub addon_plan_names: Vec<String>,
    pub app: NamedRef,
    pub artifacts: Vec<Artifact>,
    /// hoist's own addition: why nobody may go back to it. Not there when nobody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_reason: Option<String>,
    /// hoist's own addition: what its code was built with. Only where one release is asked for, and not there when buildpacks did
    /// not build it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buildpacks: Option<Vec<UsedBuildpack>>,
    pub created_at: Timestamp,
    pub current: bool,
    pub description: String,
    pub eligible_for_rollback: bool,
    pub id: ReleaseId,
    pub oci_image: Option<IdRef<OciImageId>>,
    pub output_stream_url: Option<String>,
    /// hoist's own addition: what the push was signed with. Only where one release is asked for, and not there when it was
    /// not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_certificate: Option<PushCertificate>,
    pub slug: Option<IdRef<SlugId>>,
    /// `pending`, `succeeded`, `failed` or `expired`.
    pub status: String,
    pub updated_at: Timestamp,
    pub user: UserRef,
    pub version: u32,
}

/// What `git push --signed` has signed, with a key of the release's user.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PushCertificate {
    /// The commands and the signature, as they came.
    pub certificate: String,
    /// Of the SSH key.
    pub fingerprint: String,
}

/// `POST /apps/APP/releases`: of a `slug` or an `oci_image`, or of the newest release's, or a rollback to a `release`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewRelease {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// By id, or by its manifest's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci_image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
}

/// What a release is made of: its slug (`slug`) or its image (`oci-image`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
}

/// `GET /apps/APP/slugs/SLUG`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Slug {
    pub blob: Blob,
    pub buildpack_provided_description: Option<String>,
    /// `SHA256:` and the digits.
    pub checksum: Option<String>,
    pub commit: Option<String>,
    pub commit_description: Option<String>,
    pub created_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    pub id: SlugId,
    pub process_types: ProcessTypes,
    pub size: Option<u64>,
    pub stack: NamedRef,
    pub updated_at: Timestamp,
}

/// `POST /apps/APP/slugs`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewSlug {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buildpack_provided_description: Option<String>,
    /// `SHA256:` and the digits, of the archive that will be uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    pub process_types: ProcessTypes,
    /// Name or id; the app's own if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// How to get a blob's bytes, or where to put them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Blob {
    pub method: String,
    pub url: String,
}
