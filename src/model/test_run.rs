//! Test runs: an app's tests, run in an environment of their own for a pipeline.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use super::{AccountId, Invalid, OneLine, PipelineId, SourceVersion, TestRunId};

/// How far a test run is, in Heroku's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestRunStatus {
    /// It waits for a place to run.
    Pending,
    /// Its environment is being made.
    Creating,
    /// The app is being compiled for its tests.
    Building,
    /// The tests run.
    Running,
    Succeeded,
    /// The tests have run, and said no.
    Failed,
    /// The tests could not be run, by whoever's fault.
    Errored,
    Cancelled,
}

impl TestRunStatus {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Creating => "creating",
            Self::Building => "building",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::Cancelled => "cancelled",
        }
    }

    /// Tells whether nothing comes after it.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Errored | Self::Cancelled)
    }
}

impl FromStr for TestRunStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [
            Self::Pending,
            Self::Creating,
            Self::Building,
            Self::Running,
            Self::Succeeded,
            Self::Failed,
            Self::Errored,
            Self::Cancelled,
        ];
        let refuse = || Invalid(format!("`{}` is not a test run's status", text.escape_debug()));
        all.into_iter().find(|status| status.as_str() == text).ok_or_else(refuse)
    }
}

/// A test run as the database knows it.
#[derive(Debug, Clone)]
pub struct TestRun {
    pub id: TestRunId,
    pub pipeline: PipelineId,
    /// Counts the pipeline's runs.
    pub number: u32,
    pub by: AccountId,
    pub branch: OneLine,
    /// What is tested, as its author calls it: a commit.
    pub commit: SourceVersion,
    /// The first line of the commit's message.
    pub message: String,
    pub source_url: String,
    pub created_at: OffsetDateTime,
    pub end: Option<TestRunEnd>,
}

/// How a test run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRunEnd {
    pub status: TestRunStatus,
    /// Of the tests, or of what was to prepare them; none when hoist ended the run.
    pub exit_code: Option<i32>,
    /// Why it did not succeed, in one line.
    pub message: Option<String>,
    /// How far it was, if it could not run the tests.
    pub error_status: Option<TestRunStatus>,
    pub at: OffsetDateTime,
}

/// The two outputs of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestLog {
    /// Of what prepares the tests.
    Setup,
    /// Of the tests.
    Output,
}

impl TestLog {
    /// The word used in addresses and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for TestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TestLog {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Setup, Self::Output];
        let refuse = || Invalid(format!("`{}` is not an output of a test run", text.escape_debug()));
        all.into_iter().find(|log| log.as_str() == text).ok_or_else(refuse)
    }
}
