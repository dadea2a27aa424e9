//! Builds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IdRef, Timestamp, UsedBuildpack, UserRef};
use crate::model::{AppId, BuildId, ReleaseId, SlugId};

/// `GET /apps/APP/builds/BUILD`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    pub app: IdRef<AppId>,
    pub buildpacks: Option<Vec<UsedBuildpack>>,
    /// hoist's own, and only of a build that waits for its turn: how many come before it, as things are; 100 stands for more, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builds_ahead: Option<usize>,
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

/// `POST /apps/APP/builds`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewBuild {
    #[serde(default)]
    pub source_blob: Option<NewSourceBlob>,
    /// In place of those set on the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buildpacks: Option<Vec<NewBuildpack>>,
}

/// What is to be built.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewSourceBlob {
    /// Of a `.tar.gz`.
    #[serde(default)]
    pub url: Option<String>,
    /// `SHA256:` and the digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// A commit, or any name; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_description: Option<String>,
}

/// A buildpack by URL or name.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewBuildpack {
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
}

/// `POST /sources`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    pub source_blob: SourceUrls,
}

/// Where an archive is put, and where it can be got from then. Needs no credentials.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SourceUrls {
    pub get_url: String,
    pub put_url: String,
}

/// What was built.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SourceBlob {
    pub checksum: Option<String>,
    /// None for a git push, which has no tarball.
    pub url: Option<String>,
    /// The commit, for a git push.
    pub version: Option<String>,
    pub version_description: Option<String>,
}
