//! Uploads of blobs: end-4, 5, 6, 11, 13 and 14. An upload outlives its connection, and the daemon.

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::audited::audited;
use super::blobs::parse_digest;
use super::content_range::parse_content_range;
use super::error::{RegistryError, Standing};
use super::manifests::CONTENT_DIGEST;
use super::repository::{In, Push, may};
use crate::ctx::Ctx;
use crate::db::registry::{Place, blobs, uploads as rows};
use crate::image::{self, ImageError};
use crate::model::{Action, BlobUploadId, Digest, Repository};
use crate::store::{Upload, UploadError};

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// What a request about an upload may say in its query.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    digest: Option<String>,
    mount: Option<String>,
    from: Option<String>,
    #[serde(rename = "digest-algorithm")]
    algorithm: Option<String>,
}

type InUpload = Path<(String, String, String)>;

/// `POST`: mounts a blob, takes one whole, or begins an upload.
pub(super) async fn begin(
    State(ctx): State<Ctx>,
    within: In<Push>,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, RegistryError> {
    if wanted.algorithm.as_ref().is_some_and(|algorithm| algorithm != "sha256") {
        return Err(RegistryError::DigestInvalid("Blobs are kept by their sha256 digests only.".into()));
    }
    let mount = wanted.mount.as_deref().map(parse_digest).transpose()?;
    let whole = wanted.digest.as_deref().map(parse_digest).transpose()?;
    let named = json!({"mount": mount, "from": wanted.from, "digest": whole});
    let begin = async {
        if let Some(digest) = mount
            && mount_from(&ctx, &within, &digest, wanted.from.as_deref()).await?
        {
            return Ok(created(&within.repository, &digest));
        }
        let begun = image::begin_upload(&ctx.db, &ctx.store, &within.place, ctx.now()).await;
        let id = begun.map_err(|error| RegistryError::of(error, || RegistryError::Internal))?;
        match whole.filter(|_| mount.is_none()) {
            Some(digest) => take_whole(&ctx, &within, id, &digest, request.into_body()).await,
            None => Ok(accepted(&standing(&within, id, 0))),
        }
    };
    audited(&ctx, &within, ("blobs", "create"), named, begin).await
}

/// `GET`: how far an upload is.
pub(super) async fn status(State(ctx): State<Ctx>, within: In<Push>, path: InUpload) -> Result<Response, RegistryError> {
    let id = find(&ctx, &within.place, &path).await?;
    let size_bytes = ctx.store.upload_size(id).await.map_err(UploadError::from)?;
    Ok((StatusCode::NO_CONTENT, upload_headers(&standing(&within, id, size_bytes))).into_response())
}

/// `PATCH`: the next chunk, or the whole blob as a stream.
pub(super) async fn patch(
    State(ctx): State<Ctx>,
    within: In<Push>,
    path: InUpload,
    request: Request,
) -> Result<Response, RegistryError> {
    let id = find(&ctx, &within.place, &path).await?;
    let upload = receive(&ctx, &within, id, request).await?;
    Ok(accepted(&standing(&within, id, upload.size_bytes())))
}

/// `PUT`: the rest, if there is any, and the digest of the whole.
pub(super) async fn put(
    State(ctx): State<Ctx>,
    within: In<Push>,
    path: InUpload,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, RegistryError> {
    let id = find(&ctx, &within.place, &path).await?;
    let digest = wanted.digest.as_deref().ok_or_else(|| RegistryError::DigestInvalid("`digest` is missing.".into()))?;
    let digest = parse_digest(digest)?;
    let upload = receive(&ctx, &within, id, request).await?;
    adopt(&ctx, &within, (id, upload), &digest).await
}

/// `DELETE`: gives an upload up.
pub(super) async fn cancel(State(ctx): State<Ctx>, within: In<Push>, path: InUpload) -> Result<StatusCode, RegistryError> {
    let id = find(&ctx, &within.place, &path).await?;
    let cancelled = image::cancel_upload(&ctx.db, &ctx.store, id).await;
    cancelled.map_err(|error| RegistryError::of(error, || RegistryError::UploadUnknown))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Finds the upload that the path names, which is good in its own repository only.
async fn find(ctx: &Ctx, place: &Place, Path((_, _, id)): &InUpload) -> Result<BlobUploadId, RegistryError> {
    let id = id.parse().map_err(|_| RegistryError::UploadUnknown)?;
    let found = rows::get(&mut *ctx.db.read().await?, id).await?;
    if found.as_ref() == Some(place) { Ok(id) } else { Err(RegistryError::UploadUnknown) }
}

/// Receives what a request brings for an upload, if it is the next of it.
async fn receive(ctx: &Ctx, within: &In<Push>, id: BlobUploadId, request: Request) -> Result<Upload, RegistryError> {
    let (parts, body) = request.into_parts();
    let range = parse_content_range(&parts.headers)?;
    let upload = ctx.store.resume_upload(id).await?;
    if let Some((first, last)) = range {
        if first != upload.size_bytes() {
            return Err(RegistryError::OutOfOrder(standing(within, id, upload.size_bytes())));
        }
        if content_length(&parts).is_some_and(|length| length != last - first + 1) {
            return Err(RegistryError::UploadInvalid("Content-Length and Content-Range do not agree.".into()));
        }
    }
    fill(ctx, id, upload, body).await
}

/// Receives a body into an upload. One that is too large is over.
async fn fill(ctx: &Ctx, id: BlobUploadId, upload: Upload, body: Body) -> Result<Upload, RegistryError> {
    let limits = &ctx.config.limits;
    let received = upload.receive(body.into_data_stream(), limits.image_blob_bytes, limits.idle_time).await;
    if let Err(UploadError::TooLarge { .. }) = received {
        let cancelled = image::cancel_upload(&ctx.db, &ctx.store, id).await;
        cancelled.map_err(|error| RegistryError::of(error, || RegistryError::UploadUnknown))?;
    }
    Ok(received?)
}

async fn take_whole(
    ctx: &Ctx,
    within: &In<Push>,
    id: BlobUploadId,
    digest: &Digest,
    body: Body,
) -> Result<Response, RegistryError> {
    let upload = ctx.store.resume_upload(id).await?;
    let upload = fill(ctx, id, upload, body).await?;
    adopt(ctx, within, (id, upload), digest).await
}

async fn adopt(ctx: &Ctx, within: &In<Push>, upload: (BlobUploadId, Upload), digest: &Digest) -> Result<Response, RegistryError> {
    let adopted = image::adopt_upload(&ctx.db, &ctx.store, upload, &within.place, digest, ctx.now()).await;
    adopted.map_err(|error| RegistryError::of(error, || RegistryError::UploadUnknown))?;
    Ok(created(&within.repository, digest))
}

/// Mounts a blob from the repository that is named, or from any that the caller may pull from, and tells whether there was
/// one. One that may not be pulled from is like one without the blob.
async fn mount_from(ctx: &Ctx, within: &In<Push>, digest: &Digest, from: Option<&str>) -> Result<bool, RegistryError> {
    let sources = match from.map(str::parse::<Repository>) {
        Some(Ok(from)) => match may(ctx, &within.caller, &from, Action::ReadCode).await {
            Ok(app) => vec![Place { app: app.id, process_type: from.process_type }],
            Err(error) if error.is_ours() => return Err(error),
            Err(_) => vec![],
        },
        Some(Err(_)) => vec![],
        None => pullable_with(ctx, within, digest).await?,
    };
    for source in sources {
        match image::mount_blob(&ctx.db, &ctx.store, &source, &within.place, digest, ctx.now()).await {
            Ok(()) => return Ok(true),
            Err(ImageError::NotFound) => {}
            Err(error) => return Err(RegistryError::of(error, || RegistryError::BlobUnknown(*digest))),
        }
    }
    Ok(false)
}

/// The repositories with a blob that the caller may pull from.
async fn pullable_with(ctx: &Ctx, within: &In<Push>, digest: &Digest) -> Result<Vec<Place>, RegistryError> {
    let caller = &within.caller;
    let places = blobs::places_with(&mut *ctx.db.read().await?, caller.account.id, digest).await?;
    let mut pullable = Vec::new();
    for (app, process_type) in places {
        let repository = Repository { app, process_type };
        match may(ctx, caller, &repository, Action::ReadCode).await {
            Ok(app) => pullable.push(Place { app: app.id, process_type: repository.process_type }),
            Err(error) if error.is_ours() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(pullable)
}

fn standing(within: &In<Push>, id: BlobUploadId, size_bytes: u64) -> Standing {
    Standing { repository: within.repository.clone(), id, size_bytes }
}

fn upload_headers(standing: &Standing) -> [(HeaderName, String); 3] {
    [(header::LOCATION, standing.location()), (header::RANGE, standing.range()), (UPLOAD_UUID, standing.id.to_string())]
}

fn accepted(standing: &Standing) -> Response {
    (StatusCode::ACCEPTED, upload_headers(standing)).into_response()
}

fn created(repository: &Repository, digest: &Digest) -> Response {
    let location = format!("/v2/{repository}/blobs/{digest}");
    (StatusCode::CREATED, [(header::LOCATION, location), (CONTENT_DIGEST, digest.to_string())]).into_response()
}

fn content_length(parts: &Parts) -> Option<u64> {
    let headers: &HeaderMap = &parts.headers;
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
