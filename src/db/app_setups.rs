//! Setups of apps from their app.json, and their ends. An end is recorded once.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AccountId, AppId, AppSetupId, BuildId, DynoId};

/// A setup, with its end if it has ended.
#[derive(Debug, Clone)]
pub struct AppSetup {
    pub id: AppSetupId,
    pub app: AppId,
    pub by: AccountId,
    pub created_at: OffsetDateTime,
    pub build: Option<BuildId>,
    /// The command that ran after the first release.
    pub postdeploy: Option<DynoId>,
    pub end: Option<AppSetupEnd>,
}

/// How a setup ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSetupEnd {
    /// None when it succeeded.
    pub failure_message: Option<String>,
    pub manifest_errors: Vec<String>,
    pub success_url: Option<String>,
    pub at: OffsetDateTime,
}

const SELECT: &str = "SELECT app_setups.*, app_setup_ends.setup_id IS NOT NULL AS has_ended, app_setup_ends.failure_message,
    app_setup_ends.manifest_errors, app_setup_ends.success_url, app_setup_ends.created_at AS ended_at
    FROM app_setups LEFT JOIN app_setup_ends ON app_setup_ends.setup_id = app_setups.id";

/// Records a setup that is about to begin.
pub async fn insert(db: &mut Connection, id: AppSetupId, app: AppId, by: AccountId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("INSERT INTO app_setups (id, app_id, account_id, created_at) VALUES (?, ?, ?, ?)")
        .bind(id.to_string())
        .bind(app.to_string())
        .bind(by.to_string())
        .bind(row::millis(at))
        .execute(db)
        .await?;
    Ok(())
}

/// Notes which build is the setup's.
pub async fn set_build(db: &mut Connection, id: AppSetupId, build: BuildId) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE app_setups SET build_id = ? WHERE id = ?").bind(build.to_string()).bind(id.to_string());
    query.execute(db).await?;
    Ok(())
}

/// Notes which one-off command is the setup's.
pub async fn set_postdeploy(db: &mut Connection, id: AppSetupId, dyno: DynoId) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE app_setups SET postdeploy_id = ? WHERE id = ?").bind(dyno.to_string()).bind(id.to_string());
    query.execute(db).await?;
    Ok(())
}

/// Records how a setup ended. Fails with [`DbError::is_taken`] when it has ended already.
pub async fn end(db: &mut Connection, id: AppSetupId, end: &AppSetupEnd) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO app_setup_ends (setup_id, failure_message, manifest_errors, success_url, created_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(end.failure_message.as_deref())
    .bind(serde_json::to_string(&end.manifest_errors).expect("a list of texts is JSON"))
    .bind(end.success_url.as_deref())
    .bind(row::millis(end.at))
    .execute(db)
    .await?;
    Ok(())
}

/// Finds a setup.
pub async fn get(db: &mut Connection, id: AppSetupId) -> Result<Option<AppSetup>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE app_setups.id = ?"));
    sqlx::query(sql).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(setup).transpose()
}

/// Lists the setups that have no end: after a crash, those that it cut off.
pub async fn unended(db: &mut Connection) -> Result<Vec<AppSetup>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE app_setup_ends.setup_id IS NULL ORDER BY app_setups.created_at"));
    sqlx::query(sql).fetch_all(db).await?.iter().map(setup).collect()
}

fn setup(row: &SqliteRow) -> Result<AppSetup, DbError> {
    let end = if row.try_get("has_ended")? {
        Some(AppSetupEnd {
            failure_message: row.try_get("failure_message")?,
            manifest_errors: row::json(row, "manifest_errors")?,
            success_url: row.try_get("success_url")?,
            at: row::time(row, "ended_at")?,
        })
    } else {
        None
    };
    Ok(AppSetup {
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        by: row::text(row, "account_id")?,
        created_at: row::time(row, "created_at")?,
        build: row::optional(row, "build_id")?,
        postdeploy: row::optional(row, "postdeploy_id")?,
        end,
    })
}
