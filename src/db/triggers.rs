//! What is to be deployed from repositories on forges, until a build has been accepted for it or there will be none.

mod pushes;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AccountId, AppId, BranchName, BuildId, Cause, CommitId, ConnectionId, TriggerId, TriggerState};

pub use pushes::{is_newest_push, is_taken_up, order_of};

/// A deploy from a repository.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The order in which deploys were asked for, of all apps together.
    pub number: i64,
    pub id: TriggerId,
    pub connection: ConnectionId,
    pub app: AppId,
    pub by: AccountId,
    pub cause: Cause,
    pub branch: BranchName,
    /// None as long as the forge has not said where the branch stands.
    pub commit: Option<CommitId>,
    pub state: TriggerState,
    pub build: Option<BuildId>,
    /// Why there is no build, or not yet.
    pub reason: Option<String>,
    /// How often it was tried in its present state.
    pub attempts: u32,
    pub next_attempt_at: OffsetDateTime,
    pub created_at: OffsetDateTime,
    /// Since when it is in its state, or has its commit.
    pub since: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// A deploy that is wanted.
#[derive(Debug, Clone)]
pub struct NewTrigger {
    pub id: TriggerId,
    pub connection: ConnectionId,
    pub app: AppId,
    pub by: AccountId,
    pub cause: Cause,
    pub branch: BranchName,
    pub commit: Option<CommitId>,
    /// Of a push: where the branch stood.
    pub before: Option<CommitId>,
    /// Of a push: when it was pushed, in Unix seconds.
    pub pushed_at: Option<i64>,
    pub state: TriggerState,
    pub at: OffsetDateTime,
}

/// Records a deploy that is wanted.
pub async fn insert(db: &mut Connection, new: &NewTrigger) -> Result<(), DbError> {
    let at = row::millis(new.at);
    sqlx::query(
        "INSERT INTO triggers (id, connection_id, app_id, account_id, cause, branch, commit_id, before_id, pushed_at, state,
           next_attempt_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.connection.to_string())
    .bind(new.app.to_string())
    .bind(new.by.to_string())
    .bind(new.cause.as_str())
    .bind(new.branch.as_str())
    .bind(new.commit.as_ref().map(CommitId::as_str))
    .bind(new.before.as_ref().map(CommitId::as_str))
    .bind(new.pushed_at)
    .bind(new.state.as_str())
    .bind(at)
    .bind(at)
    .bind(at)
    .execute(db)
    .await?;
    Ok(())
}

/// Finds a deploy of an app.
pub async fn get(db: &mut Connection, app: AppId, id: TriggerId) -> Result<Option<Trigger>, DbError> {
    let query = sqlx::query("SELECT * FROM triggers WHERE app_id = ? AND id = ?").bind(app.to_string()).bind(id.to_string());
    query.fetch_optional(db).await?.as_ref().map(trigger).transpose()
}

/// Lists an app's newest deploys, newest first.
pub async fn list_of(db: &mut Connection, app: AppId, most: u32) -> Result<Vec<Trigger>, DbError> {
    let query = sqlx::query("SELECT * FROM triggers WHERE app_id = ? ORDER BY number DESC LIMIT ?");
    query.bind(app.to_string()).bind(most).fetch_all(db).await?.iter().map(trigger).collect()
}

/// Lists the deploys of all apps that are not done, in the order in which they were asked for.
pub async fn open(db: &mut Connection) -> Result<Vec<Trigger>, DbError> {
    let rows = sqlx::query("SELECT * FROM triggers WHERE state <> 'done' ORDER BY number").fetch_all(db).await?;
    rows.iter().map(trigger).collect()
}

/// The forge has said where the branch stands: that is what is to be deployed, now.
pub async fn set_commit(db: &mut Connection, id: TriggerId, commit: &CommitId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE triggers SET commit_id = ?1, attempts = 0, reason = NULL, next_attempt_at = ?2, since = ?2, updated_at = ?2
         WHERE id = ?3 AND state <> 'done' AND commit_id IS NULL",
    )
    .bind(commit.as_str())
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// The commit is green: it is to be built now.
pub async fn set_ready(db: &mut Connection, id: TriggerId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE triggers SET state = 'ready', attempts = 0, reason = NULL, next_attempt_at = ?1, since = ?1, updated_at = ?1
         WHERE id = ?2 AND state = 'waiting_for_ci'",
    )
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// It is tried again later, for a reason; at once, if it has been hastened since it was read.
pub async fn postpone(
    db: &mut Connection,
    trigger: &Trigger,
    reason: &str,
    next: OffsetDateTime,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE triggers SET attempts = attempts + 1, reason = ?, updated_at = ?,
           next_attempt_at = CASE WHEN next_attempt_at = ? THEN ? ELSE next_attempt_at END
         WHERE id = ? AND state <> 'done'",
    )
    .bind(reason)
    .bind(row::millis(at))
    .bind(row::millis(trigger.next_attempt_at))
    .bind(row::millis(next))
    .bind(trigger.id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// A build has been accepted for it: to be called in the transaction that accepts the build. Tells whether it was still open;
/// if not, the build must not be. What was asked for before it in the same app, and still waits, will not be built any more: an
/// older commit never comes after a newer one.
pub async fn start(db: &mut Connection, id: TriggerId, build: BuildId, at: OffsetDateTime) -> Result<bool, DbError> {
    let started = sqlx::query(
        "UPDATE triggers SET state = 'done', build_id = ?, reason = NULL, updated_at = ? WHERE id = ? AND state <> 'done'",
    )
    .bind(build.to_string())
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(&mut *db)
    .await?;
    if started.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE triggers AS older SET state = 'done', reason = 'a later deploy of the app came first', updated_at = ?
         FROM triggers AS started
         WHERE started.id = ? AND older.app_id = started.app_id AND older.number < started.number AND older.state <> 'done'",
    )
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(true)
}

/// The build that was accepted for it was cut off by a stop of hoist's, of which nobody knows who could ask again: it is to be
/// built once more, unless a build was accepted for a later one meanwhile. A build that has been cut off `most` times may be what
/// stops hoist, and stays the last. To be called in the transaction that records the build's end.
pub async fn reopen(db: &mut Connection, build: BuildId, most: u32, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE triggers AS cut_off SET state = 'ready', build_id = NULL, attempts = 0, cut_off = cut_off + 1,
           reason = 'hoist was stopped while it was built', next_attempt_at = ?1, since = ?1, updated_at = ?1
         WHERE build_id = ?2 AND cut_off < ?3 AND NOT EXISTS
           (SELECT 1 FROM triggers AS later
            WHERE later.app_id = cut_off.app_id AND later.number > cut_off.number AND later.build_id IS NOT NULL)",
    )
    .bind(row::millis(at))
    .bind(build.to_string())
    .bind(most)
    .execute(db)
    .await?;
    Ok(())
}

/// There will be no build, for a reason.
pub async fn give_up(db: &mut Connection, id: TriggerId, reason: &str, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("UPDATE triggers SET state = 'done', reason = ?, updated_at = ? WHERE id = ? AND state <> 'done'")
        .bind(reason)
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// The same for every open deploy of a branch; returns how many there were.
pub async fn give_up_branch(
    db: &mut Connection,
    connection: ConnectionId,
    branch: &BranchName,
    reason: &str,
    at: OffsetDateTime,
) -> Result<u64, DbError> {
    let ended = sqlx::query(
        "UPDATE triggers SET state = 'done', reason = ?, updated_at = ? WHERE connection_id = ? AND branch = ? AND state <> 'done'",
    )
    .bind(reason)
    .bind(row::millis(at))
    .bind(connection.to_string())
    .bind(branch.as_str())
    .execute(db)
    .await?;
    Ok(ended.rows_affected())
}

/// Has the forge asked again at once about the commit that deploys wait for; returns how many there were.
pub async fn hasten(
    db: &mut Connection,
    connection: ConnectionId,
    commit: &CommitId,
    at: OffsetDateTime,
) -> Result<u64, DbError> {
    let hastened = sqlx::query(
        "UPDATE triggers SET next_attempt_at = ? WHERE connection_id = ? AND commit_id = ? AND state = 'waiting_for_ci'",
    )
    .bind(row::millis(at))
    .bind(connection.to_string())
    .bind(commit.as_str())
    .execute(db)
    .await?;
    Ok(hastened.rows_affected())
}

fn trigger(row: &SqliteRow) -> Result<Trigger, DbError> {
    Ok(Trigger {
        number: row::number(row, "number")?,
        id: row::text(row, "id")?,
        connection: row::text(row, "connection_id")?,
        app: row::text(row, "app_id")?,
        by: row::text(row, "account_id")?,
        cause: row::text(row, "cause")?,
        branch: row::text(row, "branch")?,
        commit: row::optional(row, "commit_id")?,
        state: row::text(row, "state")?,
        build: row::optional(row, "build_id")?,
        reason: row.try_get("reason")?,
        attempts: row::number(row, "attempts")?,
        next_attempt_at: row::time(row, "next_attempt_at")?,
        created_at: row::time(row, "created_at")?,
        since: row::optional_time(row, "since")?.map_or_else(|| row::time(row, "created_at"), Ok)?,
        updated_at: row::time(row, "updated_at")?,
    })
}
