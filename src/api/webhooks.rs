//! Apps' webhooks.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};

use super::answer::{Created, Headed};
use super::error::ApiError;
use super::extract::{Body, InApp, Named, Operate, See};
use super::range::{Page, Range};
use super::types::{self, NamedRef, Timestamp, WebhookChange};
use crate::ctx::Ctx;
use crate::db;
use crate::fetch::Url;
use crate::launch::{self, Change, NewWebhook};
use crate::model::{App, Entity, Secret, Webhook};

/// Where a webhook's secret is told, once.
const SECRET_HEADER: HeaderName = HeaderName::from_static("heroku-webhook-secret");
/// More is a mistake; a header has to take it.
const SECRET_BYTES: usize = 4096;

/// `GET /apps/{app}/webhooks`
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<types::Webhook>, ApiError> {
    let webhooks = db::webhooks::list_of(&mut *ctx.db.read().await?, at.app.id).await?;
    let webhooks = webhooks.iter().map(|webhook| describe(&at.app, webhook)).collect();
    range.cut(webhooks, &[("id", |webhook: &types::Webhook| webhook.id.to_string())])
}

/// `POST /apps/{app}/webhooks`. The answer's header has the secret, which is not shown again.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Body(new): Body<types::NewWebhook>,
) -> Result<Headed<Created<types::Webhook>>, ApiError> {
    let new = NewWebhook {
        url: parse_url(&new.url)?,
        include: parse_include(&new.include)?,
        level: new.level.parse()?,
        secret: new.secret.map(|secret| parse_header("secret", secret)).transpose()?.flatten(),
        authorization: new.authorization.map(|text| parse_header("authorization", text)).transpose()?.flatten(),
    };
    let most = ctx.config.webhooks.per_app;
    let (webhook, secret) = launch::add_webhook(&ctx.db, &at.app, new, most, ctx.now()).await?;
    let mut told = HeaderValue::try_from(secret.expose()).expect("a given one was tried, and a made one is hexadecimal");
    told.set_sensitive(true);
    Ok(Headed { body: Created(describe(&at.app, &webhook)), name: SECRET_HEADER, value: told })
}

/// `GET /apps/{app}/webhooks/{webhook}`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Named(webhook): Named,
) -> Result<Json<types::Webhook>, ApiError> {
    let id = webhook.parse().map_err(|_| ApiError::NotFound("webhook"))?;
    let webhook = db::webhooks::get(&mut *ctx.db.read().await?, at.app.id, id).await?;
    Ok(Json(describe(&at.app, &webhook.ok_or(ApiError::NotFound("webhook"))?)))
}

/// `PATCH /apps/{app}/webhooks/{webhook}`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Named(webhook): Named,
    Body(change): Body<WebhookChange>,
) -> Result<Json<types::Webhook>, ApiError> {
    let id = webhook.parse().map_err(|_| ApiError::NotFound("webhook"))?;
    let authorization = change.authorization.map(|text| text.map(|text| parse_header("authorization", text)).transpose());
    let change = Change {
        url: change.url.as_deref().map(parse_url).transpose()?,
        include: change.include.as_deref().map(parse_include).transpose()?,
        level: change.level.as_deref().map(str::parse).transpose()?,
        secret: change.secret.map(|secret| parse_header("secret", secret)).transpose()?.flatten(),
        authorization: authorization.transpose()?.map(Option::flatten),
    };
    let webhook = launch::change_webhook(&ctx.db, &at.app, id, change, ctx.now()).await?;
    Ok(Json(describe(&at.app, &webhook.ok_or(ApiError::NotFound("webhook"))?)))
}

/// `DELETE /apps/{app}/webhooks/{webhook}`
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Named(webhook): Named,
) -> Result<Json<types::Webhook>, ApiError> {
    let id = webhook.parse().map_err(|_| ApiError::NotFound("webhook"))?;
    let webhook = launch::remove_webhook(&ctx.db, &at.app, id).await?;
    Ok(Json(describe(&at.app, &webhook.ok_or(ApiError::NotFound("webhook"))?)))
}

pub(super) fn parse_url(text: &str) -> Result<Url, ApiError> {
    text.parse().map_err(|error| ApiError::InvalidParams(format!("The url can't be used: {error}.")))
}

fn parse_include(names: &[String]) -> Result<Vec<Entity>, ApiError> {
    let mut include = names.iter().map(|name| name.parse()).collect::<Result<Vec<Entity>, _>>()?;
    include.sort_unstable();
    include.dedup();
    if include.is_empty() {
        let known = Entity::ALL.map(Entity::as_str).join(", ");
        return Err(ApiError::InvalidParams(format!("`include` is empty. Name at least one of: {known}.")));
    }
    Ok(include)
}

/// A text that is sent as a header; an empty one is none.
fn parse_header(field: &'static str, text: Secret) -> Result<Option<Secret>, ApiError> {
    let fits = text.expose().len() <= SECRET_BYTES && text.expose().chars().all(|c| matches!(c, ' '..='~'));
    let refuse = || ApiError::InvalidParams(format!("The {field} must be at most {SECRET_BYTES} printable ASCII characters."));
    if fits { Ok((!text.expose().is_empty()).then_some(text)) } else { Err(refuse()) }
}

fn describe(app: &App, webhook: &Webhook) -> types::Webhook {
    types::Webhook {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        created_at: Timestamp(webhook.created_at),
        id: webhook.id,
        include: webhook.include.iter().map(ToString::to_string).collect(),
        level: webhook.level.as_str().into(),
        updated_at: Timestamp(webhook.updated_at),
        url: webhook.url.clone(),
    }
}
