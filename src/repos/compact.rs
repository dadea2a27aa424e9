//! Packs become fewer.

use std::collections::HashSet;
use std::time::Duration;

use time::OffsetDateTime;

use super::UpkeepError;
use super::geometric::{FEWEST, how_many};
use super::swap::swap;
use crate::db::{self, Db, DbError};
use crate::git::Repo;
use crate::model::AppId;

/// How long it is kept what refs were, and whatever it leads to: as long as git keeps what nothing leads to (`gc.pruneExpire`).
const GRACE: Duration = Duration::from_hours(14 * 24);

/// Everything is written again if that frees one byte in so many.
const WORTHWHILE: u64 = 8;

/// How long it is waited until nobody pushes.
const PATIENCE: Duration = Duration::from_mins(10);

/// Packs that have become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    pub packs: usize,
    /// Of them together.
    pub bytes: u64,
}

/// What has gone because nothing leads to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    pub bytes: u64,
}

/// The apps of which packs may have to become one.
pub async fn due_to_fold(db: &Db) -> Result<Vec<AppId>, DbError> {
    db::packs::apps_with_many(&mut *db.read().await?, FEWEST).await
}

/// Makes one pack of many small ones, if there are.
pub async fn fold(db: &Db, repo: &Repo, app: AppId, now: OffsetDateTime) -> Result<Option<Folded>, UpkeepError> {
    let mut packs = repo.packs()?;
    packs.sort_by_key(|(_, bytes)| *bytes);
    let sizes: Vec<_> = packs.iter().map(|(_, bytes)| *bytes).collect();
    let count = how_many(&sizes);
    if count == 0 {
        return Ok(None);
    }
    packs.truncate(count);
    let compacted = repo.fold(packs.into_iter().map(|(name, _)| name).collect()).await?;
    let alone = repo.alone(PATIENCE).await?.ok_or(UpkeepError::Busy)?;
    swap(db, &alone, app, compacted, now).await?;
    Ok(Some(Folded { packs: count, bytes: sizes[..count].iter().sum() }))
}

/// The apps in which something may be left that nothing has led to for long enough: a ref was something else before that.
pub async fn due_to_drop(db: &Db, now: OffsetDateTime) -> Result<Vec<AppId>, DbError> {
    db::past_refs::apps_with_older(&mut *db.read().await?, now - GRACE).await
}

/// Drops what no ref leads to, and none has led to for two weeks, if it is worth writing everything else again.
///
/// What is being pushed meanwhile may build upon anything. So it is dropped in a moment when nobody pushes, and only if no
/// pack has come since it was looked for, and no ref is what none was then.
pub async fn drop_unreachable(db: &Db, repo: &Repo, app: AppId, now: OffsetDateTime) -> Result<Option<Dropped>, UpkeepError> {
    let since = now - GRACE;
    let roots = db::past_refs::roots(&mut *db.read().await?, app, since).await?;
    let reached = repo.reachable_from(roots.clone()).await?;
    let spare = reached.bytes.saturating_sub(reached.reachable_bytes);
    let mut dropped = None;
    if !reached.is_everything() && spare.saturating_mul(WORTHWHILE) >= reached.bytes {
        let compacted = repo.keep_reachable(&reached).await?;
        let alone = repo.alone(PATIENCE).await?.ok_or(UpkeepError::Busy)?;
        let known: HashSet<_> = roots.iter().collect();
        let roots_now = db::past_refs::roots(&mut *db.read().await?, app, since).await?;
        let mut seen = compacted.replaces.clone();
        seen.sort();
        if alone.packs()? != seen || roots_now.iter().any(|root| !known.contains(root)) {
            return Err(UpkeepError::Busy);
        }
        swap(db, &alone, app, compacted, now).await?;
        dropped = Some(Dropped { bytes: spare });
    }
    let mut tx = db.write().await?;
    db::past_refs::forget(&mut tx, app, since).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(dropped)
}
