//! Slugs.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::extract::{InApp, Named};
use super::types::{self, Blob, NamedRef, Timestamp};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db;
use crate::model::Slug;

/// `GET /apps/{app}/slugs/{slug}`
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp, Named(slug): Named) -> Result<Json<types::Slug>, ApiError> {
    let id = slug.parse().map_err(|_| ApiError::NotFound("slug"))?;
    let slug = db::slugs::get(&mut *ctx.db.read().await?, id).await?.filter(|slug| slug.app == at.app.id);
    let slug = slug.ok_or(ApiError::NotFound("slug"))?;
    Ok(Json(describe(slug, &Urls::new(&ctx.config))))
}

fn describe(slug: Slug, urls: &Urls) -> types::Slug {
    types::Slug {
        blob: Blob { method: "GET".into(), url: urls.slug_blob(slug.id) },
        buildpack_provided_description: slug.language,
        checksum: Some(format!("SHA256:{}", slug.digest.hex())),
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
