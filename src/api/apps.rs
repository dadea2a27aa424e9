//! Apps.

use axum::Json;
use axum::extract::State;

use super::account::oneself;
use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Caller, InApp, Manage, Named, See};
use super::range::{Key, Page, Range};
use super::types::{self, AppChange, NamedRef, NewApp, Timestamp};
use super::urls::Urls;
use super::{regions, stacks};
use crate::auth;
use crate::ctx::Ctx;
use crate::db;
use crate::db::app_details::AppDetails;
use crate::deploy;
use crate::model::{Action, App, AppName};

const KEYS: [Key<AppDetails>; 2] = [("name", |one| one.app.name.to_string()), ("id", |one| one.app.id.to_string())];

/// `GET /apps`: those that the caller owns or collaborates on.
pub(super) async fn list(State(ctx): State<Ctx>, Caller(account): Caller, range: Range) -> Result<Page<types::App>, ApiError> {
    let window = range.text_window(&KEYS)?;
    let apps = db::app_details::page(&mut *ctx.db.read().await?, account.id, &window).await?;
    let urls = Urls::new(&ctx);
    Ok(range.text_page(apps, &KEYS)?.map(|app| describe(&urls, app)))
}

/// `GET /users/{user}/apps`
pub(super) async fn list_of_user(
    state: State<Ctx>,
    caller: Caller,
    Named(user): Named,
    range: Range,
) -> Result<Page<types::App>, ApiError> {
    oneself(&caller.0, &user)?;
    list(state, caller, range).await
}

/// `POST /apps`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<NewApp>,
) -> Result<Created<types::App>, ApiError> {
    let name = new.name.as_deref().map(str::parse::<AppName>).transpose()?;
    let stack = match &new.stack {
        Some(stack) => stacks::find(&ctx, stack).ok_or_else(|| stacks::unknown(stack))?,
        None => ctx.config.default_stack.clone(),
    };
    let app = crate::apps::create(&ctx.db, &account, name, &stack, ctx.now()).await?;
    Ok(Created(answer(&ctx, &app).await?.0))
}

/// `GET /apps/{app}`
pub(super) async fn info(State(ctx): State<Ctx>, InApp { app, .. }: InApp<See>) -> Result<Json<types::App>, ApiError> {
    answer(&ctx, &app).await
}

/// `PATCH /apps/{app}`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Body(change): Body<AppChange>,
) -> Result<Json<types::App>, ApiError> {
    if manages(&change) {
        at.may(&ctx, Action::Manage).await?;
    }
    if change.maintenance.is_some() {
        at.may(&ctx, Action::Operate).await?;
    }
    // Told rather than ignored: a client that asks for these relies on them.
    if change.maintenance == Some(true) {
        return Err(ApiError::InvalidParams("hoist does not serve apps, so it has no maintenance mode.".into()));
    }
    let find_stack = |name: &String| stacks::find(&ctx, name).ok_or_else(|| stacks::unknown(name));
    let stack = change.build_stack.as_ref().map(find_stack).transpose()?;
    let root = change.root.as_deref().map(|root| (!root.is_empty()).then(|| root.parse()).transpose()).transpose()?;
    let followed = match change.follows.as_deref() {
        Some("") => Some(None),
        // Its code goes to whoever has the other one.
        Some(name) => Some(Some(auth::open_app(&ctx.db, at.by.id, name, Action::Manage).await?.0)),
        None => None,
    };
    let mut app = at.app.clone();
    // What may be refused comes first, so that nothing is changed then.
    if let Some(followed) = followed {
        app = crate::apps::set_followed(&ctx.db, &app, followed.as_ref(), at.by.id, ctx.now()).await?;
    }
    if let Some(name) = change.name {
        app = crate::apps::rename(&ctx.db, &app, name.parse()?, at.by.id, ctx.now()).await?;
    }
    if let Some(stack) = stack {
        app = crate::apps::set_stack(&ctx.db, &app, stack, at.by.id, ctx.now()).await?;
    }
    if let Some(root) = root {
        app = crate::apps::set_root(&ctx.db, &app, root.as_ref(), at.by.id, ctx.now()).await?;
    }
    if let Some(skips) = change.skip_unchanged {
        app = crate::apps::set_skips_unchanged(&ctx.db, &app, skips, at.by.id, ctx.now()).await?;
    }
    answer(&ctx, &app).await
}

/// Whether a change takes the right to manage the app.
fn manages(AppChange { name, maintenance: _, build_stack, root, skip_unchanged, follows }: &AppChange) -> bool {
    name.is_some() || build_stack.is_some() || root.is_some() || skip_unchanged.is_some() || follows.is_some()
}

/// `DELETE /apps/{app}`
pub(super) async fn destroy(State(ctx): State<Ctx>, at: InApp<Manage>) -> Result<Json<types::App>, ApiError> {
    let last = answer(&ctx, &at.app).await?;
    deploy::destroy_app(&ctx, at.app, at.by.id).await?;
    Ok(last)
}

async fn answer(ctx: &Ctx, app: &App) -> Result<Json<types::App>, ApiError> {
    let details = db::app_details::get(&mut *ctx.db.read().await?, app.id).await?;
    Ok(Json(describe(&Urls::new(ctx), details)))
}

pub(super) fn describe(urls: &Urls, details: AppDetails) -> types::App {
    let AppDetails { app, owner, released_at, stack, slug, repo_bytes, root, follows, skips_unchanged } = details;
    let stack = stack.as_ref().unwrap_or(&app.stack);
    types::App {
        acm: false,
        archived_at: None,
        buildpack_provided_description: slug.as_ref().and_then(|slug| slug.language.clone()),
        build_stack: NamedRef::named("stack", app.stack.as_str()),
        create_status: "complete".into(),
        created_at: Timestamp(app.created_at),
        follows: follows.as_ref().map(ToString::to_string),
        generation: NamedRef::named("generation", "cedar"),
        git_ssh_url: urls.git_ssh(&app.name),
        git_url: urls.git(&app.name),
        id: app.id,
        internal_routing: None,
        maintenance: false,
        name: app.name.to_string(),
        organization: None,
        owner: (&owner).into(),
        region: regions::here(),
        released_at: released_at.map(Timestamp),
        repo_size: repo_bytes,
        root: root.as_ref().map(ToString::to_string),
        skip_unchanged: skips_unchanged,
        slug_size: slug.as_ref().map_or(0, |slug| slug.bytes),
        space: None,
        stack: NamedRef::named("stack", stack.as_str()),
        team: None,
        updated_at: Timestamp(app.updated_at),
        web_url: urls.web(&app.name),
    }
}
