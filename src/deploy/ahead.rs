//! What is made ready for an app's next build: its cache is unpacked and its source exported, in tasks for which no release
//! waits.

use crate::build::Source;
use crate::ctx::Ctx;
use crate::db;
use crate::git::Repo;
use crate::model::{AppId, CommitId, Digest, SourceRoot};

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

/// Has a source that was released exported, if it was pushed.
pub(super) fn keep_source(ctx: &Ctx, app: AppId, source: &Source, root: Option<&SourceRoot>, entries: u64) {
    if let Source::Git(git) = source
        && git.lfs.is_empty()
    {
        keep_commit(ctx, app, &git.repo, &git.commit, root, entries);
    }
}

/// Has a commit's tree exported.
pub(super) fn keep_commit(ctx: &Ctx, app: AppId, repo: &Repo, commit: &CommitId, root: Option<&SourceRoot>, entries: u64) {
    let (folders, repo, commit, root) = (ctx.source_folders.clone(), repo.clone(), commit.clone(), root.cloned());
    let db = ctx.db.clone();
    until_stop(ctx, async move {
        folders.prepare(app, &repo, &commit, root.as_ref(), entries).await;
        // Whoever destroyed the app meanwhile has found nothing to forget.
        let is_there = async { db::apps::by_id(&mut *db.read().await?, app).await };
        if matches!(is_there.await, Ok(None)) {
            folders.forget(app).await;
        }
    });
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
