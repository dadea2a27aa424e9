//! Files of Git LFS: an app's own, whatever others have, because whoever knows a file's digest need not have the file. Their bytes
//! are blobs; that an app has one is a row. `locks` is who changes which file.

mod locks;

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use time::OffsetDateTime;

use crate::db::{Db, DbError, lfs_objects};
use crate::model::{AppId, LfsObject};
use crate::store::{Store, UploadError};

pub use crate::db::lfs_locks::{Lock, Wanted as WantedLocks};
pub use locks::{LockError, Page, Unlock, list_locks, lock, unlock};

/// Why a file was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// It was destroyed meanwhile.
    #[error("there is no such app any more")]
    NoApp,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Takes a file's bytes for an app. Sent twice, or by two at once, it is there once. What time it is, is asked when all has come.
pub async fn keep_object<E>(
    db: &Db,
    store: &Store,
    (app, object): (AppId, &LfsObject),
    body: impl Stream<Item = Result<Bytes, E>>,
    silence: Duration,
    now: impl FnOnce() -> OffsetDateTime,
) -> Result<(), KeepError>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    store.receive(body, (object.digest, object.size_bytes), silence).await?;
    // Not waiting for the disk: the push that needs the file does, and takes this along.
    let mut tx = db.write_ahead().await?;
    // Inside the transaction: garbage collection, which may have been faster, asks there whether a row names it.
    if !store.contains(&object.digest).await.map_err(UploadError::from)? {
        return Err(UploadError::from(std::io::Error::from(std::io::ErrorKind::NotFound)).into());
    }
    if !lfs_objects::insert(&mut tx, app, object, now()).await? {
        return Err(KeepError::NoApp);
    }
    Ok(tx.commit().await.map_err(DbError::from)?)
}

/// Tells of each file whether an app has it.
pub async fn have_objects(db: &Db, app: AppId, objects: &[LfsObject]) -> Result<Vec<bool>, DbError> {
    let mut have = Vec::with_capacity(objects.len());
    let mut db = db.read().await?;
    for object in objects {
        have.push(lfs_objects::exists(&mut db, app, object).await?);
    }
    Ok(have)
}

/// Tells of each file whether an app has it. Those that it has are counted on from now on: none of them goes before whatever
/// is pushed next has had the time to need it.
pub async fn count_on(db: &Db, app: AppId, objects: &[LfsObject], now: OffsetDateTime) -> Result<Vec<bool>, DbError> {
    let mut has = Vec::with_capacity(objects.len());
    if objects.is_empty() {
        return Ok(has);
    }
    let mut tx = db.write_ahead().await?;
    for object in objects {
        has.push(lfs_objects::touch(&mut tx, app, object, now).await?);
    }
    tx.commit().await?;
    Ok(has)
}

/// The apps with files that nobody has counted on since a time, and that no commit is known to need.
pub async fn apps_with_unneeded(db: &Db, before: OffsetDateTime) -> Result<Vec<AppId>, DbError> {
    lfs_objects::apps_with_uncommitted(&mut *db.read().await?, before).await
}

/// Forgets such files of an app, but keeps for good those that a commit needs; tells how many went. Their bytes go with the next
/// collection of garbage.
pub async fn forget_unneeded(
    db: &Db,
    app: AppId,
    needs: impl Fn(&LfsObject) -> bool,
    before: OffsetDateTime,
) -> Result<u64, DbError> {
    let mut tx = db.write().await?;
    let mut forgotten = 0;
    for object in lfs_objects::uncommitted(&mut tx, app, before).await? {
        if needs(&object) {
            lfs_objects::mark_committed(&mut tx, app, &object).await?;
        } else {
            forgotten += u64::from(lfs_objects::forget(&mut tx, app, &object, before).await?);
        }
    }
    tx.commit().await?;
    Ok(forgotten)
}
