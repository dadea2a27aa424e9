//! A new pack takes the place of old ones.
//!
//! Before a file comes that may have to go again, and before files go, a row says so. Killed anywhere, it leaves the old packs,
//! or the new one, and rows that name the files which are too many: `deploy::recover` removes these.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::UpkeepError;
use crate::db::{self, Db, DbError};
use crate::git::{Alone, Compacted, PackName, Quarantine, Repo};
use crate::model::AppId;

/// Puts the new pack among the repository's, records it instead of the old ones, and removes these.
pub(super) async fn swap(
    db: &Db,
    alone: &Alone,
    app: AppId,
    compacted: Compacted,
    now: OffsetDateTime,
) -> Result<(), UpkeepError> {
    let Compacted { quarantine, mut replaces } = compacted;
    let there: BTreeSet<_> = alone.packs()?.into_iter().collect();
    if let Some(new) = &quarantine {
        // One of the old packs may have had everything.
        replaces.retain(|old| *old != new.stats().pack);
        if !there.contains(&new.stats().pack) {
            publish(db, app, new).await?;
        }
    }
    let mut tx = db.write().await?;
    for name in db::packs::list(&mut tx, app).await? {
        if there.iter().all(|pack| pack.as_str() != name) {
            db::packs::remove(&mut tx, app, &name).await?;
        }
    }
    for old in &replaces {
        db::packs::remove(&mut tx, app, old.as_str()).await?;
        db::old_packs::insert(&mut tx, app, old.as_str()).await?;
    }
    if let Some(new) = quarantine.as_ref().map(Quarantine::stats) {
        db::packs::insert(&mut tx, app, new.pack.as_str(), new.objects as u64, new.bytes, now).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    remove(db, alone, app, replaces).await
}

async fn publish(db: &Db, app: AppId, new: &Quarantine) -> Result<(), UpkeepError> {
    let mut tx = db.write().await?;
    db::old_packs::insert(&mut tx, app, new.stats().pack.as_str()).await?;
    tx.commit().await.map_err(DbError::from)?;
    new.publish().await?;
    Ok(())
}

/// Removes old packs and forgets them.
async fn remove(db: &Db, alone: &Alone, app: AppId, packs: Vec<PackName>) -> Result<(), UpkeepError> {
    alone.remove(packs.clone()).await?;
    let mut tx = db.write().await?;
    for pack in &packs {
        db::old_packs::remove(&mut tx, app, pack.as_str()).await?;
    }
    Ok(tx.commit().await.map_err(DbError::from)?)
}

/// The packs that were being replaced, or were to replace others, when hoist was stopped.
pub async fn to_remove(db: &Db) -> Result<Vec<(AppId, PackName)>, DbError> {
    let old = db::old_packs::list(&mut *db.read().await?).await?;
    // No other name is ever written.
    Ok(old.into_iter().filter_map(|(app, name)| Some((app, name.parse().ok()?))).collect())
}

/// Removes such a pack, unless somebody uses the repository: then the next start does.
pub async fn remove_old(db: &Db, repo: &Repo, app: AppId, pack: PackName) -> Result<(), UpkeepError> {
    let Some(alone) = repo.alone(std::time::Duration::ZERO).await? else { return Ok(()) };
    // Whoever had it before may have recorded the pack, as new.
    if to_remove(db).await?.contains(&(app, pack.clone())) { remove(db, &alone, app, vec![pack]).await } else { Ok(()) }
}
