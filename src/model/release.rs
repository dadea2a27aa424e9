//! What is built and what is released.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    AccountId, AppId, ArtifactId, AttachedAddon, BuildId, CommitId, Digest, Invalid, OciImageId, ProcessTypes, ReleaseId, SlugId,
    StackName,
};

/// A release's number: 1, 2, 3, … without gaps; written `v3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReleaseVersion(pub u32);

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl FromStr for ReleaseVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = text.strip_prefix('v').unwrap_or(text).parse().ok().filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| Invalid(format!("`{}` is not a release version such as v3", text.escape_debug())))
    }
}

/// Where a release stands (conventions 3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseStatus {
    Pending,
    Succeeded,
    Failed,
    Expired,
}

impl ReleaseStatus {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

impl FromStr for ReleaseStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "pending" => Ok(Self::Pending),
            "succeeded" => Ok(Self::Succeeded),
            "failed" => Ok(Self::Failed),
            "expired" => Ok(Self::Expired),
            _ => Err(Invalid(format!("`{text}` is not a release status"))),
        }
    }
}

/// Where a build stands. A build ends in exactly one of the last three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildStatus {
    Pending,
    Succeeded,
    Failed,
    Cancelled,
}

impl BuildStatus {
    /// The word used in the database. The API knows no `cancelled` and shows it as `failed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for BuildStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "pending" => Ok(Self::Pending),
            "succeeded" => Ok(Self::Succeeded),
            "failed" => Ok(Self::Failed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(Invalid(format!("`{text}` is not a build status"))),
        }
    }
}

/// A packed app: what a build leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug {
    pub id: SlugId,
    pub app: AppId,
    /// Digest of the compressed archive, under which the blob store keeps it.
    pub digest: Digest,
    /// Digest of the archive before compression: equal for equal content whatever compressed it (OCI's diff id).
    pub content_digest: Digest,
    /// Size of the compressed archive.
    pub size_bytes: u64,
    pub stack: StackName,
    /// Digest of the stack's build root file system.
    pub stack_digest: Digest,
    pub commit: Option<CommitId>,
    pub process_types: ProcessTypes,
    /// What the last buildpack's `bin/detect` printed.
    pub language: Option<String>,
    pub created_at: OffsetDateTime,
}

impl Slug {
    /// What is to be run before a release of this slug becomes current (conventions 3.4).
    #[must_use]
    pub fn release_command(&self) -> Option<&str> {
        self.process_types.iter().find(|(name, _)| name.is_release()).map(|(_, command)| command.as_str())
    }
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub id: ReleaseId,
    pub app: AppId,
    pub version: ReleaseVersion,
    pub description: String,
    pub by: AccountId,
    /// It has a slug, or an image, or neither.
    pub slug: Option<SlugId>,
    pub oci_image: Option<OciImageId>,
    pub build: Option<BuildId>,
    pub commit: Option<CommitId>,
    /// The add-ons that were attached to the app.
    pub addons: Vec<AttachedAddon>,
    pub status: ReleaseStatus,
    /// Tells whether this is the release that runs: the newest succeeded one.
    pub current: bool,
    /// Why nobody may go back to it, if somebody said so.
    pub blocked: Option<String>,
    /// SHA-256 over this row and the hash of the one before.
    pub hash: Digest,
    pub created_at: OffsetDateTime,
    /// When it got its status.
    pub updated_at: OffsetDateTime,
    /// Tells whether it had to wait for a release command, which has output then.
    pub has_command: bool,
}

/// Why an app can't be rolled back to a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollbackRefusal {
    Current,
    Blocked {
        reason: String,
    },
    Pending,
    Failed,
    Expired,
    NoCode,
    /// Other add-ons were attached then; `difference` says which.
    Addons {
        difference: String,
    },
}

impl Release {
    /// The slug or the image that it runs; `None` when there is no code in it.
    #[must_use]
    pub fn artifact(&self) -> Option<ArtifactId> {
        self.slug.map(ArtifactId::Slug).or(self.oci_image.map(ArtifactId::OciImage))
    }

    /// Says why the app can't be rolled back to this release; `None` when it can.
    #[must_use]
    pub fn rollback_refusal(&self) -> Option<RollbackRefusal> {
        match (self.status, &self.blocked) {
            _ if self.current => Some(RollbackRefusal::Current),
            (_, Some(reason)) => Some(RollbackRefusal::Blocked { reason: reason.clone() }),
            (ReleaseStatus::Pending, _) => Some(RollbackRefusal::Pending),
            (ReleaseStatus::Failed, _) => Some(RollbackRefusal::Failed),
            (ReleaseStatus::Expired, _) => Some(RollbackRefusal::Expired),
            (ReleaseStatus::Succeeded, _) if self.artifact().is_none() => Some(RollbackRefusal::NoCode),
            (ReleaseStatus::Succeeded, _) => None,
        }
    }

    /// What the API says of it. The current release counts, blocked or not, if there is code in it: the Heroku CLI takes
    /// the second eligible release for the one before the current one (heroku-api 3.8).
    #[must_use]
    pub fn eligible_for_rollback(&self) -> bool {
        if self.current { self.artifact().is_some() } else { self.rollback_refusal().is_none() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_with_and_without_v() {
        assert_eq!("v12".parse(), Ok(ReleaseVersion(12)));
        assert_eq!("12".parse(), Ok(ReleaseVersion(12)));
        for bad in ["", "v", "v0", "-1", "vv1", "v1.0", "v99999999999"] {
            assert!(bad.parse::<ReleaseVersion>().is_err(), "{bad}");
        }
    }
}
