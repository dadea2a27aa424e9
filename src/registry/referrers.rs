//! What refers to a manifest: signatures, bills of materials, proofs (end-12).

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blobs::parse_digest;
use super::error::RegistryError;
use super::repository::{In, Pull};
use crate::ctx::Ctx;
use crate::db::registry::Place;
use crate::db::registry::manifests::{StoredManifest, referrers};
use crate::model::{Descriptor, Digest, ManifestType};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// Read from the database at a time: the annotations of each may be as large as a manifest.
const BATCH: u32 = 8;
/// An answer that is larger has another page. The specification wants it to be no larger than a manifest may be.
const PAGE_BYTES: usize = 1024 * 1024;

/// Which referrers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    artifact_type: Option<String>,
    /// The last one of the page before.
    last: Option<String>,
}

/// `GET`: an index of them, empty also where there is no such manifest.
pub(super) async fn list(
    State(ctx): State<Ctx>,
    within: In<Pull>,
    Path((_, _, subject)): Path<(String, String, String)>,
    Query(filter): Query<Filter>,
) -> Result<(HeaderMap, Json<Value>), RegistryError> {
    let subject = parse_digest(&subject)?;
    let last = filter.last.as_deref().map(parse_digest).transpose()?;
    let artifact_type = filter.artifact_type.as_deref();
    let (manifests, is_more) = page(&ctx, &within.place, &subject, artifact_type, last).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(ManifestType::OciIndex.as_str()));
    if artifact_type.is_some() {
        headers.insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = manifests.last().filter(|_| is_more) {
        let kind = artifact_type.map(|kind| format!("&artifactType={}", utf8_percent_encode(kind, NON_ALPHANUMERIC)));
        let path = format!("/v2/{}/referrers/{subject}", within.repository);
        let link = format!("<{path}?last={}{}>; rel=\"next\"", last.digest, kind.unwrap_or_default());
        headers.insert(header::LINK, link.try_into().expect("digests and escapes are ASCII"));
    }
    let index = json!({"schemaVersion": 2, "mediaType": ManifestType::OciIndex.as_str(), "manifests": manifests});
    Ok((headers, Json(index)))
}

/// As many as one answer has room for, and whether there may be more.
async fn page(
    ctx: &Ctx,
    place: &Place,
    subject: &Digest,
    artifact_type: Option<&str>,
    mut last: Option<Digest>,
) -> Result<(Vec<Descriptor>, bool), RegistryError> {
    let (mut page, mut page_bytes) = (Vec::new(), 0);
    loop {
        let found = referrers(&mut *ctx.db.read().await?, place, subject, artifact_type, last.as_ref(), BATCH).await?;
        let Some(newest) = found.last() else { return Ok((page, false)) };
        last = Some(newest.digest);
        for manifest in found {
            let descriptor = descriptor(manifest);
            page_bytes += serde_json::to_vec(&descriptor).map_or(0, |json| json.len());
            if page_bytes > PAGE_BYTES && !page.is_empty() {
                return Ok((page, true));
            }
            page.push(descriptor);
        }
    }
}

fn descriptor(manifest: StoredManifest) -> Descriptor {
    Descriptor {
        media_type: manifest.media_type.as_str().to_owned(),
        digest: manifest.digest,
        size_bytes: manifest.size_bytes,
        urls: vec![],
        annotations: manifest.annotations,
        artifact_type: manifest.artifact_type,
        platform: None,
    }
}
