//! What a pipeline's review apps are like.

use std::str::FromStr;

use time::OffsetDateTime;

use super::{AccountId, AppName, Invalid, PipelineId};

/// What becomes of pull requests from other repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forks {
    /// They get no review app by themselves; whoever may deploy can make one, without the pipeline's config vars.
    Refused,
    /// Their review apps get none of the pipeline's config vars.
    WithoutConfigVars,
    /// As those of the repository itself: whoever opens a pull request can read the config vars.
    WithConfigVars,
}

impl Forks {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::WithoutConfigVars => "without_config_vars",
            Self::WithConfigVars => "with_config_vars",
        }
    }
}

impl FromStr for Forks {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Refused, Self::WithoutConfigVars, Self::WithConfigVars];
        all.into_iter().find(|forks| forks.as_str() == text).ok_or_else(|| {
            let known = all.map(Self::as_str).join(", ");
            Invalid(format!("`{}` is no way to treat forks: use one of {known}", text.escape_debug()))
        })
    }
}

/// What the names of review apps begin with. Short enough for what follows: `-pr-12345`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseName(String);

impl BaseName {
    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BaseName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_short = text.len() <= 20;
        match text.parse::<AppName>() {
            Ok(name) if is_short => Ok(Self(name.to_string())),
            _ => Err(Invalid(format!(
                "`{}` is not a base name: it starts with a letter, ends with a letter or digit and has 3 to 20 lowercase letters, \
                 digits and dashes",
                text.escape_debug()
            ))),
        }
    }
}

/// How long a review app may go without a deployment, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleDays(u32);

impl StaleDays {
    /// What counts where nothing is said, as at Heroku.
    pub const DEFAULT: Self = Self(5);

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for StaleDays {
    type Error = Invalid;

    fn try_from(days: i64) -> Result<Self, Invalid> {
        let fits = |days: &u32| (1..=365).contains(days);
        let refuse = || Invalid(format!("`stale_days` is {days}: it must be from 1 to 365"));
        u32::try_from(days).ok().filter(fits).map(Self).ok_or_else(refuse)
    }
}

/// What a pipeline's review apps are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewAppConfig {
    pub pipeline: PipelineId,
    /// Who has enabled them: in whose name those are made that nobody asks for.
    pub by: AccountId,
    /// Whether each pull request gets one.
    pub automatic: bool,
    pub destroy_stale: bool,
    pub stale_days: StaleDays,
    pub wait_for_ci: bool,
    pub base_name: Option<BaseName>,
    pub forks: Forks,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_names_leave_room() {
        assert!("a23456789012345678901".parse::<BaseName>().is_err());
        assert!("ab".parse::<BaseName>().is_err() && "Shop".parse::<BaseName>().is_err());
        assert_eq!("shop".parse::<BaseName>().unwrap().as_str(), "shop");
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for forks in [Forks::Refused, Forks::WithoutConfigVars, Forks::WithConfigVars] {
            assert_eq!(forks.as_str().parse(), Ok(forks));
        }
        assert!("never".parse::<Forks>().unwrap_err().0.contains("refused, without_config_vars, with_config_vars"));
        assert_eq!([0, 366, -1].map(|days| StaleDays::try_from(days).is_err()), [true; 3]);
    }
}
