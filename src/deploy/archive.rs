//! What is kept of a build beside its rows: the log, first as a spool, then as a blob; and the caches, one per app.

use std::path::PathBuf;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

use super::ahead;
use crate::ctx::Ctx;
pub(super) use crate::db::logs::LogOf;
use crate::db::{self, DbError};
use crate::model::{AppId, BuildId, Digest, DynoId, ReleaseId, TestLog, TestRunId};
use crate::transcript::Follower;

const PIPE_BYTES: usize = 64 * 1024;

/// A build's log, for whoever wants to read it.
#[derive(Debug)]
pub struct Log(Source);

#[derive(Debug)]
enum Source {
    /// The build runs, or its log is not archived yet.
    Growing(Follower),
    Archived {
        content: Box<ReaderStream<tokio::fs::File>>,
        bytes: u64,
    },
}

impl From<Follower> for Log {
    fn from(log: Follower) -> Self {
        Self(Source::Growing(log))
    }
}

impl Log {
    /// How long it is, unless it may still grow.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        match &self.0 {
            Source::Growing(_) => None,
            Source::Archived { bytes, .. } => Some(*bytes),
        }
    }

    /// The next piece; waits for one while the build runs; `None` at the end.
    pub async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        match &mut self.0 {
            Source::Growing(follower) => follower.next().await.transpose(),
            Source::Archived { content, .. } => content.next().await,
        }
    }
}

/// Why a log could not be kept or opened.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the log can't be read or written")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Where the log of a build, a release, a dyno or a test run grows.
pub(super) fn spool_dir(ctx: &Ctx, id: impl std::fmt::Display) -> PathBuf {
    spools_dir(ctx).join(id.to_string())
}

/// What stands for the id of a log that a test run has two of.
pub(super) fn test_log_name(run: TestRunId, log: TestLog) -> String {
    format!("{run}.{log}")
}

pub(super) fn spools_dir(ctx: &Ctx) -> PathBuf {
    ctx.config.data_dir.join("logs")
}

/// Opens the log of a build; `None` when there is none.
pub async fn open_log(ctx: &Ctx, build: BuildId) -> Result<Option<Log>, ArchiveError> {
    if let Some(entry) = ctx.builds.find(build) {
        return Ok(Some(Log(Source::Growing(entry.transcript.follow()))));
    }
    open_archived(ctx, LogOf::Build(build)).await
}

/// Opens the output of a release's command; `None` when there is none, or not yet.
pub async fn open_release_log(ctx: &Ctx, release: ReleaseId) -> Result<Option<Log>, ArchiveError> {
    if let Some(log) = ctx.dynos.phase_of(release).and_then(|dyno| dyno.transcript()) {
        return Ok(Some(Log(Source::Growing(log.follow()))));
    }
    open_archived(ctx, LogOf::Release(release)).await
}

/// Opens the output of a one-off command; `None` when there is none.
pub async fn open_dyno_log(ctx: &Ctx, dyno: DynoId) -> Result<Option<Log>, ArchiveError> {
    if let Some(log) = ctx.dynos.by_id(dyno).and_then(|dyno| dyno.transcript()) {
        return Ok(Some(Log(Source::Growing(log.follow()))));
    }
    open_archived(ctx, LogOf::Dyno(dyno)).await
}

/// Opens one of a test run's outputs; `None` when there is none, or not yet.
pub async fn open_test_log(ctx: &Ctx, run: TestRunId, log: TestLog) -> Result<Option<Log>, ArchiveError> {
    if let Some(log) = ctx.test_runs.log(run, log) {
        return Ok(Some(Log(Source::Growing(log))));
    }
    open_archived(ctx, LogOf::Test(run, log)).await
}

async fn open_archived(ctx: &Ctx, of: LogOf) -> Result<Option<Log>, ArchiveError> {
    let digest = db::logs::get(&mut *ctx.db.read().await?, of).await?;
    let Some(digest) = digest else { return Ok(None) };
    let file = ctx.store.open_blob(&digest).await?;
    let bytes = file.metadata().await?.len();
    Ok(Some(Log(Source::Archived { content: Box::new(ReaderStream::new(file)), bytes })))
}

/// Moves an ended log into the blob store.
pub(super) async fn keep_log(ctx: &Ctx, of: LogOf, log: Follower) -> Result<(), ArchiveError> {
    let mut reader_of_log = log.clone();
    let (mut writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let copy = async move {
        while let Some(piece) = reader_of_log.next().await? {
            writer.write_all(&piece).await?;
        }
        std::io::Result::Ok(())
    };
    let (copied, stored) = tokio::join!(copy, ctx.store.put(reader));
    copied?;
    let (digest, _) = stored?;
    let mut tx = ctx.db.write().await?;
    db::logs::set(&mut tx, of, &digest, ctx.now()).await?;
    tx.commit().await.map_err(DbError::from)?;
    // Somebody may be reading it still.
    log.discard();
    Ok(())
}

/// Moves an ended log into the blob store; if that fails, the next start tries again.
pub(super) async fn keep_log_or_say(ctx: &Ctx, of: LogOf, log: Follower) {
    if let Err(error) = keep_log(ctx, of, log).await {
        tracing::error!(?of, %error, "a log could not be archived; the next start tries again");
    }
}

/// Forgets an app's build cache: its next build starts with an empty one. A build that runs meanwhile keeps what it has.
pub async fn purge_cache(ctx: &Ctx, app: AppId) -> Result<(), DbError> {
    let mut tx = ctx.db.write().await?;
    let cache = db::apps::cache(&mut tx, app).await?;
    db::apps::set_cache(&mut tx, app, None).await?;
    tx.commit().await?;
    drop_cache(ctx, cache).await;
    ahead::keep_folders(ctx, None);
    Ok(())
}

/// Removes a cache that no app refers to any more. One that stays behind by a crash costs only its room.
pub(super) async fn drop_cache(ctx: &Ctx, cache: Option<Digest>) {
    let Some(cache) = cache else { return };
    let unused = async {
        let used = db::apps::is_cache(&mut *ctx.db.read().await?, &cache).await?;
        if !used {
            ctx.store.remove(&cache).await?;
        }
        Ok::<_, ArchiveError>(())
    };
    if let Err(error) = unused.await {
        tracing::warn!(%error, digest = %cache, "an old build cache could not be removed");
    }
}
