//! Images that hoist has made of slugs: what is named here stays.

use time::OffsetDateTime;

use super::super::{Connection, DbError, row};
use super::{Place, at};
use crate::model::{Digest, ReleaseId};

/// Records which release an image is of, and on which stack it stands. The manifest is recorded already.
pub async fn insert(
    db: &mut Connection,
    place: &Place,
    manifest: &Digest,
    release: ReleaseId,
    stack: &Digest,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let sql = "INSERT INTO slug_images (app_id, process_type, manifest, release_id, stack_digest, created_at)
               VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    at(sql, place)
        .bind(manifest.to_string())
        .bind(release.to_string())
        .bind(stack.to_string())
        .bind(row::millis(now))
        .execute(db)
        .await?;
    Ok(())
}
