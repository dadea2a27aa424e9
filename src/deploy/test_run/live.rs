//! The test runs that have been accepted and have not ended. Who waits for one, reads its output or stops it finds it here.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::model::{TapReader, TestCase, TestLog, TestRunId, TestRunStatus};
use crate::transcript::{Follower, Transcript};

/// A line of the output is read for a test case up to this length.
const LONGEST_LINE: usize = 16 * 1024;

/// The runs that have not ended. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct TestRuns(Arc<Mutex<Vec<Arc<LiveRun>>>>);

/// One run that has not ended, or whose outputs are not archived yet.
#[derive(Debug)]
pub(super) struct LiveRun {
    pub(super) id: TestRunId,
    pub(super) cancel: CancellationToken,
    /// Why it was cancelled; nothing when hoist is being stopped.
    pub(super) cancelled: OnceLock<String>,
    status: watch::Sender<TestRunStatus>,
    logs: watch::Sender<Option<Logs>>,
    /// What the tests have said of themselves so far.
    cases: Mutex<TapReader>,
}

/// Where a run's outputs go.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    pub(super) setup: Transcript,
    pub(super) output: Transcript,
}

impl TestRuns {
    /// How far a run is; `None` when it does not run any more.
    #[must_use]
    pub fn status(&self, id: TestRunId) -> Option<TestRunStatus> {
        self.find(id).map(|run| run.status())
    }

    /// Waits until a run's status changes, but no longer than this.
    pub async fn changed(&self, id: TestRunId, patience: Duration) {
        let Some(run) = self.find(id) else { return };
        let (seen, mut status) = (run.status(), run.status.subscribe());
        // Too long is no error, and the sender is in `run`.
        let _ = timeout(patience, status.wait_for(|status| *status != seen)).await;
    }

    /// One of a run's outputs from the first byte; `None` when there is none yet, or it is archived.
    pub(in crate::deploy) fn log(&self, id: TestRunId, log: TestLog) -> Option<Follower> {
        let run = self.find(id)?;
        let logs = run.logs()?;
        Some(logs.of(log).follow())
    }

    /// The test cases of a run that has not ended, so far; `None` when it does not run any more.
    #[must_use]
    pub fn cases(&self, id: TestRunId) -> Option<Vec<TestCase>> {
        self.find(id).map(|run| run.cases())
    }

    pub(super) fn find(&self, id: TestRunId) -> Option<Arc<LiveRun>> {
        self.all().iter().find(|run| run.id == id).cloned()
    }

    pub(super) fn enter(&self, run: &Arc<LiveRun>) {
        self.all().push(Arc::clone(run));
    }

    pub(super) fn leave(&self, run: &LiveRun) {
        self.all().retain(|other| other.id != run.id);
    }

    // Held for look-ups in a small list only, never across an await.
    fn all(&self) -> MutexGuard<'_, Vec<Arc<LiveRun>>> {
        self.0.lock().expect("no holder panics")
    }
}

impl LiveRun {
    pub(super) fn new(id: TestRunId, cancel: CancellationToken) -> Self {
        let (status, logs) = (watch::Sender::new(TestRunStatus::Pending), watch::Sender::default());
        Self { id, cancel, cancelled: OnceLock::new(), status, logs, cases: Mutex::default() }
    }

    pub(super) fn status(&self) -> TestRunStatus {
        *self.status.borrow()
    }

    pub(super) fn set_status(&self, status: TestRunStatus) {
        self.status.send_replace(status);
    }

    /// Waits until the run has ended and been recorded.
    pub(super) async fn ended(&self) {
        // The sender is in `self`.
        let _ = self.status.subscribe().wait_for(|status| status.is_end()).await;
    }

    pub(super) fn logs(&self) -> Option<Logs> {
        self.logs.borrow().clone()
    }

    /// Notes where the outputs go.
    pub(super) fn set_logs(&self, logs: Logs) {
        self.logs.send_replace(Some(logs));
    }

    /// Reads the test cases in the output as they come, to its end. It has been cleared of secrets already.
    pub(super) async fn read_cases(&self) -> std::io::Result<()> {
        let mut output = {
            let mut logs = self.logs.subscribe();
            // The sender is in `self`.
            let logs = logs.wait_for(Option::is_some).await.expect("the sender is in `self`");
            logs.as_ref().expect("it was waited for").output.follow()
        };
        let mut partial = Vec::new();
        while let Some(piece) = output.next().await? {
            partial.extend_from_slice(&piece);
            let whole = partial.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let lines: Vec<u8> = partial.drain(..whole).collect();
            let mut cases = self.reader();
            String::from_utf8_lossy(&lines).lines().for_each(|line| cases.line(line));
            // Nothing that long is a test case.
            if partial.len() > LONGEST_LINE {
                partial.clear();
            }
        }
        // The output always ends with a line's end.
        Ok(())
    }

    pub(super) fn cases(&self) -> Vec<TestCase> {
        self.reader().cases().to_vec()
    }

    // Held for a few lines, never across an await.
    fn reader(&self) -> MutexGuard<'_, TapReader> {
        self.cases.lock().expect("no holder panics")
    }
}

impl Logs {
    pub(super) fn of(&self, log: TestLog) -> &Transcript {
        match log {
            TestLog::Setup => &self.setup,
            TestLog::Output => &self.output,
        }
    }
}
