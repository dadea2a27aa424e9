//! `[github]`, `[gitlab]`, `[gitea]` and `[forgejo]`: whose repositories apps are deployed from.

use std::path::PathBuf;

use serde::Deserialize;

use crate::model::Secret;

/// `[github]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitHub {
    /// Its API. Default: `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise Server's repository.
    pub api_url: Option<String>,
    /// The GitHub App as which hoist acts where a connection has no token of its own. Default: none.
    pub app_id: Option<u64>,
    /// PEM file of that App's private key. Default: none.
    pub private_key: Option<PathBuf>,
    /// What that App's webhook is signed with. Default: none; only repositories' own webhooks are heard then.
    pub webhook_secret: Option<Secret>,
}

/// `[gitlab]`, `[gitea]` or `[forgejo]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forge {
    /// Its API. Default: that of the host on which the repository is, `https://HOST/api/v4` or `/api/v1`.
    pub api_url: Option<String>,
}
