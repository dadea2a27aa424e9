//! What the tests of a run said of themselves. Written once, with the run's end.

use sqlx::Row as _;

use super::{Connection, DbError, row};
use crate::model::{TestCase, TestRunId};

/// Records a run's cases, in the order in which they were reported.
pub async fn insert(db: &mut Connection, run: TestRunId, cases: &[TestCase]) -> Result<(), DbError> {
    for (ordinal, case) in (0_i64..).zip(cases) {
        sqlx::query(
            "INSERT INTO test_cases (run_id, ordinal, number, description, directive, diagnostic, passed)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(run.to_string())
        .bind(ordinal)
        .bind(case.number)
        .bind(&case.description)
        .bind(&case.directive)
        .bind(&case.diagnostic)
        .bind(case.passed)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Lists a run's cases, in that order.
pub async fn list(db: &mut Connection, run: TestRunId) -> Result<Vec<TestCase>, DbError> {
    let query = sqlx::query("SELECT * FROM test_cases WHERE run_id = ? ORDER BY ordinal").bind(run.to_string());
    let case = |row| {
        Ok(TestCase {
            number: row::number(row, "number")?,
            description: row.try_get("description")?,
            directive: row.try_get("directive")?,
            diagnostic: row.try_get("diagnostic")?,
            passed: row.try_get("passed")?,
        })
    };
    query.fetch_all(db).await?.iter().map(case).collect()
}
