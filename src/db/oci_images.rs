//! The images that were released: which manifest runs for which process type.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::registry::Place;
use super::{Connection, DbError, row};
use crate::model::{AppId, CommitId, Digest, OciImage, OciImageId, ProcessImage, ProcessType};

/// Records an image. Fails with [`DbError::is_referred_to`] when one of its manifests is not in the app's repository. Its process types can't be added to once it is released.
pub async fn insert(db: &mut Connection, image: &OciImage) -> Result<(), DbError> {
    sqlx::query("INSERT INTO oci_images (id, app_id, commit_id, created_at) VALUES (?, ?, ?, ?)")
        .bind(image.id.to_string())
        .bind(image.app.to_string())
        .bind(image.commit.as_ref().map(CommitId::as_str))
        .bind(row::millis(image.created_at))
        .execute(&mut *db)
        .await?;
    for (process_type, process) in &image.process_types {
        sqlx::query(
            "INSERT INTO oci_image_process_types (oci_image_id, app_id, process_type, digest, image_id, run, command, working_dir)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(image.id.to_string())
        .bind(image.app.to_string())
        .bind(process_type.as_str())
        .bind(process.digest.to_string())
        .bind(process.image_id.to_string())
        .bind(process.run.as_deref())
        .bind(&process.command)
        .bind(&process.working_dir)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Gets an image by its id.
pub async fn get(db: &mut Connection, id: OciImageId) -> Result<Option<OciImage>, DbError> {
    let found = sqlx::query("SELECT * FROM oci_images WHERE id = ?").bind(id.to_string()).fetch_optional(&mut *db).await?;
    let Some(found) = found else { return Ok(None) };
    let types = sqlx::query("SELECT * FROM oci_image_process_types WHERE oci_image_id = ?").bind(id.to_string());
    let types = types.fetch_all(db).await?;
    Ok(Some(OciImage {
        id: row::text(&found, "id")?,
        app: row::text(&found, "app_id")?,
        commit: row::optional(&found, "commit_id")?,
        process_types: types.iter().map(process).collect::<Result<_, DbError>>()?,
        created_at: row::time(&found, "created_at")?,
    }))
}

/// An app's images that run this manifest, newest first.
pub async fn by_digest(db: &mut Connection, app: AppId, digest: &Digest) -> Result<Vec<OciImageId>, DbError> {
    let rows = sqlx::query(
        "SELECT DISTINCT oci_images.id, created_at FROM oci_images
         JOIN oci_image_process_types ON oci_image_id = oci_images.id
         WHERE oci_images.app_id = ? AND digest = ? ORDER BY created_at DESC, oci_images.id",
    );
    let rows = rows.bind(app.to_string()).bind(digest.to_string()).fetch_all(db).await?;
    rows.iter().map(|row| row::text(row, "id")).collect()
}

/// Tells whether a released or recorded image runs this manifest of the repository: it can't be deleted then.
pub async fn names_manifest(db: &mut Connection, place: &Place, digest: &Digest) -> Result<bool, DbError> {
    let found = sqlx::query("SELECT 1 FROM oci_image_process_types WHERE app_id = ? AND process_type = ? AND digest = ? LIMIT 1");
    let found = found.bind(place.app.to_string()).bind(place.process_type.as_str()).bind(digest.to_string());
    Ok(found.fetch_optional(db).await?.is_some())
}

fn process(found: &SqliteRow) -> Result<(ProcessType, ProcessImage), DbError> {
    let image = ProcessImage {
        digest: row::text(found, "digest")?,
        image_id: row::text(found, "image_id")?,
        run: found.try_get("run")?,
        command: found.try_get("command")?,
        working_dir: found.try_get("working_dir")?,
    };
    Ok((row::text(found, "process_type")?, image))
}
