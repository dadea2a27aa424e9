//! Several apps at once, by their ids.

use axum::extract::State;

use super::apps::describe;
use super::error::ApiError;
use super::extract::{Body, Caller};
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
    Caller(account): Caller,
    range: Range,
    Body(filter): Body<AppsFilter>,
) -> Result<Page<App>, ApiError> {
    if filter.within.id.len() > MOST {
        return Err(ApiError::InvalidParams(format!("At most {MOST} apps can be asked for at once.")));
    }
    let urls = Urls::new(&ctx.config);
    let mut db = ctx.db.read().await?;
    let mut found = Vec::new();
    for app in db::apps::visible_to(&mut db, account.id).await? {
        if filter.within.id.contains(&app.id.to_string()) {
            found.push(describe(&mut db, &urls, &app).await?);
        }
    }
    range.cut(found, &[("id", |app| app.id.to_string()), ("name", |app| app.name.clone())])
}
