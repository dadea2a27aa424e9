//! Keeps the images that hoist makes, and opens the blobs of any image.
//!
//! A slug and a stack's layers are blobs of images where they lie: the one in the store under its own digest, the other in
//! the stacks folder.

use std::fs::File;
use std::io;

use tokio::task::spawn_blocking;

use super::SlugImageError;
use crate::ctx::Ctx;
use crate::db::Connection;
use crate::db::registry::manifests::{self, Child, StoredManifest};
use crate::db::registry::{Place, blobs, slug_images, tags};
use crate::image::of_slug::{Artifact, ImageStack};
use crate::model::{Digest, ImageManifest, ReleaseId};
use crate::stack;

/// Opens a blob of an image; `NotFound` when there is none of this digest. Whether the caller may have it is not asked here.
pub async fn open_image_blob(ctx: &Ctx, digest: &Digest) -> io::Result<File> {
    match ctx.store.open_blob(digest).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return Ok(other?.into_std().await),
    }
    let (stacks_dir, digest) = (ctx.config.stacks_dir.clone(), *digest);
    let layer = spawn_blocking(move || stack::open_layer(&stacks_dir, &digest)).await.map_err(io::Error::other)?;
    layer.map_err(io::Error::other)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// An image with all that is attached to it.
pub(super) struct Kept<'a> {
    pub(super) place: &'a Place,
    pub(super) release: ReleaseId,
    pub(super) stack: &'a ImageStack,
    /// The image first.
    pub(super) artifacts: &'a [Artifact],
}

/// Stores the bytes, then records all of it at once, and returns what is known of the image. Had somebody else the same
/// image made meanwhile, theirs stays with what they have attached to it. A crash between leaves blobs without a row.
pub(super) async fn keep(ctx: &Ctx, kept: &Kept<'_>) -> Result<StoredManifest, SlugImageError> {
    let mut rows = Vec::new();
    for artifact in kept.artifacts {
        for blob in &artifact.blobs {
            ctx.store.put(blob.as_slice()).await?;
        }
        let (digest, size_bytes) = ctx.store.put(artifact.manifest.as_slice()).await?;
        rows.push((StoredManifest::new(&parse(artifact), digest, size_bytes, ctx.now()), artifact));
    }
    let (image, _) = rows.first().expect("the image itself").clone();
    let mut tx = ctx.db.write().await?;
    if manifests::get(&mut tx, kept.place, &image.digest).await?.is_none() {
        for (row, artifact) in &rows {
            record(ctx, &mut tx, kept, (row, artifact)).await?;
        }
        slug_images::insert(&mut tx, kept.place, &image.digest, kept.release, &kept.stack.digest, ctx.now()).await?;
        tx.commit().await.map_err(crate::db::DbError::from)?;
    }
    Ok(image)
}

fn parse(artifact: &Artifact) -> ImageManifest {
    ImageManifest::parse(&artifact.manifest, None).expect("hoist has just made it")
}

async fn record(
    ctx: &Ctx,
    tx: &mut Connection,
    kept: &Kept<'_>,
    (row, artifact): (&StoredManifest, &Artifact),
) -> Result<(), SlugImageError> {
    let mut children = Vec::new();
    for child in parse(artifact).children() {
        let is_stacks = kept.stack.layers.iter().any(|layer| layer.digest == child.digest);
        if !is_stacks && !ctx.store.contains(&child.digest).await? {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("the blob {} is gone", child.digest)).into());
        }
        blobs::insert(tx, kept.place, &child.digest, child.size_bytes, row.pushed_at).await?;
        children.push(Child::Blob(child.digest));
    }
    manifests::insert(tx, kept.place, row, &children).await?;
    if let Some(tag) = &artifact.tag {
        tags::set(tx, kept.place, tag, &row.digest).await?;
    }
    Ok(())
}
