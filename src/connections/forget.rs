//! Forgetting what forges told long ago.

use std::time::Duration;

use time::OffsetDateTime;

use crate::db::{self, Db, DbError};

/// For how long a delivery that comes again is known. GitHub makes none again that is older than three days (docs.github.com,
/// "Redelivering webhooks"); the others keep theirs for about a week.
const KEEP: Duration = Duration::from_hours(60 * 24);
/// Rows removed in one transaction, so that none holds up other writers for long.
const BATCH: u32 = 500;

/// Forgets the deliveries that no forge makes again; returns how many there were.
pub async fn forget_deliveries(db: &Db, now: OffsetDateTime) -> Result<u64, DbError> {
    let mut all = 0;
    loop {
        let mut tx = db.write().await?;
        let forgotten = db::deliveries_in::forget_older(&mut tx, now - KEEP, BATCH).await?;
        tx.commit().await?;
        all += forgotten;
        if forgotten < u64::from(BATCH) {
            return Ok(all);
        }
    }
}
