//! Images as causes of releases: those that are put in the place of others, or taken away, and those that another app has.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::config::base_config;
use super::create::{Cause, CreateError};
use super::phase::status_of_new;
use crate::db::registry::manifests::Child;
use crate::db::registry::{Place, blobs, manifests};
use crate::db::releases::NewRelease;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{AppId, Artifact, CommitId, OciImage, OciImageId, ProcessImage, ProcessType, Release};

/// What is to become of the images of process types: `None` takes one away.
pub type ImageChanges = BTreeMap<ProcessType, Option<ProcessImage>>;

/// Releases the app with other images for some of its process types; the other types keep theirs. `None` when nothing would
/// be different. What it builds upon is read where it is written: of two changes at once, neither is lost.
pub async fn release_images_in(
    tx: &mut Connection,
    db: &Db,
    cause: Cause,
    changes: ImageChanges,
) -> Result<Option<Release>, CreateError> {
    let base = db::releases::base(tx, cause.app).await?;
    let before = match &base {
        Some(base) => images_of(db::artifacts::of_release(tx, base).await?),
        None => BTreeMap::new(),
    };
    let description = description(&changes);
    let mut process_types = before.clone();
    for (process_type, image) in changes {
        match image {
            Some(image) => drop(process_types.insert(process_type, image)),
            None if process_types.remove(&process_type).is_some() => {}
            None => return Err(CreateError::NoSuchProcessType(process_type)),
        }
    }
    if process_types == before {
        return Ok(None);
    }
    let image = OciImage { id: OciImageId::new(), app: cause.app, commit: None, process_types, created_at: cause.at };
    record_image(tx, &image).await?;
    let artifact = Artifact::OciImage(image);
    let new = NewRelease {
        app: cause.app,
        description,
        by: cause.by,
        artifact: Some(artifact.id()),
        // Neither made these images, as far as is known.
        build: None,
        commit: None,
        config: base_config(tx, db, cause.app).await?,
        status: status_of_new(&artifact),
        at: cause.at,
    };
    Ok(Some(db::releases::append(tx, db.cipher(), new).await?))
}

/// Records images that may be released later.
pub async fn record_images(
    db: &Db,
    app: AppId,
    commit: Option<CommitId>,
    process_types: BTreeMap<ProcessType, ProcessImage>,
    at: OffsetDateTime,
) -> Result<OciImage, CreateError> {
    let image = OciImage { id: OciImageId::new(), app, commit, process_types, created_at: at };
    let mut tx = db.write().await?;
    record_image(&mut tx, &image).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(image)
}

async fn record_image(tx: &mut Connection, image: &OciImage) -> Result<(), CreateError> {
    db::oci_images::insert(tx, image).await.map_err(|error| {
        // Deleted since the caller saw it.
        if error.is_referred_to() { CreateError::NoSuchArtifact } else { error.into() }
    })
}

fn images_of(artifact: Option<Artifact>) -> BTreeMap<ProcessType, ProcessImage> {
    match artifact {
        Some(Artifact::OciImage(image)) => image.process_types,
        // A slug's process types do not go on beside images.
        Some(Artifact::Slug(_)) | None => BTreeMap::new(),
    }
}

/// Lets another app's repositories have what an image is made of. The files are there once; only rows are written.
pub(super) async fn share_image(tx: &mut Connection, image: &OciImage, with: AppId, at: OffsetDateTime) -> Result<(), DbError> {
    for (process_type, process) in &image.process_types {
        let from = Place { app: image.app, process_type: process_type.clone() };
        let to = Place { app: with, process_type: process_type.clone() };
        let missing = |what: &'static str| DbError::Corrupt { what, why: format!("a part of the image {} is missing", image.id) };
        let manifest = manifests::get(tx, &from, &process.digest).await?.ok_or_else(|| missing("manifest"))?;
        let children = manifests::children(tx, &from, &process.digest).await?;
        for child in &children {
            // An image for one kind of machine is made of blobs alone.
            if let Child::Blob(digest) = child {
                let size = blobs::size(tx, &from, digest).await?.ok_or_else(|| missing("blob"))?;
                blobs::insert(tx, &to, digest, size, at).await?;
            }
        }
        manifests::insert(tx, &to, &manifest, &children).await?;
    }
    Ok(())
}

/// `Deployed web (eacd9b960537)` (conventions 3.8). What is said of an image that was taken away is hoist's own.
fn description(changes: &ImageChanges) -> String {
    let deployed = changes.iter().filter_map(|(name, image)| Some(format!("{name} ({})", &image.as_ref()?.image_id.hex()[..12])));
    let removed = changes.iter().filter(|(_, image)| image.is_none()).map(|(name, _)| name.to_string());
    let parts = [("Deployed", deployed.collect::<Vec<_>>()), ("Removed", removed.collect())];
    let parts = parts.into_iter().filter(|(_, names)| !names.is_empty());
    parts.map(|(verb, names)| format!("{verb} {}", names.join(", "))).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn a_release_is_called_after_what_was_changed() {
        let image = |byte| {
            let (digest, image_id) = (Digest::from_bytes([1; 32]), Digest::from_bytes([byte; 32]));
            Some(ProcessImage { digest, image_id, run: None, command: String::new(), working_dir: "/".into() })
        };
        let check = |changes: [(&str, Option<ProcessImage>); 2], expected: &str| {
            let changes = changes.map(|(name, image)| (name.parse().unwrap(), image)).into();
            assert_eq!(description(&changes), expected);
        };
        check([("web", image(0xab)), ("worker", image(0xcd))], "Deployed web (abababababab), worker (cdcdcdcdcdcd)");
        check([("web", image(0xab)), ("worker", None)], "Deployed web (abababababab); Removed worker");
        check([("web", None), ("worker", None)], "Removed web, worker");
    }
}
