//! Forgetting old events.

use time::OffsetDateTime;

use crate::db::{self, Db, DbError};

/// Events removed in one transaction, so that none holds up other writers for long.
const BATCH: u32 = 500;

/// Forgets, with their deliveries, the events from before a time, and of each app those beyond the newest `most`; and the
/// webhooks that are of no use any more.
pub async fn prune(db: &Db, before: OffsetDateTime, most: u32) -> Result<(), DbError> {
    loop {
        let mut tx = db.write().await?;
        let forgotten = db::events::forget_older(&mut tx, before, BATCH).await?;
        tx.commit().await?;
        if forgotten < u64::from(BATCH) {
            break;
        }
    }
    let crowded = db::events::beyond(&mut *db.read().await?, most).await?;
    for (app, last) in crowded {
        loop {
            let mut tx = db.write().await?;
            let forgotten = db::events::forget_up_to(&mut tx, app, last, BATCH).await?;
            tx.commit().await?;
            if forgotten < u64::from(BATCH) {
                break;
            }
        }
    }
    let mut tx = db.write().await?;
    db::webhooks::delete_useless(&mut tx).await?;
    Ok(tx.commit().await?)
}
