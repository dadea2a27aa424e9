//! What is made ready for an app's next build: its cache is unpacked and its source exported, in tasks for which no release
//! waits.

use crate::build::Source;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::git::{Base, Exported, Repo};
use crate::model::{AppId, Digest, SourceRoot};

/// Has a new cache unpacked, and what caches that are gone were unpacked to removed.
pub(super) fn keep_folders(ctx: &Ctx, new: Option<Digest>) {
    let folders = ctx.cache_folders.clone();
    until_stop(ctx, async move {
        if let Some(cache) = &new {
            folders.prepare(cache).await;
        }
        folders.tidy().await;
    });
}

/// Has a source that was released exported, if it is a commit's tree and nothing else.
pub(super) fn keep_source(ctx: &Ctx, app: AppId, source: &Source, root: Option<&SourceRoot>, exported: Exported) {
    match source {
        Source::Git(git) if git.lfs.is_empty() => {
            keep_base(ctx, app, &git.repo, Base { commit: git.commit.clone(), root: root.cloned(), exported });
        }
        _ => {
            let folders = ctx.source_folders.clone();
            until_stop(ctx, async move { folders.forget(app).await });
        }
    }
}

/// Has a tree exported that was exported before.
pub(super) fn keep_base(ctx: &Ctx, app: AppId, repo: &Repo, base: Base) {
    // Nobody has to wait for this who wants the repository to themselves.
    let (ctx_of_task, repo) = (ctx.clone(), repo.let_go());
    until_stop(ctx, async move {
        let ctx = ctx_of_task;
        ctx.source_folders.prepare(app, &repo, &base).await;
        if let Err(error) = forget_if_destroyed(&ctx, app).await {
            tracing::warn!(%error, app.id = %app, "it can't be looked up whether the app of an exported source is there");
        }
    });
}

/// Whoever destroyed an app meanwhile, or was cut off then, has left something.
pub(super) async fn forget_if_destroyed(ctx: &Ctx, app: AppId) -> Result<(), DbError> {
    if db::apps::by_id(&mut *ctx.db.read().await?, app).await?.is_none() {
        ctx.source_folders.forget(app).await;
    }
    Ok(())
}

fn until_stop(ctx: &Ctx, work: impl Future<Output = ()> + Send + 'static) {
    let stopping = ctx.stopping.clone();
    ctx.tasks.spawn(async move {
        tokio::select! {
            () = work => {}
            () = stopping.cancelled() => {}
        }
    });
}
