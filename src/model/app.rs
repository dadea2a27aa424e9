//! An app and its name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AccountId, AppId, Invalid, StackName};

/// A name as Heroku allows it: 3 to 30 lower-case letters, digits and dashes, starting with a letter and not
/// ending in a dash. Safe as a path component, a host label and an argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

impl AppName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = (3..=30).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.chars().all(allowed);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            // Heroku's own sentence for this case.
            Err(Invalid(
                "Name must start with a letter, end with a letter or digit and can only contain lowercase \
                 letters, digits, and dashes (3 to 30 characters)."
                    .into(),
            ))
        }
    }
}

impl TryFrom<String> for AppName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An app as the database knows it.
#[derive(Debug, Clone)]
pub struct App {
    pub id: AppId,
    pub name: AppName,
    pub owner: AccountId,
    /// The stack that the next build uses.
    pub stack: StackName,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_host_labels() {
        for good in ["abc", "my-app-2", "a23456789012345678901234567890"] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        for bad in ["", "ab", "2abc", "Abc", "abc-", "-abc", "a_b", "a/b", "../x", "a23456789012345678901234567890x", "äbc"] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
    }
}
