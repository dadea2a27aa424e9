//! Who may work on an app: its owner and those whom the owner added.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::error::ApiError;
use super::extract::{Body, InApp, Named};
use super::range::{Page, Range};
use super::types::{Collaborator, NamedRef, NewCollaborator, Permission, Timestamp, stable_id};
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::model::{Account, App, Email, Role};

/// `GET /apps/{app}/collaborators`
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp, range: Range) -> Result<Page<Collaborator>, ApiError> {
    let everybody = everybody(&mut *ctx.db.read().await?, &at.app).await?;
    range.cut(everybody, &[("email", |one| one.user.email.clone()), ("id", |one| one.id.clone())])
}

/// `GET /apps/{app}/collaborators/{user}`, by address, account's id or collaborator's id.
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp, Named(user): Named) -> Result<Json<Collaborator>, ApiError> {
    Ok(Json(find(&mut *ctx.db.read().await?, &at.app, &user).await?))
}

/// `POST /apps/{app}/collaborators`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp,
    Body(new): Body<NewCollaborator>,
) -> Result<(StatusCode, Json<Collaborator>), ApiError> {
    at.owner_only()?;
    let account = account(&mut *ctx.db.read().await?, &new.user).await?;
    let account = account.ok_or_else(|| {
        let user = new.user.escape_debug();
        ApiError::InvalidParams(format!("There is no account `{user}` here. Whoever runs this installation can add it."))
    })?;
    if account.id == at.app.owner {
        return Err(ApiError::InvalidParams(format!("{} owns {} already.", account.email, at.app.name)));
    }
    crate::apps::add_collaborator(&ctx.db, &at.app, &account, ctx.now()).await?;
    let added = find(&mut *ctx.db.read().await?, &at.app, account.email.as_str()).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// `DELETE /apps/{app}/collaborators/{user}`: anybody by the owner, oneself by oneself.
pub(super) async fn destroy(State(ctx): State<Ctx>, at: InApp, Named(user): Named) -> Result<Json<Collaborator>, ApiError> {
    let one = find(&mut *ctx.db.read().await?, &at.app, &user).await?;
    if one.user.id != at.by.id {
        at.owner_only()?;
    }
    if one.user.id == at.app.owner {
        return Err(ApiError::InvalidParams(format!("{} owns {} and can't be removed from it.", one.user.email, at.app.name)));
    }
    crate::apps::remove_collaborator(&ctx.db, &at.app, one.user.id).await?;
    Ok(Json(one))
}

async fn everybody(db: &mut Connection, app: &App) -> Result<Vec<Collaborator>, ApiError> {
    let owner = Account { created_at: app.created_at, ..db::accounts::get(db, app.owner).await? };
    let others = db::collaborators::list(db, app.id).await?;
    let others = others.iter().map(|account| collaborator(app, account, Role::Collaborator));
    Ok([collaborator(app, &owner, Role::Owner)].into_iter().chain(others).collect())
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

/// `created_at` of the account given is when it came to the app.
fn collaborator(app: &App, account: &Account, role: Role) -> Collaborator {
    Collaborator {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        created_at: Timestamp(account.created_at),
        id: stable_id(&["collaborator", &app.id.to_string(), &account.id.to_string()]),
        permissions: permissions(role),
        role: role.as_str().into(),
        updated_at: Timestamp(account.created_at),
        user: account.into(),
    }
}

fn permissions(role: Role) -> Vec<Permission> {
    let all = [
        ("deploy", "Push code and set buildpacks"),
        ("manage", "Rename and destroy the app, add and remove collaborators"),
        ("operate", "Read and change config vars"),
        ("view", "See the app, its builds and its releases"),
    ];
    let allowed = all.into_iter().filter(|(name, _)| role == Role::Owner || *name != "manage");
    allowed.map(|(name, description)| Permission { name: name.into(), description: description.into() }).collect()
}
