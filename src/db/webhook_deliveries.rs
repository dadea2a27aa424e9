//! Events on their way to webhooks, and what came of each attempt.
//!
//! A delivery is open as long as it has a next attempt. Those of one webhook are made one after the other, in the order of
//! their events: only the oldest open one can be due.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, Window, row, webhooks};
use crate::model::{AppId, AttemptId, Change, DeliveryId, DeliveryStatus, Entity, EventId, Facts, Level, WebhookId};

/// A delivery with its last attempt.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub number: i64,
    pub id: DeliveryId,
    pub webhook: WebhookId,
    pub level: Level,
    pub event: EventId,
    pub entity: Entity,
    pub status: DeliveryStatus,
    pub attempts: u32,
    pub next_attempt_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub last_attempt: Option<Attempt>,
}

/// An attempt, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub id: AttemptId,
    /// Of the answer, if there was one.
    pub code: Option<u16>,
    /// Why there was none.
    pub error_class: Option<String>,
    pub has_succeeded: bool,
    pub started_at: OffsetDateTime,
    pub ended_at: OffsetDateTime,
}

/// The oldest open delivery of a webhook.
#[derive(Debug, Clone)]
pub struct Open {
    pub id: DeliveryId,
    pub webhook: WebhookId,
    pub app: AppId,
    pub event_number: i64,
    pub level: Level,
    pub url: String,
    pub attempts: u32,
    pub next_attempt_at: OffsetDateTime,
    pub created_at: OffsetDateTime,
    /// Then there is no time left for another attempt.
    pub app_is_destroyed: bool,
}

const SELECT: &str = "SELECT deliveries.*, webhooks.level, events.id AS event_id, events.action, events.facts,
      attempts.id AS attempt_id, attempts.code, attempts.error_class, attempts.status AS attempt_status,
      attempts.created_at AS attempt_created_at, attempts.updated_at AS attempt_updated_at
    FROM webhook_deliveries deliveries
    JOIN webhooks ON webhooks.id = deliveries.webhook_id
    JOIN events ON events.number = deliveries.event_number
    LEFT JOIN webhook_attempts attempts ON attempts.number =
      (SELECT MAX (number) FROM webhook_attempts WHERE delivery_id = deliveries.id)";

/// Opens a delivery of an event for each of the app's webhooks that include it. Costs one look-up where there is none.
pub(super) async fn insert(
    db: &mut Connection,
    app: AppId,
    event_number: i64,
    entity: Entity,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    for webhook in webhooks::list_of(db, app).await?.iter().filter(|webhook| webhook.include.contains(&entity)) {
        sqlx::query(
            "INSERT INTO webhook_deliveries (id, webhook_id, event_number, status, next_attempt_at, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5)",
        )
        .bind(DeliveryId::new().to_string())
        .bind(webhook.id.to_string())
        .bind(event_number)
        .bind(DeliveryStatus::Pending.as_str())
        .bind(row::millis(at))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The oldest open delivery of each webhook, the one whose attempt is next first.
///
/// It is asked for after each commit, so that it goes from one webhook that has any to the next: it reads neither the other
/// webhooks nor what else is open.
pub async fn open(db: &mut Connection) -> Result<Vec<Open>, DbError> {
    let rows = sqlx::query(
        "WITH RECURSIVE waiting (id) AS (
           SELECT MIN (webhook_id) FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL
           UNION ALL
           SELECT (SELECT MIN (webhook_id) FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL AND webhook_id > waiting.id)
           FROM waiting WHERE waiting.id IS NOT NULL)
         SELECT deliveries.*, webhooks.app_id, webhooks.level, webhooks.url, apps.destroyed_at IS NOT NULL AS app_is_destroyed
         FROM waiting CROSS JOIN webhooks ON webhooks.id = waiting.id JOIN apps ON apps.id = webhooks.app_id
         JOIN webhook_deliveries deliveries ON deliveries.number =
           (SELECT MIN (number) FROM webhook_deliveries WHERE webhook_id = waiting.id AND next_attempt_at IS NOT NULL)
         ORDER BY deliveries.next_attempt_at, deliveries.number",
    );
    let open = |row| {
        Ok(Open {
            id: row::text(row, "id")?,
            webhook: row::text(row, "webhook_id")?,
            app: row::text(row, "app_id")?,
            event_number: row::number(row, "event_number")?,
            level: row::text(row, "level")?,
            url: row.try_get("url")?,
            attempts: row::number(row, "attempts")?,
            next_attempt_at: row::time(row, "next_attempt_at")?,
            created_at: row::time(row, "created_at")?,
            app_is_destroyed: row.try_get("app_is_destroyed")?,
        })
    };
    rows.fetch_all(db).await?.iter().map(open).collect()
}

/// Makes every open delivery of an app due: there is no other attempt when the app is gone.
pub(super) async fn hasten(db: &mut Connection, app: AppId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE webhook_deliveries SET next_attempt_at = ? WHERE next_attempt_at IS NOT NULL
           AND webhook_id IN (SELECT id FROM webhooks WHERE app_id = ?)",
    )
    .bind(row::millis(at))
    .bind(app.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Records an attempt and when the next one is, if any is to be. Changes nothing when the delivery is gone meanwhile, with
/// its webhook or with its event.
pub async fn record_attempt(
    db: &mut Connection,
    id: DeliveryId,
    attempt: &Attempt,
    next_attempt_at: Option<OffsetDateTime>,
) -> Result<(), DbError> {
    let status = match (attempt.has_succeeded, next_attempt_at) {
        (true, _) => DeliveryStatus::Succeeded,
        (false, Some(_)) => DeliveryStatus::Retrying,
        (false, None) => DeliveryStatus::Failed,
    };
    let done = sqlx::query(
        "UPDATE webhook_deliveries SET status = ?, attempts = attempts + 1, next_attempt_at = ?, updated_at = ? WHERE id = ?",
    )
    .bind(status.as_str())
    .bind(next_attempt_at.filter(|_| !attempt.has_succeeded).map(row::millis))
    .bind(row::millis(attempt.ended_at))
    .bind(id.to_string())
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO webhook_attempts (id, delivery_id, code, error_class, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(attempt.id.to_string())
    .bind(id.to_string())
    .bind(attempt.code)
    .bind(attempt.error_class.as_deref())
    .bind(if attempt.has_succeeded { "succeeded" } else { "failed" })
    .bind(row::millis(attempt.started_at))
    .bind(row::millis(attempt.ended_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Finds a delivery of an app.
pub async fn get(db: &mut Connection, app: AppId, id: DeliveryId) -> Result<Option<Delivery>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE webhooks.app_id = ? AND deliveries.id = ?"));
    let row = sqlx::query(sql).bind(app.to_string()).bind(id.to_string()).fetch_optional(db).await?;
    row.as_ref().map(delivery).transpose()
}

/// Lists an app's deliveries (of one status, if that is given) whose numbers are in the window.
pub async fn window(
    db: &mut Connection,
    app: AppId,
    status: Option<DeliveryStatus>,
    window: Window,
) -> Result<Vec<Delivery>, DbError> {
    let order = window.order.sql();
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE webhooks.app_id = ?1 AND deliveries.number BETWEEN ?2 AND ?3 AND (?4 IS NULL OR deliveries.status = ?4)
         ORDER BY deliveries.number {order} LIMIT ?5"
    ));
    let query = sqlx::query(sql).bind(app.to_string()).bind(window.from).bind(window.to);
    let rows = query.bind(status.map(DeliveryStatus::as_str)).bind(window.most).fetch_all(db).await?;
    rows.iter().map(delivery).collect()
}

fn delivery(row: &SqliteRow) -> Result<Delivery, DbError> {
    let facts: Facts = row::json(row, "facts")?;
    Ok(Delivery {
        number: row::number(row, "number")?,
        id: row::text(row, "id")?,
        webhook: row::text(row, "webhook_id")?,
        level: row::text(row, "level")?,
        event: row::text(row, "event_id")?,
        entity: facts.entity(row::text::<Change>(row, "action")?),
        status: row::text(row, "status")?,
        attempts: row::number(row, "attempts")?,
        next_attempt_at: row
            .try_get::<Option<i64>, _>("next_attempt_at")?
            .map(|_| row::time(row, "next_attempt_at"))
            .transpose()?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
        last_attempt: row::optional(row, "attempt_id")?.map(|id| attempt(row, id)).transpose()?,
    })
}

fn attempt(row: &SqliteRow, id: AttemptId) -> Result<Attempt, DbError> {
    Ok(Attempt {
        id,
        code: row.try_get("code")?,
        error_class: row.try_get("error_class")?,
        has_succeeded: row.try_get::<String, _>("attempt_status")? == "succeeded",
        started_at: row::time(row, "attempt_created_at")?,
        ended_at: row::time(row, "attempt_updated_at")?,
    })
}
