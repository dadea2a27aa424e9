//! What nothing refers to any more.
//!
//! A table that names blobs belongs into [`is_referred_to`]. One that names manifests keeps them by a foreign key.

use sqlx::Row as _;
use time::OffsetDateTime;

use super::registry::Place;
use super::{Connection, DbError, row};
use crate::model::Digest;

/// A manifest older than `?1` that no tag of a living app names, that no index lists, and whose subject, if it has one, is
/// gone.
const UNNAMED: &str = "pushed_at < ?1
    AND NOT EXISTS (
        SELECT 1 FROM image_tags AS tags JOIN apps ON apps.id = tags.app_id
        WHERE tags.app_id = manifests.app_id AND tags.process_type = manifests.process_type AND tags.manifest = manifests.digest
            AND apps.destroyed_at IS NULL)
    AND NOT EXISTS (
        SELECT 1 FROM manifest_children AS parents
        WHERE parents.app_id = manifests.app_id AND parents.process_type = manifests.process_type
            AND parents.child = manifests.digest)
    AND NOT EXISTS (
        SELECT 1 FROM manifests AS subjects
        WHERE subjects.app_id = manifests.app_id AND subjects.process_type = manifests.process_type
            AND subjects.digest = manifests.subject)";

/// A manifest's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestKey {
    pub place: Place,
    pub digest: Digest,
}

/// Tells whether anything that is kept has this blob. A source that has expired has none.
pub async fn is_referred_to(db: &mut Connection, digest: &Digest, now: OffsetDateTime) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (
            SELECT 1 FROM slugs WHERE digest = ?1
            UNION ALL SELECT 1 FROM slug_statements WHERE digest = ?1
            UNION ALL SELECT 1 FROM apps WHERE cache_digest = ?1
            UNION ALL SELECT 1 FROM build_logs WHERE digest = ?1
            UNION ALL SELECT 1 FROM release_logs WHERE digest = ?1
            UNION ALL SELECT 1 FROM dyno_logs WHERE digest = ?1
            UNION ALL SELECT 1 FROM test_logs WHERE digest = ?1
            UNION ALL SELECT 1 FROM sources WHERE digest = ?1 AND expires_at > ?2
            UNION ALL SELECT 1 FROM image_blobs WHERE digest = ?1
            UNION ALL SELECT 1 FROM manifests WHERE digest = ?1
            UNION ALL SELECT 1 FROM lfs_objects WHERE digest = ?1
            UNION ALL SELECT 1 FROM buildpack_copies WHERE digest = ?1
        ) AS found";
    Ok(sqlx::query(sql).bind(digest.to_string()).bind(row::millis(now)).fetch_one(db).await?.try_get("found")?)
}

/// Lists manifests from before a time that nothing in their repository names, from behind `last` on. One of them may be
/// named by something else, which its deletion finds out.
pub async fn unnamed_manifests(
    db: &mut Connection,
    before: OffsetDateTime,
    last: Option<&ManifestKey>,
    most: u32,
) -> Result<Vec<ManifestKey>, DbError> {
    let sql = format!(
        "SELECT app_id, process_type, digest FROM manifests
         WHERE (app_id, process_type, digest) > (?2, ?3, ?4) AND {UNNAMED}
         ORDER BY app_id, process_type, digest LIMIT ?5"
    );
    let key = |text: fn(&ManifestKey) -> String| last.map(text).unwrap_or_default();
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(row::millis(before))
        .bind(key(|last| last.place.app.to_string()))
        .bind(key(|last| last.place.process_type.to_string()))
        .bind(key(|last| last.digest.to_string()))
        .bind(most)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| Ok(ManifestKey { place: Place::of(row)?, digest: row::text(row, "digest")? })).collect()
}

/// Deletes a manifest that is still unnamed, and tells whether it has: a release's stays.
pub async fn delete_unnamed_manifest(db: &mut Connection, key: &ManifestKey, before: OffsetDateTime) -> Result<bool, DbError> {
    let sql = format!("DELETE FROM manifests WHERE app_id = ?2 AND process_type = ?3 AND digest = ?4 AND {UNNAMED}");
    let deleted = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(row::millis(before))
        .bind(key.place.app.to_string())
        .bind(key.place.process_type.as_str())
        .bind(key.digest.to_string())
        .execute(db)
        .await
        .map_err(DbError::from);
    match deleted {
        Ok(deleted) => Ok(deleted.rows_affected() > 0),
        Err(error) if error.is_referred_to() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Forgets that repositories have blobs of which no manifest there is made and that nobody has counted on since a time; at
/// most so many. Tells how many.
pub async fn forget_unused_blobs(db: &mut Connection, before: OffsetDateTime, most: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM image_blobs WHERE rowid IN (
            SELECT image_blobs.rowid FROM image_blobs
            WHERE used_at < ? AND NOT EXISTS (
                SELECT 1 FROM manifest_children AS parents
                WHERE parents.app_id = image_blobs.app_id AND parents.process_type = image_blobs.process_type
                    AND parents.child = image_blobs.digest)
            LIMIT ?)";
    Ok(sqlx::query(sql).bind(row::millis(before)).bind(most).execute(db).await?.rows_affected())
}
