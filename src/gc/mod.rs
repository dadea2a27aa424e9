//! Garbage collection: what nobody can ask for any more goes.
//!
//! Kept are the blobs of slugs and what is said of them, caches, logs, sources that have not expired, buildpacks that are still used, and images; of
//! images, what a tag of a living app or a release names, what those are made of, what refers to them, and whatever is
//! young. The rows go first, each some at a time in a transaction of their own, then the files that no row names, each
//! inside a write transaction that has seen that: who is about to name one waits, and then looks whether it is there.
//! Killed anywhere, it leaves rows with their files, and files without a row for the next time.

mod turns;

use std::io;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use crate::db::{Db, DbError, buildpack_copies, garbage};
use crate::model::Digest;
use crate::store::{FOLDERS, Store};
use turns::Turns;

/// Rows, or files, that go in one transaction, so that none holds up other writers for long.
const BATCH: u32 = 100;

/// How long the copy of a buildpack stays that nobody uses.
const COPY_TIME: Duration = Duration::from_hours(90 * 24);

/// What was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub manifests: u64,
    /// Files of the blob store, those of manifests among them.
    pub blobs: u64,
    pub bytes: u64,
}

/// Why not all of it was removed. What was, is.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the blob store failed")]
    Store(#[from] io::Error),
}

/// What is garbage: whatever nothing refers to and nobody has counted on since `before`.
#[derive(Debug, Clone, Copy)]
struct Age {
    before: OffsetDateTime,
    now: OffsetDateTime,
}

/// Removes what nobody has counted on for `grace`.
pub async fn collect(db: &Db, store: &Store, grace: Duration, now: OffsetDateTime) -> Result<Collected, GcError> {
    sweep(&mut Turns::Each(db), store, Age { before: now - grace, now }).await
}

/// Tells what [`collect`] would remove, and removes nothing. Others can't write meanwhile.
pub async fn survey(db: &Db, store: &Store, grace: Duration, now: OffsetDateTime) -> Result<Collected, GcError> {
    sweep(&mut Turns::Undone(db.write().await?), store, Age { before: now - grace, now }).await
}

async fn sweep(turns: &mut Turns<'_>, store: &Store, age: Age) -> Result<Collected, GcError> {
    let manifests = forget_manifests(turns, age).await?;
    forget_blobs(turns, age).await?;
    forget_copies(turns, age).await?;
    let mut collected = Collected { manifests, ..Collected::default() };
    for folder in 0..=FOLDERS {
        let old = store.old_blobs(folder, SystemTime::from(age.before)).await?;
        for batch in old.chunks(BATCH as usize) {
            remove_files(turns, store, age, batch, &mut collected).await?;
        }
    }
    Ok(collected)
}

/// In rounds: what garbage alone has named is garbage in the next one.
async fn forget_manifests(turns: &mut Turns<'_>, age: Age) -> Result<u64, GcError> {
    let mut all = 0;
    loop {
        let forgotten = forget_unnamed(turns, age).await?;
        all += forgotten;
        if forgotten == 0 {
            return Ok(all);
        }
    }
}

/// One round, some at a time.
async fn forget_unnamed(turns: &mut Turns<'_>, age: Age) -> Result<u64, GcError> {
    let (mut forgotten, mut last) = (0, None);
    loop {
        let mut turn = turns.begin().await?;
        let batch = garbage::unnamed_manifests(&mut turn, age.before, last.as_ref(), BATCH).await?;
        for key in &batch {
            forgotten += u64::from(garbage::delete_unnamed_manifest(&mut turn, key, age.before).await?);
        }
        turn.end().await?;
        last = batch.into_iter().last();
        if last.is_none() {
            return Ok(forgotten);
        }
    }
}

async fn forget_blobs(turns: &mut Turns<'_>, age: Age) -> Result<(), GcError> {
    loop {
        let mut turn = turns.begin().await?;
        let forgotten = garbage::forget_unused_blobs(&mut turn, age.before, BATCH).await?;
        turn.end().await?;
        if forgotten < u64::from(BATCH) {
            return Ok(());
        }
    }
}

async fn forget_copies(turns: &mut Turns<'_>, age: Age) -> Result<(), GcError> {
    let mut turn = turns.begin().await?;
    buildpack_copies::forget_unused(&mut turn, age.now - COPY_TIME).await?;
    Ok(turn.end().await?)
}

/// Removes those of some old blobs that no row names. Its transaction writes nothing: it keeps others from it.
async fn remove_files(
    turns: &mut Turns<'_>,
    store: &Store,
    age: Age,
    blobs: &[Digest],
    collected: &mut Collected,
) -> Result<(), GcError> {
    let mut turn = turns.begin().await?;
    for blob in blobs {
        if garbage::is_referred_to(&mut turn, blob, age.now).await? {
            continue;
        }
        let removed = if turn.is_undone() {
            Some(store.size(blob).await?)
        } else {
            store.remove_old(blob, SystemTime::from(age.before)).await?
        };
        collected.blobs += u64::from(removed.is_some());
        collected.bytes += removed.unwrap_or_default();
    }
    Ok(turn.end().await?)
}
