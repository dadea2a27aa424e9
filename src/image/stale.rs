//! Uploads that nobody goes on with.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use super::{ImageError, cancel_upload};
use crate::db::Db;
use crate::db::registry::uploads;
use crate::store::Store;

/// Ends the uploads of which nothing has come for `pause`, and tells how many those were. Safe to be cut off anywhere: what
/// it has not come to is found the next time.
pub async fn end_stale_uploads(db: &Db, store: &Store, pause: Duration, now: OffsetDateTime) -> Result<usize, ImageError> {
    let before = now - pause;
    let mut stale = store.stale_uploads(SystemTime::from(before)).await?;
    let begun = uploads::begun_before(&mut *db.read().await?, before).await?;
    for id in begun {
        // A row without a file: the daemon was killed between making a blob of it and recording that.
        if store.upload_size(id).await.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            stale.push(id);
        }
    }
    for id in &stale {
        cancel_upload(db, store, *id).await?;
    }
    Ok(stale.len())
}
