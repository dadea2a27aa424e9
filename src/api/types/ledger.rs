//! hoist's own resources about releases: blocks, the proof of the ledger, and what changed between two.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Timestamp, UserRef};
use crate::model::{ProcessType, ReleaseId};

/// `GET /apps/APP/releases/RELEASE/block`: why nobody may go back to the release.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    pub created_at: Timestamp,
    pub reason: String,
    pub user: UserRef,
}

/// `PUT /apps/APP/releases/RELEASE/block`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewBlock {
    pub reason: String,
}

/// `GET /apps/APP/releases/verification`: whether every release is as it was appended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    pub valid: bool,
    /// How many releases there are.
    pub releases: u32,
    /// The newest release's hash, which stands for all of them.
    pub head: Option<String>,
    pub broken: Vec<Broken>,
    /// How many more are broken.
    pub left_out: u32,
}

/// A release that is not as it was appended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Broken {
    pub version: u32,
    /// `changed`, `missing`, `detached`, `status` or `block`.
    pub fault: String,
    /// A sentence for people.
    pub message: String,
}

/// `GET /apps/APP/releases/RELEASE/diff/OTHER`: what changed from one release to the other.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseDiff {
    pub from: Side,
    pub to: Side,
    /// Names of config vars, never their values.
    pub config: KeyChanges,
    pub process_types: KeyChanges,
    /// Process types whose images changed.
    pub images: KeyChanges,
    /// Add-ons with their attachments, `postgresql-flat-02648 as DATABASE`.
    pub addons: KeyChanges,
    /// Files of the slugs; null when they could not be compared.
    pub files: Option<FileChanges>,
    /// Why they could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_unavailable: Option<String>,
}

/// One of the two releases. What is a slug's is null when it has none.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    pub id: ReleaseId,
    pub version: u32,
    pub commit: Option<String>,
    pub stack: Option<String>,
    /// Digest of the stack that the slug was built on.
    pub stack_digest: Option<String>,
    /// Digest of the slug's archive.
    pub checksum: Option<String>,
    pub process_types: BTreeMap<ProcessType, String>,
}

/// Names on one side only, and on both with another value.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeyChanges {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
}

/// Paths below the app's folder.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FileChanges {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
    /// How many more there are.
    pub left_out: u64,
}
