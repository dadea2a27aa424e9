//! The wire: JSON bodies as the Platform API v3 has them, shared with hoist's own client.
//!
//! Fields that hoist has no notion of are there with the value that says so (`null`, `false`, an empty list), because
//! clients read them. Names and forms follow Heroku's published JSON schema.

mod account;
mod addon;
mod app;
mod app_setup;
mod audit;
mod build;
mod build_facts;
mod buildpack;
mod connection;
mod dyno;
mod formation;
mod git_credential;
mod ledger;
mod log_session;
mod notification;
mod oauth;
mod oci_image;
mod pipeline;
mod place;
mod release;
mod review_app;
mod schema;
mod test_run;
mod timestamp;
mod webhook;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::model::AccountId;

pub use account::{Account, AccountChange, Key, NewKey, RateLimits, User};
pub use addon::{
    Addon, AddonAttachment, AddonChange, AddonConfig, AddonEnd, AddonRef, AddonResolution, AddonService, AttachmentResolution,
    BillingEntity, Expandable, Identity, NewAddon, NewAddonAttachment, Plan, Price,
};
pub use app::{App, AppChange, Collaborator, CollaboratorChange, NewApp, NewCollaborator, Permission, Stack};
pub use app_setup::{AppSetup, NewAppSetup, Postdeploy, SetupApp, SetupBuild, SetupOverrides};
pub use audit::{AuditEvent, AuditOutcome, AuditRequest};
pub use build::{Build, NewBuild, NewBuildpack, NewSourceBlob, Source, SourceBlob, SourceUrls};
pub use build_facts::{BuildFacts, Fact, PackReport, PhaseTime};
pub use buildpack::{Buildpack, BuildpackInstallation, BuildpackUpdate, BuildpackUpdates, RegisteredBuildpack, UsedBuildpack};
pub use connection::{Connection, ConnectionChange, NewConnection, NewRepositoryDeploy, RepositoryDeploy};
pub use dyno::{Dyno, NewDyno, ReleaseRef};
pub use formation::{DynoSize, Formation, FormationUpdate, FormationUpdates, NameOrId};
pub use git_credential::{GitCredential, NewGitCredential};
pub use ledger::{Block, Broken, FileChanges, KeyChanges, NewBlock, ReleaseDiff, Side, Verification};
pub use log_session::{LogSession, NewLogSession};
pub use notification::{NewNotification, Notification};
pub use oauth::{AccessToken, AuthorizationChange, AuthorizedUser, NewOauthAuthorization, OauthAuthorization, Seconds};
pub use oci_image::{NewOciImage, OciImage, OciProcessType};
pub use pipeline::{
    AppIds, AppsFilter, NewPipeline, NewPipelineCoupling, NewPipelineOwner, NewPipelinePromotion, NewPipelineTransfer,
    NewPromotionSource, NewPromotionTarget, Pipeline, PipelineChange, PipelineCoupling, PipelineCouplingChange, PipelineOwner,
    PipelinePromotion, PipelinePromotionTarget, PipelineRef, PipelineTransfer, PromotionSource,
};
pub use place::{Domain, Provider, Region};
pub use release::{Artifact, Blob, NewRelease, NewSlug, PushCertificate, Release, Slug};
pub use review_app::{
    AccountFeature, ForkRepo, NewReviewApp, PipelineRepo, RepoBranch, RepoCommit, RepoRef, ReviewApp, ReviewAppConfig,
    ReviewAppConfigChange,
};
pub use test_run::{NewTestRun, TestCase, TestNode, TestRun, TestRunChange};
pub use timestamp::Timestamp;
pub use webhook::{
    EventRef, NewWebhook, Webhook, WebhookAttempt, WebhookChange, WebhookDelivery, WebhookEvent, WebhookMetadata,
    WebhookNotification, WebhookPayload, WebhookRef,
};

/// Every error's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Error {
    /// A word for programs, `not_found`.
    pub id: String,
    /// A sentence for people.
    pub message: String,
    /// What kind of thing was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// A thing that is named by its id alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdRef<Id> {
    pub id: Id,
}

/// A thing named by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedRef {
    pub id: String,
    pub name: String,
}

impl NamedRef {
    /// Refers to something that hoist knows by its name alone, such as a stack.
    #[must_use]
    pub fn named(kind: &str, name: &str) -> Self {
        Self { id: stable_id(&[kind, name]), name: name.into() }
    }
}

/// An account as other resources show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserRef {
    pub id: AccountId,
    pub email: String,
}

impl From<&crate::model::Account> for UserRef {
    fn from(account: &crate::model::Account) -> Self {
        Self { id: account.id, email: account.email.to_string() }
    }
}

/// The id of something that has none in the database: a UUID (version 8) that is always the same for the same parts.
#[must_use]
pub fn stable_id(parts: &[&str]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(parts.join("\0"))[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// For a field that may be `null`, which says something else than that it is not there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Serialises as `null`: a field of Heroku's that hoist never fills.
pub type Never = Option<Uuid>;
