//! What was last heard of each pull request of a pipeline's repository.

use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{PipelineId, PullRequestAction};

/// Notes what has happened to a pull request, and when, by its forge's own clock. `false` when it says nothing any more:
/// something later is known already, or it is closed and stays so.
pub async fn note(
    db: &mut Connection,
    (pipeline, number): (PipelineId, u64),
    action: PullRequestAction,
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let is_decisive = matches!(action, PullRequestAction::Reopened | PullRequestAction::Closed);
    let query = sqlx::query(
        "INSERT INTO pull_requests (pipeline_id, number, is_open, happened_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (pipeline_id, number) DO UPDATE SET is_open = ?3, happened_at = ?4
         WHERE happened_at <= ?4 AND (is_open OR ?5)",
    );
    let query = query.bind(pipeline.to_string()).bind(row::signed(number)).bind(action != PullRequestAction::Closed);
    Ok(query.bind(row::millis(at)).bind(is_decisive).execute(db).await?.rows_affected() > 0)
}
