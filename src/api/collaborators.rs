//! Who may work on an app, and what they may do: its owner and those who were added.
//!
//! Heroku has the paths twice: below `/apps`, and below `/teams/apps` with permissions. Here both are the same.

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, InApp, Manage, Named, See};
use super::range::{Page, Range};
use super::types::{Collaborator, CollaboratorChange, NamedRef, NewCollaborator, Permission, Timestamp, stable_id};
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::model::{self, Account, Action, App, Email, Permissions};

/// `GET /apps/{app}/collaborators`
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<Collaborator>, ApiError> {
    let everybody = everybody(&mut *ctx.db.read().await?, &at.app).await?;
    range.cut(everybody, &[("email", |one| one.user.email.clone()), ("id", |one| one.id.clone())])
}

/// `GET /apps/{app}/collaborators/{user}`, by address, account's id or collaborator's id.
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp<See>, Named(user): Named) -> Result<Json<Collaborator>, ApiError> {
    Ok(Json(find(&mut *ctx.db.read().await?, &at.app, &user).await?))
}

/// `POST /apps/{app}/collaborators`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Manage>,
    Body(new): Body<NewCollaborator>,
) -> Result<Created<Collaborator>, ApiError> {
    let permissions = new.permissions.as_deref().map(parse).transpose()?;
    let account = account(&mut *ctx.db.read().await?, &new.user).await?;
    let account = account.ok_or_else(|| {
        let user = new.user.escape_debug();
        ApiError::InvalidParams(format!("There is no account `{user}` here. Whoever runs this installation can add it."))
    })?;
    if account.id == at.app.owner {
        return Err(ApiError::InvalidParams(format!("{} owns {} already.", account.email, at.app.name)));
    }
    crate::apps::add_collaborator(&ctx.db, &at.app, &account, permissions, at.by.id, ctx.now()).await?;
    let added = find(&mut *ctx.db.read().await?, &at.app, account.email.as_str()).await?;
    Ok(Created(added))
}

/// `PATCH /apps/{app}/collaborators/{user}`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    at: InApp<Manage>,
    Named(user): Named,
    Body(change): Body<CollaboratorChange>,
) -> Result<Json<Collaborator>, ApiError> {
    let permissions = parse(&change.permissions)?;
    let one = find(&mut *ctx.db.read().await?, &at.app, &user).await?;
    if one.user.id == at.app.owner {
        let text = format!("{} owns {} and has every permission in it.", one.user.email, at.app.name);
        return Err(ApiError::InvalidParams(text));
    }
    if !crate::apps::set_permissions(&ctx.db, &at.app, one.user.id, &permissions, at.by.id, ctx.now()).await? {
        return Err(ApiError::NotFound("collaborator"));
    }
    Ok(Json(find(&mut *ctx.db.read().await?, &at.app, &user).await?))
}

/// `DELETE /apps/{app}/collaborators/{user}`: oneself, or whoever one manages.
pub(super) async fn destroy(State(ctx): State<Ctx>, at: InApp<See>, Named(user): Named) -> Result<Json<Collaborator>, ApiError> {
    let one = find(&mut *ctx.db.read().await?, &at.app, &user).await?;
    if one.user.id != at.by.id {
        at.may(&ctx, Action::Manage).await?;
    }
    if one.user.id == at.app.owner {
        return Err(ApiError::InvalidParams(format!("{} owns {} and can't be removed from it.", one.user.email, at.app.name)));
    }
    crate::apps::remove_collaborator(&ctx.db, &at.app, one.user.id, at.by.id, ctx.now()).await?;
    Ok(Json(one))
}

fn parse(names: &[String]) -> Result<Permissions, ApiError> {
    Ok(names.iter().map(|name| name.parse::<model::Permission>()).collect::<Result<_, _>>()?)
}

async fn everybody(db: &mut Connection, app: &App) -> Result<Vec<Collaborator>, ApiError> {
    let account = db::accounts::get(db, app.owner).await?;
    let (created_at, updated_at) = (app.created_at, app.created_at);
    let owner = db::collaborators::Collaborator { account, permissions: Permissions::all(), created_at, updated_at };
    let others = db::collaborators::list(db, app.id).await?;
    Ok([owner].iter().chain(&others).map(|one| describe(app, one)).collect())
}

async fn find(db: &mut Connection, app: &App, user: &str) -> Result<Collaborator, ApiError> {
    let is = |one: &Collaborator| one.id == user || one.user.email.eq_ignore_ascii_case(user) || one.user.id.to_string() == user;
    everybody(db, app).await?.into_iter().find(is).ok_or(ApiError::NotFound("collaborator"))
}

async fn account(db: &mut Connection, user: &str) -> Result<Option<Account>, ApiError> {
    match (user.parse(), user.parse::<Email>()) {
        (Ok(id), _) => Ok(db::accounts::by_id(db, id).await?),
        (_, Ok(email)) => Ok(db::accounts::by_email(db, &email).await?),
        (_, Err(invalid)) => Err(invalid.into()),
    }
}

pub(super) fn describe(app: &App, one: &db::collaborators::Collaborator) -> Collaborator {
    let role = if one.account.id == app.owner { "owner" } else { "collaborator" };
    let permission = |one: model::Permission| Permission { name: one.to_string(), description: one.description().into() };
    Collaborator {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        created_at: Timestamp(one.created_at),
        id: stable_id(&["collaborator", &app.id.to_string(), &one.account.id.to_string()]),
        permissions: one.permissions.iter().map(permission).collect(),
        role: role.into(),
        updated_at: Timestamp(one.updated_at),
        user: (&one.account).into(),
    }
}
