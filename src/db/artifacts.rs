//! What releases run, whichever kind it is.

use super::{Connection, DbError, oci_images, row, slugs};
use crate::model::{AppId, Artifact, ArtifactId, ProcessType, Release, ReleaseVersion};

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

/// The app's releases that have a process type, oldest first.
pub async fn versions_with(db: &mut Connection, app: AppId, process_type: &ProcessType) -> Result<Vec<ReleaseVersion>, DbError> {
    let sql = "SELECT version FROM releases WHERE app_id = ?1 AND (
                   EXISTS (SELECT 1 FROM slugs, json_each (slugs.process_types) AS process
                           WHERE slugs.id = releases.slug_id AND process.key = ?2)
                   OR EXISTS (SELECT 1 FROM oci_image_process_types AS process
                              WHERE process.oci_image_id = releases.oci_image_id AND process.process_type = ?2))
               ORDER BY version";
    let rows = sqlx::query(sql).bind(app.to_string()).bind(process_type.as_str()).fetch_all(db).await?;
    rows.iter().map(|row| Ok(ReleaseVersion(row::number(row, "version")?))).collect()
}
