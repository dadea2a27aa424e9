//! Which folder of a repository, or of an archive, is the app's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ConfigVars, Invalid};

/// The path of a folder in a source: relative, without `.` and `..`. Everything of the app is in it: its Procfile, its app.json, its
/// `.slugignore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceRoot(String);

impl SourceRoot {
    /// The config var that says the same, as those do it who build with a buildpack for subfolders.
    pub const VARIABLE: &str = "PROJECT_PATH";
    /// Linux's `PATH_MAX`.
    const MAX_BYTES: usize = 4095;

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of what has this path in the folder.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }

    /// Whether a path of the source leads into the folder.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        path.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// What config vars say; nothing where they say nothing, or all of the source. Fails when that is no folder's path.
    pub fn of_config(config: &ConfigVars) -> Result<Option<Self>, Invalid> {
        let value = config.0.iter().find(|(key, _)| key.as_str() == Self::VARIABLE).map(|(_, value)| value.expose().trim());
        match value {
            None | Some("" | "." | "./") => Ok(None),
            Some(path) => path.parse().map(Some).map_err(|Invalid(why)| Invalid(format!("{}: {why}", Self::VARIABLE))),
        }
    }
}

impl fmt::Display for SourceRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<SourceRoot> for String {
    fn from(root: SourceRoot) -> Self {
        root.0
    }
}

impl TryFrom<String> for SourceRoot {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl FromStr for SourceRoot {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why| Err(Invalid(format!("`{}` is not the path of a folder in the source: {why}", text.escape_debug())));
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return refuse("it has to be relative, without `..`");
        }
        if text.len() > Self::MAX_BYTES || text.chars().any(char::is_control) {
            return refuse("it is too long, or holds a control character");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() { refuse("it names none") } else { Ok(Self(parts.join("/"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    #[test]
    fn a_root_is_a_folder_below() {
        let root = |text: &str| text.parse::<SourceRoot>().map(|root| root.to_string());
        assert_eq!(root("./apps//web/"), Ok("apps/web".into()));
        for bad in ["", ".", "./", "/", "/apps", "..", "a/../b", "a\0b", "a\nb", &"a/".repeat(2048)] {
            assert!(root(bad).is_err(), "{bad:?}");
        }
        let root: SourceRoot = "apps/web".parse().unwrap();
        assert!(root.contains("apps/web/a") && !root.contains("apps/web") && !root.contains("apps/website/a"));
        assert_eq!(root.join("Procfile"), "apps/web/Procfile");
    }

    #[test]
    fn a_config_var_says_the_same() {
        let of = |value: &str| {
            let config = [("PROJECT_PATH".parse().unwrap(), Secret::new(value.to_owned()))];
            SourceRoot::of_config(&ConfigVars(config.into())).map(|root| root.map(|root| root.to_string()))
        };
        assert_eq!(of(" apps/web/ "), Ok(Some("apps/web".into())));
        assert_eq!((of(""), of(".")), (Ok(None), Ok(None)));
        assert!(of("../web").unwrap_err().to_string().starts_with("PROJECT_PATH: `../web`"));
        assert_eq!(SourceRoot::of_config(&ConfigVars::default()), Ok(None));
    }
}
