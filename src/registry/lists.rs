//! The lists of a registry: tags (end-8), and Docker's list of repositories. Both are read in pages.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::error::RegistryError;
use super::repository::{In, Pull, may};
use super::token::Access;
use crate::ctx::Ctx;
use crate::db;
use crate::deploy;
use crate::image;
use crate::model::{Action, Repository};

/// Largest page, and what is answered to who does not say.
const MOST: usize = 1000;

/// Which page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Page {
    n: Option<String>,
    last: Option<String>,
}

impl Page {
    fn size(&self) -> Result<usize, RegistryError> {
        let size = self.n.as_deref().map_or(Ok(MOST), str::parse).map_err(|_| RegistryError::PageInvalid)?;
        Ok(size.min(MOST))
    }

    fn last(&self) -> &str {
        self.last.as_deref().unwrap_or_default()
    }
}

/// `GET /v2/APP/TYPE/tags/list`.
pub(super) async fn tags(
    State(ctx): State<Ctx>,
    within: In<Pull>,
    Query(page): Query<Page>,
) -> Result<(HeaderMap, Json<Value>), RegistryError> {
    let size = page.size()?;
    // One more tells whether there is another page.
    let most = u32::try_from(size + 1).expect("a page is small");
    let pushed = image::list_tags(&ctx.db, &within.place, page.last(), most).await?;
    let mut tags = image::merge_tags(pushed, deploy::release_tags(&ctx, &within.place).await?, page.last());
    let path = format!("/v2/{}/tags/list", within.repository);
    let headers = cut(&mut tags, size, |tag| next(&path, size, tag.as_str()));
    let tags: Vec<_> = tags.iter().map(ToString::to_string).collect();
    Ok((headers, Json(json!({"name": within.repository.to_string(), "tags": tags}))))
}

/// `GET /v2/_catalog`: the repositories that the caller may pull from.
pub(super) async fn repositories(
    State(ctx): State<Ctx>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<(HeaderMap, Json<Value>), RegistryError> {
    caller.check_scope(&Access::to_catalog(), &Access::to_catalog())?;
    let size = page.size()?;
    let visible = db::registry::tags::repositories(&mut *ctx.db.read().await?, caller.account.id).await?;
    let mut names = Vec::new();
    for (app, process_type) in visible {
        let repository = Repository { app, process_type };
        let name = repository.to_string();
        if name.as_str() <= page.last() || names.len() > size {
            continue;
        }
        match may(&ctx, &caller, &repository, Action::ReadCode).await {
            Ok(_) => names.push(name),
            Err(error) if error.is_ours() => return Err(error),
            Err(_) => {}
        }
    }
    let headers = cut(&mut names, size, |name| next("/v2/_catalog", size, name));
    Ok((headers, Json(json!({"repositories": names}))))
}

/// Cuts a list to a page and, if something was cut off, tells where the next one is.
fn cut<T>(list: &mut Vec<T>, size: usize, next: impl Fn(&T) -> HeaderValue) -> HeaderMap {
    let is_more = list.len() > size;
    list.truncate(size);
    let last = list.last().filter(|_| is_more);
    last.map(|last| (header::LINK, next(last))).into_iter().collect()
}

/// A link to what follows `last` (RFC 5988).
fn next(path: &str, size: usize, last: &str) -> HeaderValue {
    let last = utf8_percent_encode(last, NON_ALPHANUMERIC);
    format!("<{path}?n={size}&last={last}>; rel=\"next\"").try_into().expect("names are ASCII")
}
