//! API tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Never, Timestamp};
use crate::model::{self, AccountId, Authorization, AuthorizationId, Invalid};

/// `GET /oauth/authorizations`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OauthAuthorization {
    /// Null for a token of which hoist knows no part.
    pub access_token: Option<AccessToken>,
    pub client: Never,
    pub created_at: Timestamp,
    pub description: String,
    pub grant: Never,
    pub id: AuthorizationId,
    pub refresh_token: Never,
    pub scope: Vec<String>,
    pub session: Never,
    pub updated_at: Timestamp,
    pub user: AuthorizedUser,
}

/// The token of an authorization: whole when it has just been made, else with its middle hidden.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct AccessToken {
    /// Seconds from now; null for one that does not expire.
    pub expires_in: Option<i64>,
    pub id: String,
    pub token: String,
}

/// Hides the token.
impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whose authorization it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuthorizedUser {
    pub id: AccountId,
    pub email: String,
    pub full_name: Option<String>,
}

impl OauthAuthorization {
    /// An account's authorization, with as much of its token as is to be shown.
    #[must_use]
    pub fn of(account: &model::Account, one: &Authorization, token: Option<&str>, now: OffsetDateTime) -> Self {
        // Rounded: a token for an hour has just been made for an hour.
        let expires_in = one.expires_at.map(|at| (at - now + Duration::milliseconds(500)).whole_seconds());
        Self {
            access_token: token.map(|token| AccessToken { expires_in, id: one.token_id.clone(), token: token.into() }),
            client: None,
            created_at: Timestamp(one.created_at),
            description: one.description.clone(),
            grant: None,
            id: one.id,
            refresh_token: None,
            scope: one.scopes.iter().map(|scope| scope.as_str().into()).collect(),
            session: None,
            updated_at: Timestamp(one.updated_at),
            user: AuthorizedUser { id: account.id, email: account.email.to_string(), full_name: account.name.clone() },
        }
    }
}

/// `POST /oauth/authorizations`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewOauthAuthorization {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<String>>,
    #[serde(default, skip_serializing)]
    pub client: Option<serde_json::Value>,
}

/// `PATCH /oauth/authorizations/AUTHORIZATION`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct AuthorizationChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing)]
    pub client: Option<serde_json::Value>,
}

/// The Heroku CLI sends a number when it logs in, and a text in `authorizations:create`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Seconds {
    Number(i64),
    Text(String),
}

impl Seconds {
    /// The number, however it was written.
    pub fn seconds(&self) -> Result<i64, Invalid> {
        match self {
            Self::Number(seconds) => Ok(*seconds),
            Self::Text(text) => {
                text.parse().map_err(|_| Invalid(format!("`{}` is not a number of seconds", text.escape_debug())))
            }
        }
    }
}
