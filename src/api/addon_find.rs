//! Which add-on, or which attachment, a text names: an id, a name, and what users see of it in an app (`DATABASE`,
//! `DATABASE_URL`, `example::DATABASE`, `heroku-postgresql`). Others' are found like those that do not exist.

use super::error::ApiError;
use crate::auth;
use crate::ctx::Ctx;
use crate::db;
use crate::model::{Account, Addon, App, Attachment, Service};

/// The one add-on that the text names, as seen from an app if one is given.
pub(super) async fn addon(ctx: &Ctx, account: &Account, app: Option<&App>, text: &str) -> Result<Addon, ApiError> {
    one(addons(ctx, account, app, text).await?, "add_on", |addon| addon.name.to_string())
}

/// The one attachment that the text names, likewise.
pub(super) async fn attachment(ctx: &Ctx, account: &Account, app: Option<&App>, text: &str) -> Result<Attachment, ApiError> {
    one(attachments(ctx, account, app, text).await?, "add_on attachment", |attachment| attachment.name.to_string())
}

/// Every add-on that the text may name.
pub(super) async fn addons(ctx: &Ctx, account: &Account, app: Option<&App>, text: &str) -> Result<Vec<Addon>, ApiError> {
    let mut db = ctx.db.read().await?;
    let mut found = match app {
        Some(app) => db::addons::used_by(&mut db, app.id).await?,
        None => db::addons::visible_to(&mut db, account.id).await?,
    };
    let service = text.parse::<Service>().ok().filter(|_| app.is_some());
    found.retain(|addon| addon.id.to_string() == text || addon.name.as_str() == text || Some(addon.plan.0) == service);
    drop(db);
    for attachment in attachments(ctx, account, app, text).await? {
        if !found.iter().any(|addon| addon.id == attachment.addon) {
            found.extend(db::addons::get(&mut *ctx.db.read().await?, attachment.addon).await?);
        }
    }
    Ok(found)
}

/// Every attachment that the text may name: without an app, only those that it names together with theirs, or by id.
pub(super) async fn attachments(
    ctx: &Ctx,
    account: &Account,
    app: Option<&App>,
    text: &str,
) -> Result<Vec<Attachment>, ApiError> {
    let (app, name) = match text.split_once("::") {
        Some((app, name)) => (auth::find_app(&ctx.db, account.id, app).await?.map(|(app, _)| app), name),
        None => (app.cloned(), text),
    };
    let mut all = db::addon_attachments::visible_to(&mut *ctx.db.read().await?, account.id).await?;
    let is_called = |it: &Attachment| it.name.as_str() == name || it.name.config_var().as_str() == name;
    all.retain(|it| match &app {
        Some(app) => it.app == app.id && (is_called(it) || it.id.to_string() == name),
        None => it.id.to_string() == text,
    });
    Ok(all)
}

fn one<T>(mut found: Vec<T>, what: &'static str, name: impl Fn(&T) -> String) -> Result<T, ApiError> {
    match found.len() {
        0 => Err(ApiError::NotFound(what)),
        1 => Ok(found.remove(0)),
        _ => {
            let names = found.iter().map(name).collect::<Vec<_>>().join(", ");
            Err(ApiError::InvalidParams(format!("Ambiguous identifier; multiple matching add-ons found: {names}.")))
        }
    }
}
