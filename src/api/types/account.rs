//! Accounts and their SSH keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NamedRef, Never, Timestamp, UserRef};
use crate::db::ssh_keys::SshKey;
use crate::model::{self, AccountId};

/// `GET /account`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the schema's fields")]
pub struct Account {
    pub allow_tracking: bool,
    pub beta: bool,
    pub country_of_residence: Never,
    pub created_at: Timestamp,
    pub default_organization: Option<NamedRef>,
    pub default_team: Option<NamedRef>,
    pub delinquent_at: Option<Timestamp>,
    pub email: String,
    pub federated: bool,
    pub id: AccountId,
    pub identity_provider: Never,
    pub last_login: Option<Timestamp>,
    pub name: Option<String>,
    pub sms_number: Never,
    pub suspended_at: Option<Timestamp>,
    pub two_factor_authentication: bool,
    pub updated_at: Timestamp,
    pub verified: bool,
}

impl From<&model::Account> for Account {
    fn from(account: &model::Account) -> Self {
        Self {
            allow_tracking: false,
            beta: false,
            country_of_residence: None,
            created_at: Timestamp(account.created_at),
            default_organization: None,
            default_team: None,
            delinquent_at: None,
            email: account.email.to_string(),
            federated: false,
            id: account.id,
            identity_provider: None,
            last_login: None,
            name: account.name.clone(),
            sms_number: None,
            suspended_at: None,
            two_factor_authentication: false,
            updated_at: Timestamp(account.created_at),
            verified: true,
        }
    }
}

/// `GET /users/USER`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum User {
    Oneself(Box<Account>),
    Other(UserRef),
}

impl User {
    #[must_use]
    pub fn id(&self) -> AccountId {
        match self {
            Self::Oneself(account) => account.id,
            Self::Other(user) => user.id,
        }
    }

    #[must_use]
    pub fn email(&self) -> &str {
        match self {
            Self::Oneself(account) => &account.email,
            Self::Other(user) => &user.email,
        }
    }
}

/// `PATCH /account`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AccountChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `GET /account/rate-limits`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RateLimits {
    /// Requests that this token can make now.
    pub remaining: u32,
}

/// `GET /account/keys`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    pub comment: String,
    pub created_at: Timestamp,
    /// Of the account that has it.
    pub email: String,
    pub fingerprint: String,
    pub id: String,
    /// With the comment, as in a `.pub` file.
    pub public_key: String,
    pub updated_at: Timestamp,
}

impl Key {
    /// An account's key.
    #[must_use]
    pub fn of(account: &model::Account, key: SshKey) -> Self {
        Self {
            created_at: Timestamp(key.created_at),
            email: account.email.to_string(),
            fingerprint: key.fingerprint,
            id: key.id,
            public_key: format!("{} {}", key.public_key, key.comment).trim_end().to_owned(),
            comment: key.comment,
            updated_at: Timestamp(key.created_at),
        }
    }
}

/// `POST /account/keys`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewKey {
    pub public_key: String,
}
