//! A release of a slug, asked for as an image: made when it is first asked for, and kept from then on.
//!
//! Which image a release is follows from the release, its slug and the stack in use. When the stack has been made anew since,
//! the same release is another image over the same slug; the one before stays to be had by its digest.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use super::image_blobs::{Kept, keep};
use crate::config::Config;
use crate::ctx::Ctx;
use crate::db::registry::Place;
use crate::db::registry::manifests::{self, StoredManifest};
use crate::db::{self, DbError};
use crate::image::of_slug::{self, Artifact, BuildOrigin, Origin, Package, SlugImage, StackLayer};
use crate::image::{self, CURRENT, LATEST, ReleaseTag};
use crate::model::{App, AppId, Descriptor, Digest, ManifestType, Release, Slug, StackName, Tag};
use crate::slug;
use crate::stack::{self, StackError};

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

/// The manifest that a tag of a repository names. Where it is the ledger's and the release has no image of its own, that of its
/// slug; `latest`, where nobody has pushed one, is like `current`.
pub async fn resolve_image_tag(
    ctx: &Ctx,
    place: &Place,
    tag: &Tag,
    media_type: ManifestType,
) -> Result<Option<Digest>, SlugImageError> {
    if let Some(digest) = image::resolve(&ctx.db, place, tag).await? {
        return Ok(Some(digest));
    }
    let release = ReleaseTag::of(tag).or_else(|| (tag.as_str() == LATEST).then_some(ReleaseTag::Current));
    let Some(release) = release else { return Ok(None) };
    Ok(slug_image(ctx, place, release, media_type).await?.map(|image| image.digest))
}

/// The image of a release's process type, its bytes in the store. `None` when there is no such release, or no slug in it
/// that has the process type.
async fn slug_image(
    ctx: &Ctx,
    place: &Place,
    tag: ReleaseTag,
    media_type: ManifestType,
) -> Result<Option<StoredManifest>, SlugImageError> {
    let Some(Found { app, release, slug }) = find(ctx, place.app, tag).await? else { return Ok(None) };
    let process_type = &place.process_type;
    let Some(command) = slug.process_types.get(process_type) else { return Ok(None) };
    let stack = stack_of(ctx, &slug).await?;
    let source = ctx.config.public_url.as_ref().map(|url| format!("{url}/{}.git", app.name));
    let source = source.as_deref();
    let image = SlugImage { app: &app.name, release: &release, slug: &slug, process_type, command, stack: &stack.layer, source };
    let config = image.config();
    let manifest = image.manifest(media_type, &config);
    let subject = of_slug::descriptor_of(media_type.as_str(), &manifest);
    if let Some(known) = manifests::get(&mut *ctx.db.read().await?, place, &subject.digest).await? {
        return Ok(Some(known));
    }
    let mut artifacts = vec![Artifact { manifest, blobs: vec![config], tag: None }];
    artifacts.extend(attachments(ctx, &image, &stack, &subject).await?);
    Ok(Some(keep(ctx, &Kept { place, release: release.id, layer: &stack.layer, artifacts: &artifacts }).await?))
}

/// The tags that the ledger gives to images of a process type: of each release with a slug that has it, and `current` and
/// `latest` if it is in the release that runs.
pub async fn slug_image_tags(ctx: &Ctx, place: &Place) -> Result<Vec<Tag>, DbError> {
    let versions = db::slugs::versions_with(&mut *ctx.db.read().await?, place.app, &place.process_type).await?;
    let mut names: Vec<_> = versions.iter().map(ToString::to_string).collect();
    let current = find(ctx, place.app, ReleaseTag::Current).await?;
    if current.is_some_and(|found| found.slug.process_types.contains_key(&place.process_type)) {
        names.extend([CURRENT, LATEST].map(str::to_owned));
    }
    Ok(names.iter().map(|name| name.parse().expect("letters and digits")).collect())
}

/// A release with a slug.
struct Found {
    app: App,
    release: Release,
    slug: Slug,
}

async fn find(ctx: &Ctx, app: AppId, tag: ReleaseTag) -> Result<Option<Found>, DbError> {
    let mut db = ctx.db.read().await?;
    let release = match tag {
        ReleaseTag::Version(version) => db::releases::get(&mut db, app, version).await?,
        ReleaseTag::Current => db::releases::current(&mut db, app).await?,
    };
    let Some(release) = release else { return Ok(None) };
    let Some(slug) = release.slug else { return Ok(None) };
    let Some(slug) = db::slugs::get(&mut db, slug).await? else { return Ok(None) };
    Ok(Some(Found { app: db::apps::get(&mut db, app).await?, release, slug }))
}

/// The stack in use that a slug's image stands on.
struct ImageStack {
    layer: StackLayer,
    run_root: PathBuf,
}

async fn stack_of(ctx: &Ctx, slug: &Slug) -> Result<ImageStack, SlugImageError> {
    let (stacks_dir, name) = (ctx.config.stacks_dir.clone(), slug.stack.clone());
    let look = move || {
        let stack = stack::find(&stacks_dir, &name)?;
        let layer = stack::find_layer(&stack)?.ok_or(SlugImageError::NoLayer(name))?;
        let stack::Layer { digest, diff_id, size_bytes, .. } = layer;
        Ok(ImageStack { layer: StackLayer { stack_digest: stack.digest, digest, diff_id, size_bytes }, run_root: stack.run_root })
    };
    spawn_blocking(look).await.map_err(io::Error::other)?
}

/// What is attached to an image: what is in it, where it comes from, and that this installation says so.
async fn attachments(
    ctx: &Ctx,
    image: &SlugImage<'_>,
    stack: &ImageStack,
    subject: &Descriptor,
) -> Result<[Artifact; 3], SlugImageError> {
    let packages = packages(ctx, image.slug, stack).await?;
    let build = db::builds::by_slug(&mut *ctx.db.read().await?, image.slug.id).await?.map(|build| BuildOrigin {
        id: build.id,
        buildpacks: build.buildpacks,
        started_at: build.created_at,
        ended_at: build.updated_at,
    });
    let origin = Origin { build, builder: ctx.config.public_url.clone() };
    let reference = format!("{}/{}/{}", host(&ctx.config), image.app, image.process_type);
    Ok([
        of_slug::signature(&ctx.signing_key, &reference, subject),
        of_slug::sbom(image, &packages, subject),
        of_slug::provenance(&ctx.signing_key, image, &origin, subject),
    ])
}

/// Where users find the registry.
fn host(config: &Config) -> String {
    let public = config.public_url.as_deref().and_then(|url| url.split_once("://"));
    public.map_or_else(|| config.http_listen.to_string(), |(_, host)| host.to_owned())
}

async fn packages(ctx: &Ctx, slug: &Slug, stack: &ImageStack) -> Result<BTreeSet<Package>, SlugImageError> {
    let tar = SyncIoBridge::new(slug::open_tar(&ctx.store, &slug.digest).await?);
    let status = stack.run_root.join("var/lib/dpkg/status");
    let list = move || -> io::Result<BTreeSet<Package>> {
        let mut packages = of_slug::packages_in_slug(BufReader::new(tar))?;
        match File::open(status) {
            Ok(status) => packages.extend(of_slug::debian_packages(BufReader::new(status))?),
            // A stack that is no Debian.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(packages)
    };
    Ok(spawn_blocking(list).await.map_err(io::Error::other)??)
}
