//! API tokens, as their owner sees them.

use time::OffsetDateTime;

use super::{AccountId, AuthorizationId, Scopes, Secret};

/// Heroku's sign that a part of a token is not shown; its CLI looks for this very run.
const HIDDEN: &str = "**********";
/// Characters that are shown of a token: enough for a client to know its own, far too few to use.
const FIRST: usize = 10;
const LAST: usize = 4;

/// An authorization: an API token and what it may be used for. The token itself is known only to whoever uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    pub id: AuthorizationId,
    pub account: AccountId,
    pub description: String,
    pub scopes: Scopes,
    pub origin: Origin,
    /// Changes with the token.
    pub token_id: String,
    /// The token with its middle hidden; tokens of earlier versions have none.
    pub mask: Option<String>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
}

/// Who made an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Whoever runs the installation, with `hoist admin`: the account's own key, which a logout leaves alone.
    Admin,
    /// The user, over the API.
    User,
}

impl Origin {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

impl std::str::FromStr for Origin {
    type Err = super::Invalid;

    fn from_str(text: &str) -> Result<Self, super::Invalid> {
        match text {
            "admin" => Ok(Self::Admin),
            "user" => Ok(Self::User),
            other => Err(super::Invalid(format!("`{other}` made no authorization"))),
        }
    }
}

/// Hides the middle of a token.
#[must_use]
pub fn mask(token: &Secret) -> String {
    let token = token.expose();
    match (token.get(..FIRST), token.len().checked_sub(LAST).and_then(|from| token.get(from..))) {
        (Some(first), Some(last)) if token.len() > 2 * (FIRST + LAST) => format!("{first}{HIDDEN}{last}"),
        // Too short to show any of it: not a token of hoist's.
        _ => HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_token_is_hidden() {
        assert_eq!(mask(&Secret::new(format!("hoist-{}", "0123456789abcdef".repeat(4)))), "hoist-0123**********cdef");
        assert_eq!(mask(&Secret::new("hoist-short")), "**********");
    }
}
