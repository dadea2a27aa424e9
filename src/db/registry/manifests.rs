//! Manifests and indexes, and what they are made of.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::super::{Connection, DbError, row};
use super::{Place, at, size};
use crate::model::{Digest, ImageManifest, ManifestType};

/// What the database knows of a manifest; its bytes lie in the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: ManifestType,
    pub size_bytes: u64,
    /// The config's media type where the manifest itself says nothing.
    pub artifact_type: Option<String>,
    pub subject: Option<Digest>,
    pub annotations: BTreeMap<String, String>,
    /// The config's digest, by which Docker names an image; none for an index.
    pub image_id: Option<Digest>,
    pub pushed_at: OffsetDateTime,
}

impl StoredManifest {
    /// A manifest of this digest and size that comes in now.
    #[must_use]
    pub fn new(manifest: &ImageManifest, digest: Digest, size_bytes: u64, now: OffsetDateTime) -> Self {
        Self {
            digest,
            media_type: manifest.media_type,
            size_bytes,
            artifact_type: manifest.artifact_type.clone(),
            subject: manifest.subject.as_ref().map(|subject| subject.digest),
            annotations: manifest.annotations.clone(),
            image_id: manifest.config.as_ref().map(|config| config.digest),
            pushed_at: now,
        }
    }
}

/// Something that a manifest is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child {
    Blob(Digest),
    Manifest(Digest),
}

/// Records a manifest, whose bytes the caller has seen in the store, and whose children in the repository, in this
/// transaction. One that is there already stays.
pub async fn insert(db: &mut Connection, place: &Place, manifest: &StoredManifest, children: &[Child]) -> Result<(), DbError> {
    let sql = "INSERT INTO manifests (app_id, process_type, digest, media_type, size_bytes, artifact_type, subject, annotations, image_id, pushed_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    at(sql, place)
        .bind(manifest.digest.to_string())
        .bind(manifest.media_type.as_str())
        .bind(size(manifest.size_bytes))
        .bind(manifest.artifact_type.as_deref())
        .bind(manifest.subject.map(|subject| subject.to_string()))
        .bind(serde_json::to_string(&manifest.annotations).expect("a map of texts is JSON"))
        .bind(manifest.image_id.map(|id| id.to_string()))
        .bind(row::millis(manifest.pushed_at))
        .execute(&mut *db)
        .await?;
    for child in children {
        let (digest, kind) = match child {
            Child::Blob(digest) => (digest, "blob"),
            Child::Manifest(digest) => (digest, "manifest"),
        };
        let sql = "INSERT INTO manifest_children (app_id, process_type, manifest, child, kind) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT DO NOTHING";
        at(sql, place).bind(manifest.digest.to_string()).bind(digest.to_string()).bind(kind).execute(&mut *db).await?;
    }
    Ok(())
}

/// Gets a repository's manifest.
pub async fn get(db: &mut Connection, place: &Place, digest: &Digest) -> Result<Option<StoredManifest>, DbError> {
    let sql = "SELECT * FROM manifests WHERE app_id = ? AND process_type = ? AND digest = ?";
    at(sql, place).bind(digest.to_string()).fetch_optional(db).await?.as_ref().map(manifest).transpose()
}

/// Finds the newest of a repository's manifests whose config this is: Docker's image id.
pub async fn by_image_id(db: &mut Connection, place: &Place, image_id: &Digest) -> Result<Option<StoredManifest>, DbError> {
    let sql =
        "SELECT * FROM manifests WHERE app_id = ? AND process_type = ? AND image_id = ? ORDER BY pushed_at DESC, digest LIMIT 1";
    at(sql, place).bind(image_id.to_string()).fetch_optional(db).await?.as_ref().map(manifest).transpose()
}

/// Lists the manifests whose subject this is, in the order of their digests, from behind `last` on.
pub async fn referrers(
    db: &mut Connection,
    place: &Place,
    subject: &Digest,
    artifact_type: Option<&str>,
    last: Option<&Digest>,
    most: u32,
) -> Result<Vec<StoredManifest>, DbError> {
    let sql =
        "SELECT * FROM manifests WHERE app_id = ?1 AND process_type = ?2 AND subject = ?3 AND (?4 IS NULL OR artifact_type = ?4)
               AND digest > ?5 ORDER BY digest LIMIT ?6";
    let rows = at(sql, place)
        .bind(subject.to_string())
        .bind(artifact_type)
        .bind(last.map(ToString::to_string).unwrap_or_default())
        .bind(most)
        .fetch_all(db)
        .await?;
    rows.iter().map(manifest).collect()
}

/// Lists what a manifest is made of.
pub async fn children(db: &mut Connection, place: &Place, digest: &Digest) -> Result<Vec<Child>, DbError> {
    let sql = "SELECT child, kind FROM manifest_children WHERE app_id = ? AND process_type = ? AND manifest = ? ORDER BY child";
    let rows = at(sql, place).bind(digest.to_string()).fetch_all(db).await?;
    let child = |row: &SqliteRow| {
        let digest = row::text(row, "child")?;
        let kind: String = row.try_get("kind")?;
        Ok(if kind == "manifest" { Child::Manifest(digest) } else { Child::Blob(digest) })
    };
    rows.iter().map(child).collect()
}

/// The manifest of the repository that is partly made of this blob or manifest, if there is one.
pub async fn parent_of(db: &mut Connection, place: &Place, child: &Digest) -> Result<Option<Digest>, DbError> {
    let sql = "SELECT manifest FROM manifest_children WHERE app_id = ? AND process_type = ? AND child = ? LIMIT 1";
    let row = at(sql, place).bind(child.to_string()).fetch_optional(db).await?;
    row.map(|row| row::text(&row, "manifest")).transpose()
}

/// Deletes a manifest with its tags and tells whether it was there. Fails with [`DbError::is_referred_to`] when a row of
/// another table names it.
pub async fn delete(db: &mut Connection, place: &Place, digest: &Digest) -> Result<bool, DbError> {
    let sql = "DELETE FROM manifests WHERE app_id = ? AND process_type = ? AND digest = ?";
    Ok(at(sql, place).bind(digest.to_string()).execute(db).await?.rows_affected() > 0)
}

fn manifest(row: &SqliteRow) -> Result<StoredManifest, DbError> {
    Ok(StoredManifest {
        digest: row::text(row, "digest")?,
        media_type: row::text(row, "media_type")?,
        size_bytes: row::number(row, "size_bytes")?,
        artifact_type: row.try_get("artifact_type")?,
        subject: row::optional(row, "subject")?,
        annotations: row::json(row, "annotations")?,
        image_id: row::optional(row, "image_id")?,
        pushed_at: row::time(row, "pushed_at")?,
    })
}
