//! hoist's own resources about releases: blocks, the proof of the ledger, and what changed between two.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::extract::{Body, InApp, Named, Names, Operate, See};
use super::releases::find;
use super::types::{self, KeyChanges, NewBlock, ReleaseDiff, Timestamp};
use crate::ctx::Ctx;
use crate::db::releases::{Block, Broken, Fault};
use crate::db::{self, Connection};
use crate::model::{Artifact, OneLine, Slug};
use crate::release::{self, Changes, Side};
use crate::slug::{self, DiffError};

/// Most files in each list of a comparison.
const MAX_FILES: usize = 500;

/// `GET /apps/{app}/releases/{release}/block`
pub(super) async fn block_info(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Named(release): Named,
) -> Result<Json<types::Block>, ApiError> {
    let mut db = ctx.db.read().await?;
    let release = find(&mut db, &at.app, &release).await?;
    let block = db::releases::block_of(&mut db, release.id).await?.ok_or(ApiError::NotFound("block"))?;
    Ok(Json(describe_block(&mut db, block).await?))
}

/// `PUT /apps/{app}/releases/{release}/block`, or `POST`: for good.
pub(super) async fn block(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Named(release): Named,
    Body(NewBlock { reason }): Body<NewBlock>,
) -> Result<Json<types::Block>, ApiError> {
    let reason: OneLine = reason.parse().map_err(ApiError::unfit("reason"))?;
    let release = find(&mut *ctx.db.read().await?, &at.app, &release).await?;
    let block = release::block(&ctx.db, release.id, at.by.id, &reason, ctx.now()).await?;
    Ok(Json(describe_block(&mut *ctx.db.read().await?, block).await?))
}

async fn describe_block(db: &mut Connection, block: Block) -> Result<types::Block, ApiError> {
    let user = (&db::accounts::get(db, block.by).await?).into();
    Ok(types::Block { created_at: Timestamp(block.created_at), reason: block.reason, user })
}

/// `GET /apps/{app}/releases/verification`: walks the whole ledger of the app.
pub(super) async fn verify(State(ctx): State<Ctx>, at: InApp<See>) -> Result<Json<types::Verification>, ApiError> {
    let found = db::releases::verify(&mut *ctx.db.read().await?, at.app.id).await?;
    Ok(Json(types::Verification {
        valid: found.broken.is_empty(),
        releases: found.releases,
        head: found.head,
        broken: found.broken.into_iter().map(describe_broken).collect(),
        left_out: found.left_out,
    }))
}

fn describe_broken(Broken { version, fault }: Broken) -> types::Broken {
    let (fault, message) = match fault {
        Fault::Changed => {
            ("changed", format!("{version} is not as it was appended: it, or the record of its slug or image, was changed."))
        }
        Fault::Missing { to } if to == version => ("missing", format!("{version} is missing.")),
        Fault::Missing { to } => ("missing", format!("{version} to {to} are missing.")),
        Fault::Detached => {
            ("detached", format!("{version} does not follow from the release before it: one of them was replaced."))
        }
        Fault::Status => ("status", format!("What became of {version} is not what was recorded.")),
        Fault::Block => ("block", format!("The block of {version} is not what was recorded.")),
    };
    types::Broken { version: version.0, fault: fault.into(), message }
}

/// `GET /apps/{app}/releases/{release}/diff/{other}`
pub(super) async fn diff(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Names([from, to]): Names<2>,
) -> Result<Json<ReleaseDiff>, ApiError> {
    let diff = {
        // Given back before the slugs are read: that takes long, and readers are few.
        let mut db = ctx.db.read().await?;
        let (from, to) = (find(&mut db, &at.app, &from).await?, find(&mut db, &at.app, &to).await?);
        release::diff(&mut db, &ctx.db, from, to).await?
    };
    let archive = |side: &Side| match &side.artifact {
        Some(Artifact::Slug(slug)) => Some(slug.digest),
        Some(Artifact::OciImage(_)) | None => None,
    };
    let (files, files_unavailable) = match slug::diff(&ctx.store, archive(&diff.from), archive(&diff.to), MAX_FILES).await {
        Ok(files) => (Some(describe_files(files)), None),
        Err(DiffError::Read(error)) => return Err(error.into()),
        Err(why) => (None, Some(format!("The files were not compared: {why}."))),
    };
    Ok(Json(ReleaseDiff {
        from: describe_side(diff.from),
        to: describe_side(diff.to),
        config: describe_changes(&diff.config),
        process_types: describe_changes(&diff.process_types),
        images: describe_changes(&diff.images),
        addons: describe_changes(&diff.addons),
        files,
        files_unavailable,
    }))
}

fn describe_side(Side { release, artifact }: Side) -> types::Side {
    let slug = if let Some(Artifact::Slug(slug)) = &artifact { Some(slug) } else { None };
    let of_slug = |field: fn(&Slug) -> String| slug.map(field);
    types::Side {
        id: release.id,
        version: release.version.0,
        commit: release.commit.map(|commit| commit.to_string()),
        stack: artifact.as_ref().map(|artifact| artifact.stack().to_string()),
        stack_digest: of_slug(|slug| slug.stack_digest.to_string()),
        checksum: of_slug(|slug| format!("SHA256:{}", slug.digest.hex())),
        process_types: artifact.as_ref().map(Artifact::process_types).unwrap_or_default(),
    }
}

fn describe_changes<T: ToString>(changes: &Changes<T>) -> KeyChanges {
    let names = |list: &[T]| list.iter().map(ToString::to_string).collect();
    KeyChanges { added: names(&changes.added), removed: names(&changes.removed), changed: names(&changes.changed) }
}

fn describe_files(files: slug::FileChanges) -> types::FileChanges {
    let slug::FileChanges { added, removed, changed, left_out } = files;
    types::FileChanges { added, removed, changed, left_out }
}
