//! Releases and slugs.

use serde::{Deserialize, Serialize};

use super::{IdRef, NamedRef, Timestamp, UserRef};
use crate::model::{ProcessTypes, ReleaseId, SlugId};

/// `GET /apps/APP/releases/RELEASE`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Release {
    pub addon_plan_names: Vec<String>,
    pub app: NamedRef,
    pub artifacts: Vec<Artifact>,
    pub created_at: Timestamp,
    pub current: bool,
    pub description: String,
    pub eligible_for_rollback: bool,
    pub id: ReleaseId,
    pub output_stream_url: Option<String>,
    pub slug: Option<IdRef<SlugId>>,
    /// `pending`, `succeeded`, `failed` or `expired`.
    pub status: String,
    pub updated_at: Timestamp,
    pub user: UserRef,
    pub version: u32,
}

/// What a release is made of: here, its slug.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Artifact {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: SlugId,
}

/// `GET /apps/APP/slugs/SLUG`.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

/// How to get a blob's bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Blob {
    pub method: String,
    pub url: String,
}
