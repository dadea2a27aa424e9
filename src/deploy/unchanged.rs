//! A push that has changed nothing of what an app is made of: where its owner wants so, the slug of the current release is
//! released again, and nothing is built.

use ring::hmac;

use super::given::Given;
use super::queue::Entry;
use super::statements::{self, Made};
use super::{Built, Failure, Request, buildpacks};
use crate::build::{BuildError, ForNewApp, GitSource, Source, builtin};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{Artifact, BuildId, CacheChange, Digest, Phase, Release, Slug, SlugId, UsedBuildpack};
use crate::stack::{self, Stack};

/// What the key for digests of builds' inputs is derived for.
const PURPOSE: &str = "build inputs";

/// Records what the build would be made of. If that is what the current release's slug was made of, the slug is given back, as that
/// of the pushed commit. `None` when there is something to be built, or the app, or the push, wants it built.
pub(super) async fn slug_again(ctx: &Ctx, entry: &Entry, request: &Request, given: &Given) -> Result<Option<Built>, Failure> {
    let Source::Git(source) = &request.source else { return Ok(None) };
    if !given.skips_unchanged || request.app.stack.is_container() {
        return Ok(None);
    }
    let held = stack::hold(&ctx.config.stacks_dir, &request.app.stack)?;
    let inputs = inputs_of(ctx, source, request, given, &held.stack).await?;
    record(ctx, entry.id, &inputs).await?;
    if request.options.clear_cache || request.options.dry_run {
        return Ok(None);
    }
    let Some((release, slug, used)) = made_of(ctx, request, &inputs).await? else { return Ok(None) };
    // Its build may have waited while the stack was made anew.
    if slug.stack_digest != held.stack.digest || !buildpacks::would_use(ctx, request, &used).await? {
        return Ok(None);
    }
    buildpacks::record(ctx, entry.id, &used).await?;
    let what = given.root.as_ref().map_or_else(|| "Nothing".to_owned(), |root| format!("Nothing in {root}"));
    entry
        .transcript
        .section(&format!("{what} has changed since {}: its slug is released again, without a build", release.version));
    entry.notes.begin(Phase::Store);
    let earlier = slug.id;
    let slug = Slug { id: SlugId::new(), commit: Some(source.commit.clone()), created_at: ctx.now(), ..slug };
    // Of this commit: the old ones are about another.
    let statements = statements::make(ctx, entry.id, request, &held.stack, &slug, Made::Earlier(earlier)).await?;
    Ok(Some(Built {
        artifact: Artifact::Slug(slug),
        statements,
        manifests: Vec::new(),
        cache: CacheChange::Unchanged,
        for_new_app: ForNewApp::default(),
        exported: None,
        is_again: true,
    }))
}

/// The current release and its slug, if that was made of the same; and the buildpacks that it was made with.
async fn made_of(ctx: &Ctx, request: &Request, inputs: &Digest) -> Result<Option<(Release, Slug, Vec<UsedBuildpack>)>, DbError> {
    let mut db = ctx.db.read().await?;
    let Some(release) = db::releases::current(&mut db, request.app.id).await? else { return Ok(None) };
    let Some(Artifact::Slug(slug)) = db::artifacts::of_release(&mut db, &release).await? else { return Ok(None) };
    let Some(build) = db::builds::by_slug(&mut db, slug.id).await? else { return Ok(None) };
    // One that was promoted from another app was made in another folder.
    let is_same = build.app == request.app.id && db::build_inputs::get(&mut db, build.id).await?.as_ref() == Some(inputs);
    Ok(is_same.then_some((release, slug, build.used)))
}

async fn record(ctx: &Ctx, id: BuildId, inputs: &Digest) -> Result<(), DbError> {
    let mut tx = ctx.db.write().await?;
    db::build_inputs::insert(&mut tx, id, inputs).await?;
    Ok(tx.commit().await?)
}

/// A digest of everything that a build sees, save for the commit's own name (`SOURCE_VERSION`): the tree, the stack, the buildpacks
/// and hoist's own, and the config vars. These are why it is keyed.
async fn inputs_of(ctx: &Ctx, source: &GitSource, request: &Request, given: &Given, stack: &Stack) -> Result<Digest, Failure> {
    let quarantine = source.quarantine.as_deref();
    let tree = source.repo.folder_id(quarantine, &source.commit, given.root.as_ref()).await.map_err(BuildError::from)?;
    let mut parts = vec![tree, stack.digest.to_string(), request.buildpacks.len().to_string()];
    parts.extend(request.buildpacks.iter().map(ToString::to_string));
    parts.extend(given.config.0.iter().flat_map(|(key, value)| [key.to_string(), value.expose().to_owned()]));
    let mut hash = hmac::Context::with_key(&ctx.db.cipher().signing_key(PURPOSE));
    let packs = builtin::names().into_iter().filter_map(builtin::tar);
    for part in parts.into_iter().map(String::into_bytes).chain(packs) {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(&part);
    }
    let digest = hash.sign().as_ref().try_into().expect("the digest of SHA-256 has 32 bytes");
    Ok(Digest::from_bytes(digest))
}
