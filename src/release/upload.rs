//! Slugs that were made elsewhere: announced first, then uploaded, then released as any other.

use time::{Duration, OffsetDateTime};

use crate::db::slug_uploads::SlugUpload;
use crate::db::{self, Db, DbError};
use crate::model::{Digest, Slug};

/// How long after its announcement a slug may be uploaded.
pub const UPLOAD_TIME: Duration = Duration::hours(1);

/// An archive that is in the store.
#[derive(Debug, Clone, Copy)]
pub struct Archive {
    pub digest: Digest,
    /// Digest of the archive before compression.
    pub content_digest: Digest,
    pub size_bytes: u64,
}

/// Why an archive did not become a slug.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Another upload was first, and it was of something else.
    #[error("the slug has been uploaded meanwhile")]
    Already,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Announces a slug, and forgets those that never came.
pub async fn announce_slug(db: &Db, upload: &SlugUpload) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::slug_uploads::delete_before(&mut tx, upload.created_at - UPLOAD_TIME).await?;
    db::slug_uploads::insert(&mut tx, upload).await?;
    tx.commit().await?;
    Ok(())
}

/// Records an announced slug whose archive is in the store; of two uploads of the same bytes, both are fine.
pub async fn record_slug(db: &Db, upload: SlugUpload, archive: Archive, now: OffsetDateTime) -> Result<Slug, UploadError> {
    let mut tx = db.write().await?;
    if !db::slug_uploads::delete(&mut tx, upload.id).await? {
        let there = db::slugs::get(&mut tx, upload.id).await?;
        return there.filter(|slug| slug.digest == archive.digest).ok_or(UploadError::Already);
    }
    let slug = Slug {
        id: upload.id,
        app: upload.app,
        digest: archive.digest,
        content_digest: archive.content_digest,
        size_bytes: archive.size_bytes,
        stack: upload.stack,
        stack_digest: upload.stack_digest,
        commit: upload.commit,
        process_types: upload.process_types,
        language: upload.language,
        created_at: now,
    };
    db::slugs::insert(&mut tx, &slug).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(slug)
}
