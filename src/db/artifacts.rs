//! What releases run, whichever kind it is.

use super::{Connection, DbError, oci_images, slugs};
use crate::model::{Artifact, ArtifactId, Release};

/// Records a slug whose blob is stored, or an image whose manifests are recorded.
pub async fn insert(db: &mut Connection, artifact: &Artifact) -> Result<(), DbError> {
    match artifact {
        Artifact::Slug(slug) => slugs::insert(db, slug).await,
        Artifact::OciImage(image) => oci_images::insert(db, image).await,
    }
}

/// Gets a slug or an image that there may be.
pub async fn get(db: &mut Connection, id: ArtifactId) -> Result<Option<Artifact>, DbError> {
    Ok(match id {
        ArtifactId::Slug(id) => slugs::get(db, id).await?.map(Artifact::Slug),
        ArtifactId::OciImage(id) => oci_images::get(db, id).await?.map(Artifact::OciImage),
    })
}

/// What a release runs; `None` when there is no code in it.
pub async fn of_release(db: &mut Connection, release: &Release) -> Result<Option<Artifact>, DbError> {
    let Some(id) = release.artifact() else { return Ok(None) };
    let missing = || DbError::Corrupt { what: "release", why: format!("what {} runs is missing", release.id) };
    get(db, id).await?.ok_or_else(missing).map(Some)
}
