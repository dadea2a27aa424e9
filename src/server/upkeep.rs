//! What is done every so often, as long as the daemon runs.

use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::repositories;
use crate::audit;
use crate::connections;
use crate::ctx::Ctx;
use crate::deploy;
use crate::gc;
use crate::image;
use crate::stack;
use crate::telemetry;

const TIDY_INTERVAL: Duration = Duration::from_mins(1);
const UPLOADS_INTERVAL: Duration = Duration::from_hours(1);
const GARBAGE_INTERVAL: Duration = Duration::from_hours(6);
const FORGET_INTERVAL: Duration = Duration::from_hours(24);

/// Starts all of it, in tasks of their own.
pub(super) fn start(ctx: &Ctx) {
    ctx.tasks.spawn(tidy(ctx.stopping.clone()));
    ctx.tasks.spawn(forget(ctx.clone()));
    ctx.tasks.spawn(end_stale_uploads(ctx.clone()));
    ctx.tasks.spawn(collect_garbage(ctx.clone()));
    ctx.tasks.spawn(repositories::keep(ctx.clone()));
}

async fn tidy(stopping: CancellationToken) {
    let mut tick = interval(TIDY_INTERVAL);
    while stopping.run_until_cancelled(tick.tick()).await.is_some() {
        telemetry::tidy();
    }
}

/// Removes what is too old in the audit trail and among what forges have told, at start and once a day.
async fn forget(ctx: Ctx) {
    let mut tick = interval(FORGET_INTERVAL);
    while ctx.stopping.run_until_cancelled(tick.tick()).await.is_some() {
        let keep = ctx.config.limits.audit_time.try_into().unwrap_or(time::Duration::MAX);
        match audit::remove_old(&ctx.db, keep, ctx.now()).await {
            Ok(0) => {}
            Ok(events) => info!("{events} events of the audit trail were older than is kept"),
            Err(error) => warn!(error = &error as &dyn std::error::Error, "the audit trail can't be cut"),
        }
        match connections::forget_deliveries(&ctx.db, ctx.now()).await {
            Ok(0) => {}
            Ok(deliveries) => info!("{deliveries} deliveries of forges were older than they make them again"),
            Err(error) => warn!(error = &error as &dyn std::error::Error, "old deliveries of forges can't be forgotten"),
        }
    }
}

/// Ends the uploads of images that nobody goes on with, at start and every hour.
async fn end_stale_uploads(ctx: Ctx) {
    let mut tick = interval(UPLOADS_INTERVAL);
    while ctx.stopping.run_until_cancelled(tick.tick()).await.is_some() {
        match image::end_stale_uploads(&ctx.db, &ctx.store, ctx.config.limits.image_upload_time, ctx.now()).await {
            Ok(0) => {}
            Ok(uploads) => info!("{uploads} uploads of images were given up"),
            Err(error) => warn!(error = &error as &dyn std::error::Error, "uploads that were given up can't be removed"),
        }
    }
}

/// Removes what nothing refers to any more, at start and every so often. Cut off at a stop: the next time goes on.
async fn collect_garbage(ctx: Ctx) {
    let mut tick = interval(GARBAGE_INTERVAL);
    while ctx.stopping.run_until_cancelled(tick.tick()).await.is_some() {
        match ctx.stopping.run_until_cancelled(deploy::forget_unneeded_lfs(&ctx)).await {
            None => return,
            Some(Ok(0)) => {}
            Some(Ok(files)) => info!("{files} files of Git LFS were sent that no commit has come to need"),
            Some(Err(error)) => warn!(error = &error as &dyn std::error::Error, "files of Git LFS can't be looked through"),
        }
        match ctx.stopping.run_until_cancelled(stack::remove_unused(&ctx.config.stacks_dir, &ctx.engine)).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => warn!(error = &error as &dyn std::error::Error, "what nobody needs of stacks can't be removed"),
        }
        let collection = gc::collect(&ctx.db, &ctx.store, ctx.config.limits.garbage_time, ctx.now());
        match ctx.stopping.run_until_cancelled(collection).await {
            None => return,
            Some(Ok(gc::Collected { blobs: 0, manifests: 0, .. })) => {}
            Some(Ok(gc::Collected { manifests, blobs, bytes })) => {
                telemetry::collected(manifests, blobs, bytes);
                info!("{blobs} blobs with {bytes} bytes, {manifests} manifests among them, were of no use any more");
            }
            Some(Err(error)) => warn!(error = &error as &dyn std::error::Error, "not all garbage can be collected"),
        }
    }
}
