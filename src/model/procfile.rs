//! The Procfile: which processes an app declares.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// The name of a process type, `^[-\w]{1,128}$` (conventions 3.7).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProcessType(String);

impl ProcessType {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether it is what requests come to.
    #[must_use]
    pub fn is_web(&self) -> bool {
        self.0 == "web"
    }

    /// Tells whether it is what is run before a release becomes current (conventions 3.4).
    #[must_use]
    pub fn is_release(&self) -> bool {
        self.0 == "release"
    }
}

impl FromStr for ProcessType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let good = (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid(format!("`{}` is not a process type name", text.escape_debug())))
        }
    }
}

impl TryFrom<String> for ProcessType {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ProcessType> for String {
    fn from(name: ProcessType) -> Self {
        name.0
    }
}

impl fmt::Display for ProcessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Commands by process type, in the order of their names.
pub type ProcessTypes = BTreeMap<ProcessType, String>;

/// A parsed Procfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Procfile(pub ProcessTypes);

impl Procfile {
    /// The largest Procfile that is read.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Parses a Procfile: `type: command` per line, as the old compiler's `^([a-zA-Z0-9_-]+):?\s+(.*)` did.
    /// Empty lines and comments are passed over; of two lines for one type the last one counts.
    ///
    /// # Errors
    /// When a line is neither, with its number; a line that was silently ignored would be a process that
    /// silently never runs.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut types = ProcessTypes::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, command) = parse_line(line).ok_or_else(|| {
                Invalid(format!(
                    "Procfile line {} is not `type: command`: {}",
                    index + 1,
                    line.chars().take(80).collect::<String>().escape_debug()
                ))
            })?;
            types.insert(name, command.to_owned());
        }
        Ok(Self(types))
    }
}

fn parse_line(line: &str) -> Option<(ProcessType, &str)> {
    let (name, command) = line.split_once(':').or_else(|| line.split_once(char::is_whitespace))?;
    let command = command.trim();
    let name = name.trim_end().parse().ok()?;
    (!command.is_empty()).then_some((name, command))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<(String, String)>, String> {
        let types = Procfile::parse(text).map_err(|error| error.to_string())?.0;
        Ok(types.into_iter().map(|(name, command)| (name.to_string(), command)).collect())
    }

    fn pair(name: &str, command: &str) -> (String, String) {
        (name.into(), command.into())
    }

    #[test]
    fn lines_become_types() {
        assert_eq!(
            check("web: node a.js\n# note\n\nworker:   ruby w.rb -x 'a: b'\r\n"),
            Ok(vec![pair("web", "node a.js"), pair("worker", "ruby w.rb -x 'a: b'")])
        );
        assert_eq!(check("web node a.js"), Ok(vec![pair("web", "node a.js")]));
        assert_eq!(check("web: a\nweb: b"), Ok(vec![pair("web", "b")]));
        assert_eq!(check(""), Ok(vec![]));
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(check("web: x\n$$: y").unwrap_err(), "Procfile line 2 is not `type: command`: $$: y");
        assert!(check("web:").is_err());
        assert!(check("web").is_err());
    }
}
