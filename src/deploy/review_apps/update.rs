//! Deploying to a review app that is there.

use super::super::submit::{End, submit};
use super::super::{Request, source_means};
use super::{Halt, create, deployer, source};
use crate::build::{self, Source};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{CommitId, Priority, PushOptions, ReviewApp, ReviewSource, SourceRoot};
use crate::release::current_config;

/// Builds and releases the commit that is wanted. An app whose build fails stays as it was.
pub(super) async fn update(ctx: &Ctx, review_app: &ReviewApp) -> Result<(), Halt> {
    let app = match review_app.app {
        Some(app) => db::apps::by_id(&mut *ctx.db.read().await?, app).await?,
        None => None,
    };
    let Some(app) = app.filter(|_| review_app.is_behind()) else {
        return deployed(ctx, review_app, None, review_app.deployed_commit.as_ref()).await;
    };
    if let ReviewSource::Repository(Some(commit)) = &review_app.source {
        // A stop came between its release and our taking that down.
        if db::build_origins::is_of_last_release(&mut *ctx.db.read().await?, app.id, commit).await? {
            return deployed(ctx, review_app, None, Some(commit)).await;
        }
    }
    let fetched = source::get(ctx, review_app).await?;
    let archive = build::keep_archive(fetched.archive, &source_means(ctx)).await?;
    // What is wrong with it, the build says.
    let root = SourceRoot::of_config(&current_config(&ctx.db, app.id).await?).unwrap_or_default();
    let predestroy = create::predestroy(ctx, &archive, root).await?;
    let mut db = ctx.db.read().await?;
    let Some(pipeline) = db::pipelines::get(&mut db, review_app.pipeline).await? else { return Ok(()) };
    let buildpacks = db::buildpacks::list(&mut db, app.id).await?;
    let cache = db::apps::cache(&mut db, app.id).await?;
    drop(db);
    let by = deployer(ctx, review_app, &pipeline).await?;
    let (source, options, priority) = (Source::Archive(archive), PushOptions::default(), Priority::Background);
    let origin = fetched.origin;
    let request =
        Request { app, by, source, options, priority, refs: Vec::new(), pack: None, buildpacks, cache, origin, trigger: None };
    let mut ticket = submit(ctx, request).await?;
    let message = match &*ticket.ended().await {
        End::Released(..) => None,
        End::Failed(failure) => Some(format!("build failed: {failure}")),
        // Of pushes that ask for these.
        End::ReleaseFailed(_) | End::DryRun => Some("build failed: nothing was released".to_owned()),
    };
    if message.is_none() {
        let mut tx = ctx.db.write().await?;
        db::review_apps::set_predestroy(&mut tx, review_app.id, predestroy.as_deref()).await?;
        tx.commit().await.map_err(DbError::from)?;
    }
    deployed(ctx, review_app, message.as_deref(), fetched.commit.as_ref()).await
}

async fn deployed(ctx: &Ctx, review_app: &ReviewApp, message: Option<&str>, commit: Option<&CommitId>) -> Result<(), Halt> {
    let mut tx = ctx.db.write().await?;
    db::review_apps::deployed(&mut tx, review_app.id, message, commit, ctx.now()).await?;
    Ok(tx.commit().await.map_err(DbError::from)?)
}
