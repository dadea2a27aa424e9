//! What is to be built of pushes to other apps, until a build has been accepted for it or there will be none.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AccountId, AppId, BuildId, CommitId, FollowerDeployId};

/// A push to an app, as it is to be deployed to one that follows it.
#[derive(Debug, Clone)]
pub struct FollowerDeploy {
    /// The order of the pushes, of all apps together.
    pub number: i64,
    pub id: FollowerDeployId,
    /// The one that follows.
    pub app: AppId,
    /// The one that was pushed to.
    pub followed: AppId,
    pub by: AccountId,
    pub commit: CommitId,
    /// Whether its build has been accepted, or there will be none.
    pub is_done: bool,
    /// The newest build that came of it.
    pub build: Option<BuildId>,
    /// Why there is no build, or not yet.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    pub next_attempt_at: OffsetDateTime,
    /// Since when it is tried.
    pub since: OffsetDateTime,
}

/// What was pushed to an app.
#[derive(Debug)]
pub struct Pushed<'a> {
    pub app: AppId,
    /// What the push has built of that app.
    pub build: BuildId,
    pub by: AccountId,
    pub commit: &'a CommitId,
    pub at: OffsetDateTime,
}

const SELECT: &str = "SELECT follower_deploys.*,
    (SELECT build_id FROM follower_builds WHERE deploy_id = follower_deploys.id ORDER BY follower_builds.rowid DESC LIMIT 1) AS build_id
    FROM follower_deploys";

/// Records what was pushed to an app for every living app that follows it. To be called in the transaction that releases it.
pub async fn insert(db: &mut Connection, pushed: &Pushed<'_>) -> Result<(), DbError> {
    let followers = sqlx::query("SELECT id, last_build FROM apps WHERE follows = ? AND destroyed_at IS NULL ORDER BY name");
    let at = row::millis(pushed.at);
    for follower in followers.bind(pushed.app.to_string()).fetch_all(&mut *db).await? {
        sqlx::query(
            "INSERT INTO follower_deploys (id, app_id, followed_id, pushed_build_id, account_id, commit_id, after_build,
               next_attempt_at, since, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(FollowerDeployId::new().to_string())
        .bind(follower.try_get::<String, _>("id")?)
        .bind(pushed.app.to_string())
        .bind(pushed.build.to_string())
        .bind(pushed.by.to_string())
        .bind(pushed.commit.as_str())
        .bind(follower.try_get::<i64, _>("last_build")?)
        .bind(at)
        .bind(at)
        .bind(at)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Gets one.
pub async fn get(db: &mut Connection, id: FollowerDeployId) -> Result<FollowerDeploy, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = ?"));
    deploy(&sqlx::query(sql).bind(id.to_string()).fetch_one(db).await?)
}

/// Lists those of one push, which has built this.
pub async fn of_push(db: &mut Connection, build: BuildId) -> Result<Vec<FollowerDeploy>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE pushed_build_id = ? ORDER BY number"));
    sqlx::query(sql).bind(build.to_string()).fetch_all(db).await?.iter().map(deploy).collect()
}

/// Lists those of all apps that are not done, in the order in which they were pushed.
pub async fn open(db: &mut Connection) -> Result<Vec<FollowerDeploy>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE state <> 'done' ORDER BY number"));
    sqlx::query(sql).fetch_all(db).await?.iter().map(deploy).collect()
}

/// A build has been accepted for it: to be called in the transaction that accepts the build. Tells whether it was still wanted; if
/// not, the build must not be. What was pushed before it, and still waits, will not be built any more; and neither will it be if
/// something else was given to the follower since the push, and has not failed: an older commit never comes after a newer one.
pub async fn start(db: &mut Connection, id: FollowerDeployId, build: BuildId, at: OffsetDateTime) -> Result<bool, DbError> {
    let started = sqlx::query(
        "UPDATE follower_deploys AS deploy SET state = 'done', reason = NULL, updated_at = ?
         WHERE id = ? AND state <> 'done' AND NOT EXISTS
           (SELECT 1 FROM builds LEFT JOIN build_outcomes ON build_outcomes.build_id = builds.id
            WHERE builds.app_id = deploy.app_id AND builds.number > deploy.after_build AND builds.id <> ?
              AND COALESCE (build_outcomes.status, 'succeeded') = 'succeeded'
              AND builds.id NOT IN (SELECT build_id FROM follower_builds))",
    )
    .bind(row::millis(at))
    .bind(id.to_string())
    .bind(build.to_string())
    .execute(&mut *db)
    .await?;
    if started.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE follower_deploys AS older SET state = 'done', reason = 'a later push came first', updated_at = ?
         FROM follower_deploys AS started
         WHERE started.id = ? AND older.app_id = started.app_id AND older.number < started.number AND older.state <> 'done'",
    )
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(&mut *db)
    .await?;
    sqlx::query("INSERT INTO follower_builds (build_id, deploy_id) VALUES (?, ?)")
        .bind(build.to_string())
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(true)
}

/// The build that was accepted for it was cut off by a stop of hoist's: it is to be built once more, unless a build was accepted for
/// a later one meanwhile. After `most` builds the last one stays the last: they may be what stops hoist. To be called in the
/// transaction that records the build's end.
pub async fn reopen(db: &mut Connection, build: BuildId, most: u32, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE follower_deploys AS cut_off SET state = 'ready', attempts = 0, reason = 'hoist was stopped while it was built',
           next_attempt_at = ?1, since = ?1, updated_at = ?1
         WHERE id = (SELECT deploy_id FROM follower_builds WHERE build_id = ?2)
           AND (SELECT COUNT (*) FROM follower_builds WHERE deploy_id = cut_off.id) <= ?3
           AND NOT EXISTS
             (SELECT 1 FROM follower_deploys AS later JOIN follower_builds ON follower_builds.deploy_id = later.id
              WHERE later.app_id = cut_off.app_id AND later.number > cut_off.number)",
    )
    .bind(row::millis(at))
    .bind(build.to_string())
    .bind(most)
    .execute(db)
    .await?;
    Ok(())
}

/// It is tried again later, for a reason.
pub async fn postpone(
    db: &mut Connection,
    id: FollowerDeployId,
    reason: &str,
    next: OffsetDateTime,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE follower_deploys SET attempts = attempts + 1, reason = ?, next_attempt_at = ?, updated_at = ?
         WHERE id = ? AND state <> 'done'",
    )
    .bind(reason)
    .bind(row::millis(next))
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// There will be no build, for a reason.
pub async fn give_up(db: &mut Connection, id: FollowerDeployId, reason: &str, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("UPDATE follower_deploys SET state = 'done', reason = ?, updated_at = ? WHERE id = ? AND state <> 'done'")
        .bind(reason)
        .bind(row::millis(at))
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

fn deploy(row: &SqliteRow) -> Result<FollowerDeploy, DbError> {
    Ok(FollowerDeploy {
        number: row::number(row, "number")?,
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        followed: row::text(row, "followed_id")?,
        by: row::text(row, "account_id")?,
        commit: row::text(row, "commit_id")?,
        is_done: row.try_get::<&str, _>("state")? == "done",
        build: row::optional(row, "build_id")?,
        reason: row.try_get("reason")?,
        attempts: row::number(row, "attempts")?,
        next_attempt_at: row::time(row, "next_attempt_at")?,
        since: row::time(row, "since")?,
    })
}

#[cfg(test)]
mod tests;
