//! What forges have told of repositories: remembered once for each connection, in the transaction that records what is to be
//! done about it.

use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{ConnectionId, Delivered};

/// Remembers a delivery. Tells whether it is new: if not, everything has been done about it.
pub async fn insert(
    db: &mut Connection,
    connection: ConnectionId,
    delivery: &str,
    facts: &Delivered,
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "INSERT INTO deliveries_in (connection_id, delivery_id, event, facts, outcome, received_at) VALUES (?, ?, ?, ?, '', ?)
         ON CONFLICT (connection_id, delivery_id) DO NOTHING",
    )
    .bind(connection.to_string())
    .bind(delivery)
    .bind(facts.as_str())
    .bind(serde_json::to_string(facts).expect("facts are JSON"))
    .bind(row::millis(at))
    .execute(db)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Says what was done about a delivery.
pub async fn set_outcome(db: &mut Connection, connection: ConnectionId, delivery: &str, outcome: &str) -> Result<(), DbError> {
    sqlx::query("UPDATE deliveries_in SET outcome = ? WHERE connection_id = ? AND delivery_id = ?")
        .bind(outcome)
        .bind(connection.to_string())
        .bind(delivery)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets at most so many of the deliveries from before a time; returns how many there were.
pub async fn forget_older(db: &mut Connection, before: OffsetDateTime, most: u32) -> Result<u64, DbError> {
    let forgotten =
        sqlx::query("DELETE FROM deliveries_in WHERE number IN (SELECT number FROM deliveries_in WHERE received_at < ? LIMIT ?)")
            .bind(row::millis(before))
            .bind(most)
            .execute(db)
            .await?;
    Ok(forgotten.rows_affected())
}
