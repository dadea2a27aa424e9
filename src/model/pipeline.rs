//! Pipelines: apps that carry the same code at different stages.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use super::{AccountId, AppId, CouplingId, Invalid, PipelineId, PromotionId, PromotionTargetId, ReleaseId, ReleaseStatus};

/// A name as Heroku allows it: 3 to 30 lower-case letters, digits and dashes, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipelineName(String);

impl PipelineName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PipelineName {
    type Err = Invalid;

    /// Source of the rule: the schema's `^[a-z][a-z0-9-]{2,29}$`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (3..=30).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid(
                "Name must start with a letter and can only contain lowercase letters, digits, and dashes (3 to 30 characters)."
                    .into(),
            ))
        }
    }
}

impl fmt::Display for PipelineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an app stands in its pipeline. The order is that of promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Test,
    Review,
    Development,
    Staging,
    Production,
}

impl Stage {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Review => "review",
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// Where what runs here is promoted to.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Review | Self::Development => Some(Self::Staging),
            Self::Staging => Some(Self::Production),
            Self::Test | Self::Production => None,
        }
    }
}

impl FromStr for Stage {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Test, Self::Review, Self::Development, Self::Staging, Self::Production];
        let refuse = || {
            let known = all.map(Self::as_str).join(", ");
            Invalid(format!("`{}` is not a stage: use one of {known}", text.escape_debug()))
        };
        all.into_iter().find(|stage| stage.as_str() == text).ok_or_else(refuse)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pipeline as the database knows it.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub id: PipelineId,
    pub name: PipelineName,
    pub owner: AccountId,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// An app's place in a pipeline.
#[derive(Debug, Clone)]
pub struct Coupling {
    pub id: CouplingId,
    pub app: AppId,
    pub pipeline: PipelineId,
    pub stage: Stage,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// One release's way to other apps.
#[derive(Debug, Clone)]
pub struct Promotion {
    pub id: PromotionId,
    pub pipeline: PipelineId,
    pub by: AccountId,
    pub source_app: AppId,
    pub source_release: ReleaseId,
    pub created_at: OffsetDateTime,
}

/// One app of a promotion.
#[derive(Debug, Clone)]
pub struct PromotionTarget {
    pub id: PromotionTargetId,
    pub app: AppId,
    pub outcome: PromotionOutcome,
}

/// What has become of a promotion in one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromotionOutcome {
    /// Released, but the release's command has not ended.
    Pending(ReleaseId),
    Succeeded(ReleaseId),
    /// There is no release, or one that has not become current.
    Failed {
        release: Option<ReleaseId>,
        why: String,
    },
}

impl PromotionOutcome {
    /// What a release with this status, for this reason, means to the promotion that made it.
    #[must_use]
    pub fn of_release(release: ReleaseId, status: ReleaseStatus, reason: Option<String>) -> Self {
        let what = match status {
            ReleaseStatus::Pending => return Self::Pending(release),
            ReleaseStatus::Succeeded => return Self::Succeeded(release),
            ReleaseStatus::Failed => "The release command did not succeed",
            ReleaseStatus::Expired => "The release has expired",
        };
        let why = reason.map_or_else(|| format!("{what}."), |reason| format!("{what}: {reason}."));
        Self::Failed { release: Some(release), why }
    }

    /// The release that was made, if any.
    #[must_use]
    pub fn release(&self) -> Option<ReleaseId> {
        match self {
            Self::Pending(release) | Self::Succeeded(release) => Some(*release),
            Self::Failed { release, .. } => *release,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_stages_are_herokus() {
        for bad in ["", "ab", "1abc", "Abc", "a_b", &"a".repeat(31)] {
            assert!(bad.parse::<PipelineName>().is_err(), "{bad}");
        }
        assert!("my-pipe-2".parse::<PipelineName>().is_ok());
        assert_eq!("staging".parse(), Ok(Stage::Staging));
        assert!("Staging".parse::<Stage>().is_err());
    }

    #[test]
    fn a_promotion_has_failed_where_its_release_is_not_current() {
        let id = ReleaseId::new();
        let of = |status, reason: Option<&str>| PromotionOutcome::of_release(id, status, reason.map(str::to_owned));
        assert_eq!(of(ReleaseStatus::Pending, None), PromotionOutcome::Pending(id));
        assert_eq!(of(ReleaseStatus::Succeeded, None), PromotionOutcome::Succeeded(id));
        let failed = |why: &str| PromotionOutcome::Failed { release: Some(id), why: why.into() };
        assert_eq!(
            of(ReleaseStatus::Expired, Some("v5 was released meanwhile")),
            failed("The release has expired: v5 was released meanwhile.")
        );
        assert_eq!(of(ReleaseStatus::Failed, None), failed("The release command did not succeed."));
    }

    #[test]
    fn production_is_the_last_stage() {
        assert_eq!(Stage::Development.next(), Some(Stage::Staging));
        assert_eq!(Stage::Staging.next(), Some(Stage::Production));
        assert_eq!(Stage::Production.next(), None);
    }
}
