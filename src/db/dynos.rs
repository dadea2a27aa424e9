//! One-off commands and their ends. Both are append-only: a command is recorded when it is started, and its end once.
//!
//! A release command has no row here: what there is to tell of it, its release's events tell.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, events, row};
use crate::model::{AccountId, AppId, Change, DynoId, Facts, ProcessType, ReleaseId};

/// A one-off command, with its end if it has ended.
#[derive(Debug, Clone)]
pub struct Dyno {
    pub id: DynoId,
    pub app: AppId,
    pub release: ReleaseId,
    pub by: AccountId,
    /// `run.1234`
    pub name: String,
    pub process_type: ProcessType,
    pub command: String,
    pub created_at: OffsetDateTime,
    pub end: Option<DynoEnd>,
}

/// How a one-off command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynoEnd {
    /// As a shell has it; `None` when hoist ended the command.
    pub exit_status: Option<i32>,
    /// Why it did not succeed, in one line.
    pub reason: Option<String>,
}

const SELECT: &str = "SELECT dynos.*, dyno_ends.dyno_id IS NOT NULL AS has_ended, dyno_ends.exit_status, dyno_ends.reason
    FROM dynos LEFT JOIN dyno_ends ON dyno_ends.dyno_id = dynos.id";

/// Records a command that is about to be run.
pub async fn insert(db: &mut Connection, dyno: &Dyno) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO dynos (id, app_id, release_id, account_id, name, type, command, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(dyno.id.to_string())
    .bind(dyno.app.to_string())
    .bind(dyno.release.to_string())
    .bind(dyno.by.to_string())
    .bind(&dyno.name)
    .bind(dyno.process_type.as_str())
    .bind(&dyno.command)
    .bind(row::millis(dyno.created_at))
    .execute(&mut *db)
    .await?;
    record(db, dyno.id, Change::Create, dyno.created_at).await
}

/// Notes that a command runs now.
pub async fn begin(db: &mut Connection, id: DynoId, at: OffsetDateTime) -> Result<(), DbError> {
    record(db, id, Change::Update, at).await
}

/// Records how a command ended. Fails with [`DbError::is_taken`] when it has ended already.
pub async fn end(db: &mut Connection, id: DynoId, end: &DynoEnd, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("INSERT INTO dyno_ends (dyno_id, exit_status, reason, created_at) VALUES (?, ?, ?, ?)")
        .bind(id.to_string())
        .bind(end.exit_status)
        .bind(end.reason.as_deref())
        .bind(row::millis(at))
        .execute(&mut *db)
        .await?;
    record(db, id, Change::Destroy, at).await
}

async fn record(db: &mut Connection, id: DynoId, action: Change, at: OffsetDateTime) -> Result<(), DbError> {
    let row = sqlx::query("SELECT app_id, account_id FROM dynos WHERE id = ?").bind(id.to_string()).fetch_one(&mut *db).await?;
    let (app, by) = (row::text(&row, "app_id")?, row::text(&row, "account_id")?);
    events::record(db, &events::NewEvent { app, action, by, facts: Facts::Dyno { id }, at }).await
}

/// Finds an app's newest command of this name or id.
pub async fn find(db: &mut Connection, app: AppId, name_or_id: &str) -> Result<Option<Dyno>, DbError> {
    let sql = format!(
        "{SELECT} WHERE dynos.app_id = ? AND (dynos.name = ? OR dynos.id = ?) ORDER BY dynos.created_at DESC, dynos.rowid DESC LIMIT 1"
    );
    let query =
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(app.to_string()).bind(name_or_id.to_owned()).bind(name_or_id.to_owned());
    query.fetch_optional(db).await?.as_ref().map(dyno).transpose()
}

/// Lists the commands of all apps that have no end: after a crash, those that it cut off.
pub async fn unended(db: &mut Connection) -> Result<Vec<Dyno>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE dyno_ends.dyno_id IS NULL ORDER BY dynos.created_at"));
    sqlx::query(sql).fetch_all(db).await?.iter().map(dyno).collect()
}

/// Tells whether there is such a command in any app.
pub async fn exists(db: &mut Connection, id: DynoId) -> Result<bool, DbError> {
    Ok(sqlx::query("SELECT 1 FROM dynos WHERE id = ?").bind(id.to_string()).fetch_optional(db).await?.is_some())
}

fn dyno(row: &SqliteRow) -> Result<Dyno, DbError> {
    let end = if row.try_get("has_ended")? {
        Some(DynoEnd { exit_status: row.try_get("exit_status")?, reason: row.try_get("reason")? })
    } else {
        None
    };
    Ok(Dyno {
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        release: row::text(row, "release_id")?,
        by: row::text(row, "account_id")?,
        name: row.try_get("name")?,
        process_type: row::text(row, "type")?,
        command: row.try_get("command")?,
        created_at: row::time(row, "created_at")?,
        end,
    })
}
