//! What refs were until lately. The database writes it down by itself.

use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AppId, CommitId};

/// Lists the living apps that have something in here from before a time.
pub async fn apps_with_older(db: &mut Connection, before: OffsetDateTime) -> Result<Vec<AppId>, DbError> {
    let sql = "SELECT DISTINCT app_id FROM past_refs JOIN apps ON apps.id = app_id
        WHERE moved_at < ? AND destroyed_at IS NULL ORDER BY app_id";
    let rows = sqlx::query(sql).bind(row::millis(before)).fetch_all(db).await?;
    rows.iter().map(|row| row::text(row, "app_id")).collect()
}

/// Lists what refs of the app, or refs that wait for a release's success, are, or were since a time.
pub async fn roots(db: &mut Connection, app: AppId, since: OffsetDateTime) -> Result<Vec<CommitId>, DbError> {
    let sql = "SELECT commit_id FROM refs WHERE app_id = ?1
        UNION SELECT commit_id FROM past_refs WHERE app_id = ?1 AND moved_at >= ?2
        UNION SELECT new_commit_id FROM release_refs JOIN releases ON releases.id = release_id
        WHERE app_id = ?1 AND new_commit_id IS NOT NULL
            AND 'pending' = (SELECT status FROM release_events WHERE release_id = releases.id ORDER BY number DESC LIMIT 1)";
    let rows = sqlx::query(sql).bind(app.to_string()).bind(row::millis(since)).fetch_all(db).await?;
    rows.iter().map(|row| row::text(row, "commit_id")).collect()
}

/// Forgets what refs of the app were before a time.
pub async fn forget(db: &mut Connection, app: AppId, before: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query("DELETE FROM past_refs WHERE app_id = ? AND moved_at < ?");
    query.bind(app.to_string()).bind(row::millis(before)).execute(db).await?;
    Ok(())
}
