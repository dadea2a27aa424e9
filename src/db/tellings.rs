//! What is to be told outside, and what came of it: an outbox.
//!
//! A row is open as long as it has a next attempt. Those of one lane are told one after the other, in their order: only the
//! oldest open one can be due.

use sqlx::Row as _;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::Telling;

/// The oldest open row of a lane.
#[derive(Debug, Clone)]
pub struct Open {
    pub number: i64,
    pub lane: String,
    pub telling: Telling,
    pub attempts: u32,
    pub next_attempt_at: OffsetDateTime,
    pub created_at: OffsetDateTime,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Told,
    /// It failed, and there is another attempt.
    Again(OffsetDateTime),
    /// It failed for good.
    GivenUp(String),
}

/// Has something told, unless it is told already. To be called in the transaction of what has happened: there is neither
/// without the other then.
pub(super) async fn insert(db: &mut Connection, lane: &str, telling: &Telling, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO tellings (lane, telling, next_attempt_at, created_at) VALUES (?1, ?2, ?3, ?3) ON CONFLICT (telling) DO NOTHING",
    )
    .bind(lane)
    .bind(telling.key())
    .bind(row::millis(at))
    .execute(db)
    .await?;
    Ok(())
}

/// The oldest open row of each lane, the one whose attempt is next first. It reads no other rows (as
/// [`super::webhook_deliveries::open`]).
pub async fn open(db: &mut Connection) -> Result<Vec<Open>, DbError> {
    let rows = sqlx::query(
        "WITH RECURSIVE waiting (lane) AS (
           SELECT MIN (lane) FROM tellings WHERE next_attempt_at IS NOT NULL
           UNION ALL
           SELECT (SELECT MIN (lane) FROM tellings WHERE next_attempt_at IS NOT NULL AND lane > waiting.lane)
           FROM waiting WHERE waiting.lane IS NOT NULL)
         SELECT tellings.* FROM waiting CROSS JOIN tellings ON tellings.number =
           (SELECT MIN (number) FROM tellings WHERE lane = waiting.lane AND next_attempt_at IS NOT NULL)
         ORDER BY next_attempt_at, number",
    );
    let open = |row| {
        Ok(Open {
            number: row::number(row, "number")?,
            lane: row.try_get("lane")?,
            telling: row::json(row, "telling")?,
            attempts: row::number(row, "attempts")?,
            next_attempt_at: row::time(row, "next_attempt_at")?,
            created_at: row::time(row, "created_at")?,
        })
    };
    rows.fetch_all(db).await?.iter().map(open).collect()
}

/// Records what came of an attempt.
pub async fn record_attempt(db: &mut Connection, number: i64, outcome: &Outcome) -> Result<(), DbError> {
    let (next, given_up) = match outcome {
        Outcome::Told => (None, None),
        Outcome::Again(at) => (Some(row::millis(*at)), None),
        Outcome::GivenUp(why) => (None, Some(why)),
    };
    sqlx::query("UPDATE tellings SET attempts = attempts + 1, next_attempt_at = ?, given_up = ? WHERE number = ?")
        .bind(next)
        .bind(given_up)
        .bind(number)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets some of what was told before a time, the oldest first, and says how many rows that were.
pub async fn forget_older(db: &mut Connection, before: OffsetDateTime, most: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM tellings WHERE number IN (SELECT number FROM tellings
        WHERE created_at < ? AND next_attempt_at IS NULL ORDER BY created_at LIMIT ?)";
    Ok(sqlx::query(sql).bind(row::millis(before)).bind(most).execute(db).await?.rows_affected())
}
