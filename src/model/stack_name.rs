//! The name of a stack.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// The name of a stack: lower-case letters, digits, `-`, `.` and `_`; starts with a letter or digit; at most 64
/// bytes. Safe as a path component.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StackName(String);

impl StackName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stack of apps that bring an image with their own root file system.
    #[must_use]
    pub fn container() -> Self {
        Self("container".to_owned())
    }

    /// Tells whether it is the stack of apps that bring images.
    #[must_use]
    pub fn is_container(&self) -> bool {
        self.0 == "container"
    }
}

impl FromStr for StackName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
        let good =
            (1..=64).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(Invalid(format!("`{}` is not a stack name", text.escape_debug()))) }
    }
}

impl TryFrom<String> for StackName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<StackName> for String {
    fn from(name: StackName) -> Self {
        name.0
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
