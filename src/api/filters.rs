//! Several apps at once, by their ids.

use axum::extract::State;

use super::apps::describe;
use super::error::ApiError;
use super::extract::{Body, Reader};
use super::range::{Page, Range};
use super::types::{App, AppsFilter};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db;

/// Heroku's own limit.
const MOST: usize = 1000;

/// `POST /filters/apps`: those among the ids that the caller has a part in; the others are passed over.
pub(super) async fn apps(
    State(ctx): State<Ctx>,
    Reader(account): Reader,
    range: Range,
    Body(filter): Body<AppsFilter>,
) -> Result<Page<App>, ApiError> {
    if filter.within.id.len() > MOST {
        return Err(ApiError::InvalidParams(format!("At most {MOST} apps can be asked for at once.")));
    }
    let urls = Urls::new(&ctx);
    // What is no id names nothing.
    let ids: Vec<_> = filter.within.id.iter().filter_map(|id| id.parse().ok()).collect();
    let found = db::app_details::among(&mut *ctx.db.read().await?, account.id, &ids).await?;
    let found = found.into_iter().map(|app| describe(&urls, app)).collect();
    range.cut(found, &[("id", |app| app.id.to_string()), ("name", |app| app.name.clone())])
}
