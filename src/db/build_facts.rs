//! What happened in builds. Written once, when a build has ended.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Connection, DbError, row};
use crate::model::{BuildFacts, BuildId};

/// Records the facts of a build that has ended. Fails with [`DbError::is_taken`] when that was done already.
pub async fn insert(db: &mut Connection, build: BuildId, facts: &BuildFacts) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO build_facts (build_id, phases, cache_restored_bytes, cache_saved_bytes, reports) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(build.to_string())
    .bind(serde_json::to_string(&facts.phases).expect("a map of numbers is JSON"))
    .bind(facts.cache_restored_bytes.map(row::signed))
    .bind(facts.cache_saved_bytes.map(row::signed))
    .bind(serde_json::to_string(&facts.reports).expect("texts and finite numbers are JSON"))
    .execute(db)
    .await?;
    Ok(())
}

/// Finds the facts of a build; none when it has not ended, or when a crash cut it off.
pub async fn get(db: &mut Connection, build: BuildId) -> Result<Option<BuildFacts>, DbError> {
    let row = sqlx::query("SELECT * FROM build_facts WHERE build_id = ?").bind(build.to_string()).fetch_optional(db).await?;
    row.as_ref().map(facts).transpose()
}

fn facts(row: &SqliteRow) -> Result<BuildFacts, DbError> {
    let bytes = |column| row.try_get::<Option<i64>, _>(column).map(|bytes| bytes.and_then(|bytes| u64::try_from(bytes).ok()));
    Ok(BuildFacts {
        phases: row::json(row, "phases")?,
        cache_restored_bytes: bytes("cache_restored_bytes")?,
        cache_saved_bytes: bytes("cache_saved_bytes")?,
        reports: row::json(row, "reports")?,
    })
}
