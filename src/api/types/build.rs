//! Builds.

use serde::{Deserialize, Serialize};

use super::{Buildpack, IdRef, Timestamp, UserRef};
use crate::model::{AppId, BuildId, ReleaseId, SlugId};

/// `GET /apps/APP/builds/BUILD`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Build {
    pub app: IdRef<AppId>,
    pub buildpacks: Option<Vec<Buildpack>>,
    pub created_at: Timestamp,
    pub generation: String,
    pub id: BuildId,
    /// The log, also while it is being written. Needs no credentials: who has the URL may read it.
    pub output_stream_url: String,
    pub release: Option<IdRef<ReleaseId>>,
    pub slug: Option<IdRef<SlugId>>,
    pub source_blob: SourceBlob,
    pub stack: String,
    /// `pending`, `succeeded` or `failed`.
    pub status: String,
    pub updated_at: Timestamp,
    pub user: UserRef,
}

/// What was built.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceBlob {
    pub checksum: Option<String>,
    /// None for a git push, which has no tarball.
    pub url: Option<String>,
    /// The commit, for a git push.
    pub version: Option<String>,
    pub version_description: Option<String>,
}
