//! Which apps use which add-ons. An add-on can be attached by whoever may operate its app and the other.

use axum::Json;
use axum::extract::State;
use time::OffsetDateTime;

use super::addon_find;
use super::addon_services::plan_ref;
use super::addons::{app_ref, confirmed, named_app};
use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Caller, InApp, Named, Reader, See};
use super::range::{Key, Page, Range};
use super::types::{AddonAttachment, AddonRef, AttachmentResolution, NamedRef, NewAddonAttachment, Timestamp};
use crate::auth;
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::deploy;
use crate::model::{Account, Action, App, Attachment, AttachmentFacts, AttachmentName, Service};
use crate::release::{self, NewAttachment};

/// By id first: names are unique in an app only.
const KEYS: [Key<AddonAttachment>; 1] = [("id", |attachment| attachment.id.to_string())];

/// `GET /addon-attachments`: to the caller's apps, and of their add-ons.
pub(super) async fn list(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    range: Range,
) -> Result<Page<AddonAttachment>, ApiError> {
    let mut db = ctx.db.read().await?;
    let all = db::addon_attachments::visible_to(&mut db, account.id).await?;
    range.cut(describe_all(&mut db, &all).await?, &KEYS)
}

/// `GET /apps/{app}/addon-attachments`
pub(super) async fn list_of_app(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<AddonAttachment>, ApiError> {
    let mut db = ctx.db.read().await?;
    let all = db::addon_attachments::of_app(&mut db, at.app.id).await?;
    range.cut(describe_all(&mut db, &all).await?, &KEYS)
}

/// `GET /addons/{addon}/addon-attachments`
pub(super) async fn list_of_addon(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(addon): Named,
    range: Range,
) -> Result<Page<AddonAttachment>, ApiError> {
    let addon = addon_find::addon(&ctx, &account, None, &addon).await?;
    let mut db = ctx.db.read().await?;
    let all = db::addon_attachments::of_addon(&mut db, addon.id).await?;
    range.cut(describe_all(&mut db, &all).await?, &KEYS)
}

/// `GET /addon-attachments/{attachment}`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(attachment): Named,
) -> Result<Json<AddonAttachment>, ApiError> {
    let attachment = addon_find::attachment(&ctx, &account, None, &attachment).await?;
    answer(&ctx, &attachment).await
}

/// `GET /apps/{app}/addon-attachments/{attachment}`, by name or id.
pub(super) async fn info_in_app(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Named(attachment): Named,
) -> Result<Json<AddonAttachment>, ApiError> {
    let attachment = addon_find::attachment(&ctx, &at.by, Some(&at.app), &attachment).await?;
    answer(&ctx, &attachment).await
}

/// `POST /addon-attachments`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<NewAddonAttachment>,
) -> Result<Created<AddonAttachment>, ApiError> {
    if new.namespace.is_some() {
        return Err(ApiError::InvalidParams("Add-ons here have one credential each; leave out the namespace.".into()));
    }
    let (app, _) = auth::open_app(&ctx.db, account.id, new.app.as_str(), Action::Operate).await?;
    let addon = addon_find::addon(&ctx, &account, None, new.addon.as_str()).await?;
    auth::open_app(&ctx.db, account.id, &addon.app.to_string(), Action::Operate).await?;
    let attachment = NewAttachment {
        taken: confirmed(&app, new.confirm.as_deref())?,
        app,
        by: account.id,
        name: new.name.as_deref().map(str::parse::<AttachmentName>).transpose()?,
        at: ctx.now(),
    };
    let (attachment, release) = release::attach(&ctx.db, &addon, &attachment).await?;
    deploy::begin_phase(&ctx, &release);
    Ok(Created(answer(&ctx, &attachment).await?.0))
}

/// `DELETE /addon-attachments/{attachment}`, by who may operate the app that uses the add-on, or the add-on's own.
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(attachment): Named,
) -> Result<Json<AddonAttachment>, ApiError> {
    let attachment = addon_find::attachment(&ctx, &account, None, &attachment).await?;
    may_detach(&ctx, &account, &attachment).await?;
    let last = answer(&ctx, &attachment).await?;
    let app = db::apps::by_id(&mut *ctx.db.read().await?, attachment.app).await?.ok_or(ApiError::NotFound("app"))?;
    let release = release::detach(&ctx.db, &app, attachment.id, account.id, ctx.now()).await?;
    deploy::begin_phase(&ctx, &release);
    Ok(last)
}

async fn may_detach(ctx: &Ctx, account: &Account, attachment: &Attachment) -> Result<(), ApiError> {
    let used_in = auth::open_app(&ctx.db, account.id, &attachment.app.to_string(), Action::Operate).await;
    if used_in.is_err() {
        let addon = db::addons::get(&mut *ctx.db.read().await?, attachment.addon).await?;
        let owner = addon.ok_or(ApiError::NotFound("add_on"))?.app;
        auth::open_app(&ctx.db, account.id, &owner.to_string(), Action::Operate).await?;
    }
    Ok(())
}

/// `POST /actions/addon-attachments/resolve`: every attachment that the text may mean.
pub(super) async fn resolve(
    State(ctx): State<Ctx>,
    Reader(account): Reader,
    Body(asked): Body<AttachmentResolution>,
) -> Result<Json<Vec<AddonAttachment>>, ApiError> {
    let app = named_app(&ctx, &account, asked.app.as_deref()).await?;
    let service = asked.addon_service.as_deref().map(str::parse::<Service>).transpose()?;
    let found = addon_find::attachments(&ctx, &account, app.as_ref(), &asked.addon_attachment).await?;
    let mut db = ctx.db.read().await?;
    let mut answers = Vec::new();
    for attachment in found {
        let addon = db::addons::get(&mut db, attachment.addon).await?;
        if service.is_none_or(|service| addon.is_some_and(|addon| addon.plan.0 == service)) {
            answers.push(describe(&mut db, &attachment).await?);
        }
    }
    if answers.is_empty() { Err(ApiError::NotFound("add_on attachment")) } else { Ok(Json(answers)) }
}

async fn answer(ctx: &Ctx, attachment: &Attachment) -> Result<Json<AddonAttachment>, ApiError> {
    Ok(Json(describe(&mut *ctx.db.read().await?, attachment).await?))
}

async fn describe_all(db: &mut Connection, all: &[Attachment]) -> Result<Vec<AddonAttachment>, ApiError> {
    let mut answers = Vec::new();
    for attachment in all {
        answers.push(describe(db, attachment).await?);
    }
    Ok(answers)
}

async fn describe(db: &mut Connection, attachment: &Attachment) -> Result<AddonAttachment, ApiError> {
    let addon = db::addons::get(db, attachment.addon).await?.ok_or(ApiError::NotFound("add_on"))?;
    let owner = db::apps::by_id(db, addon.app).await?.ok_or(ApiError::NotFound("app"))?;
    let app = db::apps::by_id(db, attachment.app).await?.ok_or(ApiError::NotFound("app"))?;
    let addon = AddonRef { app: app_ref(&owner), id: addon.id, name: addon.name.to_string(), plan: plan_ref(addon.plan) };
    Ok(shape(attachment, &app, addon))
}

/// An attachment to this app as it was when an event told of it.
pub(super) fn describe_then(app: &App, facts: &AttachmentFacts, at: OffsetDateTime) -> AddonAttachment {
    let owner = NamedRef { id: facts.owner.to_string(), name: facts.owner_name.to_string() };
    let addon = AddonRef { app: owner, id: facts.addon, name: facts.addon_name.to_string(), plan: plan_ref(facts.plan) };
    let (id, name, created_at) = (facts.id, facts.name.clone(), facts.created_at);
    let attachment = Attachment { id, name, app: app.id, addon: facts.addon, created_at, updated_at: at };
    shape(&attachment, app, addon)
}

fn shape(attachment: &Attachment, app: &App, addon: AddonRef) -> AddonAttachment {
    AddonAttachment {
        addon,
        app: app_ref(app),
        config_vars: vec![attachment.name.config_var().to_string()],
        created_at: Timestamp(attachment.created_at),
        id: attachment.id,
        log_input_url: None,
        name: attachment.name.to_string(),
        namespace: None,
        updated_at: Timestamp(attachment.updated_at),
        web_url: None,
    }
}
