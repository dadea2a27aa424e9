//! Which apps use which add-ons, under which names.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::apps::VISIBLE;
use super::{Cipher, Connection, DbError, addons, apps, events, row};
use crate::model::{
    AccountId, AddonId, AppId, AttachedAddon, Attachment, AttachmentFacts, AttachmentId, AttachmentName, Change, ConfigKey,
    Facts, Plan, Secret,
};

/// Adds an attachment. Fails with [`DbError::is_taken`] when the app has one of this name.
pub async fn insert(db: &mut Connection, attachment: &Attachment, by: AccountId) -> Result<(), DbError> {
    sqlx::query("INSERT INTO addon_attachments (id, addon_id, app_id, name, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(attachment.id.to_string())
        .bind(attachment.addon.to_string())
        .bind(attachment.app.to_string())
        .bind(attachment.name.as_str())
        .bind(row::millis(attachment.created_at))
        .bind(row::millis(attachment.updated_at))
        .execute(&mut *db)
        .await?;
    record(db, attachment, Change::Create, (by, attachment.created_at)).await
}

/// Removes an attachment, if it is still there.
pub async fn delete(db: &mut Connection, id: AttachmentId, by: AccountId, at: OffsetDateTime) -> Result<(), DbError> {
    let removed = sqlx::query("DELETE FROM addon_attachments WHERE id = ? RETURNING *").bind(id.to_string());
    match removed.fetch_optional(&mut *db).await? {
        Some(row) => record(db, &attachment(&row)?, Change::Destroy, (by, at)).await,
        None => Ok(()),
    }
}

/// Records what has happened to an attachment, for the app that uses the add-on: by whom, and when.
async fn record(
    db: &mut Connection,
    attachment: &Attachment,
    action: Change,
    (by, at): (AccountId, OffsetDateTime),
) -> Result<(), DbError> {
    let addon = addons::whatever_state(&mut *db, attachment.addon).await?;
    let owner = apps::get(&mut *db, addon.app).await?;
    let facts = Facts::AddonAttachment(AttachmentFacts {
        id: attachment.id,
        name: attachment.name.clone(),
        addon: addon.id,
        addon_name: addon.name,
        plan: addon.plan,
        owner: owner.id,
        owner_name: owner.name,
        created_at: attachment.created_at,
    });
    events::record(db, &events::NewEvent { app: attachment.app, action, by, facts, at }).await
}

/// Finds an attachment.
pub async fn get(db: &mut Connection, id: AttachmentId) -> Result<Option<Attachment>, DbError> {
    let row = sqlx::query("SELECT * FROM addon_attachments WHERE id = ?").bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(attachment).transpose()
}

/// Lists the attachments to an app, by name.
pub async fn of_app(db: &mut Connection, app: AppId) -> Result<Vec<Attachment>, DbError> {
    let rows = sqlx::query("SELECT * FROM addon_attachments WHERE app_id = ? ORDER BY name").bind(app.to_string());
    rows.fetch_all(db).await?.iter().map(attachment).collect()
}

/// Lists the attachments of an add-on, the oldest first.
pub async fn of_addon(db: &mut Connection, addon: AddonId) -> Result<Vec<Attachment>, DbError> {
    let rows = sqlx::query("SELECT * FROM addon_attachments WHERE addon_id = ? ORDER BY created_at, name");
    rows.bind(addon.to_string()).fetch_all(db).await?.iter().map(attachment).collect()
}

/// Lists the attachments to, and of the add-ons of, the apps that an account owns or collaborates on, by name.
pub async fn visible_to(db: &mut Connection, account: AccountId) -> Result<Vec<Attachment>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT * FROM addon_attachments
         WHERE app_id IN {VISIBLE} OR addon_id IN (SELECT id FROM addons WHERE app_id IN {VISIBLE}) ORDER BY name"
    ));
    sqlx::query(sql).bind(account.to_string()).fetch_all(db).await?.iter().map(attachment).collect()
}

/// The config vars that an app's attachments own, also those of add-ons that are still being made.
pub async fn config_vars(db: &mut Connection, app: AppId) -> Result<Vec<ConfigKey>, DbError> {
    Ok(of_app(db, app).await?.iter().map(|attachment| attachment.name.config_var()).collect())
}

/// What a release of the app says of its add-ons now, in the order of their attachments' names.
pub async fn snapshot(db: &mut Connection, app: AppId) -> Result<Vec<AttachedAddon>, DbError> {
    of_provisioned(db, app).await?.iter().map(attached).collect()
}

/// The values of the config vars that the app's attachments own.
pub(super) async fn values(db: &mut Connection, cipher: &Cipher, app: AppId) -> Result<Vec<(ConfigKey, Secret)>, DbError> {
    let value = |row: &SqliteRow| {
        let attached = attached(row)?;
        let url = addons::open(cipher, attached.id, &row.try_get::<Vec<u8>, _>("url")?)?;
        Ok((attached.attachment.config_var(), url))
    };
    of_provisioned(db, app).await?.iter().map(value).collect()
}

async fn of_provisioned(db: &mut Connection, app: AppId) -> Result<Vec<SqliteRow>, DbError> {
    let rows = sqlx::query(
        "SELECT addons.id, addons.name, addons.plan, addons.url, addon_attachments.name AS attachment FROM addon_attachments
         JOIN addons ON addons.id = addon_attachments.addon_id
         WHERE addon_attachments.app_id = ? AND addons.state = 'provisioned' ORDER BY addon_attachments.name",
    );
    Ok(rows.bind(app.to_string()).fetch_all(db).await?)
}

fn attached(row: &SqliteRow) -> Result<AttachedAddon, DbError> {
    let plan: Plan = row::text(row, "plan")?;
    Ok(AttachedAddon {
        id: row::text(row, "id")?,
        name: row::text(row, "name")?,
        plan: plan.as_str().to_owned(),
        attachment: row::text(row, "attachment")?,
    })
}

fn attachment(row: &SqliteRow) -> Result<Attachment, DbError> {
    Ok(Attachment {
        id: row::text(row, "id")?,
        name: row::text::<AttachmentName>(row, "name")?,
        app: row::text(row, "app_id")?,
        addon: row::text(row, "addon_id")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
