//! What a start does about the last stop, which may have been a crash: the same thing either way.

use std::time::Duration;

use super::addons::keep_settling;
use super::ahead;
use super::app_log;
use super::archive::{self, ArchiveError, LogOf};
use super::review_apps::keep_review_apps;
use super::setup;
use super::trigger::MOST_CUT_OFF;
use crate::ctx::Ctx;
use crate::db::builds::{Build, Outcome};
use crate::db::dynos::DynoEnd;
use crate::db::{self, DbError};
use crate::model::{AppId, BuildStatus, DynoId, Release, TestRun, TestRunEnd, TestRunStatus};
use crate::release::settle_phase;
use crate::repos;
use crate::transcript::{Redactor, Transcript};

/// For the Docker Engine, while nobody is served yet.
const SWEEP_TIME: Duration = Duration::from_secs(10);

/// Ends every build, release command, one-off command, setup and test run that was cut off, keeps the logs that were not
/// archived yet, and sweeps what was in quarantine, packs that were being replaced and the logs of destroyed apps. Has the add-ons settled whose change was
/// cut off, and review apps carried on.
/// Runs before the doors open, so nothing of it can be of a build that runs.
pub async fn recover(ctx: &Ctx) -> Result<(), ArchiveError> {
    let cut_off = db::builds::unended(&mut *ctx.db.read().await?).await?;
    for build in &cut_off {
        end(ctx, build).await?;
    }
    let cut_off = db::releases::pending(&mut *ctx.db.read().await?).await?;
    for release in &cut_off {
        end_release(ctx, release).await?;
    }
    let cut_off = db::dynos::unended(&mut *ctx.db.read().await?).await?;
    for dyno in &cut_off {
        end_dyno(ctx, dyno.id).await?;
    }
    // While it is known which setups were cut off.
    begin_review_apps_again(ctx).await?;
    let cut_off = db::app_setups::unended(&mut *ctx.db.read().await?).await?;
    for setup in &cut_off {
        setup::end_cut_off(ctx, setup).await?;
    }
    let cut_off = db::test_runs::unended(&mut *ctx.db.read().await?).await?;
    for run in &cut_off {
        end_test_run(ctx, run).await?;
    }
    keep_logs(ctx).await?;
    sweep_app_logs(ctx).await?;
    sweep_sources(ctx).await?;
    sweep_quarantines(ctx).await?;
    remove_old_packs(ctx).await?;
    sweep_images(ctx).await;
    // A task: servers of add-ons may be away, which is no reason to refuse pushes.
    keep_settling(ctx);
    keep_review_apps(ctx);
    Ok(())
}

async fn begin_review_apps_again(ctx: &Ctx) -> Result<(), DbError> {
    let mut tx = ctx.db.write().await?;
    db::review_apps::begin_again(&mut tx, ctx.now()).await?;
    Ok(tx.commit().await?)
}

async fn end(ctx: &Ctx, build: &Build) -> Result<(), ArchiveError> {
    tracing::warn!(build.id = %build.id, "hoist was stopped while this build ran; it is recorded as failed");
    let reason = "hoist was stopped while this build ran; push again".to_owned();
    let outcome = Outcome { status: BuildStatus::Failed, reason: Some(reason), slug: None };
    let mut tx = ctx.db.write().await?;
    db::builds::end(&mut tx, build.id, &outcome, ctx.now()).await?;
    // Nobody who pushed elsewhere reads that reason.
    db::triggers::reopen(&mut tx, build.id, MOST_CUT_OFF, ctx.now()).await?;
    db::follower_deploys::reopen(&mut tx, build.id, MOST_CUT_OFF, ctx.now()).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

async fn end_release(ctx: &Ctx, release: &Release) -> Result<(), ArchiveError> {
    let version = release.version;
    tracing::warn!(app.id = %release.app, release.version = %version, "hoist was stopped before this release's command had ended; the release is recorded as failed");
    settle_phase(&ctx.db, release, Err("hoist was stopped before its release command had ended".into()), ctx.now()).await?;
    Ok(())
}

async fn end_dyno(ctx: &Ctx, id: DynoId) -> Result<(), ArchiveError> {
    let end = DynoEnd { exit_status: None, reason: Some("hoist was stopped while it ran".into()) };
    let mut tx = ctx.db.write().await?;
    db::dynos::end(&mut tx, id, &end, ctx.now()).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

async fn end_test_run(ctx: &Ctx, run: &TestRun) -> Result<(), DbError> {
    tracing::warn!(test_run.id = %run.id, "hoist was stopped while these tests ran; the run is recorded as errored");
    let message = Some("hoist was stopped while it ran; run the tests again".to_owned());
    let end = TestRunEnd { status: TestRunStatus::Errored, exit_code: None, message, error_status: None, at: ctx.now() };
    let mut tx = ctx.db.write().await?;
    db::test_runs::end(&mut tx, run.id, &end).await?;
    Ok(tx.commit().await?)
}

/// Archives the logs that a stop left as spools. What the spool lost is lost; the outcome says why.
async fn keep_logs(ctx: &Ctx) -> Result<(), ArchiveError> {
    let Some(mut spools) = read_dir(archive::spools_dir(ctx)).await? else { return Ok(()) };
    while let Some(spool) = spools.next_entry().await? {
        let Some(id) = spool.file_name().to_str().map(str::to_owned) else { continue };
        let transcript = Transcript::reopen(&spool.path(), ctx.config.limits.log_bytes, Redactor::new([]))?;
        transcript.line("");
        transcript.warning("hoist was stopped here.");
        transcript.end();
        match log_of(ctx, &id).await? {
            Some(of) => archive::keep_log(ctx, of, transcript.follow()).await?,
            // Its row was never committed: the pusher was told so, or got nothing at all.
            None => tokio::fs::remove_dir_all(spool.path()).await?,
        }
    }
    Ok(())
}

/// What the log of this id is of.
async fn log_of(ctx: &Ctx, id: &str) -> Result<Option<LogOf>, DbError> {
    let mut db = ctx.db.read().await?;
    if let Some((run, log)) = id.split_once('.') {
        let (Ok(run), Ok(log)) = (run.parse(), log.parse()) else { return Ok(None) };
        return Ok(db::test_runs::get(&mut db, run).await?.map(|run| LogOf::Test(run.id, log)));
    }
    let (Ok(build), Ok(release), Ok(dyno)) = (id.parse(), id.parse(), id.parse()) else { return Ok(None) };
    if db::builds::exists(&mut db, build).await? {
        return Ok(Some(LogOf::Build(build)));
    }
    if db::releases::exists(&mut db, release).await? {
        return Ok(Some(LogOf::Release(release)));
    }
    Ok(db::dynos::exists(&mut db, dyno).await?.then_some(LogOf::Dyno(dyno)))
}

/// Removes the logs of destroyed apps, which nobody can ask for any more.
async fn sweep_app_logs(ctx: &Ctx) -> Result<(), ArchiveError> {
    let Some(mut logs) = read_dir(app_log::app_logs_dir(ctx)).await? else { return Ok(()) };
    while let Some(log) = logs.next_entry().await? {
        let Some(app) = log.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if db::apps::by_id(&mut *ctx.db.read().await?, app).await?.is_none() {
            tokio::fs::remove_dir_all(log.path()).await?;
        }
    }
    Ok(())
}

/// Removes what was exported of destroyed apps.
async fn sweep_sources(ctx: &Ctx) -> Result<(), ArchiveError> {
    for app in ctx.source_folders.apps()? {
        ahead::forget_if_destroyed(ctx, app).await?;
    }
    Ok(())
}

async fn sweep_quarantines(ctx: &Ctx) -> Result<(), ArchiveError> {
    ctx.buildpacks_repo()?.sweep()?;
    let Some(mut repos) = read_dir(ctx.config.data_dir.join("repos")).await? else { return Ok(()) };
    while let Some(repo) = repos.next_entry().await? {
        if let Some(app) = repo.file_name().to_str().and_then(|name| name.parse::<AppId>().ok()) {
            ctx.repo(app)?.sweep()?;
        }
    }
    Ok(())
}

/// Removes packs that others have taken the place of, or that were to take the place of others. One that can't be removed is
/// no reason not to start.
async fn remove_old_packs(ctx: &Ctx) -> Result<(), ArchiveError> {
    for (app, pack) in repos::to_remove(&ctx.db).await? {
        if let Err(error) = repos::remove_old(&ctx.db, &ctx.repo(app)?, app, pack).await {
            tracing::warn!(app.id = %app, error = &error as &dyn std::error::Error, "an old pack can't be removed");
        }
    }
    Ok(())
}

/// Takes away what builds have left in the Docker Engine. One that is away is no reason not to start: it is asked again
/// at the next.
async fn sweep_images(ctx: &Ctx) {
    if !ctx.docker.socket().exists() {
        return;
    }
    match tokio::time::timeout(SWEEP_TIME, ctx.docker.sweep()).await {
        Ok(Ok(0)) => {}
        Ok(Ok(names)) => tracing::info!("{names} images of builds that were cut off were still named in the Docker Engine"),
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the Docker Engine can't be asked what builds have left in it");
        }
        Err(_) => tracing::warn!("the Docker Engine does not answer"),
    }
}

async fn read_dir(dir: std::path::PathBuf) -> std::io::Result<Option<tokio::fs::ReadDir>> {
    match tokio::fs::read_dir(dir).await {
        Ok(entries) => Ok(Some(entries)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
