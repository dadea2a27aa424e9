//! Adding, changing and removing an app's webhooks.

use time::OffsetDateTime;

use crate::db::webhooks::Credentials;
use crate::db::{self, Db, DbError};
use crate::fetch::Url;
use crate::model::{App, Entity, Level, Secret, Webhook, WebhookId};

/// A webhook that is wanted.
#[derive(Debug)]
pub struct NewWebhook {
    pub url: Url,
    pub include: Vec<Entity>,
    pub level: Level,
    /// Made if there is none.
    pub secret: Option<Secret>,
    pub authorization: Option<Secret>,
}

/// What is to be changed; what is `None` stays.
#[derive(Debug, Default)]
pub struct Change {
    pub url: Option<Url>,
    pub include: Option<Vec<Entity>>,
    pub level: Option<Level>,
    pub secret: Option<Secret>,
    /// `Some(None)` takes it away.
    pub authorization: Option<Option<Secret>>,
}

/// Why a webhook was not added.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("the app has {0} webhooks already")]
    TooMany(usize),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Adds a webhook to an app that has fewer than `most`. Returns it with its secret, which can't be read back later.
pub async fn add_webhook(
    db: &Db,
    app: &App,
    new: NewWebhook,
    most: usize,
    now: OffsetDateTime,
) -> Result<(Webhook, Secret), WebhookError> {
    let secret = new.secret.unwrap_or_else(Secret::random);
    let webhook = Webhook {
        id: WebhookId::new(),
        app: app.id,
        url: new.url.as_str().to_owned(),
        include: new.include,
        level: new.level,
        created_at: now,
        updated_at: now,
    };
    let credentials = Credentials { secret: secret.clone(), authorization: new.authorization };
    let mut tx = db.write().await?;
    if db::webhooks::list_of(&mut tx, app.id).await?.len() >= most {
        return Err(WebhookError::TooMany(most));
    }
    db::webhooks::insert(&mut tx, db.cipher(), &webhook, &credentials).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok((webhook, secret))
}

/// Changes a webhook, also for what is on its way to it; `None` when the app has no such webhook.
pub async fn change_webhook(
    db: &Db,
    app: &App,
    id: WebhookId,
    change: Change,
    now: OffsetDateTime,
) -> Result<Option<Webhook>, DbError> {
    let mut tx = db.write().await?;
    let Some(before) = db::webhooks::get(&mut tx, app.id, id).await? else { return Ok(None) };
    let Some(credentials) = db::webhooks::credentials(&mut tx, db.cipher(), id).await? else { return Ok(None) };
    let credentials = Credentials {
        secret: change.secret.unwrap_or(credentials.secret),
        authorization: change.authorization.unwrap_or(credentials.authorization),
    };
    let webhook = Webhook {
        url: change.url.map_or(before.url, |url| url.as_str().to_owned()),
        include: change.include.unwrap_or(before.include),
        level: change.level.unwrap_or(before.level),
        updated_at: now,
        ..before
    };
    db::webhooks::update(&mut tx, db.cipher(), &webhook, &credentials).await?;
    tx.commit().await?;
    Ok(Some(webhook))
}

/// Removes a webhook, with what was on its way to it, and returns it; `None` when the app has no such webhook.
pub async fn remove_webhook(db: &Db, app: &App, id: WebhookId) -> Result<Option<Webhook>, DbError> {
    let mut tx = db.write().await?;
    let webhook = db::webhooks::get(&mut tx, app.id, id).await?;
    if webhook.is_some() {
        db::webhooks::delete(&mut tx, id).await?;
        tx.commit().await?;
    }
    Ok(webhook)
}
