//! What has happened to apps, recorded by the transaction that made it happen.
//!
//! The functions of this folder that change something which webhooks tell of record it themselves, so that no cause of a
//! change can forget to.

use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, Window, build_origins, notifications, row, webhook_deliveries};
use crate::model::{AccountId, AppId, Change, Event, EventId, Facts};

/// Something that is happening to an app.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub app: AppId,
    pub action: Change,
    /// Who makes it happen.
    pub by: AccountId,
    pub facts: Facts,
    pub at: OffsetDateTime,
}

/// Records an event, a delivery of it to each of the app's webhooks that ask for it, and what it tells the repository that a
/// build came from and who asked to be notified. To be called in the transaction of the change itself: there is neither without the other then.
pub(super) async fn record(db: &mut Connection, new: &NewEvent) -> Result<(), DbError> {
    let facts = serde_json::to_string(&new.facts).expect("facts are JSON");
    let row = sqlx::query(
        "INSERT INTO events (id, app_id, app_name, action, account_id, facts, created_at)
         SELECT ?, id, name, ?, ?, ?, ? FROM apps WHERE id = ? RETURNING number",
    )
    .bind(EventId::new().to_string())
    .bind(new.action.as_str())
    .bind(new.by.to_string())
    .bind(facts)
    .bind(row::millis(new.at))
    .bind(new.app.to_string())
    .fetch_one(&mut *db)
    .await?;
    let number = row::number(&row, "number")?;
    webhook_deliveries::insert(db, new.app, number, new.facts.entity(new.action), new.at).await?;
    build_origins::record(db, new).await?;
    notifications::record(db, new).await
}

/// Finds an event of an app.
pub async fn get(db: &mut Connection, app: AppId, id: EventId) -> Result<Option<Event>, DbError> {
    let query = sqlx::query("SELECT * FROM events WHERE app_id = ? AND id = ?").bind(app.to_string()).bind(id.to_string());
    query.fetch_optional(db).await?.as_ref().map(event).transpose()
}

/// Gets the event of a delivery.
pub async fn by_number(db: &mut Connection, number: i64) -> Result<Option<Event>, DbError> {
    let query = sqlx::query("SELECT * FROM events WHERE number = ?").bind(number);
    query.fetch_optional(db).await?.as_ref().map(event).transpose()
}

/// Lists an app's events whose numbers are in the window.
pub async fn window(db: &mut Connection, app: AppId, window: Window) -> Result<Vec<Event>, DbError> {
    let order = window.order.sql();
    let sql = format!("SELECT * FROM events WHERE app_id = ? AND number BETWEEN ? AND ? ORDER BY number {order} LIMIT ?");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(app.to_string());
    let rows = query.bind(window.from).bind(window.to).bind(window.most).fetch_all(db).await?;
    rows.iter().map(event).collect()
}

/// The app's next event behind a number.
pub async fn next(db: &mut Connection, app: AppId, after: i64) -> Result<Option<Event>, DbError> {
    let query = sqlx::query("SELECT * FROM events WHERE app_id = ? AND number > ? ORDER BY number LIMIT 1");
    query.bind(app.to_string()).bind(after).fetch_optional(db).await?.as_ref().map(event).transpose()
}

/// The app's last event before a number.
pub async fn previous(db: &mut Connection, app: AppId, before: i64) -> Result<Option<Event>, DbError> {
    let query = sqlx::query("SELECT * FROM events WHERE app_id = ? AND number < ? ORDER BY number DESC LIMIT 1");
    query.bind(app.to_string()).bind(before).fetch_optional(db).await?.as_ref().map(event).transpose()
}

/// Forgets some of the events from before a time, the oldest first, with their deliveries, and tells how many.
pub async fn forget_older(db: &mut Connection, before: OffsetDateTime, most: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE created_at < ? ORDER BY created_at LIMIT ?)";
    Ok(sqlx::query(sql).bind(row::millis(before)).bind(most).execute(db).await?.rows_affected())
}

/// The apps that have more than `most` events, each with the number of the newest one that is beyond.
pub async fn beyond(db: &mut Connection, most: u32) -> Result<Vec<(AppId, i64)>, DbError> {
    let rows = sqlx::query(
        "SELECT app_id, (SELECT number FROM events WHERE app_id = crowded.app_id ORDER BY number DESC LIMIT 1 OFFSET ?1) AS last
         FROM (SELECT app_id FROM events GROUP BY app_id HAVING COUNT (*) > ?1) AS crowded",
    );
    let rows = rows.bind(most).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row::text(row, "app_id")?, row::number(row, "last")?))).collect()
}

/// Forgets some of an app's events up to a number, with their deliveries, and tells how many.
pub async fn forget_up_to(db: &mut Connection, app: AppId, last: i64, most: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE app_id = ? AND number <= ? LIMIT ?)";
    Ok(sqlx::query(sql).bind(app.to_string()).bind(last).bind(most).execute(db).await?.rows_affected())
}

fn event(row: &SqliteRow) -> Result<Event, DbError> {
    Ok(Event {
        number: row::number(row, "number")?,
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        app_name: row::text(row, "app_name")?,
        action: row::text(row, "action")?,
        by: row::text(row, "account_id")?,
        facts: row::json(row, "facts")?,
        created_at: row::time(row, "created_at")?,
    })
}
