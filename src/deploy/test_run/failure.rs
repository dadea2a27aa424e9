//! Every way in which a test run can end without success, and its words.

use std::time::Duration;

use super::super::Failure;
use super::super::process::ProcessFailure;
use crate::build::BuildError;
use crate::engine::{EngineError, Exit};
use crate::model::{Invalid, Limits, TestRunStatus};
use crate::transcript::warning;

/// Why a run did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TestFailure {
    #[error("app.json can't be used: {0}")]
    AppJson(#[from] Invalid),
    /// A sentence each.
    #[error("app.json can't be used: {}", .0.join(", "))]
    Manifest(Vec<String>),
    /// The source can't be had or compiled, or hoist failed.
    #[error(transparent)]
    Build(#[from] Failure),
    #[error("the test-setup script did not succeed ({})", ProcessFailure::Exit(*.0))]
    Setup(Exit),
    #[error("there are no tests to run")]
    NoTests,
    #[error("the tests did not succeed ({})", ProcessFailure::Exit(*.0))]
    Tests(Exit),
    #[error("{0}")]
    Cancelled(String),
    #[error("hoist was stopped while it ran")]
    Stopped,
}

impl From<BuildError> for TestFailure {
    fn from(error: BuildError) -> Self {
        Self::Build(error.into())
    }
}

impl From<EngineError> for TestFailure {
    fn from(error: EngineError) -> Self {
        Self::Build(error.into())
    }
}

impl TestFailure {
    /// As what it is recorded. Only the tests themselves can fail: all else kept them from being run, as at Heroku.
    pub(super) fn status(&self) -> TestRunStatus {
        match self {
            Self::Tests(_) => TestRunStatus::Failed,
            Self::Cancelled(_) => TestRunStatus::Cancelled,
            _ => TestRunStatus::Errored,
        }
    }

    /// The exit status, as a shell has it, of what ended by itself.
    pub(super) fn exit_code(&self) -> Option<i32> {
        let exit = match self {
            Self::Tests(exit) | Self::Setup(exit) | Self::Build(Failure::Build(BuildError::Compile { exit, .. })) => *exit,
            _ => return None,
        };
        ProcessFailure::Exit(exit).exit_status()
    }

    /// Tells whether it is hoist's own fault. Only these are logged as errors.
    pub(super) fn is_hoists_fault(&self) -> bool {
        matches!(self, Self::Build(failure) if failure.is_hoists_fault())
    }

    /// What happened and what to do, for the end of the output.
    pub(super) fn words(&self, limits: &Limits) -> Vec<String> {
        let process = |what: &str, exit: Exit, time: Duration| ProcessFailure::Exit(exit).words(what, time, limits);
        let lines = match self {
            Self::AppJson(_) => vec![format!("{self}."), "Mend app.json, and run the tests again.".into()],
            Self::Manifest(errors) => {
                let mut lines = vec!["app.json can't be used:".to_owned()];
                lines.extend(errors.iter().map(|error| format!("{error}.")));
                lines.push("Set config vars for tests with `hoist ci:config:set`, or mend app.json.".into());
                lines
            }
            Self::Build(failure) if failure.is_hoists_fault() => vec![
                format!("The tests could not be run: {failure}."),
                "This is hoist's fault, not yours. Please run them again.".into(),
            ],
            Self::Build(Failure::Build(BuildError::Compile { language, exit: Exit::Code(_) | Exit::Signal(_) })) => {
                vec![format!("Failed to compile {language} app for its tests.")]
            }
            Self::Build(failure) => return failure.reason(limits),
            Self::Setup(exit) => return process("The test-setup script", *exit, limits.test_time),
            Self::NoTests => vec![
                "There are no tests to run: the buildpack has no bin/test.".into(),
                "Say what runs them in app.json: {\"environments\": {\"test\": {\"scripts\": {\"test\": \"COMMAND\"}}}}.".into(),
            ],
            // They have said so themselves.
            Self::Tests(Exit::Code(_)) => Vec::new(),
            Self::Tests(exit) => return process("The test command", *exit, limits.test_time),
            Self::Cancelled(why) => vec![format!("The test run was cancelled: {why}")],
            Self::Stopped => vec!["The test run was ended, because hoist was stopped.".into()],
        };
        lines.iter().map(|line| warning(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_fail_and_all_else_keeps_them_from_running() {
        let compile = |exit| TestFailure::from(BuildError::Compile { language: "Ruby".into(), exit });
        let check = |failure: TestFailure, status: TestRunStatus, code: Option<i32>| {
            assert_eq!((failure.status(), failure.exit_code()), (status, code), "{failure}");
        };
        check(TestFailure::Tests(Exit::Code(3)), TestRunStatus::Failed, Some(3));
        check(TestFailure::Tests(Exit::Signal(9)), TestRunStatus::Failed, Some(137));
        check(TestFailure::Tests(Exit::TimedOut), TestRunStatus::Failed, None);
        check(TestFailure::Setup(Exit::Code(2)), TestRunStatus::Errored, Some(2));
        check(compile(Exit::Code(1)), TestRunStatus::Errored, Some(1));
        check(TestFailure::NoTests, TestRunStatus::Errored, None);
        check(TestFailure::Cancelled("enough".into()), TestRunStatus::Cancelled, None);
        assert_eq!(compile(Exit::Code(1)).words(&Limits::default()), [" !     Failed to compile Ruby app for its tests."]);
        assert!(TestFailure::Tests(Exit::Code(1)).words(&Limits::default()).is_empty());
        let timed_out = TestFailure::Tests(Exit::TimedOut).words(&Limits::default());
        assert_eq!(timed_out, [" !     The test command timed out (1 hour)."]);
    }
}
