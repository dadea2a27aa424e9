//! What people say a state of another server's repository is.

use std::fmt;
use std::str::FromStr;

use super::{CommitId, Invalid, RefName};

/// git's own abbreviations have no fewer digits.
const MIN_ABBREVIATION: usize = 4;

/// Which state of a repository: a branch, a tag, a full ref name, or a commit's id, also abbreviated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(String);

impl Revision {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The refs that it may name, in git's order (gitrevisions(7)): a tag comes before a branch.
    #[must_use]
    pub fn ref_names(&self) -> Vec<RefName> {
        let names = if self.0.starts_with("refs/") {
            vec![self.0.clone()]
        } else {
            vec![format!("refs/tags/{}", self.0), format!("refs/heads/{}", self.0)]
        };
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// The commit, if it is a whole id.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        self.0.to_ascii_lowercase().parse().ok()
    }

    /// The digits, if it may be a commit's abbreviated id.
    #[must_use]
    pub fn abbreviation(&self) -> Option<String> {
        let is_one = (MIN_ABBREVIATION..40).contains(&self.0.len()) && self.0.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| self.0.to_ascii_lowercase())
    }

    /// Whether it is the id of this commit, which never comes to mean another one.
    #[must_use]
    pub fn is_id_of(&self, commit: &CommitId) -> bool {
        self.0.len() >= MIN_ABBREVIATION && commit.as_str().starts_with(&self.0.to_ascii_lowercase())
    }
}

impl FromStr for Revision {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let name = if text.starts_with("refs/") { text.to_owned() } else { format!("refs/heads/{text}") };
        if text.starts_with('-') || name.parse::<RefName>().is_err() {
            return Err(Invalid(format!("`{}` is not a branch, a tag or a commit", text.escape_debug())));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_may_be_several_things() {
        let revision = |text: &str| text.parse::<Revision>().unwrap();
        let names = |text: &str| revision(text).ref_names().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("v1.2"), ["refs/tags/v1.2", "refs/heads/v1.2"]);
        assert_eq!(names("refs/heads/x"), ["refs/heads/x"]);
        assert_eq!(revision("0123ABC").abbreviation().as_deref(), Some("0123abc"));
        assert_eq!((revision("main").abbreviation(), revision("abc").abbreviation()), (None, None));
        let commit: CommitId = "0123abcdef".repeat(4).parse().unwrap();
        assert_eq!(revision(commit.as_str()).commit(), Some(commit.clone()));
        assert!(
            revision("0123abc").is_id_of(&commit) && !revision("0124").is_id_of(&commit) && !revision("main").is_id_of(&commit)
        );
        for bad in ["", "-x", "a b", "a..b", "a~1", "refs/heads", "x.lock"] {
            assert!(bad.parse::<Revision>().is_err(), "{bad}");
        }
    }
}
