//! Review apps: short-lived apps of a pipeline's pull requests and branches.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use super::{
    AccountId, AppId, AppName, AppSetupId, BaseName, BranchName, CommitId, Digest, FullName, Invalid, PipelineId, PipelineName,
    PullRequest, ReviewAppConfig, ReviewAppId, SourceVersion,
};

/// How far a review app is, in Heroku's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewAppStatus {
    /// It waits for its turn, or for CI.
    Pending,
    /// Its app is being set up.
    Creating,
    Created,
    /// Its app is about to go.
    Deleting,
    Deleted,
    /// Its app could not be set up.
    Errored,
}

impl ReviewAppStatus {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Errored => "errored",
        }
    }
}

impl FromStr for ReviewAppStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Pending, Self::Creating, Self::Created, Self::Deleting, Self::Deleted, Self::Errored];
        let refuse = || Invalid(format!("`{}` is not a review app's status", text.escape_debug()));
        all.into_iter().find(|status| status.as_str() == text).ok_or_else(refuse)
    }
}

/// Where a review app's code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewSource {
    /// A commit of the pipeline's repository; none for what its branch is at when it is asked.
    Repository(Option<CommitId>),
    /// An archive at a URL; in the store if it was uploaded.
    Archive { url: String, digest: Option<Digest>, version: Option<SourceVersion> },
}

/// A review app as the database knows it, without the config vars that were asked for with it.
#[derive(Debug, Clone)]
pub struct ReviewApp {
    pub id: ReviewAppId,
    pub pipeline: PipelineId,
    pub by: AccountId,
    pub branch: BranchName,
    pub pull_request: Option<u64>,
    /// Where the branch is, if not in the pipeline's own repository.
    pub fork: Option<Fork>,
    pub status: ReviewAppStatus,
    /// What is wanted.
    pub source: ReviewSource,
    /// What was deployed last, with or without success.
    pub deployed_commit: Option<CommitId>,
    pub wait_for_ci: bool,
    pub app: Option<AppId>,
    pub setup: Option<AppSetupId>,
    /// The command that is run before its app is destroyed.
    pub predestroy: Option<String>,
    pub message: Option<String>,
    pub error_status: Option<String>,
    /// How often in a row what is to be done could not be, by nobody's fault in the code.
    pub attempts: u32,
    /// When something is to be done; none when nothing is.
    pub next_attempt_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl ReviewApp {
    /// A new one of the pipeline's own repository, without a pull request, in the name of whoever has enabled review apps.
    #[must_use]
    pub fn new(config: &ReviewAppConfig, branch: BranchName, source: ReviewSource, at: OffsetDateTime) -> Self {
        Self {
            id: ReviewAppId::new(),
            pipeline: config.pipeline,
            by: config.by,
            branch,
            pull_request: None,
            fork: None,
            status: ReviewAppStatus::Pending,
            source,
            deployed_commit: None,
            wait_for_ci: config.wait_for_ci,
            app: None,
            setup: None,
            predestroy: None,
            message: None,
            error_status: None,
            attempts: 0,
            next_attempt_at: Some(at),
            created_at: at,
            updated_at: at,
        }
    }

    /// Tells whether something else is wanted than was deployed.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        matches!(&self.source, ReviewSource::Repository(Some(wanted)) if Some(wanted) != self.deployed_commit.as_ref())
    }
}

/// The repository that a review app's branch is in, where that is not the pipeline's own: as pull requests name it, or by the
/// number that Heroku's API knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fork {
    Named(FullName),
    Numbered(i64),
}

impl Fork {
    /// The one that a pull request comes from: by its number, if the forge says that, which outlives its name.
    #[must_use]
    pub fn of(pull_request: &PullRequest, from: &FullName) -> Self {
        let number = pull_request.from_id.and_then(|number| i64::try_from(number).ok());
        number.map_or_else(|| Self::Named(from.clone()), Self::Numbered)
    }
}

impl FromStr for Fork {
    type Err = Invalid;

    /// A name has a slash, so that none is a number.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self::Numbered).or_else(|_| text.parse().map(Self::Named))
    }
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Numbered(number) => number.fmt(f),
        }
    }
}

/// The name of a review app: predictable with a base name (`BASE-pr-7`, `BASE-br-BRANCH`), else unique by `random`, six
/// letters and digits. Source of the rule: Dev Center, "Review Apps", URL patterns.
#[must_use]
pub fn review_app_name(
    base: Option<&BaseName>,
    pipeline: &PipelineName,
    pull_request: Option<u64>,
    branch: &BranchName,
    random: &str,
) -> AppName {
    let branch = host_label(branch.as_str());
    let name = match (base, pull_request) {
        (Some(base), Some(number)) => format!("{}-pr-{number}", base.as_str()),
        (Some(base), None) => format!("{}-br-{branch}", base.as_str()),
        (None, _) => format!("{}-{}-{random}", cut(pipeline.as_str(), 12), cut(&branch, 10)),
    };
    cut(&name, 30).parse().expect("a letter first, then letters, digits and dashes, none at the end")
}

/// Letters, digits and dashes, as many as there are: `feature/X_1` is `feature-x-1`.
fn host_label(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let label = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    if label.is_empty() { "branch".into() } else { label }
}

fn cut(text: &str, most: usize) -> &str {
    text[..text.len().min(most)].trim_end_matches('-')
}

impl fmt::Display for ReviewAppStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(base: Option<&str>, pipeline: &str, pull_request: Option<u64>, branch: &str) -> String {
        let base: Option<BaseName> = base.map(|base| base.parse().unwrap());
        let (pipeline, branch) = (pipeline.parse().unwrap(), branch.parse().unwrap());
        review_app_name(base.as_ref(), &pipeline, pull_request, &branch, "x1y2z3").to_string()
    }

    #[test]
    fn names_are_predictable_with_a_base_name_and_unique_without() {
        assert_eq!(name(Some("shop"), "pipe", Some(12), "main"), "shop-pr-12");
        assert_eq!(name(Some("shop"), "pipe", None, "feature/Big_1"), "shop-br-feature-big-1");
        assert_eq!(name(None, "pipe", Some(12), "fix"), "pipe-fix-x1y2z3");
        assert_eq!(name(None, "a-very-long-pipelines-name", None, "feature/long"), "a-very-long-feature-lo-x1y2z3");
        assert_eq!(name(None, "pipe", None, "ü"), "pipe-branch-x1y2z3");
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        use ReviewAppStatus::{Created, Creating, Deleted, Deleting, Errored, Pending};
        for status in [Pending, Creating, Created, Deleting, Deleted, Errored] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        for fork in ["octocat/shop", "123456"] {
            assert_eq!(fork.parse::<Fork>().unwrap().to_string(), fork);
        }
    }

    proptest! {
        #[test]
        fn any_branch_gives_a_name(branch in "[a-zA-Z0-9_./-]{1,40}", number in any::<Option<u64>>()) {
            if let Ok(branch) = branch.parse::<BranchName>() {
                for base in [None, Some("base-name-of-twenty1".parse().unwrap())] {
                    let name = review_app_name(base.as_ref(), &"pipe".parse().unwrap(), number, &branch, "x1y2z3");
                    prop_assert!(name.as_str().len() <= 30);
                }
            }
        }
    }
}
