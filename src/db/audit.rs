//! The audit trail. Appended to; what is too old is removed in one way only, which leaves a trace.

use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Connection, DbError, Window, row};
use crate::model::{AccountId, Actor, AppId, AppName, Deed, Door, Email, Outcome};

/// An event with how it ended and the names of whom and what it is about.
#[derive(Debug, Clone)]
pub struct Event {
    pub number: u32,
    pub id: Uuid,
    pub door: Door,
    pub account: Option<(AccountId, Email)>,
    pub credential: String,
    pub address: Option<String>,
    pub request: Uuid,
    pub app: Option<(AppId, AppName)>,
    pub kind: String,
    pub action: String,
    pub data: Value,
    /// `succeeded`, `refused` or `failed`, and why; none when it was cut off, or goes on.
    pub outcome: Option<(String, String)>,
    pub created_at: OffsetDateTime,
}

/// Appends an event and returns its number.
pub async fn begin(db: &mut Connection, actor: &Actor, deed: &Deed, at: OffsetDateTime) -> Result<i64, DbError> {
    let done = sqlx::query(
        "INSERT INTO audit_events
           (id, door, account_id, credential, address, request_id, app_id, type, action, data, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(Uuid::new_v4().to_string())
    .bind(actor.door.as_str())
    .bind(actor.account.map(|id| id.to_string()))
    .bind(actor.credential.to_string())
    .bind(actor.address.map(|address| address.to_string()))
    .bind(actor.request.to_string())
    .bind(deed.app.map(|id| id.to_string()))
    .bind(&deed.kind)
    .bind(&deed.action)
    .bind(deed.data.to_string())
    .bind(row::millis(at))
    .execute(db)
    .await?;
    Ok(done.last_insert_rowid())
}

/// Appends how an event ended.
pub async fn end(db: &mut Connection, number: i64, outcome: &Outcome, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("INSERT INTO audit_outcomes (number, outcome, detail, created_at) VALUES (?, ?, ?, ?)")
        .bind(number)
        .bind(outcome.as_str())
        .bind(outcome.detail())
        .bind(row::millis(at))
        .execute(db)
        .await?;
    Ok(())
}

/// Reads a part of the events of an app.
pub async fn of_app(db: &mut Connection, app: AppId, window: Window) -> Result<Vec<Event>, DbError> {
    of(db, "audit_events.app_id", &app.to_string(), window).await
}

/// Reads a part of the events of an account.
pub async fn of_account(db: &mut Connection, account: AccountId, window: Window) -> Result<Vec<Event>, DbError> {
    of(db, "audit_events.account_id", &account.to_string(), window).await
}

async fn of(db: &mut Connection, column: &str, id: &str, window: Window) -> Result<Vec<Event>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT audit_events.*, outcome, detail, accounts.email, apps.name FROM audit_events
         LEFT JOIN audit_outcomes ON audit_outcomes.number = audit_events.number
         LEFT JOIN accounts ON accounts.id = audit_events.account_id LEFT JOIN apps ON apps.id = audit_events.app_id
         WHERE {column} = ? AND audit_events.number BETWEEN ? AND ? ORDER BY audit_events.number {} LIMIT ?",
        window.order.sql()
    ));
    let query = sqlx::query(sql).bind(id).bind(window.from).bind(window.to).bind(window.most);
    query.fetch_all(db).await?.iter().map(event).collect()
}

/// Tells whether there are events from before a time.
pub async fn has_older(db: &mut Connection, before: OffsetDateTime) -> Result<bool, DbError> {
    let query = sqlx::query("SELECT 1 FROM audit_events WHERE created_at < ? LIMIT 1").bind(row::millis(before));
    Ok(query.fetch_optional(db).await?.is_some())
}

/// Allows the removal of events from before a time, which must be a day ago at least, and records that.
pub async fn cut(db: &mut Connection, before: OffsetDateTime, at: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query("INSERT INTO audit_cuts (before, created_at) VALUES (?, ?)");
    query.bind(row::millis(before)).bind(row::millis(at)).execute(db).await?;
    Ok(())
}

/// Removes some of the events from before a time that a cut allows, and tells how many.
pub async fn remove_older(db: &mut Connection, before: OffsetDateTime, most: u32) -> Result<u64, DbError> {
    const OLD: &str = "(SELECT number FROM audit_events WHERE created_at < ? ORDER BY created_at, number LIMIT ?)";
    let sql = sqlx::AssertSqlSafe(format!("DELETE FROM audit_outcomes WHERE number IN {OLD}"));
    sqlx::query(sql).bind(row::millis(before)).bind(most).execute(&mut *db).await?;
    let sql = sqlx::AssertSqlSafe(format!("DELETE FROM audit_events WHERE number IN {OLD}"));
    Ok(sqlx::query(sql).bind(row::millis(before)).bind(most).execute(db).await?.rows_affected())
}

fn event(row: &SqliteRow) -> Result<Event, DbError> {
    let outcome: Option<String> = row.try_get("outcome")?;
    Ok(Event {
        number: row::number(row, "number")?,
        id: row::text(row, "id")?,
        door: row::text(row, "door")?,
        account: row::optional(row, "account_id")?.zip(row::optional(row, "email")?),
        credential: row.try_get("credential")?,
        address: row.try_get("address")?,
        request: row::text(row, "request_id")?,
        app: row::optional(row, "app_id")?.zip(row::optional(row, "name")?),
        kind: row.try_get("type")?,
        action: row.try_get("action")?,
        data: row::json(row, "data")?,
        outcome: outcome.zip(row.try_get("detail")?),
        created_at: row::time(row, "created_at")?,
    })
}
