//! Config vars: an app's settings, which a release snapshots.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Invalid, Secret};

/// The name of a config var: an environment variable's name that is also a safe file name (`ENV_DIR` holds one
/// file per key): letters, digits and `_`, not starting with a digit, at most 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfigKey(String);

impl ConfigKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConfigKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let good = (1..=128).contains(&text.len())
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid(format!(
                "`{}` is not a config var name: use letters, digits and underscores, not starting with a digit",
                text.escape_debug()
            )))
        }
    }
}

impl TryFrom<String> for ConfigKey {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ConfigKey> for String {
    fn from(key: ConfigKey) -> Self {
        key.0
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The config vars of an app or a release, in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigVars(pub BTreeMap<ConfigKey, Secret>);

impl ConfigVars {
    /// The most that one app's config vars may hold, keys and values together (Heroku's 64 KiB).
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Looks a value up.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Secret> {
        self.0.iter().find(|(k, _)| k.as_str() == key).map(|(_, value)| value)
    }

    /// Applies changes (`None` unsets) and returns the result with the keys that truly changed.
    ///
    /// # Errors
    /// When the result would hold more than [`ConfigVars::MAX_BYTES`] or a value holds a NUL byte, which no
    /// environment can carry.
    pub fn changed(&self, changes: &BTreeMap<ConfigKey, Option<Secret>>) -> Result<(Self, ConfigChange), Invalid> {
        let mut vars = self.0.clone();
        let mut change = ConfigChange::default();
        for (key, value) in changes {
            match value {
                Some(value) if value.expose().contains('\0') => {
                    return Err(Invalid(format!("the value of {key} holds a NUL byte, which no environment can carry")));
                }
                Some(value) => {
                    if vars.insert(key.clone(), value.clone()).as_ref() != Some(value) {
                        change.set.push(key.clone());
                    }
                }
                None => {
                    if vars.remove(key).is_some() {
                        change.unset.push(key.clone());
                    }
                }
            }
        }
        let bytes: usize = vars.iter().map(|(key, value)| key.as_str().len() + value.expose().len()).sum();
        if bytes > Self::MAX_BYTES {
            return Err(Invalid(format!("Config vars would hold {bytes} bytes, the limit is {}", Self::MAX_BYTES)));
        }
        Ok((Self(vars), change))
    }
}

/// Which keys a change set and unset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigChange {
    pub set: Vec<ConfigKey>,
    pub unset: Vec<ConfigKey>,
}

impl ConfigChange {
    /// Tells whether anything changed at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty()
    }

    /// The release description, `Set LANG, RACK_ENV config vars` (conventions 3.8).
    #[must_use]
    pub fn description(&self) -> String {
        let list = |keys: &[ConfigKey]| keys.iter().map(ConfigKey::as_str).collect::<Vec<_>>().join(", ");
        let part = |verb: &str, keys: &[ConfigKey]| (!keys.is_empty()).then(|| format!("{verb} {}", list(keys)));
        let parts: Vec<String> = [part("Set", &self.set), part("Unset", &self.unset)].into_iter().flatten().collect();
        format!("{} config vars", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(list: &[(&str, Option<&str>)]) -> BTreeMap<ConfigKey, Option<Secret>> {
        list.iter().map(|(key, value)| (key.parse().expect("a key"), value.map(Secret::new))).collect()
    }

    #[test]
    fn a_change_names_only_what_changed() {
        let (vars, change) = ConfigVars::default().changed(&changes(&[("LANG", Some("C")), ("X", Some("1"))])).expect("small");
        assert_eq!(change.description(), "Set LANG, X config vars");
        let (vars, change) = vars.changed(&changes(&[("LANG", Some("C")), ("X", None), ("Y", None)])).expect("small");
        assert_eq!(change.description(), "Unset X config vars");
        assert_eq!(vars.0.len(), 1);
        assert!(vars.changed(&changes(&[("LANG", Some("C"))])).expect("small").1.is_empty());
    }

    #[test]
    fn keys_are_safe_file_names() {
        for bad in ["", "1A", "A-B", "A=B", "../x", "A B", "Ä"] {
            assert!(bad.parse::<ConfigKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn too_much_and_nul_are_refused() {
        let vars = ConfigVars::default();
        assert!(vars.changed(&changes(&[("A", Some(&"x".repeat(70_000)))])).is_err());
        assert!(vars.changed(&changes(&[("A", Some("a\0b"))])).is_err());
    }
}
