//! Names on forges: of repositories and of branches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::super::{Invalid, RefName};

/// A repository's name with its owner, `octocat/hello-world`; GitLab's groups nest, `group/subgroup/project`.
///
/// Forges do not tell upper case from lower: nor does the comparison of two of these.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FullName(String);

impl FullName {
    /// The longest that a forge allows: GitLab's paths, in bytes.
    const MAX_BYTES: usize = 255;

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for FullName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for FullName {}

impl FromStr for FullName {
    type Err = Invalid;

    /// The rule is what GitHub, GitLab, Gitea and Forgejo have in common; what passes may stand in an address as it is.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let good_part = |part: &str| !part.is_empty() && !part.starts_with(['-', '.']) && part.chars().all(allowed);
        // A part such as `.github` is a repository's name on GitHub.
        let good_last = |part: &str| !part.trim_matches('.').is_empty() && good_part(part.trim_start_matches('.'));
        let good = match text.rsplit_once('/') {
            Some((owners, name)) => owners.split('/').all(good_part) && good_last(name) && !has_git_suffix(name),
            None => false,
        };
        if good && text.len() <= Self::MAX_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            let found = text.chars().take(100).collect::<String>();
            Err(Invalid(format!(
                "`{}` is not a repository: name it as OWNER/NAME, without a host and `.git`.",
                found.escape_debug()
            )))
        }
    }
}

/// Forges keep it for the address of the clone.
fn has_git_suffix(name: &str) -> bool {
    name.len() >= 4 && name.as_bytes()[name.len() - 4..].eq_ignore_ascii_case(b".git")
}

impl TryFrom<String> for FullName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<FullName> for String {
    fn from(name: FullName) -> Self {
        name.0
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository as a forge names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRepository {
    pub full_name: FullName,
    /// The forge's own number of it, which stays when it is renamed or transferred; where the forge says so.
    pub id: Option<i64>,
}

/// A branch's name without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);

impl BranchName {
    /// The name without `refs/heads/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole name of the ref.
    #[must_use]
    pub fn ref_name(&self) -> RefName {
        format!("refs/heads/{}", self.0).parse().expect("it was tried when the branch was named")
    }
}

impl FromStr for BranchName {
    type Err = Invalid;

    /// As [`RefName`], below `refs/heads/`; a name that begins with `-` would be an option to git.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = |_| Invalid(format!("`{}` is not a branch's name.", text.chars().take(100).collect::<String>().escape_debug()));
        if text.starts_with('-') {
            return Err(bad(Invalid(String::new())));
        }
        format!("refs/heads/{text}").parse::<RefName>().map_err(bad)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for BranchName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<BranchName> for String {
    fn from(name: BranchName) -> Self {
        name.0
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_an_owner_and_a_name() {
        for good in ["octocat/Hello-World", "a/b", "octocat/.github", "group/sub/project", "a_b/c.d", "Codertocat/Hello-World.js"]
        {
            assert_eq!(good.parse::<FullName>().unwrap().as_str(), good);
        }
        let long = format!("a/{}", "b".repeat(254));
        for bad in [
            "", "a", "/b", "a/", "a//b", "../b", "a/..", "a/.", "a/b.git", "a/b.GIT", "a/b c", "-a/b", "a/-b", "a/b?x", "ü/b",
            "a/%2e", &long,
        ] {
            assert!(bad.parse::<FullName>().is_err(), "{bad}");
        }
        assert_eq!("A/b".parse::<FullName>(), "a/B".parse::<FullName>());
    }

    #[test]
    fn branches_are_refs_below_heads() {
        for good in ["main", "feature/x", "v1.2"] {
            assert_eq!(good.parse::<BranchName>().unwrap().ref_name().branch(), Some(good));
        }
        for bad in ["", "a..b", "-x", "a b", "a.lock", "/a", "a\n", &"x".repeat(2000)] {
            assert!(bad.parse::<BranchName>().is_err(), "{bad}");
        }
    }
}
