//! What belongs to a release's command: the refs that wait for its success, and its output.

use super::{Connection, DbError, row};
use crate::model::{CommitId, RefName, ReleaseId};

/// A ref that moves when its release succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRef {
    pub name: RefName,
    pub old: Option<CommitId>,
    pub new: Option<CommitId>,
}

/// Records a ref's move that waits for the release's success.
pub async fn insert_ref(db: &mut Connection, release: ReleaseId, waiting: &WaitingRef) -> Result<(), DbError> {
    sqlx::query("INSERT INTO release_refs (release_id, name, old_commit_id, new_commit_id) VALUES (?, ?, ?, ?)")
        .bind(release.to_string())
        .bind(waiting.name.as_str())
        .bind(waiting.old.as_ref().map(CommitId::as_str))
        .bind(waiting.new.as_ref().map(CommitId::as_str))
        .execute(db)
        .await?;
    Ok(())
}

/// Lists the refs that wait, or waited, for the release's success.
pub async fn refs(db: &mut Connection, release: ReleaseId) -> Result<Vec<WaitingRef>, DbError> {
    let rows = sqlx::query("SELECT * FROM release_refs WHERE release_id = ? ORDER BY name").bind(release.to_string());
    let waiting = |row| {
        let (old, new) = (row::optional(row, "old_commit_id")?, row::optional(row, "new_commit_id")?);
        Ok(WaitingRef { name: row::text(row, "name")?, old, new })
    };
    rows.fetch_all(db).await?.iter().map(waiting).collect()
}
