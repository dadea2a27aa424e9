//! Test runs and their ends. Both are append-only: a run is recorded when it is accepted, and its end once.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Connection, DbError, Window, row};
use crate::model::{PipelineId, TestRun, TestRunEnd, TestRunId};

const SELECT: &str = "SELECT test_runs.*, test_run_ends.status, test_run_ends.exit_code, test_run_ends.message AS end_message,
    test_run_ends.error_status, test_run_ends.created_at AS ended_at
    FROM test_runs LEFT JOIN test_run_ends ON test_run_ends.run_id = test_runs.id";

/// The number of a pipeline's next run, as seen by the transaction that is to record it.
pub async fn next_number(db: &mut Connection, pipeline: PipelineId) -> Result<u32, DbError> {
    let query = sqlx::query("SELECT COALESCE(MAX(number), 0) + 1 AS number FROM test_runs WHERE pipeline_id = ?");
    row::number(&query.bind(pipeline.to_string()).fetch_one(db).await?, "number")
}

/// Records a run that has been accepted.
pub async fn insert(db: &mut Connection, run: &TestRun) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO test_runs (id, pipeline_id, number, account_id, branch, commit_id, message, source_url, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(run.id.to_string())
    .bind(run.pipeline.to_string())
    .bind(run.number)
    .bind(run.by.to_string())
    .bind(run.branch.as_str())
    .bind(run.commit.as_str())
    .bind(&run.message)
    .bind(&run.source_url)
    .bind(row::millis(run.created_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Records how a run ended. Fails with [`DbError::is_taken`] when it has ended already.
pub async fn end(db: &mut Connection, id: TestRunId, end: &TestRunEnd) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO test_run_ends (run_id, status, exit_code, message, error_status, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(end.status.as_str())
    .bind(end.exit_code)
    .bind(end.message.as_deref())
    .bind(end.error_status.map(crate::model::TestRunStatus::as_str))
    .bind(row::millis(end.at))
    .execute(db)
    .await?;
    Ok(())
}

/// Finds a run.
pub async fn get(db: &mut Connection, id: TestRunId) -> Result<Option<TestRun>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE test_runs.id = ?"));
    sqlx::query(sql).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(run).transpose()
}

/// Finds a pipeline's run by its number.
pub async fn by_number(db: &mut Connection, pipeline: PipelineId, number: u32) -> Result<Option<TestRun>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE test_runs.pipeline_id = ? AND test_runs.number = ?"));
    sqlx::query(sql).bind(pipeline.to_string()).bind(number).fetch_optional(db).await?.as_ref().map(run).transpose()
}

/// Lists a pipeline's runs whose numbers are in the window.
pub async fn window(db: &mut Connection, pipeline: PipelineId, window: Window) -> Result<Vec<TestRun>, DbError> {
    let order = window.order.sql();
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE test_runs.pipeline_id = ? AND test_runs.number BETWEEN ? AND ? ORDER BY test_runs.number {order} LIMIT ?"
    ));
    let query = sqlx::query(sql).bind(pipeline.to_string()).bind(window.from).bind(window.to).bind(window.most);
    query.fetch_all(db).await?.iter().map(run).collect()
}

/// Lists the runs that have no end: after a crash, those that it cut off.
pub async fn unended(db: &mut Connection) -> Result<Vec<TestRun>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE test_run_ends.run_id IS NULL ORDER BY test_runs.created_at"));
    sqlx::query(sql).fetch_all(db).await?.iter().map(run).collect()
}

fn run(row: &SqliteRow) -> Result<TestRun, DbError> {
    let end = match row::optional(row, "status")? {
        Some(status) => Some(TestRunEnd {
            status,
            exit_code: row.try_get("exit_code")?,
            message: row.try_get("end_message")?,
            error_status: row::optional(row, "error_status")?,
            at: row::time(row, "ended_at")?,
        }),
        None => None,
    };
    Ok(TestRun {
        id: row::text(row, "id")?,
        pipeline: row::text(row, "pipeline_id")?,
        number: row::number(row, "number")?,
        by: row::text(row, "account_id")?,
        branch: row::text(row, "branch")?,
        commit: row::text(row, "commit_id")?,
        message: row.try_get("message")?,
        source_url: row.try_get("source_url")?,
        created_at: row::time(row, "created_at")?,
        end,
    })
}
