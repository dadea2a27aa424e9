//! Repositories on forges that apps and pipelines are connected to.

mod delivered;
mod names;

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use super::{AccountId, AppId, ConnectionId, Invalid, PipelineId, Secret};

pub use delivered::{Delivered, PullRequest, PullRequestAction, Push, PushOrder};
pub use names::{BranchName, FullName, NamedRepository};

/// Which kind of forge a repository is on. A forge may be anybody's own: only GitHub is one place alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    GitHub,
    GitLab,
    Gitea,
    Forgejo,
}

impl Provider {
    /// Every one, in the order in which they are listed to users.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::Gitea, Self::Forgejo];

    /// The word used in the API, in addresses and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
        }
    }

    /// As it calls itself.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
            Self::Forgejo => "Forgejo",
        }
    }

    /// Where it is to be found if nobody says otherwise. Gitea and Forgejo are always somebody's own.
    #[must_use]
    pub fn usual_host(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("github.com"),
            Self::GitLab => Some("gitlab.com"),
            Self::Gitea | Self::Forgejo => None,
        }
    }
}

impl FromStr for Provider {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Invalid(format!("`{}` is not a provider: use one of {known}.", text.escape_debug()))
        })
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is connected to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connected {
    App(AppId),
    /// Its review apps come from the repository's pull requests.
    Pipeline(PipelineId),
}

/// An app's or a pipeline's connection to a repository, without its secrets. Each has one at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub id: ConnectionId,
    pub of: Connected,
    /// In whose name its builds are made.
    pub by: AccountId,
    pub provider: Provider,
    pub full_name: FullName,
    /// Where the repository is fetched from, over HTTPS or SSH.
    pub clone_url: String,
    /// The keys of the SSH host in `clone_url`, as lines of a `known_hosts` file, where they are not those that hoist knows.
    pub known_hosts: Option<String>,
    /// The branch that is deployed.
    pub branch: Option<BranchName>,
    /// Whether a push to the branch is deployed.
    pub auto_deploy: bool,
    /// Whether it is deployed only when all of its commit statuses and check runs are green.
    pub wait_for_ci: bool,
    /// Whether it was shown that the repository may be read by somebody who deploys here. Only then does hoist's GitHub App,
    /// which may read more, act for this connection.
    pub is_proved: bool,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// What a connection's deliveries are proved with, and what lets hoist in at the forge.
#[derive(Debug, Clone)]
pub struct ConnectionSecrets {
    pub webhook_secret: Secret,
    /// For fetching over HTTPS, and for the forge's API.
    pub token: Option<Secret>,
    /// A private key in OpenSSH's form, for fetching over SSH.
    pub deploy_key: Option<Secret>,
}

/// Why something is to be deployed from a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A push was told of.
    Push,
    /// Somebody asked for it.
    Manual,
    /// It is a pull request's, for its review app.
    PullRequest,
}

impl Cause {
    /// The word used in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Manual => "manual",
            Self::PullRequest => "pull_request",
        }
    }
}

impl FromStr for Cause {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Push, Self::Manual, Self::PullRequest];
        all.into_iter().find(|cause| cause.as_str() == text).ok_or_else(|| Invalid(format!("`{text}` is no cause of a deploy")))
    }
}

/// Where a deploy from a repository stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerState {
    /// Its commit is not green yet.
    WaitingForCi,
    /// It is to be fetched and built.
    Ready,
    /// Its build has been accepted, or there will be none.
    Done,
}

impl TriggerState {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WaitingForCi => "waiting_for_ci",
            Self::Ready => "ready",
            Self::Done => "done",
        }
    }
}

impl FromStr for TriggerState {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::WaitingForCi, Self::Ready, Self::Done];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| Invalid(format!("`{text}` is no state of a trigger")))
    }
}

/// What the commit statuses and check runs of a commit say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiState {
    /// One of them has not ended.
    Pending,
    /// All of them have succeeded.
    Green,
    /// One of them has failed.
    Red,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for provider in Provider::ALL {
            assert_eq!(provider.as_str().parse(), Ok(provider));
        }
        assert!("GitHub".parse::<Provider>().unwrap_err().0.ends_with("use one of github, gitlab, gitea, forgejo."));
        for state in [TriggerState::WaitingForCi, TriggerState::Ready, TriggerState::Done] {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for cause in [Cause::Push, Cause::Manual, Cause::PullRequest] {
            assert_eq!(cause.as_str().parse(), Ok(cause));
        }
    }
}
