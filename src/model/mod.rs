//! Plain data and pure rules. Nothing here does I/O, and nothing below the doors re-checks what is parsed here.
//!
//! In reading order: names of things, who acts, what is pushed, what is built, what is released, who is told.

mod account;
mod app;
mod audit;
mod authorization;
mod byte_range;
mod cache_change;
mod id;
mod knock;
mod permission;
mod scope;

mod deploy_key;
mod git;
mod git_credential;
mod push_certificate;
mod push_options;
mod remote;
mod revision;

mod app_json;
mod build_facts;
mod buildpack;
mod heroku_yml;
mod procfile;
mod stack_name;

mod addon;
mod artifact;
mod config_vars;
mod connection;
mod digest;
mod dyno_size;
mod event;
mod image;
mod lfs;
mod limits;
mod notification;
mod one_line;
mod pipeline;
mod release;
mod review_app;
mod review_app_config;
mod schedule;
mod secret;
mod slug_statement;
mod source;
mod source_root;
mod start;
mod tap;
mod telling;
mod test_run;
mod wait;
mod webhook;
mod window_size;

pub use account::{Account, Email, MailDomain};
pub use addon::{Addon, AddonName, AddonState, AttachedAddon, Attachment, AttachmentName, Plan, Service};
pub use app::{App, AppName};
pub use app_json::{AddonRef, AppJson, ConfigVarSpec, EnvironmentName, FormationSpec, Manifest, Scripts};
pub use artifact::{Artifact, ArtifactId, OciImage, ProcessImage};
pub use audit::{Actor, Credential, Deed, Door, Outcome};
pub use authorization::{Authorization, Origin, mask};
pub use build_facts::{BuildFacts, Fact, FactName, MAX_REPORT_BYTES, PackReport, Phase, parse_report, seconds};
pub use buildpack::{ArchiveUrl, BuildpackPlace, BuildpackRef, BuildpackVersion, RegisteredName, UsedBuildpack};
pub use byte_range::{ByteRange, parse_byte_range};
pub use cache_change::CacheChange;
pub use config_vars::{ConfigChange, ConfigKey, ConfigVars};
pub use connection::{
    BranchName, Cause, CiState, Connected, Connection, ConnectionSecrets, Delivered, FullName, NamedRepository, Provider,
    PullRequest, PullRequestAction, Push, PushOrder, TriggerState,
};
pub use deploy_key::{DeployKey, KnownHosts, generate_deploy_key, public_deploy_key};
pub use digest::Digest;
pub use dyno_size::DynoSize;
pub use event::{
    AddonBefore, AddonFacts, AppFacts, AttachmentFacts, Change, CollaboratorFacts, Entity, Event, Facts, FormationFacts,
};
pub use git::{CommitId, RefName, is_deploy_branch};
pub use git_credential::{GitCredential, GitCredentialKind, GitCredentials, OpenedCredential};
pub use heroku_yml::{DockerfilePath, HerokuYml, Process, Setup};
pub use id::{
    AccountId, AddonId, AppId, AppSetupId, AttachmentId, AttemptId, AuthorizationId, BlobUploadId, BuildId, ConnectionId,
    CouplingId, DeliveryId, DynoId, EventId, FollowerDeployId, GitCredentialId, LfsLockId, NotificationId, OciImageId,
    PipelineId, PromotionId, PromotionTargetId, ReleaseId, ReviewAppId, SlugId, SourceId, TestRunId, TriggerId, UploadId,
    WebhookId,
};
pub use image::{
    Descriptor, ImageConfig, ImageManifest, ImageName, ManifestType, Mirror, Packing, Platform, Reference, RegistryLogin,
    RegistryName, Repository, Tag,
};
pub use knock::{Peer, RequestId, Scheme, without_ids};
pub use lfs::{LfsObject, LfsOperation, LockPath};
pub use limits::Limits;
pub use notification::{Notification, Recipient};
pub use one_line::OneLine;
pub use permission::{Action, Permission, Permissions};
pub use pipeline::{Coupling, Pipeline, PipelineName, Promotion, PromotionOutcome, PromotionTarget, Stage};
pub use procfile::{ProcessType, ProcessTypes, Procfile};
pub use push_certificate::PushCertificate;
pub use push_options::PushOptions;
pub use release::{BuildStatus, Release, ReleaseStatus, ReleaseVersion, RollbackRefusal, Slug};
pub use remote::{Credentials, Remote, RemoteCommit, RemoteScheme, RemoteUrl, RepositoryPrefix, Writer};
pub use review_app::{Fork, ReviewApp, ReviewAppStatus, ReviewSource, review_app_name};
pub use review_app_config::{BaseName, Forks, ReviewAppConfig, StaleDays};
pub use revision::Revision;
pub use schedule::{Job, JobNumber, Priority, Schedule};
pub use scope::{Need, Scope, Scopes};
pub use secret::Secret;
pub use slug_statement::{SlugStatement, StatementKind};
pub use source::{Checksum, SourceBlob, SourceVersion};
pub use source_root::SourceRoot;
pub use stack_name::StackName;
pub use start::{APP_DIR, APP_USER_ID, DEFAULT_VARIABLES, LOAD_PROFILES};
pub use tap::{TapReader, TestCase};
pub use telling::{BuildOrigin, BuildTelling, Form, Progress, ReleaseTelling, Telling};
pub use test_run::{TestLog, TestRun, TestRunEnd, TestRunStatus};
pub use wait::next_attempt;
pub use webhook::{DeliveryStatus, Level, Webhook};
pub use window_size::WindowSize;

/// A value from outside that does not have the form its type asks for.
///
/// The text says what was found and what is allowed, so that it can be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);
