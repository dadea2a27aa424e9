//! Where a buildpack is that has to be fetched.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::model::{Invalid, RemoteUrl, Revision};

/// Signed URLs of object stores are long.
const MAX_URL: usize = 8 * 1024;

/// A buildpack's place on another server.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum BuildpackPlace {
    /// What a repository has at a revision, or on its default branch.
    Git {
        url: RemoteUrl,
        at: Option<Revision>,
    },
    Archive(ArchiveUrl),
}

impl BuildpackPlace {
    /// Whether a text is meant to be one, rather than a name.
    pub(super) fn is_meant_by(text: &str) -> bool {
        text.contains("://") || text.contains('@')
    }

    /// The place without what may be a signature: for logs.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Git { .. } => self.to_string(),
            Self::Archive(url) => url.shown().to_owned(),
        }
    }
}

impl FromStr for BuildpackPlace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if ArchiveUrl::is_meant_by(text) {
            return text.parse().map(Self::Archive);
        }
        match text.split_once('#') {
            Some((url, at)) => Ok(Self::Git { url: url.parse()?, at: Some(at.parse()?) }),
            None => Ok(Self::Git { url: text.parse()?, at: None }),
        }
    }
}

impl TryFrom<String> for BuildpackPlace {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl fmt::Display for BuildpackPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git { url, at: Some(at) } => write!(f, "{url}#{at}"),
            Self::Git { url, at: None } => url.fmt(f),
            Self::Archive(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for BuildpackPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

/// The `http` or `https` URL of a `.tgz` or `.tar.gz`, without a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArchiveUrl(String);

impl ArchiveUrl {
    fn is_meant_by(text: &str) -> bool {
        let path = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let is_http = path.starts_with("https://") || path.starts_with("http://");
        is_http && [".tgz", ".tar.gz"].iter().any(|end| path.ends_with(end))
    }

    /// The URL as it was given. May hold a signature: not for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL without its query.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }
}

impl FromStr for ArchiveUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why: &str| Err(Invalid(format!("the URL of this buildpack's archive can't be used: {why}")));
        let Ok(url) = url::Url::parse(text) else { return refuse("it is malformed") };
        if text.len() > MAX_URL || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return refuse("it is too long, or has a character that does not belong there");
        }
        if url.fragment().is_some() {
            return refuse("an archive has no revisions that a # could name");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it has a user name or password in it, which everybody would see");
        }
        if !url.has_host() || !Self::is_meant_by(url.as_str()) { refuse("it is malformed") } else { Ok(Self(text.to_owned())) }
    }
}

impl fmt::Display for ArchiveUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_repositories_by_their_names() {
        let is_archive = |text: &str| matches!(text.parse(), Ok(BuildpackPlace::Archive(_)));
        for text in ["https://h/pack.tgz", "http://h/a/main.tar.gz?sig=x%2Fy", "https://h/PACK.TGZ"] {
            assert!(is_archive(text), "{text}");
        }
        for text in ["https://h/o/pack", "https://h/o/pack.git#x.tgz", "git@h:o/pack.tgz"] {
            assert!(!is_archive(text) && text.parse::<BuildpackPlace>().is_ok(), "{text}");
        }
        for bad in ["https://h/pack.tgz#v1", "https://me:sesame@h/pack.tgz", "https:///pack.tgz", "https://h/a b.tgz"] {
            let refused = bad.parse::<BuildpackPlace>().unwrap_err().to_string();
            assert!(!refused.contains("sesame"), "{refused}");
        }
    }

    #[test]
    fn signatures_are_not_shown() {
        let place: BuildpackPlace = "https://h/pack.tgz?sig=sesame".parse().unwrap();
        assert_eq!((place.shown().as_str(), format!("{place:?}").as_str()), ("https://h/pack.tgz", "\"https://h/pack.tgz\""));
        assert_eq!(place.to_string(), "https://h/pack.tgz?sig=sesame");
    }
}
