//! Review apps, what a pipeline's are like, and the repository that they come from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{IdRef, Never, NewSourceBlob, Timestamp, present};
use crate::model::{AccountId, AppId, AppSetupId, PipelineId, ReviewAppId};

/// `GET /review-apps/REVIEW_APP`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReviewApp {
    pub app: Option<IdRef<AppId>>,
    pub app_setup: Option<IdRef<AppSetupId>>,
    pub branch: String,
    pub created_at: Timestamp,
    pub creator: IdRef<AccountId>,
    pub error_status: Option<String>,
    pub fork_repo: Option<ForkRepo>,
    pub id: ReviewAppId,
    pub message: Option<String>,
    pub pipeline: IdRef<PipelineId>,
    pub pr_number: Option<u64>,
    /// `pending`, `creating`, `created`, `deleting`, `deleted` or `errored`.
    pub status: String,
    pub updated_at: Timestamp,
    pub wait_for_ci: bool,
}

/// The fork that a branch is in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ForkRepo {
    /// None if only its name is known.
    pub id: Option<i64>,
}

/// `POST /review-apps`.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewReviewApp {
    #[serde(default)]
    pub branch: String,
    /// Texts: of anything else, a message would show the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_repo_id: Option<i64>,
    /// By id, or by name.
    #[serde(default)]
    pub pipeline: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pr_number: Option<u64>,
    /// With the `url` `resolve` for the branch of the pipeline's repository.
    #[serde(default)]
    pub source_blob: Option<NewSourceBlob>,
}

/// `GET /pipelines/PIPELINE/review-app-config`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReviewAppConfig {
    pub automatic_review_apps: bool,
    pub base_name: Option<String>,
    /// Nothing: this installation is the only place.
    pub deploy_target: Never,
    pub destroy_stale_apps: bool,
    /// hoist's own addition: `refused`, `without_config_vars` or `with_config_vars`.
    pub forks: String,
    pub pipeline_id: PipelineId,
    pub repo: RepoRef,
    pub stale_days: u32,
    pub wait_for_ci: bool,
}

/// A repository by its number.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RepoRef {
    pub id: u64,
}

/// `POST` and `PATCH /pipelines/PIPELINE/review-app-config`. What is left out stays, or is as at first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReviewAppConfigChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic_review_apps: Option<bool>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub base_name: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy_stale_apps: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forks: Option<String>,
    /// The name of the repository that the pipeline is connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_days: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for_ci: Option<bool>,
}

/// `GET /pipelines/PIPELINE/repo`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PipelineRepo {
    pub clone_url: String,
    pub created_at: Timestamp,
    /// The public half of the deploy key, for the repository's settings at the provider.
    pub deploy_public_key: Option<String>,
    /// `OWNER/NAME`.
    pub full_name: String,
    pub id: u64,
    pub pipeline: IdRef<PipelineId>,
    /// `github`, `gitlab`, `gitea` or `forgejo`.
    pub provider: String,
    pub updated_at: Timestamp,
    /// What the provider has to be told for the repository's webhook.
    pub webhook_url: String,
}

/// `GET /pipelines/PIPELINE/repo/branches/BRANCH`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RepoBranch {
    pub commit: RepoCommit,
    pub name: String,
}

/// Where a branch stands.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RepoCommit {
    pub sha: String,
}

/// `GET /account/features/FEATURE`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AccountFeature {
    pub created_at: Timestamp,
    pub description: String,
    pub display_name: Option<String>,
    pub doc_url: String,
    pub enabled: bool,
    pub feedback_email: Option<String>,
    pub id: String,
    pub name: String,
    pub state: String,
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for NewReviewApp {
    /// Without the values of the environment, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.environment.iter().flat_map(BTreeMap::keys).collect();
        f.debug_struct("NewReviewApp").field("branch", &self.branch).field("environment", &keys).finish_non_exhaustive()
    }
}
