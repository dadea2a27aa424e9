//! What is told outside: to the repository that a build came from, and to who asked to be notified of releases.

use serde::{Deserialize, Serialize};

use super::{BuildId, CommitId, ConnectionId, NotificationId, ReleaseId, ReleaseStatus, ReleaseVersion};

/// Where a build came from, and is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOrigin {
    pub connection: ConnectionId,
    pub commit: CommitId,
    /// The number of the pull request whose review app is built.
    pub pull_request: Option<u64>,
}

/// Something that is to be told, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Telling {
    Build(BuildTelling),
    Release(ReleaseTelling),
}

/// To a repository, what has become of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildTelling {
    pub build: BuildId,
    pub form: Form,
    pub progress: Progress,
}

/// To who asked for it, how a release has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseTelling {
    pub notification: NotificationId,
    pub release: ReleaseId,
    pub status: ReleaseStatus,
}

/// As what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A status of the commit.
    Status,
    /// A deployment of the commit, with its status.
    Deployment,
    /// The one comment on the pull request.
    Comment,
}

impl Form {
    /// The word used in the database, for many.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "statuses",
            Self::Deployment => "deployments",
            Self::Comment => "comments",
        }
    }
}

/// How far it has come with a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    Building,
    BuildFailed,
    BuildCancelled,
    /// The release command runs, or waits for its turn.
    Releasing(ReleaseVersion),
    Deployed(ReleaseVersion),
    ReleaseFailed(ReleaseVersion),
    /// A newer release came first.
    Expired(ReleaseVersion),
    /// The app is gone.
    Destroyed,
}

impl Telling {
    /// Differs from that of anything else that is told.
    #[must_use]
    pub fn key(&self) -> String {
        serde_json::to_string(self).expect("a telling is JSON")
    }
}

impl Progress {
    /// In one line, as statuses show it.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Building => "Build in progress".into(),
            Self::BuildFailed => "Build failed".into(),
            Self::BuildCancelled => "Build cancelled".into(),
            Self::Releasing(version) => format!("Running the release command of {version}"),
            Self::Deployed(version) => format!("Deployed {version}"),
            Self::ReleaseFailed(version) => format!("The release command of {version} failed"),
            Self::Expired(version) => format!("{version} was overtaken by another release"),
            Self::Destroyed => "The app was destroyed".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_a_key_of_its_own() {
        let build = BuildId::new();
        let keys = [Progress::Building, Progress::Deployed(ReleaseVersion(1)), Progress::Deployed(ReleaseVersion(2))]
            .map(|progress| Telling::Build(BuildTelling { build, form: Form::Status, progress }).key());
        assert!(keys[0] != keys[1] && keys[1] != keys[2]);
        let read: Telling = serde_json::from_str(&keys[2]).unwrap();
        assert_eq!(read.key(), keys[2]);
        let comment = BuildTelling { build, form: Form::Comment, progress: Progress::Deployed(ReleaseVersion(2)) };
        assert_eq!(comment.progress.words(), "Deployed v2");
        assert_ne!(Telling::Build(comment).key(), keys[2]);
    }
}
