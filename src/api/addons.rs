//! Add-ons. Whoever has a part in an app sees its add-ons and may change them.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;

use super::addon_find;
use super::addon_services::{describe as describe_service, describe_plan, free, plan_ref, service_ref};
use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Caller, InApp, Named, Operate, Reader, Secrets, See};
use super::range::{Key, Page, Range};
use super::types::{
    self, AddonChange, AddonConfig, AddonEnd, AddonResolution, BillingEntity, Expandable, NamedRef, NewAddon, Timestamp,
};
use crate::auth;
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::deploy;
use crate::model::{Account, Action, Addon, AddonFacts, AddonName, App, AttachmentName, Change, ConfigKey, Plan, Service};
use crate::release::{self, Taken};

const KEYS: [Key<types::Addon>; 2] = [("name", |addon| addon.name.clone()), ("id", |addon| addon.id.to_string())];

/// The state of an add-on that no app has any more, whatever is left of it on its server.
const GONE: &str = "deprovisioned";

/// `Accept-Expansion: addon_service,plan`: what is to be shown as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expansion {
    service: bool,
    plan: bool,
}

impl FromRequestParts<Ctx> for Expansion {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Ctx) -> Result<Self, ApiError> {
        let header = parts.headers.get("accept-expansion").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let asks = |name: &str| header.split(',').any(|part| part.trim() == name);
        Ok(Self { service: asks("addon_service"), plan: asks("plan") })
    }
}

/// `GET /addons`: of all apps that the caller has a part in.
pub(super) async fn list(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    expansion: Expansion,
    range: Range,
) -> Result<Page<types::Addon>, ApiError> {
    let mut db = ctx.db.read().await?;
    let addons = db::addons::visible_to(&mut db, account.id).await?;
    range.cut(describe_all(&mut db, &addons, expansion).await?, &KEYS)
}

/// `GET /apps/{app}/addons`: its own, and others' that are attached to it.
pub(super) async fn list_of_app(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    expansion: Expansion,
    range: Range,
) -> Result<Page<types::Addon>, ApiError> {
    let mut db = ctx.db.read().await?;
    let addons = db::addons::used_by(&mut db, at.app.id).await?;
    range.cut(describe_all(&mut db, &addons, expansion).await?, &KEYS)
}

/// `GET /addons/{addon}`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    expansion: Expansion,
    Named(addon): Named,
) -> Result<Json<types::Addon>, ApiError> {
    let addon = addon_find::addon(&ctx, &account, None, &addon).await?;
    answer(&ctx, &addon, expansion).await
}

/// `GET /apps/{app}/addons/{addon}`
pub(super) async fn info_in_app(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    expansion: Expansion,
    Named(addon): Named,
) -> Result<Json<types::Addon>, ApiError> {
    let addon = addon_find::addon(&ctx, &at.by, Some(&at.app), &addon).await?;
    answer(&ctx, &addon, expansion).await
}

/// `POST /apps/{app}/addons`: answered when it can be used.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    expansion: Expansion,
    Body(new): Body<NewAddon>,
) -> Result<Created<types::Addon>, ApiError> {
    let attachment = new.attachment.and_then(|attachment| attachment.name);
    let new = deploy::NewAddon {
        taken: confirmed(&at.app, new.confirm.as_deref())?,
        app: at.app,
        by: at.by.id,
        plan: find_plan(new.plan.as_str())?,
        name: new.name.as_deref().map(str::parse::<AddonName>).transpose()?,
        attachment: attachment.as_deref().map(str::parse::<AttachmentName>).transpose()?,
    };
    let addon = deploy::create_addon(&ctx, new).await?;
    Ok(Created(answer(&ctx, &addon, expansion).await?.0))
}

/// `PATCH /apps/{app}/addons/{addon}`: another name.
pub(super) async fn update(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    expansion: Expansion,
    Named(addon): Named,
    Body(change): Body<AddonChange>,
) -> Result<Json<types::Addon>, ApiError> {
    let mut addon = own_addon(&ctx, &at, &addon).await?;
    if let Some(plan) = change.plan
        && find_plan(plan.as_str())? != addon.plan
    {
        return Err(ApiError::InvalidParams(format!("{} has one plan only.", addon.plan.0.as_str())));
    }
    if let Some(name) = change.name {
        addon = release::rename_addon(&ctx.db, addon, name.parse()?, at.by.id, ctx.now()).await?;
    }
    answer(&ctx, &addon, expansion).await
}

/// `DELETE /apps/{app}/addons/{addon}`: with all its data.
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    expansion: Expansion,
    Named(addon): Named,
    Body(end): Body<AddonEnd>,
) -> Result<Json<types::Addon>, ApiError> {
    let addon = own_addon(&ctx, &at, &addon).await?;
    let Json(last) = answer(&ctx, &addon, expansion).await?;
    let others = other_apps(&mut *ctx.db.read().await?, &addon).await?;
    if !end.force && !others.is_empty() {
        return Err(ApiError::InvalidParams(format!(
            "Cannot destroy {} while it is attached to other apps ({}). Detach it there, or force it",
            addon.name,
            others.join(", ")
        )));
    }
    deploy::destroy_addon(&ctx, addon, at.by.id).await?;
    Ok(Json(types::Addon { state: GONE.into(), ..last }))
}

/// `POST /apps/{app}/addons/{addon}/actions/rotate-credentials`, hoist's own: a new password, in a release of each app.
pub(super) async fn rotate(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    expansion: Expansion,
    Named(addon): Named,
) -> Result<Json<types::Addon>, ApiError> {
    let addon = own_addon(&ctx, &at, &addon).await?;
    deploy::rotate_addon(&ctx, addon.clone(), at.by.id).await?;
    answer(&ctx, &addon, expansion).await
}

/// `GET /addons/{addon}/config`: what apps are told, under the name that each puts its attachment's before.
pub(super) async fn config(
    State(ctx): State<Ctx>,
    Secrets(account): Secrets,
    Named(addon): Named,
) -> Result<Json<Vec<AddonConfig>>, ApiError> {
    let addon = addon_find::addon(&ctx, &account, None, &addon).await?;
    auth::open_app(&ctx.db, account.id, &addon.app.to_string(), Action::Configure).await?;
    let value = db::addons::url(&mut *ctx.db.read().await?, ctx.db.cipher(), addon.id).await?;
    Ok(Json(vec![AddonConfig { name: "URL".into(), value }]))
}

/// `POST /actions/addons/resolve`: every add-on that the text may mean.
pub(super) async fn resolve(
    State(ctx): State<Ctx>,
    Reader(account): Reader,
    expansion: Expansion,
    Body(asked): Body<AddonResolution>,
) -> Result<Json<Vec<types::Addon>>, ApiError> {
    let app = named_app(&ctx, &account, asked.app.as_deref()).await?;
    let service = asked.addon_service.as_deref().map(str::parse::<Service>).transpose()?;
    let mut found = addon_find::addons(&ctx, &account, app.as_ref(), &asked.addon).await?;
    found.retain(|addon| service.is_none_or(|service| addon.plan.0 == service));
    if found.is_empty() {
        return Err(ApiError::NotFound("add_on"));
    }
    Ok(Json(describe_all(&mut *ctx.db.read().await?, &found, expansion).await?))
}

/// The app that a body names, if it names one.
pub(super) async fn named_app(ctx: &Ctx, account: &Account, app: Option<&str>) -> Result<Option<App>, ApiError> {
    let Some(app) = app else { return Ok(None) };
    let found = auth::find_app(&ctx.db, account.id, app).await?;
    found.map(|(app, _)| Some(app)).ok_or(ApiError::NotFound("app"))
}

/// Whether what there is may be overwritten: when the app's name was given once more.
pub(super) fn confirmed(app: &App, confirm: Option<&str>) -> Result<Taken, ApiError> {
    match confirm {
        None => Ok(Taken::Refuse),
        Some(name) if name == app.name.as_str() => Ok(Taken::Replace),
        Some(name) => Err(ApiError::InvalidParams(format!("Confirmation {} did not match {}.", name.escape_debug(), app.name))),
    }
}

/// Finds an add-on that was made for this app.
async fn own_addon(ctx: &Ctx, at: &InApp<Operate>, addon: &str) -> Result<Addon, ApiError> {
    let addon = addon_find::addon(ctx, &at.by, Some(&at.app), addon).await?;
    if addon.app == at.app.id { Ok(addon) } else { Err(ApiError::NotFound("add_on")) }
}

fn find_plan(text: &str) -> Result<Plan, ApiError> {
    let by_id = || Service::ALL.map(Plan).into_iter().find(|plan| plan_ref(*plan).id == text);
    by_id().map_or_else(|| text.parse().map_err(ApiError::from), Ok)
}

async fn other_apps(db: &mut Connection, addon: &Addon) -> Result<Vec<String>, ApiError> {
    let mut names = Vec::new();
    for attachment in db::addon_attachments::of_addon(db, addon.id).await? {
        if attachment.app != addon.app {
            names.extend(db::apps::by_id(db, attachment.app).await?.map(|app| app.name.to_string()));
        }
    }
    Ok(names)
}

async fn answer(ctx: &Ctx, addon: &Addon, expansion: Expansion) -> Result<Json<types::Addon>, ApiError> {
    Ok(Json(describe(&mut *ctx.db.read().await?, addon, expansion).await?))
}

async fn describe_all(db: &mut Connection, addons: &[Addon], expansion: Expansion) -> Result<Vec<types::Addon>, ApiError> {
    let mut all = Vec::new();
    for addon in addons {
        all.push(describe(db, addon, expansion).await?);
    }
    Ok(all)
}

async fn describe(db: &mut Connection, addon: &Addon, expansion: Expansion) -> Result<types::Addon, ApiError> {
    let app = db::apps::by_id(db, addon.app).await?.ok_or(ApiError::NotFound("app"))?;
    let attachments = db::addon_attachments::of_addon(db, addon.id).await?;
    let own = attachments.iter().filter(|attachment| attachment.app == app.id);
    let config_vars: Vec<_> = own.map(|attachment| attachment.name.config_var()).collect();
    Ok(shape(addon, &app, &config_vars, expansion))
}

/// An add-on as it was when an event told of it; one that the event ended is gone.
pub(super) fn describe_then(app: &App, facts: &AddonFacts, action: Change) -> types::Addon {
    let addon = Addon {
        id: facts.id,
        name: facts.name.clone(),
        app: app.id,
        plan: facts.plan,
        state: facts.state,
        slot: None,
        created_at: facts.created_at,
        updated_at: facts.updated_at,
    };
    let shape = shape(&addon, app, &facts.config_vars, Expansion::default());
    if action == Change::Destroy { types::Addon { state: GONE.into(), ..shape } } else { shape }
}

fn shape(addon: &Addon, app: &App, config_vars: &[ConfigKey], expansion: Expansion) -> types::Addon {
    let (service, plan) = (addon.plan.0, addon.plan);
    types::Addon {
        actions: Vec::new(),
        addon_service: if expansion.service {
            Expandable::Whole(Box::new(describe_service(service)))
        } else {
            Expandable::Ref(service_ref(service))
        },
        app: app_ref(app),
        billed_price: free(),
        billing_entity: BillingEntity { id: app.id, name: app.name.to_string(), kind: "app".into() },
        config_vars: config_vars.iter().map(ToString::to_string).collect(),
        created_at: Timestamp(addon.created_at),
        id: addon.id,
        name: addon.name.to_string(),
        plan: if expansion.plan { Expandable::Whole(Box::new(describe_plan(plan))) } else { Expandable::Ref(plan_ref(plan)) },
        provider_id: addon.id.to_string(),
        provision_message: None,
        state: addon.state.as_str().into(),
        updated_at: Timestamp(addon.updated_at),
        web_url: None,
    }
}

pub(super) fn app_ref(app: &App) -> NamedRef {
    NamedRef { id: app.id.to_string(), name: app.name.to_string() }
}
