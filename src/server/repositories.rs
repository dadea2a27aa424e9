//! Keeps the repositories small and quick to read, one at a time, when something has been pushed.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, interval, sleep};
use tracing::{info, warn};

use crate::ctx::Ctx;
use crate::db::DbError;
use crate::model::AppId;
use crate::repos::{self, UpkeepError};
use crate::telemetry;

/// Between two looks for many packs, however much is pushed.
const PAUSE: Duration = Duration::from_secs(10);
/// Between two looks for what nothing leads to.
const DROP_INTERVAL: Duration = Duration::from_hours(1);
/// How long a repository is left alone with which it did not work.
const BACK_OFF: Duration = Duration::from_hours(1);

/// Repositories that are left alone for now.
type LeftAlone = HashMap<AppId, Instant>;

/// Compacts repositories, at start and as long as the daemon runs. Cut off at a stop: the next start goes on.
pub(super) async fn keep(ctx: Ctx) {
    let (mut commits, mut tick, mut left_alone) = (ctx.db.commits(), interval(DROP_INTERVAL), LeftAlone::new());
    let work = async {
        loop {
            let is_time_to_drop = tokio::select! {
                _ = tick.tick() => true,
                // A commit of any kind. The database lives as long as this.
                _ = commits.changed() => false,
            };
            left_alone.retain(|_, until| *until > Instant::now());
            let done = async {
                fold_all(&ctx, &mut left_alone).await?;
                if is_time_to_drop { drop_all(&ctx, &mut left_alone).await } else { Ok(()) }
            };
            if let Err(error) = done.await {
                warn!(error = &error as &dyn std::error::Error, "it can't be found out which repositories are to be compacted");
            }
            sleep(PAUSE).await;
        }
    };
    ctx.stopping.run_until_cancelled(work).await;
}

async fn fold_all(ctx: &Ctx, left_alone: &mut LeftAlone) -> Result<(), DbError> {
    for app in repos::due_to_fold(&ctx.db).await? {
        if !left_alone.contains_key(&app) {
            note(app, fold(ctx, app).await, left_alone);
        }
    }
    Ok(())
}

async fn fold(ctx: &Ctx, app: AppId) -> Result<(), UpkeepError> {
    if let Some(repos::Folded { packs, bytes }) = repos::fold(&ctx.db, &ctx.repo(app)?, app, ctx.now()).await? {
        telemetry::packs_folded(packs, bytes);
        info!(app.id = %app, "{packs} packs with {bytes} bytes have become one");
    }
    Ok(())
}

async fn drop_all(ctx: &Ctx, left_alone: &mut LeftAlone) -> Result<(), DbError> {
    for app in repos::due_to_drop(&ctx.db, ctx.now()).await? {
        if !left_alone.contains_key(&app) {
            note(app, drop_unreachable(ctx, app).await, left_alone);
        }
    }
    Ok(())
}

async fn drop_unreachable(ctx: &Ctx, app: AppId) -> Result<(), UpkeepError> {
    if let Some(repos::Dropped { bytes }) = repos::drop_unreachable(&ctx.db, &ctx.repo(app)?, app, ctx.now()).await? {
        telemetry::unreachable_dropped(bytes);
        info!(app.id = %app, "{bytes} bytes of objects have gone that nothing had led to for two weeks");
    }
    Ok(())
}

fn note(app: AppId, done: Result<(), UpkeepError>, left_alone: &mut LeftAlone) {
    let Err(error) = done else { return };
    left_alone.insert(app, Instant::now() + BACK_OFF);
    if error.is_busy() {
        info!(app.id = %app, "a repository is compacted later: somebody pushes to it all the time");
    } else {
        let error = &error as &dyn std::error::Error;
        warn!(app.id = %app, error, "a repository can't be compacted; `hoist admin repo:check` tells whether it is sound");
    }
}
