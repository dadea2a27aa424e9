//! Apps' webhooks. Their secrets are kept encrypted and are read for a delivery alone.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Cipher, Connection, DbError, row};
use crate::model::{AppId, Entity, Secret, Webhook, WebhookId};

/// What a webhook's deliveries are proved with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Signs each body.
    pub secret: Secret,
    /// The `Authorization` header, if the receiver wants one.
    pub authorization: Option<Secret>,
}

/// Adds a webhook.
pub async fn insert(db: &mut Connection, cipher: &Cipher, webhook: &Webhook, credentials: &Credentials) -> Result<(), DbError> {
    let seal = |what, secret: &Secret| cipher.seal(&context(webhook.id, what), secret.expose().as_bytes());
    sqlx::query(
        "INSERT INTO webhooks (id, app_id, url, include, level, secret, authorization, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(webhook.id.to_string())
    .bind(webhook.app.to_string())
    .bind(&webhook.url)
    .bind(list(&webhook.include))
    .bind(webhook.level.as_str())
    .bind(seal(SECRET, &credentials.secret))
    .bind(credentials.authorization.as_ref().map(|authorization| seal(AUTHORIZATION, authorization)))
    .bind(row::millis(webhook.created_at))
    .bind(row::millis(webhook.updated_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces everything of a webhook that can be changed.
pub async fn update(db: &mut Connection, cipher: &Cipher, webhook: &Webhook, credentials: &Credentials) -> Result<(), DbError> {
    let seal = |what, secret: &Secret| cipher.seal(&context(webhook.id, what), secret.expose().as_bytes());
    sqlx::query(
        "UPDATE webhooks SET url = ?, include = ?, level = ?, secret = ?, authorization = ?, updated_at = ? WHERE id = ?",
    )
    .bind(&webhook.url)
    .bind(list(&webhook.include))
    .bind(webhook.level.as_str())
    .bind(seal(SECRET, &credentials.secret))
    .bind(credentials.authorization.as_ref().map(|authorization| seal(AUTHORIZATION, authorization)))
    .bind(row::millis(webhook.updated_at))
    .bind(webhook.id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a webhook, and with it what was to be delivered to it.
pub async fn delete(db: &mut Connection, id: WebhookId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM webhooks WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Removes the webhooks of destroyed apps that nothing is on its way to: their secrets are of no use any more.
pub async fn delete_useless(db: &mut Connection) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM webhooks WHERE (SELECT destroyed_at FROM apps WHERE id = webhooks.app_id) IS NOT NULL AND NOT EXISTS
           (SELECT 1 FROM webhook_deliveries WHERE webhook_id = webhooks.id AND next_attempt_at IS NOT NULL)",
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lists an app's webhooks, oldest first.
pub async fn list_of(db: &mut Connection, app: AppId) -> Result<Vec<Webhook>, DbError> {
    let rows = sqlx::query("SELECT * FROM webhooks WHERE app_id = ? ORDER BY created_at, id").bind(app.to_string());
    rows.fetch_all(db).await?.iter().map(webhook).collect()
}

/// Finds a webhook of an app.
pub async fn get(db: &mut Connection, app: AppId, id: WebhookId) -> Result<Option<Webhook>, DbError> {
    let query = sqlx::query("SELECT * FROM webhooks WHERE app_id = ? AND id = ?").bind(app.to_string()).bind(id.to_string());
    query.fetch_optional(db).await?.as_ref().map(webhook).transpose()
}

/// Decrypts what a webhook's deliveries are proved with; `None` when the webhook is gone.
pub async fn credentials(db: &mut Connection, cipher: &Cipher, id: WebhookId) -> Result<Option<Credentials>, DbError> {
    let row = sqlx::query("SELECT secret, authorization FROM webhooks WHERE id = ?").bind(id.to_string());
    let Some(row) = row.fetch_optional(db).await? else { return Ok(None) };
    let open = |what, sealed: &[u8]| {
        let bad = || DbError::Corrupt { what, why: format!("it can't be opened with this key (webhook {id})") };
        let plain = cipher.open_sealed(&context(id, what), sealed).ok_or_else(bad)?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| bad())
    };
    let authorization: Option<Vec<u8>> = row.try_get("authorization")?;
    Ok(Some(Credentials {
        secret: open(SECRET, &row.try_get::<Vec<u8>, _>("secret")?)?,
        authorization: authorization.map(|sealed| open(AUTHORIZATION, &sealed)).transpose()?,
    }))
}

const SECRET: &str = "webhook secret";
const AUTHORIZATION: &str = "webhook authorization";

/// In which place alone a secret can be opened.
fn context(id: WebhookId, what: &str) -> String {
    format!("{what} {id}")
}

fn list(include: &[Entity]) -> String {
    serde_json::to_string(include).expect("a list of words is JSON")
}

/// A webhook in a row of its table.
fn webhook(row: &SqliteRow) -> Result<Webhook, DbError> {
    Ok(Webhook {
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        url: row.try_get("url")?,
        include: row::json(row, "include")?,
        level: row::text(row, "level")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
