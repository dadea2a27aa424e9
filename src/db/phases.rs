//! What belongs to a release's command: the refs that wait for its success, and its output.

use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{CommitId, Digest, RefName, ReleaseId};

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

/// Records where the command's finished output is kept; doing so twice changes nothing.
pub async fn set_log(db: &mut Connection, release: ReleaseId, log: &Digest, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("INSERT INTO release_logs (release_id, digest, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(release.to_string())
        .bind(log.to_string())
        .bind(row::millis(at))
        .execute(db)
        .await?;
    Ok(())
}

/// Where the command's finished output is kept.
pub async fn log(db: &mut Connection, release: ReleaseId) -> Result<Option<Digest>, DbError> {
    let row = sqlx::query("SELECT digest FROM release_logs WHERE release_id = ?").bind(release.to_string());
    row.fetch_optional(db).await?.as_ref().map(|row| row::text(row, "digest")).transpose()
}
