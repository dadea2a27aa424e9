//! What the audit trail keeps: who did what, from where, and how it ended.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::Value;
use uuid::Uuid;

use super::{AccountId, AppId, AuthorizationId, Invalid};

/// Where somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Api,
    GitHttp,
    GitSsh,
    /// `hoist admin`, on the host itself.
    Admin,
}

impl Door {
    const ALL: [Self; 4] = [Self::Api, Self::GitHttp, Self::GitSsh, Self::Admin];

    /// The word in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::GitHttp => "git-http",
            Self::GitSsh => "git-ssh",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Door {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|door| door.as_str() == text).ok_or_else(|| Invalid(format!("`{text}` is no door")))
    }
}

/// What somebody was known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Authorization(AuthorizationId),
    /// By its fingerprint.
    SshKey(String),
    /// A user of the host.
    Uid(u32),
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorization(id) => write!(f, "authorization {id}"),
            Self::SshKey(fingerprint) => write!(f, "ssh-key {fingerprint}"),
            Self::Uid(uid) => write!(f, "uid {uid}"),
        }
    }
}

/// Who does something, and from where.
#[derive(Debug, Clone)]
pub struct Actor {
    pub door: Door,
    /// None for whoever runs the installation.
    pub account: Option<AccountId>,
    pub credential: Credential,
    pub address: Option<IpAddr>,
    pub request: Uuid,
}

/// Something that is about to be done.
#[derive(Debug, Clone)]
pub struct Deed {
    pub app: Option<AppId>,
    /// The kind of thing, `collaborators`.
    pub kind: String,
    /// `create`, `update`, `destroy` or a verb of its own.
    pub action: String,
    /// Names of what is changed, never secrets.
    pub data: Value,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    /// For a reason of theirs, in a word.
    Refused(String),
    /// For a reason of hoist's, in a word.
    Failed(String),
}

impl Outcome {
    /// The word in the database and on the wire.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// Why, if it did not succeed.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Succeeded => "",
            Self::Refused(detail) | Self::Failed(detail) => detail,
        }
    }
}
