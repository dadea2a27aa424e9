//! Slugs: those that builds made, and those that were made elsewhere and are uploaded.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::TryStreamExt as _;
use tokio::time::timeout;
use tokio_util::io::StreamReader;

use super::answer::{Created, Document};
use super::error::ApiError;
use super::extract::{Body, Deploy, InApp, Named, ReadCode};
use super::stacks;
use super::types::{self, Blob, NamedRef, NewSlug, Timestamp};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db;
use crate::db::slug_uploads::SlugUpload;
use crate::deploy;
use crate::model::{App, CommitId, Digest, OneLine, Slug, SlugId, StatementKind};
use crate::release::{self, Archive, UPLOAD_TIME};
use crate::slug;
use crate::stack;

/// `GET /apps/{app}/slugs/{slug}`
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp<ReadCode>, Named(slug): Named) -> Result<Json<types::Slug>, ApiError> {
    let id = slug.parse().map_err(|_| ApiError::NotFound("slug"))?;
    let urls = Urls::new(&ctx);
    let mut db = ctx.db.read().await?;
    if db::slugs::is_of_app(&mut db, id, at.app.id).await?
        && let Some(slug) = db::slugs::get(&mut db, id).await?
    {
        return Ok(Json(describe(slug, &urls)));
    }
    let upload = db::slug_uploads::get(&mut db, id).await?.filter(|upload| upload.app == at.app.id);
    let upload = upload.ok_or(ApiError::NotFound("slug"))?;
    let blob = Blob { method: "GET".into(), url: urls.slug_blob(upload.id) };
    Ok(Json(describe_upload(upload, blob)))
}

/// `GET /apps/{app}/slugs/{slug}/sbom`: what is in it.
pub(super) async fn sbom(State(ctx): State<Ctx>, at: InApp<ReadCode>, Named(slug): Named) -> Result<Document, ApiError> {
    statement(&ctx, &at.app, &slug, StatementKind::Sbom).await
}

/// `GET /apps/{app}/slugs/{slug}/provenance`: where it comes from, signed.
pub(super) async fn provenance(State(ctx): State<Ctx>, at: InApp<ReadCode>, Named(slug): Named) -> Result<Document, ApiError> {
    statement(&ctx, &at.app, &slug, StatementKind::Provenance).await
}

async fn statement(ctx: &Ctx, app: &App, slug: &str, kind: StatementKind) -> Result<Document, ApiError> {
    let id = slug.parse().map_err(|_| ApiError::NotFound("slug"))?;
    if !db::slugs::is_of_app(&mut *ctx.db.read().await?, id, app.id).await? {
        return Err(ApiError::NotFound("slug"));
    }
    deploy::read_statement(ctx, id, kind).await?.map(Document).ok_or(ApiError::NotFound(kind.as_str()))
}

/// `POST /apps/{app}/slugs`: announces a slug and says where its archive is to be put.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
    Body(new): Body<NewSlug>,
) -> Result<Created<types::Slug>, ApiError> {
    let upload = announced(&ctx, &at.app, new)?;
    release::announce_slug(&ctx.db, &upload).await?;
    let blob = Blob { method: "PUT".into(), url: Urls::new(&ctx).slug_upload(upload.id) };
    Ok(Created(describe_upload(upload, blob)))
}

fn announced(ctx: &Ctx, app: &App, new: NewSlug) -> Result<SlugUpload, ApiError> {
    if let Some((name, _)) = new.process_types.iter().find(|(_, command)| command.trim().is_empty() || command.contains('\0')) {
        return Err(ApiError::InvalidParams(format!("The command of the process type {name} must be a text.")));
    }
    let stack = match &new.stack {
        Some(stack) => stacks::find(ctx, stack).ok_or_else(|| stacks::unknown(stack))?,
        None => app.stack.clone(),
    };
    if stack.is_container() {
        return Err(ApiError::InvalidParams(
            "Slugs don't run on the stack container. Name the `stack` that it was made for.".into(),
        ));
    }
    // Which of the stack's versions it was made for is not for hoist to know: the one in use is what it will run on.
    let installed = stack::find(&ctx.config.stacks_dir, &stack)?;
    let commit = new.commit.as_deref().map(str::parse::<CommitId>).transpose();
    let language = new.buildpack_provided_description.as_deref().map(str::parse::<OneLine>).transpose();
    Ok(SlugUpload {
        id: SlugId::new(),
        app: app.id,
        checksum: new.checksum.as_deref().map(checksum).transpose()?,
        stack,
        stack_digest: installed.digest,
        commit: commit.map_err(ApiError::unfit("commit"))?,
        process_types: new.process_types,
        language: language.map_err(ApiError::unfit("buildpack_provided_description"))?.map(|line| line.to_string()),
        created_at: ctx.now(),
    })
}

/// `SHA256:` and the digits.
fn checksum(text: &str) -> Result<Digest, ApiError> {
    let digits = text.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("sha256")).map(|(_, digits)| digits);
    digits.and_then(|digits| format!("sha256:{digits}").parse().ok()).ok_or_else(|| {
        ApiError::InvalidParams("The checksum must look like `SHA256:` and the 64 hex digits that sha256sum prints.".into())
    })
}

/// `PUT /blobs/slugs/{slug}`: takes an announced slug's archive. The address is all the permission that is asked for, as
/// with Heroku's; it is good for one upload.
pub(super) async fn upload(
    State(ctx): State<Ctx>,
    Named(slug): Named,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<StatusCode, ApiError> {
    let id: SlugId = slug.parse().map_err(|_| ApiError::NotFound("slug"))?;
    let upload = waiting(&ctx, id).await?;
    let limit_bytes = ctx.config.limits.slug_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit_bytes) {
        // Before it is sent in vain.
        return Err(slug::ReceiveError::TooLarge { limit_bytes }.into());
    }
    let archive = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
    let received = slug::receive(archive, upload.checksum, &ctx.store, &ctx.config.limits);
    let received = timeout(UPLOAD_TIME.unsigned_abs(), received).await.map_err(|_| ApiError::NotFound("slug"))??;
    let archive = Archive { digest: received.digest, content_digest: received.content_digest, size_bytes: received.size_bytes };
    release::record_slug(&ctx.db, upload, archive, ctx.now()).await?;
    Ok(StatusCode::OK)
}

/// An announced slug that is still waited for.
async fn waiting(ctx: &Ctx, id: SlugId) -> Result<SlugUpload, ApiError> {
    let mut db = ctx.db.read().await?;
    if let Some(upload) = db::slug_uploads::get(&mut db, id).await?
        && upload.created_at + UPLOAD_TIME > ctx.now()
    {
        return Ok(upload);
    }
    match db::slugs::get(&mut db, id).await? {
        Some(_) => Err(ApiError::Conflict("This slug has been uploaded already. Make a new one for another archive.".into())),
        None => Err(ApiError::NotFound("slug")),
    }
}

fn describe(slug: Slug, urls: &Urls) -> types::Slug {
    types::Slug {
        blob: Blob { method: "GET".into(), url: urls.slug_blob(slug.id) },
        buildpack_provided_description: slug.language,
        checksum: Some(written(&slug.digest)),
        commit: slug.commit.map(|commit| commit.to_string()),
        commit_description: None,
        created_at: Timestamp(slug.created_at),
        deleted_at: None,
        id: slug.id,
        process_types: slug.process_types,
        size: Some(slug.size_bytes),
        stack: NamedRef::named("stack", slug.stack.as_str()),
        updated_at: Timestamp(slug.created_at),
    }
}

fn describe_upload(upload: SlugUpload, blob: Blob) -> types::Slug {
    types::Slug {
        blob,
        buildpack_provided_description: upload.language,
        checksum: upload.checksum.as_ref().map(written),
        commit: upload.commit.map(|commit| commit.to_string()),
        commit_description: None,
        created_at: Timestamp(upload.created_at),
        deleted_at: None,
        id: upload.id,
        process_types: upload.process_types,
        size: None,
        stack: NamedRef::named("stack", upload.stack.as_str()),
        updated_at: Timestamp(upload.created_at),
    }
}

/// As Heroku writes a checksum.
fn written(digest: &Digest) -> String {
    format!("SHA256:{}", digest.hex())
}
