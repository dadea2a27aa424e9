//! How pushes to a branch stand to each other, of which forges may tell in any order.

use sqlx::Row as _;

use super::Trigger;
use crate::db::{Connection, DbError};
use crate::model::{CommitId, ConnectionId, Push, PushOrder};

/// Tells whether the newest push to this branch that is known is this very push: the same may be told twice under two ids, by
/// a repository's webhook and by an app of the forge. Only who says when it was pushed tells it from one that does the same again.
pub async fn is_newest_push(db: &mut Connection, connection: ConnectionId, push: &Push) -> Result<bool, DbError> {
    let row = sqlx::query(
        "SELECT 1 FROM (SELECT commit_id, before_id, pushed_at FROM triggers WHERE connection_id = ? AND branch = ? AND cause = 'push'
           ORDER BY number DESC LIMIT 1)
         WHERE commit_id = ? AND before_id IS ? AND pushed_at = ?",
    )
    .bind(connection.to_string())
    .bind(push.branch.as_str())
    .bind(push.after.as_str())
    .bind(push.before.as_ref().map(CommitId::as_str))
    .bind(push.pushed_at);
    Ok(row.fetch_optional(db).await?.is_some())
}

/// Where a push stands to those of the same branch that are known: deliveries may overtake each other. Only GitHub says when it
/// was pushed, in seconds; else a push is known to be the next one when it began where the newest one known ended.
pub async fn order_of(db: &mut Connection, connection: ConnectionId, push: &Push) -> Result<PushOrder, DbError> {
    let row = sqlx::query(
        "WITH pushes AS (SELECT * FROM triggers WHERE connection_id = ?1 AND branch = ?2 AND cause = 'push')
         SELECT COALESCE (MAX (pushed_at) > ?3, FALSE) AS is_overtaken,
           COUNT (*) = 0 OR COALESCE (MAX (pushed_at) < ?3, FALSE)
             OR COALESCE ((SELECT commit_id FROM pushes ORDER BY number DESC LIMIT 1) = ?4, FALSE) AS is_next
         FROM pushes",
    )
    .bind(connection.to_string())
    .bind(push.branch.as_str())
    .bind(push.pushed_at)
    .bind(push.before.as_ref().map(CommitId::as_str))
    .fetch_one(db)
    .await?;
    Ok(match (row.try_get("is_overtaken")?, row.try_get("is_next")?) {
        (true, _) => PushOrder::Overtaken,
        (false, true) => PushOrder::Next,
        (false, false) => PushOrder::Unclear,
    })
}

/// Tells whether the newest push to the branch that was taken up before a deploy, and not given up, brought this very commit.
pub async fn is_taken_up(db: &mut Connection, trigger: &Trigger, commit: &CommitId) -> Result<bool, DbError> {
    let row = sqlx::query(
        "SELECT 1 FROM (SELECT commit_id FROM triggers WHERE connection_id = ? AND branch = ? AND cause = 'push' AND number < ?
           AND commit_id IS NOT NULL AND (state <> 'done' OR build_id IS NOT NULL) ORDER BY number DESC LIMIT 1)
         WHERE commit_id = ?",
    )
    .bind(trigger.connection.to_string())
    .bind(trigger.branch.as_str())
    .bind(trigger.number)
    .bind(commit.as_str());
    Ok(row.fetch_optional(db).await?.is_some())
}
