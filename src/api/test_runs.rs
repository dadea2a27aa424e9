//! Test runs of pipelines. Who sees a pipeline sees them; who may deploy to one of its apps may run and cancel them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Caller, Named, Names};
use super::range::{Page, Range};
use super::types::{self, IdRef, NewSourceBlob, NewTestRun, TestCase, TestNode, TestRunChange, Timestamp, stable_id};
use super::urls::Urls;
use super::{builds, pipeline_rights, pipelines, releases};
use crate::build::ArchiveSource;
use crate::ctx::Ctx;
use crate::db;
use crate::deploy::{self, TestRunRequest};
use crate::model::{Account, Action, OneLine, SourceVersion, TestLog, TestRun, TestRunStatus};

/// How long an answer about a run waits for news: the Heroku CLI asks again and again without a pause (heroku-api 3.12).
const NEWS_TIME: Duration = Duration::from_secs(1);

/// `POST /test-runs`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<NewTestRun>,
) -> Result<Created<types::TestRun>, ApiError> {
    if new.debug == Some(true) {
        return Err(ApiError::InvalidParams("hoist runs tests without anybody attached: leave `debug` out.".into()));
    }
    let pipeline = pipeline_rights::open(&ctx, &account, &new.pipeline, Action::Deploy).await?;
    let commit: SourceVersion = new.commit_sha.parse().map_err(ApiError::unfit("commit_sha"))?;
    let blob = NewSourceBlob { url: Some(new.source_blob_url), version: Some(new.commit_sha), ..NewSourceBlob::default() };
    let blob = builds::source_blob(Some(blob))?;
    let request = TestRunRequest {
        pipeline: pipeline.id,
        branch: new.commit_branch.parse().map_err(ApiError::unfit("commit_branch"))?,
        commit,
        message: first_line(&new.commit_message),
        source: ArchiveSource { origin: builds::origin(&ctx, &blob.url).await?, blob },
        by: account.clone(),
    };
    let run = deploy::submit_test_run(&ctx, request).await?;
    Ok(Created(describe(&ctx, &run, &account)))
}

/// `GET /pipelines/{pipeline}/test-runs`
pub(super) async fn list(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
    range: Range,
) -> Result<Page<types::TestRun>, ApiError> {
    let window = range.window("number", &["created_at", "id"])?;
    let mut db = ctx.db.read().await?;
    let pipeline = pipelines::find(&mut db, &account, &pipeline).await?;
    let runs = db::test_runs::window(&mut db, pipeline.id, window).await?;
    let page = range.page(runs, &("number", |run: &TestRun| run.number.to_string()), "created_at, number");
    let accounts = releases::accounts(&mut db, page.items().iter().map(|run| run.by)).await?;
    Ok(page.map(|run| describe(&ctx, &run, &accounts[&run.by])))
}

/// `GET /pipelines/{pipeline}/test-runs/{number}`: waits a moment for news of a run that has not ended.
pub(super) async fn info_by_number(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Names([pipeline, number]): Names<2>,
) -> Result<Json<types::TestRun>, ApiError> {
    let missing = || ApiError::NotFound("test_run");
    let number = number.parse().map_err(|_| missing())?;
    let mut db = ctx.db.read().await?;
    let pipeline = pipelines::find(&mut db, &account, &pipeline).await?;
    let run = db::test_runs::by_number(&mut db, pipeline.id, number).await?.ok_or_else(missing)?;
    drop(db);
    ctx.test_runs.changed(run.id, NEWS_TIME).await;
    answer(&ctx, &account, &run.id.to_string()).await
}

/// `GET /test-runs/{run}`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(run): Named,
) -> Result<Json<types::TestRun>, ApiError> {
    answer(&ctx, &account, &run).await
}

/// `PATCH /test-runs/{run}`: cancels it, which is all that can be changed.
pub(super) async fn update(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(run): Named,
    Body(change): Body<TestRunChange>,
) -> Result<Json<types::TestRun>, ApiError> {
    let run = find(&ctx, &account, &run).await?;
    pipeline_rights::open(&ctx, &account, &run.pipeline.to_string(), Action::Deploy).await?;
    if change.status != TestRunStatus::Cancelled.as_str() {
        return Err(ApiError::InvalidParams("The status of a test run can only be set to `cancelled`.".into()));
    }
    let why = match change.message.filter(|message| !message.is_empty()) {
        Some(message) => message.parse::<OneLine>().map_err(ApiError::unfit("message"))?.to_string(),
        None => format!("Cancelled by {}", account.email),
    };
    if !deploy::cancel_test_run(&ctx, run.id, &why).await {
        return Err(ApiError::InvalidParams(format!("Test run {} has ended already.", run.number)));
    }
    answer(&ctx, &account, &run.id.to_string()).await
}

/// `GET /test-runs/{run}/test-nodes`
pub(super) async fn nodes(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(run): Named,
) -> Result<Json<Vec<TestNode>>, ApiError> {
    let (run, urls) = (find(&ctx, &account, &run).await?, Urls::new(&ctx));
    let end = run.end.as_ref();
    Ok(Json(vec![TestNode {
        created_at: Timestamp(run.created_at),
        dyno: None,
        error_status: end.and_then(|end| end.error_status).map(|status| status.as_str().into()),
        exit_code: end.and_then(|end| end.exit_code),
        id: node_id(&run),
        index: 0,
        message: end.and_then(|end| end.message.clone()),
        output_stream_url: urls.test_log(run.id, TestLog::Output),
        pipeline: IdRef { id: run.pipeline },
        setup_stream_url: urls.test_log(run.id, TestLog::Setup),
        status: status(&ctx, &run).as_str().into(),
        test_run: IdRef { id: run.id },
        updated_at: updated_at(&run),
    }]))
}

/// `GET /test-runs/{run}/test-cases`, also as they come.
pub(super) async fn cases(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(run): Named,
) -> Result<Json<Vec<TestCase>>, ApiError> {
    let run = find(&ctx, &account, &run).await?;
    let cases = match ctx.test_runs.cases(run.id).filter(|_| run.end.is_none()) {
        Some(so_far) => so_far,
        None => db::test_cases::list(&mut *ctx.db.read().await?, run.id).await?,
    };
    let describe = |(ordinal, case): (usize, crate::model::TestCase)| TestCase {
        created_at: updated_at(&run),
        description: case.description,
        diagnostic: case.diagnostic,
        directive: case.directive,
        id: stable_id(&["test-case", &run.id.to_string(), &ordinal.to_string()]),
        number: case.number,
        passed: case.passed,
        test_node: IdRef { id: node_id(&run) },
        test_run: IdRef { id: run.id },
        updated_at: updated_at(&run),
    };
    Ok(Json(cases.into_iter().enumerate().map(describe).collect()))
}

/// What of a commit's message is kept: its title, without what could rewrite a reader's terminal.
fn first_line(message: &str) -> String {
    let line = message.trim_start().lines().next().unwrap_or_default();
    line.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

/// Finds a run of a pipeline that the account may see.
async fn find(ctx: &Ctx, account: &Account, run: &str) -> Result<TestRun, ApiError> {
    let missing = || ApiError::NotFound("test_run");
    let id = run.parse().map_err(|_| missing())?;
    let mut db = ctx.db.read().await?;
    let run = db::test_runs::get(&mut db, id).await?.ok_or_else(missing)?;
    match pipelines::find(&mut db, account, &run.pipeline.to_string()).await {
        Err(ApiError::NotFound(_)) => Err(missing()),
        found => found.map(|_| run),
    }
}

async fn answer(ctx: &Ctx, account: &Account, run: &str) -> Result<Json<types::TestRun>, ApiError> {
    let run = find(ctx, account, run).await?;
    let by = db::accounts::get(&mut *ctx.db.read().await?, run.by).await?;
    Ok(Json(describe(ctx, &run, &by)))
}

fn status(ctx: &Ctx, run: &TestRun) -> TestRunStatus {
    match &run.end {
        Some(end) => end.status,
        // Of one that ended since its row was read, the next answer tells how.
        None => ctx.test_runs.status(run.id).filter(|status| !status.is_end()).unwrap_or(TestRunStatus::Pending),
    }
}

fn node_id(run: &TestRun) -> String {
    stable_id(&["test-node", &run.id.to_string()])
}

fn updated_at(run: &TestRun) -> Timestamp {
    Timestamp(run.end.as_ref().map_or(run.created_at, |end| end.at))
}

fn describe(ctx: &Ctx, run: &TestRun, by: &Account) -> types::TestRun {
    types::TestRun {
        actor_email: by.email.to_string(),
        app_setup: None,
        clear_cache: Some(true),
        commit_branch: run.branch.to_string(),
        commit_message: run.message.clone(),
        commit_sha: run.commit.to_string(),
        created_at: Timestamp(run.created_at),
        debug: false,
        dyno: None,
        id: run.id,
        message: run.end.as_ref().and_then(|end| end.message.clone()),
        number: run.number,
        organization: None,
        pipeline: IdRef { id: run.pipeline },
        source_blob_url: run.source_url.clone(),
        status: status(ctx, run).as_str().into(),
        updated_at: updated_at(run),
        user: by.into(),
        warning_message: None,
    }
}
