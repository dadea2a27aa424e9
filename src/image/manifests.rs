//! Manifests come into a repository, and go.

use time::OffsetDateTime;

use super::blobs::commit;
use super::{ImageError, tags};
use crate::db::registry::manifests::{self, Child, StoredManifest};
use crate::db::registry::{self, Place, blobs};
use crate::db::{Connection, Db, DbError};
use crate::model::{Descriptor, Digest, ImageManifest, Invalid, Tag};
use crate::store::Store;

/// A manifest as it is pushed.
#[derive(Debug)]
pub struct NewManifest<'a> {
    pub bytes: &'a [u8],
    pub content_type: Option<&'a str>,
    /// What its digest must be, if that was told.
    pub digest: Option<Digest>,
    /// What is to name it.
    pub tags: &'a [Tag],
}

/// Why a manifest is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("its bytes have the digest {0}")]
    OtherDigest(Digest),
    /// What it is made of and the repository has not.
    #[error("the repository has not all that it is made of")]
    Missing(Vec<Digest>),
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl From<DbError> for PutError {
    fn from(error: DbError) -> Self {
        Self::Image(error.into())
    }
}

impl From<std::io::Error> for PutError {
    fn from(error: std::io::Error) -> Self {
        Self::Image(error.into())
    }
}

/// Keeps a manifest of whose parts the repository has every one, lets its tags name it, and returns what is kept.
pub async fn put_manifest(
    db: &Db,
    store: &Store,
    place: &Place,
    new: NewManifest<'_>,
    now: OffsetDateTime,
) -> Result<StoredManifest, PutError> {
    for tag in new.tags {
        tags::check_may_push(tag)?;
    }
    let parsed = ImageManifest::parse(new.bytes, new.content_type)?;
    let (digest, size_bytes) = store.put(new.bytes).await?;
    if new.digest.is_some_and(|told| told != digest) {
        return Err(PutError::OtherDigest(digest));
    }
    let mut tx = db.write().await?;
    if !store.contains(&digest).await? {
        // Garbage collection was faster.
        return Err(ImageError::NotFound.into());
    }
    let children: Vec<_> = parsed.children().map(|child| child_of(&parsed, child)).collect();
    let missing = missing(&mut tx, place, &children, now).await?;
    if !missing.is_empty() {
        return Err(PutError::Missing(missing));
    }
    let stored = StoredManifest::new(&parsed, digest, size_bytes, now);
    manifests::insert(&mut tx, place, &stored, &children).await?;
    for tag in new.tags {
        registry::tags::set(&mut tx, place, tag, &digest).await?;
    }
    commit(tx).await?;
    Ok(stored)
}

/// Takes a manifest with its tags from a repository, unless an index lists it or a release runs it.
pub async fn delete_manifest(db: &Db, place: &Place, digest: &Digest) -> Result<(), ImageError> {
    let mut tx = db.write().await?;
    if let Some(index) = manifests::parent_of(&mut tx, place, digest).await? {
        return Err(ImageError::PartOf(index));
    }
    match manifests::delete(&mut tx, place, digest).await {
        Ok(true) => commit(tx).await,
        Ok(false) => Err(ImageError::NotFound),
        Err(error) if error.is_referred_to() => Err(ImageError::Released),
        Err(error) => Err(error.into()),
    }
}

fn child_of(manifest: &ImageManifest, child: &Descriptor) -> Child {
    if manifest.media_type.is_index() { Child::Manifest(child.digest) } else { Child::Blob(child.digest) }
}

/// Which of a manifest's parts the repository has not. Those that it has are counted on from now on.
async fn missing(tx: &mut Connection, place: &Place, children: &[Child], now: OffsetDateTime) -> Result<Vec<Digest>, DbError> {
    let mut missing = Vec::new();
    for child in children {
        let (digest, is_there) = match child {
            Child::Blob(digest) => (digest, blobs::touch(tx, place, digest, now).await?),
            Child::Manifest(digest) => (digest, manifests::get(tx, place, digest).await?.is_some()),
        };
        if !is_there {
            missing.push(*digest);
        }
    }
    Ok(missing)
}
