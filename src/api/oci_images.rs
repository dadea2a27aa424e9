//! Images that releases are made of: which of the app's repositories' images, for which process types.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Deploy, InApp, Named, See};
use super::types::{self, NamedRef, NewOciImage, OciProcessType, Timestamp};
use crate::ctx::Ctx;
use crate::db::registry::{Place, manifests};
use crate::db::{self, Connection};
use crate::image::{self, Image};
use crate::model::{App, CommitId, Digest, OciImage, OciImageId, ProcessImage, ProcessType, Repository, StackName};
use crate::release;

/// `GET /apps/{app}/oci-images/{image}`, by id or by a manifest's digest: a list, because several releases may run one
/// manifest.
pub(super) async fn info(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Named(image): Named,
) -> Result<Json<Vec<types::OciImage>>, ApiError> {
    let found = {
        let mut db = ctx.db.read().await?;
        let mut found = Vec::new();
        for id in ids(&mut db, &at.app, &image).await? {
            found.extend(db::oci_images::get(&mut db, id).await?);
        }
        found
    };
    let mut described = Vec::new();
    for image in found {
        described.push(describe(&ctx, &at.app, image).await?);
    }
    Ok(Json(described))
}

/// `POST /apps/{app}/oci-images`: of an image that lies in the app's repositories of the process types that are to run it.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
    Body(new): Body<NewOciImage>,
) -> Result<Created<types::OciImage>, ApiError> {
    if new.process_types.is_empty() {
        return Err(ApiError::InvalidParams("Name the `process_types` that are to run the image.".into()));
    }
    let commit = new.commit.as_deref().map(str::parse::<CommitId>).transpose().map_err(ApiError::unfit("commit"))?;
    let mut process_types = BTreeMap::new();
    for (process_type, asked) in new.process_types {
        let mut image = find_image(&ctx, &at.app, &process_type, &new.digest).await?;
        if let Some(command) = asked.command.filter(|command| *command != image.command) {
            if command.trim().is_empty() || command.contains('\0') {
                return Err(ApiError::InvalidParams(format!("The command of the process type {process_type} must be a text.")));
            }
            (image.command, image.run) = (command.clone(), Some(command));
        }
        process_types.insert(process_type, image);
    }
    let image = release::record_images(&ctx.db, at.app.id, commit, process_types, ctx.now()).await?;
    Ok(Created(describe(&ctx, &at.app, image).await?))
}

/// The image that the app may release under an id or a manifest's digest: the newest, if there are several.
pub(super) async fn find(db: &mut Connection, app: &App, id_or_digest: &str) -> Result<OciImageId, ApiError> {
    ids(db, app, id_or_digest).await?.into_iter().next().ok_or(ApiError::NotFound("oci_image"))
}

async fn ids(db: &mut Connection, app: &App, id_or_digest: &str) -> Result<Vec<OciImageId>, ApiError> {
    if let Ok(digest) = id_or_digest.parse() {
        return Ok(db::oci_images::by_digest(db, app.id, &digest).await?);
    }
    let id = id_or_digest.parse().map_err(|_| ApiError::NotFound("oci_image"))?;
    let image = db::oci_images::get(db, id).await?.filter(|image| image.app == app.id);
    Ok(vec![image.ok_or(ApiError::NotFound("oci_image"))?.id])
}

/// Finds an image in the app's repository of a process type: by its id, as Docker and the Heroku CLI name it, or by its
/// manifest's digest.
pub(super) async fn find_image(
    ctx: &Ctx,
    app: &App,
    process_type: &ProcessType,
    id_or_digest: &str,
) -> Result<ProcessImage, ApiError> {
    let digest: Digest = id_or_digest.parse().map_err(ApiError::unfit("image"))?;
    let place = Place { app: app.id, process_type: process_type.clone() };
    let manifest = {
        let mut db = ctx.db.read().await?;
        match manifests::by_image_id(&mut db, &place, &digest).await? {
            Some(manifest) => Some(manifest),
            None => manifests::get(&mut db, &place, &digest).await?,
        }
    };
    let not_pushed = || {
        let repository = Repository { app: app.name.clone(), process_type: process_type.clone() };
        ApiError::InvalidParams(format!(
            "There is no image {digest} in {repository}. Push it there first: `hoist container:push {process_type} --app {}`.",
            app.name
        ))
    };
    let manifest = manifest.ok_or_else(not_pushed)?.digest;
    let Image { id, config, .. } = image::read(&ctx.store, &manifest).await?;
    if config.argv().is_empty() {
        return Err(ApiError::InvalidParams(format!(
            "The image {digest} does not say what is to be run. Give its Dockerfile a CMD, build it and push it again."
        )));
    }
    let command = config.command();
    Ok(ProcessImage { digest: manifest, image_id: id, run: None, command, working_dir: config.working_dir })
}

async fn describe(ctx: &Ctx, app: &App, image: OciImage) -> Result<types::OciImage, ApiError> {
    let stands_for_all = image.default_process().map(|(name, process)| (name.clone(), process.clone()));
    let (architecture, digest, repository) = match &stands_for_all {
        Some((name, process)) => {
            let read = image::read(&ctx.store, &process.digest).await?;
            let repository = Repository { app: app.name.clone(), process_type: name.clone() };
            (Some(read.config.architecture), process.digest.to_string(), repository.to_string())
        }
        None => (None, String::new(), app.name.to_string()),
    };
    let process = |(name, process): (ProcessType, ProcessImage)| {
        let default = stands_for_all.as_ref().is_some_and(|(first, _)| *first == name);
        let shape = OciProcessType {
            name: Some(name.to_string()),
            display_cmd: Some(process.command.clone()),
            command: Some(process.run.unwrap_or(process.command)),
            working_dir: Some(process.working_dir),
            default: Some(default),
            digest: Some(process.digest.to_string()),
            image_id: Some(process.image_id.to_string()),
        };
        (name, shape)
    };
    Ok(types::OciImage {
        architecture,
        base_image_name: String::new(),
        base_top_layer: String::new(),
        buildpacks: Vec::new(),
        commit: image.commit.as_ref().map(CommitId::to_string).unwrap_or_default(),
        commit_description: String::new(),
        created_at: Timestamp(image.created_at),
        deleted_at: None,
        digest,
        id: image.id,
        image_repo: repository,
        process_types: image.process_types.into_iter().map(process).collect(),
        stack: NamedRef::named("stack", StackName::container().as_str()),
        updated_at: Timestamp(image.created_at),
    })
}
