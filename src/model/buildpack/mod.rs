//! Which buildpacks an app is built with: how they are named, where those are that hoist does not carry, and what of them was
//! used.

mod place;

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::{CommitId, Digest, Invalid};
pub use place::{ArchiveUrl, BuildpackPlace};

const MAX_NAME: usize = 64;

/// How an app names a buildpack (conventions 3.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BuildpackRef {
    /// A built-in pack, by its folder's name in `buildpacks/`; written `hoist/NAME` or plain `NAME`.
    Builtin(String),
    /// A pack that the configuration, or hoist for Heroku's own, says the place of; written `NAMESPACE/NAME`.
    Registered(RegisteredName),
    /// A pack of another server: a git repository's URL with or without `#REVISION`, or that of a `.tgz`.
    At(Box<BuildpackPlace>),
    /// A folder of the app itself, for developing a pack beside its app; written `./path`.
    InApp(String),
}

impl BuildpackRef {
    /// The reference without what may be a signature: for logs.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::At(place) => place.shown(),
            other => other.to_string(),
        }
    }
}

impl FromStr for BuildpackRef {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.strip_prefix("urn:buildpack:").unwrap_or(text);
        if let Some(path) = text.strip_prefix("./") {
            let good = !path.is_empty()
                && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.chars().any(char::is_control));
            return if good {
                Ok(Self::InApp(path.to_owned()))
            } else {
                Err(Invalid(format!("`{}` is not a path inside the app", text.escape_debug())))
            };
        }
        if BuildpackPlace::is_meant_by(text) {
            return text.parse().map(|place| Self::At(Box::new(place)));
        }
        let name = text.strip_prefix("hoist/").unwrap_or(text);
        if is_name(name) { Ok(Self::Builtin(name.to_owned())) } else { text.parse().map(Self::Registered) }
    }
}

impl fmt::Display for BuildpackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "hoist/{name}"),
            Self::Registered(name) => name.fmt(f),
            Self::At(place) => place.fmt(f),
            Self::InApp(path) => write!(f, "./{path}"),
        }
    }
}

/// `NAMESPACE/NAME`, each of lower-case letters, digits, `-` and `_` and beginning with a letter, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct RegisteredName(String);

impl RegisteredName {
    /// The part before the slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.parts().0
    }

    /// The part behind it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').expect("it was parsed")
    }
}

impl FromStr for RegisteredName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(Self(text.to_owned())),
            _ => Err(Invalid(format!(
                "`{}` is not a buildpack: use the name of a built-in one, such as hoist/nodejs, NAMESPACE/NAME of a registered one, \
                 the URL of a git repository (with #REVISION, if you like) or of a .tgz, or ./path for one inside the app",
                text.escape_debug()
            ))),
        }
    }
}

impl TryFrom<String> for RegisteredName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl fmt::Display for RegisteredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    text.len() <= MAX_NAME && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(allowed)
}

/// Which state of a buildpack it is: of a repository a commit, of anything else the digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildpackVersion {
    Commit(CommitId),
    Digest(Digest),
}

impl FromStr for BuildpackVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self::Commit).or_else(|_| text.parse().map(Self::Digest))
    }
}

impl fmt::Display for BuildpackVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit) => commit.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A buildpack that a build was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedBuildpack {
    pub buildpack: BuildpackRef,
    /// None for a folder of the app, whose commit tells it.
    pub version: Option<BuildpackVersion>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BuildpackRef, Invalid> {
        text.parse()
    }

    #[test]
    fn builtin_packs_have_two_spellings() {
        for text in ["nodejs", "hoist/nodejs", "urn:buildpack:hoist/nodejs"] {
            assert_eq!(parse(text), Ok(BuildpackRef::Builtin("nodejs".into())), "{text}");
        }
    }

    #[test]
    fn other_names_have_a_namespace() {
        for text in ["heroku/nodejs", "urn:buildpack:heroku/nodejs"] {
            let Ok(BuildpackRef::Registered(name)) = parse(text) else { panic!("{text}") };
            assert_eq!((name.namespace(), name.name(), name.to_string().as_str()), ("heroku", "nodejs", "heroku/nodejs"));
        }
        for bad in ["", "a/", "/a", "a/b/c", "A/b", "a/1", "-a/b", &format!("a/{}", "b".repeat(65))] {
            assert!(parse(bad).unwrap_err().to_string().contains("is not a buildpack"), "{bad}");
        }
    }

    #[test]
    fn urls_are_told_from_names() {
        let told = |text: &str| match parse(text) {
            Ok(BuildpackRef::At(place)) => place.to_string(),
            other => panic!("{other:?}"),
        };
        for text in ["https://h/o/pack", "https://h/pack.tgz", "git@h:o/pack.git#v1", "ssh://git@h/pack#0123abc"] {
            assert_eq!(told(text), text);
        }
        for bad in ["git://h/o/pack", "https://me:sesame@h/pack.git", "https://h", "https://h/pack.git#-x", "file:///pack.tgz"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_stay_inside_the_app() {
        assert_eq!(parse("./packs/mine"), Ok(BuildpackRef::InApp("packs/mine".into())));
        for bad in ["./", "./../x", "./a/../b", "./a//b", "/etc", "../x", "--flag", "a b", "UPPER"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_commits_or_digests() {
        for text in ["1".repeat(40), format!("sha256:{}", "2".repeat(64))] {
            assert_eq!(text.parse::<BuildpackVersion>().unwrap().to_string(), text);
        }
        assert!("main".parse::<BuildpackVersion>().is_err());
    }
}
