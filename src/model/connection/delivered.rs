//! What a forge tells of a repository, whichever forge it is: as much of a delivery as hoist acts on.

use serde::{Deserialize, Serialize};

use super::super::CommitId;
use super::{BranchName, FullName};

/// What was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Delivered {
    /// The forge tries whether somebody listens.
    Ping,
    Push(Push),
    /// The branch is gone.
    Deletion {
        branch: BranchName,
    },
    /// A status or a check of the commit may have changed.
    Ci {
        commit: CommitId,
    },
    PullRequest(PullRequest),
    /// The GitHub App may no longer read the repository.
    Uninstalled,
    /// Nothing that hoist acts on.
    Other,
}

impl Delivered {
    /// The word used in the database.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Push(_) => "push",
            Self::Deletion { .. } => "deletion",
            Self::Ci { .. } => "ci",
            Self::PullRequest(_) => "pull_request",
            Self::Uninstalled => "uninstalled",
            Self::Other => "other",
        }
    }

    /// Tells whether there may be code to be run.
    #[must_use]
    pub fn brings_code(&self) -> bool {
        match self {
            Self::Push(_) => true,
            Self::PullRequest(pull_request) => pull_request.action != PullRequestAction::Closed,
            _ => false,
        }
    }
}

/// Commits were pushed to a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    pub branch: BranchName,
    /// Where the branch stood; none when the push has made it.
    pub before: Option<CommitId>,
    /// Where it stands now.
    pub after: CommitId,
    /// When it was pushed, in Unix seconds, where the forge says so.
    pub pushed_at: Option<i64>,
}

/// Where a push stands to those of the same branch that were told of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOrder {
    /// After all of them.
    Next,
    /// A later one was told of already.
    Overtaken,
    /// It can't be known: some were not told of yet, or never will be.
    Unclear,
}

/// A pull request, or a merge request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    pub action: PullRequestAction,
    /// As people on the forge know it.
    pub number: u64,
    pub title: String,
    /// What is to be merged.
    pub branch: BranchName,
    pub commit: CommitId,
    /// Where it comes from: a fork if this is another repository than the one that tells. None when the fork is gone.
    pub from: Option<FullName>,
    /// The forge's own number of that repository, which stays when it is renamed.
    pub from_id: Option<u64>,
    /// Where it is to be merged into.
    pub base: BranchName,
    /// The forge's name for whoever opened it.
    pub author: String,
    /// When it was like this, in Unix seconds: deliveries may overtake each other.
    pub updated_at: i64,
}

/// What has happened to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestAction {
    Opened,
    Reopened,
    /// There are new commits.
    Updated,
    /// Merged or not.
    Closed,
    Other,
}
