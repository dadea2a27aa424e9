//! Where finished logs are kept: of builds, release commands, one-off commands and test runs, a table for each.

use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{BuildId, Digest, DynoId, ReleaseId, TestLog, TestRunId};

/// What a log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOf {
    Build(BuildId),
    Release(ReleaseId),
    Dyno(DynoId),
    Test(TestRunId, TestLog),
}

impl LogOf {
    /// The table, and what its key is there.
    fn place(self) -> (&'static str, Vec<(&'static str, String)>) {
        match self {
            Self::Build(id) => ("build_logs", vec![("build_id", id.to_string())]),
            Self::Release(id) => ("release_logs", vec![("release_id", id.to_string())]),
            Self::Dyno(id) => ("dyno_logs", vec![("dyno_id", id.to_string())]),
            Self::Test(id, log) => ("test_logs", vec![("run_id", id.to_string()), ("log", log.as_str().to_owned())]),
        }
    }
}

/// Records where a finished log is kept; doing so twice changes nothing.
pub async fn set(db: &mut Connection, of: LogOf, log: &Digest, at: OffsetDateTime) -> Result<(), DbError> {
    let (table, key) = of.place();
    let columns = key.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ");
    let values = "?, ".repeat(key.len());
    let sql = format!("INSERT INTO {table} ({columns}, digest, created_at) VALUES ({values}?, ?) ON CONFLICT DO NOTHING");
    let query = key.iter().fold(sqlx::query(sqlx::AssertSqlSafe(sql)), |query, (_, value)| query.bind(value));
    query.bind(log.to_string()).bind(row::millis(at)).execute(db).await?;
    Ok(())
}

/// Where a finished log is kept.
pub async fn get(db: &mut Connection, of: LogOf) -> Result<Option<Digest>, DbError> {
    let (table, key) = of.place();
    let conditions = key.iter().map(|(column, _)| format!("{column} = ?")).collect::<Vec<_>>().join(" AND ");
    let sql = sqlx::AssertSqlSafe(format!("SELECT digest FROM {table} WHERE {conditions}"));
    let query = key.iter().fold(sqlx::query(sql), |query, (_, value)| query.bind(value));
    query.fetch_optional(db).await?.as_ref().map(|row| row::text(row, "digest")).transpose()
}
