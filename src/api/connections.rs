//! Apps' connections to repositories on GitHub and its kin.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};

use super::answer::{Accepted, Created, Headed};
use super::connection_fields::{check_change, check_new};
use super::error::ApiError;
use super::extract::{Body, Deploy, InApp, Named, See};
use super::range::{Page, Range};
use super::releases::users;
use super::types::{self, ConnectionChange, IdRef, NamedRef, NewRepositoryDeploy, RepositoryDeploy, Timestamp, UserRef};
use super::urls::Urls;
use crate::connections::{self, ConnectError};
use crate::ctx::Ctx;
use crate::db;
use crate::db::triggers::Trigger;
use crate::model::{App, Connected, Connection, Secret, public_deploy_key};
use crate::tell::Place;

/// Where a webhook's secret is told, once.
const SECRET_HEADER: HeaderName = HeaderName::from_static("hoist-webhook-secret");
/// The newest deploys that are listed.
const MOST_DEPLOYS: u32 = 200;

/// `GET /apps/{app}/github`
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp<See>) -> Result<Json<types::Connection>, ApiError> {
    let connection = db::connections::of_app(&mut *ctx.db.read().await?, at.app.id).await?;
    Ok(Json(describe(&ctx, &at.app, &connection.ok_or(ConnectError::NotConnected)?).await?))
}

/// `POST /apps/{app}/github`. The answer's header has the webhook's secret, which is not shown again.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
    Body(new): Body<types::NewConnection>,
) -> Result<Headed<Created<types::Connection>>, ApiError> {
    let new = check_new(&ctx, new).await?;
    let (connection, secret) = connections::connect(&ctx.db, Connected::App(at.app.id), at.by.id, new, ctx.now()).await?;
    Ok(with_secret(Created(describe(&ctx, &at.app, &connection).await?), &secret))
}

/// `PATCH /apps/{app}/github`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
    Body(change): Body<ConnectionChange>,
) -> Result<Json<types::Connection>, ApiError> {
    let before = db::connections::of_app(&mut *ctx.db.read().await?, at.app.id).await?.ok_or(ConnectError::NotConnected)?;
    let change = check_change(&ctx, &before, change).await?;
    let connection = connections::change(&ctx.db, at.app.id, at.by.id, change, ctx.now()).await?;
    Ok(Json(describe(&ctx, &at.app, &connection).await?))
}

/// `POST /apps/{app}/github/webhook-secret`: another one, which the answer's header has.
pub(super) async fn new_secret(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
) -> Result<Headed<Created<types::Connection>>, ApiError> {
    let (connection, secret) = connections::change_secret(&ctx.db, at.app.id, at.by.id, ctx.now()).await?;
    Ok(with_secret(Created(describe(&ctx, &at.app, &connection).await?), &secret))
}

/// `DELETE /apps/{app}/github`
pub(super) async fn destroy(State(ctx): State<Ctx>, at: InApp<Deploy>) -> Result<Json<types::Connection>, ApiError> {
    let connection = db::connections::of_app(&mut *ctx.db.read().await?, at.app.id).await?.ok_or(ConnectError::NotConnected)?;
    let described = describe(&ctx, &at.app, &connection).await?;
    connections::disconnect(&ctx.db, Connected::App(at.app.id)).await?;
    Ok(Json(described))
}

/// `POST /apps/{app}/github/push`: deploys a branch as it stands at the provider.
pub(super) async fn push(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
    Body(new): Body<NewRepositoryDeploy>,
) -> Result<Accepted<RepositoryDeploy>, ApiError> {
    let branch = new.branch.as_deref().map(str::parse).transpose()?;
    let id = connections::deploy_branch(&ctx.db, at.app.id, at.by.id, branch, ctx.now()).await?;
    Ok(Accepted(find_deploy(&ctx, &at.app, &id.to_string()).await?))
}

/// `GET /apps/{app}/github/deploys`
pub(super) async fn deploys(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<RepositoryDeploy>, ApiError> {
    let mut db = ctx.db.read().await?;
    let triggers = db::triggers::list_of(&mut db, at.app.id, MOST_DEPLOYS).await?;
    let users = users(&mut db, triggers.iter().map(|trigger| trigger.by)).await?;
    let deploys = triggers.into_iter().map(|trigger| describe_deploy(&at.app, users[&trigger.by].clone(), trigger)).collect();
    range.cut(deploys, &[("id", |deploy: &RepositoryDeploy| deploy.id.to_string())])
}

/// `GET /apps/{app}/github/deploys/{deploy}`
pub(super) async fn deploy_info(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Named(deploy): Named,
) -> Result<Json<RepositoryDeploy>, ApiError> {
    Ok(Json(find_deploy(&ctx, &at.app, &deploy).await?))
}

async fn find_deploy(ctx: &Ctx, app: &App, deploy: &str) -> Result<RepositoryDeploy, ApiError> {
    let id = deploy.parse().map_err(|_| ApiError::NotFound("deploy"))?;
    let mut db = ctx.db.read().await?;
    let trigger = db::triggers::get(&mut db, app.id, id).await?.ok_or(ApiError::NotFound("deploy"))?;
    let user = (&db::accounts::get(&mut db, trigger.by).await?).into();
    Ok(describe_deploy(app, user, trigger))
}

pub(super) fn with_secret<T>(body: T, secret: &Secret) -> Headed<T> {
    let mut value = HeaderValue::try_from(secret.expose()).expect("a given one was tried, and a made one is hexadecimal");
    value.set_sensitive(true);
    Headed { body, name: SECRET_HEADER, value }
}

async fn describe(ctx: &Ctx, app: &App, connection: &Connection) -> Result<types::Connection, ApiError> {
    let mut db = ctx.db.read().await?;
    let secrets = db::connections::secrets(&mut db, ctx.db.cipher(), connection.id).await?;
    let secrets = secrets.ok_or(ConnectError::NotConnected)?;
    let deploy_public_key = secrets.deploy_key.as_ref().map(public_deploy_key).transpose()?;
    let place = Place::new(connection.clone(), secrets);
    let app_acts = place.is_proved && ctx.providers.has_app_at(&place);
    let credentials = match (&deploy_public_key, &place.token) {
        (Some(_), _) => Some("deploy_key"),
        (None, Some(_)) => Some("token"),
        (None, None) => Some("github_app").filter(|_| app_acts),
    };
    Ok(types::Connection {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        auto_deploy: connection.auto_deploy,
        branch: connection.branch.as_ref().map(ToString::to_string),
        clone_url: connection.clone_url.clone(),
        created_at: Timestamp(connection.created_at),
        credentials: credentials.map(str::to_owned),
        deploy_public_key,
        id: connection.id,
        known_hosts: connection.known_hosts.clone(),
        provider: connection.provider.to_string(),
        repo: connection.full_name.to_string(),
        tells_back: place.token.is_some() || app_acts,
        updated_at: Timestamp(connection.updated_at),
        user: (&db::accounts::get(&mut db, connection.by).await?).into(),
        wait_for_ci: connection.wait_for_ci,
        webhook_url: Urls::new(ctx).webhook(connection.provider),
    })
}

fn describe_deploy(app: &App, user: UserRef, trigger: Trigger) -> RepositoryDeploy {
    RepositoryDeploy {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        branch: trigger.branch.to_string(),
        build: trigger.build.map(|id| IdRef { id }),
        cause: trigger.cause.as_str().into(),
        commit: trigger.commit.map(|commit| commit.to_string()),
        created_at: Timestamp(trigger.created_at),
        id: trigger.id,
        reason: trigger.reason,
        state: trigger.state.as_str().into(),
        updated_at: Timestamp(trigger.updated_at),
        user,
    }
}
