//! A line that a user wrote for others to read.

use std::fmt;
use std::str::FromStr;

use super::Invalid;

/// A release's description or the reason of a block: one line, not empty, without control characters, which could
/// rewrite a reader's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneLine(String);

impl OneLine {
    /// The most that it may hold, in bytes.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// The line as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OneLine {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let line = text.trim();
        if line.is_empty() {
            return Err(Invalid("it must not be empty".into()));
        }
        if line.len() > Self::MAX_BYTES {
            return Err(Invalid(format!("it has {} bytes, the limit is {}", line.len(), Self::MAX_BYTES)));
        }
        if line.chars().any(char::is_control) {
            return Err(Invalid("it must be one line without control characters".into()));
        }
        Ok(Self(line.to_owned()))
    }
}

impl fmt::Display for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_readable_line() {
        assert_eq!(" loses orders \n".parse::<OneLine>().unwrap().as_str(), "loses orders");
        for bad in ["", " \n", "a\nb", "\u{1b}[2J", "a\u{0}", &"x".repeat(OneLine::MAX_BYTES + 1)] {
            assert!(bad.parse::<OneLine>().is_err(), "{}", bad.escape_debug());
        }
    }
}
