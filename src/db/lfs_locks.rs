//! Git LFS's locks. A destroyed app has none.

use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AccountId, AppId, Email, LfsLockId, LockPath};

/// A file that somebody has locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub id: LfsLockId,
    pub path: LockPath,
    pub owner: AccountId,
    pub email: Email,
    pub locked_at: OffsetDateTime,
}

/// Which of an app's locks are asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    pub id: Option<LfsLockId>,
    pub path: Option<&'a str>,
    /// Those behind this path.
    pub behind: Option<&'a str>,
}

const SELECT: &str = "SELECT lfs_locks.*, accounts.email FROM lfs_locks JOIN accounts ON accounts.id = lfs_locks.account_id";

/// Locks a file. Fails with [`DbError::is_taken`] when it is locked.
pub async fn insert(
    db: &mut Connection,
    app: AppId,
    id: LfsLockId,
    path: &LockPath,
    by: AccountId,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let sql = "INSERT INTO lfs_locks (id, app_id, path, account_id, locked_at) VALUES (?, ?, ?, ?, ?)";
    let query = sqlx::query(sql).bind(id.to_string()).bind(app.to_string()).bind(path.as_str()).bind(by.to_string());
    query.bind(row::millis(now)).execute(db).await?;
    Ok(())
}

/// Lists locks, by path, at most so many.
pub async fn list(db: &mut Connection, app: AppId, wanted: &Wanted<'_>, most: u32) -> Result<Vec<Lock>, DbError> {
    let sql = format!(
        "{SELECT} WHERE app_id = ?1 AND (?2 IS NULL OR lfs_locks.id = ?2) AND (?3 IS NULL OR path = ?3) AND (?4 IS NULL OR path > ?4)
         ORDER BY path LIMIT ?5"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(app.to_string())
        .bind(wanted.id.map(|id| id.to_string()))
        .bind(wanted.path)
        .bind(wanted.behind)
        .bind(most)
        .fetch_all(db)
        .await?;
    rows.iter().map(lock).collect()
}

/// How many files are locked.
pub async fn count(db: &mut Connection, app: AppId) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) AS locks FROM lfs_locks WHERE app_id = ?";
    row::number(&sqlx::query(sql).bind(app.to_string()).fetch_one(db).await?, "locks")
}

/// Gives a file free.
pub async fn delete(db: &mut Connection, id: LfsLockId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM lfs_locks WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Gives all files of an app free.
pub(super) async fn delete_of(db: &mut Connection, app: AppId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM lfs_locks WHERE app_id = ?").bind(app.to_string()).execute(db).await?;
    Ok(())
}

fn lock(row: &sqlx::sqlite::SqliteRow) -> Result<Lock, DbError> {
    Ok(Lock {
        id: row::text(row, "id")?,
        path: row::text(row, "path")?,
        owner: row::text(row, "account_id")?,
        email: row::text(row, "email")?,
        locked_at: row::time(row, "locked_at")?,
    })
}
