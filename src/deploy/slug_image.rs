//! A release of a slug, asked for as an image: made when it is first asked for, and kept from then on.
//!
//! Which image a release is follows from the release, its slug and the stack in use. When the stack has been made anew since,
//! the same release is another image over the same slug; the one before stays to be had by its digest.

use std::io;

use tokio::task::spawn_blocking;

use super::image_blobs::{Kept, keep};
use super::statements::{self, StatementError, packages_of_stack};
use crate::config::Config;
use crate::ctx::Ctx;
use crate::db::registry::Place;
use crate::db::registry::manifests::{self, StoredManifest};
use crate::db::{self, DbError};
use crate::image::of_slug::{self, Artifact, BuildOrigin, ImageStack, Listing, Origin, SlugImage, StackLayer};
use crate::model::{App, Descriptor, ManifestType, Platform, Release, Slug, StackName};
use crate::stack::{self, Held, StackError};

/// Why a release can't be had as an image. None is its owner's fault.
#[derive(Debug, thiserror::Error)]
pub enum SlugImageError {
    /// It was made before hoist kept it as a layer.
    #[error("the stack {0} has no layer for images yet: run `hoist stack:build {0}`")]
    NoLayer(StackName),
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("cannot read the slug or store its image")]
    Store(#[from] io::Error),
}

/// A release with a slug.
pub(super) struct Of<'a> {
    pub(super) app: &'a App,
    pub(super) release: &'a Release,
    pub(super) slug: &'a Slug,
}

/// The image of a release's process type, its bytes in the store. `None` when the slug has not that process type.
pub(super) async fn slug_image(
    ctx: &Ctx,
    place: &Place,
    of: &Of<'_>,
    media_type: ManifestType,
) -> Result<Option<StoredManifest>, SlugImageError> {
    let Of { app, release, slug } = *of;
    let process_type = &place.process_type;
    let Some(command) = slug.process_types.get(process_type) else { return Ok(None) };
    let stack = stack_of(ctx, slug).await?;
    let source = ctx.config.public_url.as_ref().map(|url| format!("{url}/{}.git", app.name));
    let source = source.as_deref();
    let image = SlugImage { app: &app.name, release, slug, process_type, command, stack: &stack.image, source };
    let config = image.config();
    let manifest = image.manifest(media_type, &config);
    let subject = of_slug::descriptor_of(media_type.as_str(), &manifest);
    if let Some(known) = manifests::get(&mut *ctx.db.read().await?, place, &subject.digest).await? {
        return Ok(Some(known));
    }
    stack::note_image(&stack.held.stack)?;
    let mut artifacts = vec![Artifact { manifest, blobs: vec![config], tag: None }];
    artifacts.extend(attachments(ctx, &image, &stack, &subject).await?);
    Ok(Some(keep(ctx, &Kept { place, release: release.id, stack: &stack.image, artifacts: &artifacts }).await?))
}

/// The stack in use that a slug's image stands on, which stays until the image is recorded.
struct UsedStack {
    image: ImageStack,
    held: Held,
}

async fn stack_of(ctx: &Ctx, slug: &Slug) -> Result<UsedStack, SlugImageError> {
    let (stacks_dir, name) = (ctx.config.stacks_dir.clone(), slug.stack.clone());
    let look = move || {
        let held = stack::hold(&stacks_dir, &name)?;
        let stack = &held.stack;
        let layers = stack::find_layers(stack)?.ok_or(SlugImageError::NoLayer(name))?;
        let of_image = |layer: stack::Layer| {
            let stack::Layer { digest, diff_id, size_bytes, packing, .. } = layer;
            StackLayer { digest, diff_id, size_bytes, packing }
        };
        let base = stack.pulled.as_ref().map(|pulled| (pulled.names.run.to_string(), pulled.run_digest));
        let platform = stack.pulled.as_ref().map_or_else(Platform::of_this_host, |pulled| pulled.names.platform.clone());
        let layers = layers.into_iter().map(of_image).collect();
        let image = ImageStack { digest: stack.digest, layers, platform, env: stack.run_env.clone(), base };
        Ok(UsedStack { image, held })
    };
    spawn_blocking(look).await.map_err(io::Error::other)?
}

/// What is attached to an image: what is in it, where it comes from, and that this installation says so.
async fn attachments(
    ctx: &Ctx,
    image: &SlugImage<'_>,
    stack: &UsedStack,
    subject: &Descriptor,
) -> Result<[Artifact; 3], SlugImageError> {
    let listing = listing(ctx, image.slug, stack).await?;
    let build = db::builds::by_slug(&mut *ctx.db.read().await?, image.slug.id).await?.map(|build| BuildOrigin {
        id: build.id,
        buildpacks: build.buildpacks,
        used: build.used,
        started_at: build.created_at,
        ended_at: build.updated_at,
    });
    let origin = Origin { build, builder: ctx.config.public_url.clone() };
    let reference = format!("{}/{}/{}", host(&ctx.config), image.app, image.process_type);
    Ok([
        of_slug::signature(&ctx.signing_key, &reference, subject),
        of_slug::sbom(image, &listing, subject),
        of_slug::provenance(&ctx.signing_key, image, &origin, subject),
    ])
}

/// Where users find the registry.
fn host(config: &Config) -> String {
    let public = config.public_url.as_deref().and_then(|url| url.split_once("://"));
    public.map_or_else(|| config.http_listen.to_string(), |(_, host)| host.to_owned())
}

async fn listing(ctx: &Ctx, slug: &Slug, stack: &UsedStack) -> Result<Listing, SlugImageError> {
    let stack = packages_of_stack(&stack.held.stack.run_root).await?;
    statements::list(ctx, slug.id, &slug.digest, &stack).await.map_err(|error| match error {
        StatementError::Db(error) => error.into(),
        StatementError::Store(error) => error.into(),
    })
}
