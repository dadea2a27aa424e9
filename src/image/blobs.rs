//! Blobs come into a repository, and go.

use time::OffsetDateTime;

use super::ImageError;
use crate::db::registry::{Place, blobs, manifests, uploads};
use crate::db::{Db, DbError, Write};
use crate::model::{BlobUploadId, Digest};
use crate::store::{Store, Upload, UploadError};

/// Begins an upload: its file first, so that there is no row without one.
pub async fn begin_upload(db: &Db, store: &Store, place: &Place, now: OffsetDateTime) -> Result<BlobUploadId, ImageError> {
    let id = BlobUploadId::new();
    store.begin_upload(id).await?;
    let mut tx = db.write_ahead().await?;
    uploads::insert(&mut tx, id, place, now).await?;
    commit(tx).await?;
    Ok(id)
}

/// Makes an upload the repository's blob, if it has the digest that was told. Otherwise it is over, too.
pub async fn adopt_upload(
    db: &Db,
    store: &Store,
    (id, upload): (BlobUploadId, Upload),
    place: &Place,
    told: &Digest,
    now: OffsetDateTime,
) -> Result<(), ImageError> {
    let finished = upload.finish(*told).await;
    // Not waiting for the disk: the manifest that is pushed last does, and takes this along.
    let mut tx = db.write_ahead().await?;
    match finished {
        Ok(size_bytes) => {
            insert_seen(&mut tx, store, place, told, size_bytes, now).await?;
            uploads::delete(&mut tx, id).await?;
            commit(tx).await
        }
        Err(error @ UploadError::OtherDigest(_)) => {
            uploads::delete(&mut tx, id).await?;
            commit(tx).await?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends an upload without a blob: its row first, so that nobody begins to go on with it.
pub async fn cancel_upload(db: &Db, store: &Store, id: BlobUploadId) -> Result<(), ImageError> {
    let mut tx = db.write_ahead().await?;
    uploads::delete(&mut tx, id).await?;
    commit(tx).await?;
    Ok(store.remove_upload(id).await?)
}

/// Gives a repository a blob that another one has, which the caller may pull from.
pub async fn mount_blob(
    db: &Db,
    store: &Store,
    from: &Place,
    to: &Place,
    digest: &Digest,
    now: OffsetDateTime,
) -> Result<(), ImageError> {
    let mut tx = db.write_ahead().await?;
    let size_bytes = blobs::size(&mut tx, from, digest).await?.ok_or(ImageError::NotFound)?;
    insert_seen(&mut tx, store, to, digest, size_bytes, now).await?;
    commit(tx).await
}

/// Takes a blob from a repository. Its file stays until nobody has it.
pub async fn delete_blob(db: &Db, place: &Place, digest: &Digest) -> Result<(), ImageError> {
    let mut tx = db.write().await?;
    if let Some(manifest) = manifests::parent_of(&mut tx, place, digest).await? {
        return Err(ImageError::PartOf(manifest));
    }
    if !blobs::delete(&mut tx, place, digest).await? {
        return Err(ImageError::NotFound);
    }
    commit(tx).await
}

/// Records a blob whose file is there, which is looked for inside the transaction: garbage collection may have been faster.
async fn insert_seen(
    tx: &mut Write,
    store: &Store,
    place: &Place,
    digest: &Digest,
    size_bytes: u64,
    now: OffsetDateTime,
) -> Result<(), ImageError> {
    if !store.contains(digest).await? {
        return Err(ImageError::NotFound);
    }
    Ok(blobs::insert(tx, place, digest, size_bytes, now).await?)
}

pub(super) async fn commit(tx: Write) -> Result<(), ImageError> {
    Ok(tx.commit().await.map_err(DbError::from)?)
}
