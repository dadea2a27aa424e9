//! What hoist shows other git servers for the submodules of an app's code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NamedRef, Timestamp, UserRef};
use crate::model::{GitCredentialId, Secret};

/// `GET /apps/APP/git-credentials`. The secret is never shown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GitCredential {
    pub app: NamedRef,
    pub created_at: Timestamp,
    /// The public half of a deploy key, for the settings of the submodule's repository.
    pub deploy_public_key: Option<String>,
    pub id: GitCredentialId,
    /// `token` or `deploy_key`.
    pub kind: String,
    pub known_hosts: Option<String>,
    /// When it was last shown to its server.
    pub last_used_at: Option<Timestamp>,
    /// Which repositories it is for: those of a host, or those below a path.
    pub url: String,
    /// Who has given it.
    pub user: UserRef,
    /// Whose a token is, for servers that want to know.
    pub username: Option<String>,
}

/// `POST /apps/APP/git-credentials`: a token, a deploy key, or a new deploy key.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewGitCredential {
    /// A private key, for repositories over SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_key: Option<Secret>,
    /// The keys of the SSH host, as lines of a `known_hosts` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<String>,
    /// Whether hoist makes a deploy key of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_deploy_key: Option<bool>,
    /// For repositories over HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}
