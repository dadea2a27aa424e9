//! Manifests, by tag and by digest: end-3, end-7 and end-9.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use url::form_urlencoded;

use super::accept::Accepted;
use super::audited::audited;
use super::error::RegistryError;
use super::repository::{Delete, In, Pull, Push};
use crate::ctx::Ctx;
use crate::db::registry::Place;
use crate::db::registry::manifests::{self as rows, StoredManifest};
use crate::deploy;
use crate::image::{self, NewManifest};
use crate::model::{Digest, ImageManifest, Invalid, ManifestType, Platform, Reference, Tag};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Most tags that one request sets; the specification asks for ten.
const MOST_TAGS: usize = 100;

/// Of an index's manifests, the one for a client that knows no indexes: what hoist's own releases run on.
fn is_usual(platform: &Platform) -> bool {
    platform.os == "linux" && platform.architecture == "amd64"
}

/// `GET` and `HEAD`.
pub(super) async fn get(
    State(ctx): State<Ctx>,
    within: In<Pull>,
    Path((_, _, reference)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, RegistryError> {
    let reference = parse(&reference)?;
    let accepted = Accepted::of(&headers);
    let (manifest, bytes) = match &reference {
        // A digest names one manifest, whatever the client understands.
        Reference::Digest(digest) => read(&ctx, &within.place, digest, &reference).await?,
        Reference::Tag(tag) => {
            // Of a slug hoist makes the image that the client understands.
            let form =
                if accepted.allows(ManifestType::OciManifest) { ManifestType::OciManifest } else { ManifestType::DockerManifest };
            let digest = deploy::resolve_image_tag(&ctx, &within.place, tag, form).await?;
            let digest = digest.ok_or_else(|| RegistryError::ManifestUnknown(reference.clone()))?;
            negotiate(&ctx, &within.place, &digest, &reference, &accepted).await?
        }
    };
    let tag = format!("\"{}\"", manifest.digest);
    let headers_out = [
        (header::CONTENT_TYPE, manifest.media_type.as_str().to_owned()),
        (header::CONTENT_LENGTH, bytes.len().to_string()),
        (header::ETAG, tag.clone()),
        (CONTENT_DIGEST, manifest.digest.to_string()),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok((headers_out, bytes).into_response())
}

/// `PUT`.
pub(super) async fn put(
    State(ctx): State<Ctx>,
    within: In<Push>,
    Path((_, _, reference)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, RegistryError> {
    let reference = parse(&reference)?;
    let (parts, body) = request.into_parts();
    let tags = tags(&reference, query.as_deref().unwrap_or_default())?;
    let bytes = receive(&ctx, body).await?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let digest = match &reference {
        Reference::Digest(digest) => Some(*digest),
        Reference::Tag(_) => None,
    };
    let named = json!({"reference": reference.to_string()});
    let put = async {
        let new = NewManifest { bytes: &bytes, content_type, digest, tags: &tags };
        Ok(image::put_manifest(&ctx.db, &ctx.store, &within.place, new, ctx.now()).await?)
    };
    let stored = audited(&ctx, &within, ("manifests", "update"), named, put).await?;
    let location = format!("/v2/{}/manifests/{}", within.repository, stored.digest);
    let headers = [(header::LOCATION, location), (CONTENT_DIGEST, stored.digest.to_string())];
    let mut answer = (StatusCode::CREATED, headers).into_response();
    let mut tell = |name, text: String| answer.headers_mut().append(name, text.try_into().expect("digests and tags are ASCII"));
    if let Some(subject) = stored.subject {
        tell(OCI_SUBJECT, subject.to_string());
    }
    if digest.is_some() {
        for tag in &tags {
            tell(OCI_TAG.clone(), tag.to_string());
        }
    }
    Ok(answer)
}

/// `DELETE`: a tag alone, or a manifest with its tags.
pub(super) async fn delete(
    State(ctx): State<Ctx>,
    within: In<Delete>,
    Path((_, _, reference)): Path<(String, String, String)>,
) -> Result<StatusCode, RegistryError> {
    let reference = parse(&reference)?;
    let named = json!({"reference": reference.to_string()});
    let delete = async {
        let deleted = match &reference {
            Reference::Tag(tag) => image::delete_tag(&ctx.db, &within.place, tag).await,
            Reference::Digest(digest) => image::delete_manifest(&ctx.db, &within.place, digest).await,
        };
        deleted.map_err(|error| RegistryError::of(error, || RegistryError::ManifestUnknown(reference.clone())))
    };
    audited(&ctx, &within, ("manifests", "destroy"), named, delete).await?;
    Ok(StatusCode::ACCEPTED)
}

fn parse(reference: &str) -> Result<Reference, RegistryError> {
    let is_digest = reference.contains(':');
    let refuse = |invalid: Invalid| {
        if is_digest { RegistryError::DigestInvalid(invalid.to_string()) } else { RegistryError::ManifestInvalid(invalid) }
    };
    reference.parse().map_err(refuse)
}

/// The tag in the path, or those in the query behind a digest.
fn tags(reference: &Reference, query: &str) -> Result<Vec<Tag>, RegistryError> {
    if let Reference::Tag(tag) = reference {
        return Ok(vec![tag.clone()]);
    }
    let tags = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "tag").take(MOST_TAGS);
    tags.map(|(_, tag)| tag.parse().map_err(RegistryError::ManifestInvalid)).collect()
}

async fn receive(ctx: &Ctx, body: Body) -> Result<axum::body::Bytes, RegistryError> {
    // What is a little too large is read all the same: an answer in the middle of it would not reach the client.
    let bytes = timeout(ctx.config.limits.idle_time, to_bytes(body, 2 * ImageManifest::MAX_BYTES)).await;
    let bytes = bytes.map_err(|_| RegistryError::Stalled)?.map_err(|_| RegistryError::ManifestTooLarge)?;
    if bytes.len() > ImageManifest::MAX_BYTES { Err(RegistryError::ManifestTooLarge) } else { Ok(bytes) }
}

/// The manifest that a tag names, or, for who knows no indexes, the usual one of those that the index lists.
async fn negotiate(
    ctx: &Ctx,
    place: &Place,
    digest: &Digest,
    reference: &Reference,
    accepted: &Accepted,
) -> Result<(StoredManifest, Vec<u8>), RegistryError> {
    let (manifest, bytes) = read(ctx, place, digest, reference).await?;
    if !manifest.media_type.is_index() || accepted.allows(manifest.media_type) || accepted.allows_index() {
        return Ok((manifest, bytes));
    }
    let listed = ImageManifest::parse(&bytes, None).map(|index| index.manifests).unwrap_or_default();
    let usual = listed.iter().find(|listed| listed.platform.as_ref().is_some_and(is_usual)).or(listed.first());
    match usual {
        Some(usual) => read(ctx, place, &usual.digest, reference).await,
        None => Ok((manifest, bytes)),
    }
}

async fn read(
    ctx: &Ctx,
    place: &Place,
    digest: &Digest,
    reference: &Reference,
) -> Result<(StoredManifest, Vec<u8>), RegistryError> {
    let found = rows::get(&mut *ctx.db.read().await?, place, digest).await?;
    let manifest = found.ok_or_else(|| RegistryError::ManifestUnknown(reference.clone()))?;
    let mut bytes = Vec::new();
    ctx.store.open_blob(digest).await?.take(ImageManifest::MAX_BYTES as u64).read_to_end(&mut bytes).await?;
    Ok((manifest, bytes))
}
