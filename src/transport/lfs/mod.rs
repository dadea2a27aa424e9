//! The server of Git LFS: an app's large files, which its pushes and fetches need beside git's own objects.
//!
//! In reading order: `grant` is what a client gets for its key or token, and `caller` who shows one; `message` is what clients
//! say, `batch` tells where each file is got or put, and `objects` takes and gives them. `locks` is who changes which file.
//! `error` is every answer that is not a success.
//!
//! Source: <https://github.com/git-lfs/git-lfs/tree/main/docs/api>.

mod caller;
mod grant;
mod message;

mod batch;
mod locks;
mod objects;

mod error;

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Router, middleware};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::timeout;

use super::find::find_app;
use super::push::{Refused, Visitor};
use crate::auth::TooOften;
use crate::ctx::Ctx;
use crate::model::{AppName, LfsOperation};
use caller::wish;
use error::LfsError;
use grant::{Grant, Purpose};

pub use message::{Batch, BatchError, parse_batch};

const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";
/// Most that is read of a question. A thousand objects have some hundred KB.
const MAX_BODY: usize = 512 * 1024;
/// How long a question may take to come.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The routes.
pub fn routes(ctx: Ctx) -> Router {
    Router::new()
        .route("/{repo}/info/lfs/objects/batch", post(batch::batch))
        .route("/{repo}/info/lfs/objects/{oid}", get(objects::get).put(objects::put))
        .route("/{repo}/info/lfs/objects/{oid}/verify", post(objects::verify))
        .route("/{repo}/info/lfs/locks", get(locks::list).post(locks::create))
        .route("/{repo}/info/lfs/locks/verify", post(locks::verify))
        .route("/{repo}/info/lfs/locks/{id}/unlock", post(locks::unlock))
        .route("/{repo}/info/lfs/{*rest}", any(async || LfsError::NoRoute))
        .method_not_allowed_fallback(async || LfsError::NoRoute)
        .layer(middleware::from_fn(error::with_request_id))
        .with_state(ctx)
}

/// What `git-lfs-authenticate` says to somebody who has come over SSH, to this address: where the files are, and what to show there.
pub async fn authenticate(
    ctx: &Ctx,
    visitor: &Visitor,
    here: SocketAddr,
    app: &AppName,
    operation: LfsOperation,
) -> Result<String, Refused> {
    let app = find_app(ctx, visitor, app.as_str(), wish(operation)).await?;
    let counted = ctx.rates.git_turn(visitor.account.id, app.id, visitor.address, ctx.now());
    counted.map_err(|TooOften { retry_after }| Refused::TooOften(retry_after))?;
    let grant = Grant::new(&visitor.credential, app.id, Purpose::Api(operation), ctx.now());
    let link = grant.link(ctx.db.cipher(), &format!("{}/{}.git/info/lfs", ctx.config.base_url_at(here.ip()), app.name));
    Ok(link.to_string())
}

/// Reads a question, whose answer the client can read.
async fn read_question(headers: &HeaderMap, body: Body) -> Result<Bytes, LfsError> {
    check_accept(headers)?;
    let body = timeout(BODY_TIME, to_bytes(body, MAX_BODY)).await.map_err(|_| LfsError::Stalled)?;
    body.map_err(|_| LfsError::BodyTooLarge)
}

fn check_accept(headers: &HeaderMap) -> Result<(), LfsError> {
    let Some(accept) = headers.get(header::ACCEPT) else { return Ok(()) };
    let types = accept.to_str().unwrap_or_default().split(',').map(|one| one.split(';').next().unwrap_or_default().trim());
    let mut types = types.map(str::to_ascii_lowercase);
    if types.any(|one| [MEDIA_TYPE, "application/*", "*/*"].contains(&one.as_str())) {
        Ok(())
    } else {
        Err(LfsError::NotAcceptable)
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_who_can_read_the_answer_gets_one() {
        let accepts = |text: &'static str| check_accept(&HeaderMap::from_iter([(header::ACCEPT, text.parse().unwrap())])).is_ok();
        assert!(check_accept(&HeaderMap::new()).is_ok());
        for good in [MEDIA_TYPE, "Application/vnd.git-lfs+json; charset=utf-8", "text/html, */*;q=0.1", "application/*"] {
            assert!(accepts(good), "{good}");
        }
        for bad in ["application/json", "text/*", ""] {
            assert!(!accepts(bad), "{bad}");
        }
        assert_eq!(answer(StatusCode::OK, &json!({})).headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    }
}
