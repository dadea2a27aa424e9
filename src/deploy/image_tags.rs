//! Which image a tag names: one that was pushed, or one of a release.

use super::slug_image::{Of, SlugImageError, slug_image};
use crate::ctx::Ctx;
use crate::db::registry::Place;
use crate::db::{self, DbError};
use crate::image::{self, CURRENT, LATEST, ReleaseTag};
use crate::model::{AppId, Artifact, Digest, ManifestType, Release, Tag};

/// The manifest that a tag of a repository names. Where it is the ledger's, that is the image that the release runs for this
/// process type, or the image of its slug; `latest`, where nobody has pushed one, is like `current`.
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
    let Some((release, artifact)) = find(ctx, place.app, release).await? else { return Ok(None) };
    match artifact {
        Artifact::OciImage(image) => Ok(image.process_types.get(&place.process_type).map(|process| process.digest)),
        Artifact::Slug(slug) => {
            let app = db::apps::get(&mut *ctx.db.read().await?, place.app).await?;
            let of = Of { app: &app, release: &release, slug: &slug };
            Ok(slug_image(ctx, place, &of, media_type).await?.map(|image| image.digest))
        }
    }
}

/// The tags that the ledger gives to images of a process type: of each release that has it, and `current` and `latest` if it
/// is in the release that runs.
pub async fn release_tags(ctx: &Ctx, place: &Place) -> Result<Vec<Tag>, DbError> {
    let versions = db::artifacts::versions_with(&mut *ctx.db.read().await?, place.app, &place.process_type).await?;
    let mut names: Vec<_> = versions.iter().map(ToString::to_string).collect();
    let current = find(ctx, place.app, ReleaseTag::Current).await?;
    if current.is_some_and(|(release, _)| versions.contains(&release.version)) {
        names.extend([CURRENT, LATEST].map(str::to_owned));
    }
    Ok(names.iter().map(|name| name.parse().expect("letters and digits")).collect())
}

/// A release, and what it runs.
async fn find(ctx: &Ctx, app: AppId, tag: ReleaseTag) -> Result<Option<(Release, Artifact)>, DbError> {
    let mut db = ctx.db.read().await?;
    let release = match tag {
        ReleaseTag::Version(version) => db::releases::get(&mut db, app, version).await?,
        ReleaseTag::Current => db::releases::current(&mut db, app).await?,
    };
    let Some(release) = release else { return Ok(None) };
    Ok(db::artifacts::of_release(&mut db, &release).await?.map(|artifact| (release, artifact)))
}
