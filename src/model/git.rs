//! Names from git: commits and refs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A full SHA-1 object id in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

impl CommitId {
    /// All 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, as in `Deploy a617a93d`.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl FromStr for CommitId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let good = text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good { Ok(Self(text.to_owned())) } else { Err(Invalid(format!("`{}` is not a full object id", text.escape_debug()))) }
    }
}

impl TryFrom<String> for CommitId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(commit: CommitId) -> Self {
        commit.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A full ref name below `refs/`, by the rules of `git check-ref-format`, at most 1,024 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(String);

impl RefName {
    /// The full name, `refs/heads/main`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without `refs/heads/`, if it is a branch.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
}

impl FromStr for RefName {
    type Err = Invalid;

    /// Source of the rules: git-check-ref-format(1).
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why: &str| Err(Invalid(format!("refusing ref '{}': {why}", text.escape_debug())));
        if text.len() > 1024 {
            return Err(Invalid("refusing a ref name of over 1,024 bytes".into()));
        }
        let Some(rest) = text.strip_prefix("refs/") else {
            return refuse("it is not below refs/");
        };
        if !rest.contains('/') {
            return refuse("a name needs two levels, as in refs/heads/main");
        }
        let forbidden = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
        if text.contains(forbidden) || text.contains("..") || text.contains("@{") {
            return refuse("it has a character that git does not allow");
        }
        #[expect(clippy::case_sensitive_file_extension_comparisons, reason = "git's rule is about these very letters")]
        let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock") || part.ends_with('.');
        if text.split('/').any(bad_part) {
            return refuse("a part of it is empty, starts or ends with a dot or ends in .lock");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells whether pushing to `name` deploys: only `main` and `master` do (conventions 3.2).
#[must_use]
pub fn is_deploy_branch(name: &RefName) -> bool {
    matches!(name.branch(), Some("main" | "master"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_names_follow_check_ref_format() {
        for good in ["refs/heads/main", "refs/tags/v1.0", "refs/heads/feature/a-b_c", "refs/heads/ünï"] {
            assert!(good.parse::<RefName>().is_ok(), "{good}");
        }
        for bad in [
            "HEAD",
            "refs/heads",
            "heads/main",
            "refs/heads/",
            "refs//main",
            "refs/heads/.x",
            "refs/heads/a..b",
            "refs/heads/x.lock",
            "refs/heads/a b",
            "refs/heads/a~1",
            "refs/heads/@{u}",
            "refs/heads/x.",
            "refs/heads/\n",
            "refs/../etc/passwd",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_main_and_master_deploy() {
        let deploys = |name: &str| is_deploy_branch(&name.parse().expect("a good name"));
        assert!(deploys("refs/heads/main") && deploys("refs/heads/master"));
        assert!(!deploys("refs/heads/feature") && !deploys("refs/tags/main") && !deploys("refs/heads/x/main"));
    }
}
