//! Add-ons. Their addresses, which hold passwords, are kept encrypted and read by functions of their own.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::apps::VISIBLE;
use super::{Cipher, Connection, DbError, addon_attachments, events, row};
use crate::model::{AccountId, Addon, AddonBefore, AddonFacts, AddonId, AddonName, AddonState, AppId, Change, Facts, Secret};

/// Records an add-on that is about to be made. Fails with [`DbError::is_taken`] when its name or slot is taken.
pub async fn insert(db: &mut Connection, cipher: &Cipher, addon: &Addon, by: AccountId, url: &Secret) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO addons (id, name, app_id, account_id, plan, state, slot, url, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(addon.id.to_string())
    .bind(addon.name.as_str())
    .bind(addon.app.to_string())
    .bind(by.to_string())
    .bind(addon.plan.as_str())
    .bind(addon.state.as_str())
    .bind(addon.slot)
    .bind(seal(cipher, addon.id, url))
    .bind(row::millis(addon.created_at))
    .bind(row::millis(addon.updated_at))
    .execute(&mut *db)
    .await?;
    record(db, addon, Change::Create, None, by).await
}

/// Finds an add-on that some app has.
pub async fn get(db: &mut Connection, id: AddonId) -> Result<Option<Addon>, DbError> {
    let row = sqlx::query("SELECT * FROM addons WHERE id = ? AND state <> 'deprovisioning'").bind(id.to_string());
    row.fetch_optional(db).await?.as_ref().map(addon).transpose()
}

/// Lists an app's own add-ons, by name.
pub async fn of_app(db: &mut Connection, app: AppId) -> Result<Vec<Addon>, DbError> {
    let rows = sqlx::query("SELECT * FROM addons WHERE app_id = ? AND state <> 'deprovisioning' ORDER BY name");
    rows.bind(app.to_string()).fetch_all(db).await?.iter().map(addon).collect()
}

/// Lists the add-ons that an app uses: its own, and others' that are attached to it, by name.
pub async fn used_by(db: &mut Connection, app: AppId) -> Result<Vec<Addon>, DbError> {
    let rows = sqlx::query(
        "SELECT * FROM addons WHERE state <> 'deprovisioning'
           AND (app_id = ?1 OR id IN (SELECT addon_id FROM addon_attachments WHERE app_id = ?1)) ORDER BY name",
    );
    rows.bind(app.to_string()).fetch_all(db).await?.iter().map(addon).collect()
}

/// Lists the add-ons of the apps that an account owns or collaborates on, by name.
pub async fn visible_to(db: &mut Connection, account: AccountId) -> Result<Vec<Addon>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT * FROM addons WHERE state <> 'deprovisioning' AND app_id IN {VISIBLE} ORDER BY name"
    ));
    sqlx::query(sql).bind(account.to_string()).fetch_all(db).await?.iter().map(addon).collect()
}

/// The slots that are in use.
pub async fn slots(db: &mut Connection) -> Result<Vec<u32>, DbError> {
    let rows = sqlx::query("SELECT slot FROM addons WHERE slot IS NOT NULL").fetch_all(db).await?;
    rows.iter().map(|row| row::number(row, "slot")).collect()
}

/// Lists what is still to be done on servers, with who asked for it: add-ons to be made, to be removed, to get new
/// passwords.
pub async fn unsettled(db: &mut Connection) -> Result<Vec<(Addon, AccountId)>, DbError> {
    let rows = sqlx::query("SELECT * FROM addons WHERE state <> 'provisioned' OR next_url IS NOT NULL ORDER BY created_at");
    rows.fetch_all(db).await?.iter().map(|row| Ok((addon(row)?, row::text(row, "account_id")?))).collect()
}

/// The address that apps are told.
pub async fn url(db: &mut Connection, cipher: &Cipher, id: AddonId) -> Result<Secret, DbError> {
    let row = sqlx::query("SELECT url FROM addons WHERE id = ?").bind(id.to_string()).fetch_one(db).await?;
    open(cipher, id, &row.try_get::<Vec<u8>, _>("url")?)
}

/// The address that is about to replace it.
pub async fn next_url(db: &mut Connection, cipher: &Cipher, id: AddonId) -> Result<Option<Secret>, DbError> {
    let row = sqlx::query("SELECT next_url FROM addons WHERE id = ?").bind(id.to_string()).fetch_one(db).await?;
    row.try_get::<Option<Vec<u8>>, _>("next_url")?.map(|sealed| open(cipher, id, &sealed)).transpose()
}

/// Records an address that is about to replace the one there is, and who asked for it.
pub async fn set_next_url(db: &mut Connection, cipher: &Cipher, id: AddonId, by: AccountId, url: &Secret) -> Result<(), DbError> {
    sqlx::query("UPDATE addons SET next_url = ?, account_id = ? WHERE id = ?")
        .bind(seal(cipher, id, url))
        .bind(by.to_string())
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Makes the next address the one that apps are told.
pub async fn replace_url(db: &mut Connection, id: AddonId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("UPDATE addons SET url = next_url, next_url = NULL, updated_at = ? WHERE id = ? AND next_url IS NOT NULL")
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Says where an add-on stands. One that is to be removed needs no next address, and is gone for its app.
pub async fn set_state(
    db: &mut Connection,
    id: AddonId,
    state: AddonState,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let then = whatever_state(&mut *db, id).await?;
    sqlx::query(
        "UPDATE addons SET state = ?1, updated_at = ?2, next_url = CASE ?1 WHEN 'deprovisioning' THEN NULL ELSE next_url END
         WHERE id = ?3",
    )
    .bind(state.as_str())
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(&mut *db)
    .await?;
    let (action, previous) = match state {
        AddonState::Deprovisioning => (Change::Destroy, None),
        AddonState::Provisioning | AddonState::Provisioned => (Change::Update, Some(AddonBefore::State(then.state))),
    };
    record(db, &Addon { state, updated_at: at, ..then }, action, previous, by).await
}

/// Gives an add-on another name. Fails with [`DbError::is_taken`] when it is taken.
pub async fn rename(
    db: &mut Connection,
    id: AddonId,
    name: &AddonName,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let then = whatever_state(&mut *db, id).await?;
    sqlx::query("UPDATE addons SET name = ?, updated_at = ? WHERE id = ?")
        .bind(name.as_str())
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(&mut *db)
        .await?;
    let previous = Some(AddonBefore::Name(then.name.clone()));
    record(db, &Addon { name: name.clone(), updated_at: at, ..then }, Change::Update, previous, by).await
}

/// Forgets an add-on of which nothing is left on its server. For its app it went before: that was the event.
pub async fn delete(db: &mut Connection, id: AddonId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM addons WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Reads an add-on also when no app has it any more.
pub(super) async fn whatever_state(db: &mut Connection, id: AddonId) -> Result<Addon, DbError> {
    addon(&sqlx::query("SELECT * FROM addons WHERE id = ?").bind(id.to_string()).fetch_one(db).await?)
}

/// Records what has just happened to an add-on, as it is since.
async fn record(
    db: &mut Connection,
    addon: &Addon,
    action: Change,
    previous: Option<AddonBefore>,
    by: AccountId,
) -> Result<(), DbError> {
    let attachments = addon_attachments::of_addon(&mut *db, addon.id).await?;
    let own = attachments.iter().filter(|attachment| attachment.app == addon.app);
    let facts = Facts::Addon(AddonFacts {
        id: addon.id,
        name: addon.name.clone(),
        plan: addon.plan,
        state: addon.state,
        config_vars: own.map(|attachment| attachment.name.config_var()).collect(),
        created_at: addon.created_at,
        updated_at: addon.updated_at,
        previous,
    });
    events::record(db, &events::NewEvent { app: addon.app, action, by, facts, at: addon.updated_at }).await
}

fn seal(cipher: &Cipher, id: AddonId, url: &Secret) -> Vec<u8> {
    cipher.seal(&id.to_string(), url.expose().as_bytes())
}

pub(super) fn open(cipher: &Cipher, id: AddonId, sealed: &[u8]) -> Result<Secret, DbError> {
    let plain = cipher.open_sealed(&id.to_string(), sealed).and_then(|plain| String::from_utf8(plain).ok());
    let bad = || DbError::Corrupt { what: "add-on's address", why: format!("it can't be opened with this key (add-on {id})") };
    plain.map(Secret::new).ok_or_else(bad)
}

fn addon(row: &SqliteRow) -> Result<Addon, DbError> {
    Ok(Addon {
        id: row::text(row, "id")?,
        name: row::text(row, "name")?,
        app: row::text(row, "app_id")?,
        plan: row::text(row, "plan")?,
        state: row::text(row, "state")?,
        slot: row.try_get::<Option<i64>, _>("slot")?.map(|_| row::number(row, "slot")).transpose()?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
