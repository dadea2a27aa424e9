//! The names that an app answers under: the one that the configuration gives it, if any.

use axum::extract::State;
use axum::http::Uri;

use super::error::ApiError;
use super::extract::{InApp, See};
use super::range::{Page, Range};
use super::types::{Domain, NamedRef, Timestamp, stable_id};
use super::urls::Urls;
use crate::ctx::Ctx;

/// `GET /apps/{app}/domains`
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<Domain>, ApiError> {
    let url = Urls::new(&ctx).web(&at.app.name).parse::<Uri>().ok();
    let domain = url.as_ref().and_then(Uri::host).map(|hostname| Domain {
        acm_status: None,
        acm_status_reason: None,
        app: NamedRef { id: at.app.id.to_string(), name: at.app.name.to_string() },
        cname: None,
        created_at: Timestamp(at.app.created_at),
        hostname: hostname.to_owned(),
        id: stable_id(&["domain", &at.app.id.to_string(), hostname]),
        kind: "heroku".into(),
        sni_endpoint: None,
        status: "none".into(),
        updated_at: Timestamp(at.app.updated_at),
    });
    range.cut(domain.into_iter().collect(), &[("id", |domain| domain.id.clone()), ("hostname", |domain| domain.hostname.clone())])
}
