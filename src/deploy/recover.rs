//! What a start does about the last stop, which may have been a crash: the same thing either way.

use super::archive::{self, ArchiveError};
use crate::ctx::Ctx;
use crate::db::builds::{Build, Outcome};
use crate::db::{self, DbError};
use crate::model::{AppId, BuildId, BuildStatus};
use crate::transcript::{Redactor, Transcript};

/// Ends every build that was cut off, keeps the logs that were not archived yet, and sweeps what was in quarantine.
/// Runs before the doors open, so nothing of it can be of a build that runs.
pub async fn recover(ctx: &Ctx) -> Result<(), ArchiveError> {
    let cut_off = db::builds::unended(&mut *ctx.db.read().await?).await?;
    for build in &cut_off {
        end(ctx, build).await?;
    }
    keep_logs(ctx).await?;
    sweep_quarantines(ctx).await
}

async fn end(ctx: &Ctx, build: &Build) -> Result<(), ArchiveError> {
    tracing::warn!(build.id = %build.id, "hoist was stopped while this build ran; it is recorded as failed");
    let reason = "hoist was stopped while this build ran; push again".to_owned();
    let outcome = Outcome { status: BuildStatus::Failed, reason: Some(reason), slug: None };
    let mut tx = ctx.db.write().await?;
    db::builds::end(&mut tx, build.id, &outcome, ctx.now()).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Archives the logs that a stop left as spools. What the spool lost is lost; the outcome says why.
async fn keep_logs(ctx: &Ctx) -> Result<(), ArchiveError> {
    let Some(mut spools) = read_dir(archive::spools_dir(ctx)).await? else { return Ok(()) };
    while let Some(spool) = spools.next_entry().await? {
        let Some(build) = spool.file_name().to_str().and_then(|name| name.parse::<BuildId>().ok()) else { continue };
        let transcript = Transcript::reopen(&spool.path(), ctx.config.limits.log_bytes, Redactor::new([]))?;
        transcript.line("");
        transcript.warning("hoist was stopped here.");
        transcript.end();
        if db::builds::exists(&mut *ctx.db.read().await?, build).await? {
            archive::keep_log(ctx, build, transcript.follow()).await?;
        } else {
            // Its row was never committed: the pusher was told so, or got nothing at all.
            tokio::fs::remove_dir_all(spool.path()).await?;
        }
    }
    Ok(())
}

async fn sweep_quarantines(ctx: &Ctx) -> Result<(), ArchiveError> {
    let Some(mut repos) = read_dir(ctx.config.data_dir.join("repos")).await? else { return Ok(()) };
    while let Some(repo) = repos.next_entry().await? {
        if let Some(app) = repo.file_name().to_str().and_then(|name| name.parse::<AppId>().ok()) {
            ctx.repo(app)?.sweep()?;
        }
    }
    Ok(())
}

async fn read_dir(dir: std::path::PathBuf) -> std::io::Result<Option<tokio::fs::ReadDir>> {
    match tokio::fs::read_dir(dir).await {
        Ok(entries) => Ok(Some(entries)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
