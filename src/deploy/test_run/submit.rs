//! Accepting a test run, carrying it out whoever listens, and recording its one end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::super::archive::{self, LogOf};
use super::super::failure::Failure;
use super::TestFailure;
use super::live::{LiveRun, Logs};
use super::steps::{new_logs, run_tests};
use crate::build::ArchiveSource;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{
    Account, ConfigVars, OneLine, PipelineId, Priority, SourceVersion, TestCase, TestLog, TestRun, TestRunEnd, TestRunId,
    TestRunStatus,
};
use crate::telemetry;

/// How long is waited for the end of a run that is cancelled.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug)]
pub struct TestRunRequest {
    pub pipeline: PipelineId,
    pub by: Account,
    pub branch: OneLine,
    pub commit: SourceVersion,
    pub message: String,
    pub source: ArchiveSource,
}

/// Why a run was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TestRunError {
    #[error("{0} test runs of this pipeline have not ended")]
    TooMany(usize),
    #[error("hoist is being stopped")]
    Stopped,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Records a run and starts it. From here on it goes on whatever becomes of the caller, and ends in exactly one recorded end.
pub async fn submit_test_run(ctx: &Ctx, request: TestRunRequest) -> Result<TestRun, TestRunError> {
    if ctx.stopping.is_cancelled() {
        return Err(TestRunError::Stopped);
    }
    let live = Arc::new(LiveRun::new(TestRunId::new(), ctx.killing.child_token()));
    let run = accept(ctx, &request, &live).await?;
    let (ctx_of_task, run_of_task) = (ctx.clone(), run.clone());
    ctx.tasks.spawn(async move { carry_out(&ctx_of_task, &live, run_of_task, request.source).await });
    Ok(run)
}

/// Cancels a run that has not ended, and waits for its end; `false` when it has ended before.
pub async fn cancel_test_run(ctx: &Ctx, id: TestRunId, why: &str) -> bool {
    let Some(live) = ctx.test_runs.find(id).filter(|live| !live.status().is_end()) else { return false };
    // Of two who cancel at once, the first is told of.
    let _ = live.cancelled.set(why.to_owned());
    live.cancel.cancel();
    // Too long: the caller sees in the database what came of it.
    let _ = timeout(PATIENCE, live.ended()).await;
    true
}

async fn accept(ctx: &Ctx, request: &TestRunRequest, live: &Arc<LiveRun>) -> Result<TestRun, TestRunError> {
    let most = ctx.config.limits.queued_test_runs;
    let mut tx = ctx.db.write().await?;
    let unended = db::test_runs::unended(&mut tx).await?;
    if unended.iter().filter(|run| run.pipeline == request.pipeline).count() >= most {
        return Err(TestRunError::TooMany(most));
    }
    let run = TestRun {
        id: live.id,
        pipeline: request.pipeline,
        number: db::test_runs::next_number(&mut tx, request.pipeline).await?,
        by: request.by.id,
        branch: request.branch.clone(),
        commit: request.commit.clone(),
        message: request.message.clone(),
        source_url: request.source.blob.url.clone(),
        created_at: ctx.now(),
        end: None,
    };
    db::test_runs::insert(&mut tx, &run).await?;
    // Before the commit: whoever finds the row finds the run.
    ctx.test_runs.enter(live);
    if let Err(error) = tx.commit().await {
        ctx.test_runs.leave(live);
        return Err(DbError::from(error).into());
    }
    Ok(run)
}

async fn carry_out(ctx: &Ctx, live: &Arc<LiveRun>, run: TestRun, source: ArchiveSource) {
    let start = Instant::now();
    let reading = {
        let live = Arc::clone(live);
        tokio::spawn(async move { live.read_cases().await })
    };
    // In a task of its own, so that a panic is an outcome like any other.
    let work = {
        let (ctx, live, run) = (ctx.clone(), Arc::clone(live), run.clone());
        tokio::spawn(async move { run_in_turn(&ctx, &live, &run, source).await })
    };
    let outcome = work.await.unwrap_or_else(|error| Err(Failure::Lost(error.to_string()).into()));
    if let Err(failure) = &outcome
        && failure.is_hoists_fault()
    {
        tracing::error!(test_run.id = %run.id, error = failure as &dyn std::error::Error, "a test run failed for hoist's own reasons");
    }
    let logs = last_words(ctx, live, &run, &outcome);
    if logs.is_err() {
        // There will be nothing to read.
        reading.abort();
    }
    if let Ok(Err(error)) = reading.await {
        tracing::error!(test_run.id = %run.id, %error, "a test run's output can't be read");
    }
    let end = end_of(ctx, live, &outcome);
    telemetry::dyno_ended("test", end.status.as_str(), start.elapsed());
    if let Err(error) = record_end(ctx, &run, &end, &live.cases()).await {
        // The next start does: a run without an end is one that was cut off.
        tracing::error!(test_run.id = %run.id, %error, "a test run's end could not be recorded");
    }
    live.set_status(end.status);
    keep_logs(ctx, run.id, logs).await;
    // Until its outputs are archived, this is where readers find them.
    ctx.test_runs.leave(live);
}

async fn keep_logs(ctx: &Ctx, run: TestRunId, logs: Result<Logs, Failure>) {
    match logs {
        Ok(logs) => {
            for log in [TestLog::Setup, TestLog::Output] {
                archive::keep_log_or_say(ctx, LogOf::Test(run, log), logs.of(log).follow()).await;
            }
        }
        Err(error) => tracing::error!(test_run.id = %run, %error, "a test run's output can't be kept"),
    }
}

async fn run_in_turn(ctx: &Ctx, live: &LiveRun, run: &TestRun, source: ArchiveSource) -> Result<(), TestFailure> {
    let work = async {
        let queued = telemetry::build_queued(Priority::Background.as_str());
        let builder = ctx.builds.enter_test_run(run.by).start_silently().await;
        drop(queued);
        let _running = telemetry::dyno_running("test");
        run_tests(ctx, live, run, source, builder).await
    };
    tokio::select! {
        ended = work => ended,
        () = live.cancel.cancelled() => Err(stop_reason(live)),
    }
}

fn stop_reason(live: &LiveRun) -> TestFailure {
    live.cancelled.get().map_or(TestFailure::Stopped, |why| TestFailure::Cancelled(why.clone()))
}

/// Ends both outputs, the one that was being written with what went wrong.
fn last_words(ctx: &Ctx, live: &LiveRun, run: &TestRun, outcome: &Result<(), TestFailure>) -> Result<Logs, Failure> {
    let logs = match live.logs() {
        Some(logs) => logs,
        // It was ended before there was anything to write.
        None => new_logs(ctx, run, &ConfigVars::default())?,
    };
    live.set_logs(logs.clone());
    let log = if live.status() == TestRunStatus::Running { &logs.output } else { &logs.setup };
    if let Err(failure) = outcome {
        log.end_line();
        failure.words(&ctx.config.limits).iter().for_each(|line| log.line(line));
    }
    logs.setup.end();
    logs.output.end();
    Ok(logs)
}

fn end_of(ctx: &Ctx, live: &LiveRun, outcome: &Result<(), TestFailure>) -> TestRunEnd {
    let at = ctx.now();
    match outcome {
        Ok(()) => TestRunEnd { status: TestRunStatus::Succeeded, exit_code: Some(0), message: None, error_status: None, at },
        Err(failure) => TestRunEnd {
            status: failure.status(),
            exit_code: failure.exit_code(),
            message: Some(failure.to_string()),
            error_status: (failure.status() == TestRunStatus::Errored).then(|| live.status()),
            at,
        },
    }
}

async fn record_end(ctx: &Ctx, run: &TestRun, end: &TestRunEnd, cases: &[TestCase]) -> Result<(), DbError> {
    let mut tx = ctx.db.write().await?;
    db::test_runs::end(&mut tx, run.id, end).await?;
    db::test_cases::insert(&mut tx, run.id, cases).await?;
    Ok(tx.commit().await?)
}
