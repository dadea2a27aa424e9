//! Connections to repositories on GitHub and its kin, and what is deployed over them. Heroku's dashboard has the fields `repo`,
//! `branch`, `auto_deploy` and `wait_for_ci`, and so do its CLI's plug-ins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IdRef, NamedRef, Timestamp, UserRef, present};
use crate::model::{BuildId, ConnectionId, Secret, TriggerId};

/// `GET /apps/APP/github`. The secrets are never shown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    pub app: NamedRef,
    /// Whether a push to the branch is deployed.
    pub auto_deploy: bool,
    pub branch: Option<String>,
    pub clone_url: String,
    pub created_at: Timestamp,
    /// What lets hoist in at the provider: `token`, `deploy_key`, `github_app`, or nothing.
    pub credentials: Option<String>,
    /// The public half of the deploy key, for the repository's settings at the provider.
    pub deploy_public_key: Option<String>,
    pub id: ConnectionId,
    pub known_hosts: Option<String>,
    /// `github`, `gitlab`, `gitea` or `forgejo`.
    pub provider: String,
    /// `OWNER/NAME`.
    pub repo: String,
    /// Whether the provider can be told of builds, and asked about CI: there is a token for its API, or hoist is a GitHub App there.
    pub tells_back: bool,
    pub updated_at: Timestamp,
    /// In whose name its builds are made.
    pub user: UserRef,
    /// Whether a push is deployed only when all of its commit's statuses and check runs are green.
    pub wait_for_ci: bool,
    /// What the provider has to be told for the repository's webhook.
    pub webhook_url: String,
}

/// `POST /apps/APP/github`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewConnection {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_deploy: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Where the repository is fetched from, if not from github.com or gitlab.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone_url: Option<String>,
    /// A private key for fetching over SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_key: Option<Secret>,
    /// The keys of the SSH host, as lines of a `known_hosts` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<String>,
    /// Whether hoist makes a deploy key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_deploy_key: Option<bool>,
    /// A token of the caller's that may read the repository: shown to GitHub once, and not kept. Where hoist is a GitHub App, this
    /// has the App act for the connection, and so does a `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Secret>,
    /// Default `github`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub repo: String,
    /// For fetching over HTTPS, and for the provider's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for_ci: Option<bool>,
    /// What the webhook is signed with. Made if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<Secret>,
}

/// `PATCH /apps/APP/github`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_deploy: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone_url: Option<String>,
    /// `null` takes it away, and nothing leaves it as it is.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub deploy_key: Option<Option<Secret>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<Option<String>>,
    /// Whether hoist makes another deploy key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_deploy_key: Option<bool>,
    /// As when the app is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Secret>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub token: Option<Option<Secret>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for_ci: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<Secret>,
}

/// `POST /apps/APP/github/push`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewRepositoryDeploy {
    /// Default: the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// `GET /apps/APP/github/deploys/DEPLOY`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryDeploy {
    pub app: NamedRef,
    pub branch: String,
    pub build: Option<IdRef<BuildId>>,
    /// `push`, `manual` or `pull_request`.
    pub cause: String,
    pub commit: Option<String>,
    pub created_at: Timestamp,
    pub id: TriggerId,
    /// Why there is no build, or not yet.
    pub reason: Option<String>,
    /// `waiting_for_ci`, `ready` or `done`.
    pub state: String,
    pub updated_at: Timestamp,
    pub user: UserRef,
}
