//! What builds were made of, so that a build of the same can be spared. Append-only, like the builds.

use super::{Connection, DbError, row};
use crate::model::{BuildId, Digest};

/// Records what a build is made of, as a digest of it all.
pub async fn insert(db: &mut Connection, build: BuildId, digest: &Digest) -> Result<(), DbError> {
    sqlx::query("INSERT INTO build_inputs (build_id, digest) VALUES (?, ?)")
        .bind(build.to_string())
        .bind(digest.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// What a build was made of; `None` when that was not recorded.
pub async fn get(db: &mut Connection, build: BuildId) -> Result<Option<Digest>, DbError> {
    let row =
        sqlx::query("SELECT digest FROM build_inputs WHERE build_id = ?").bind(build.to_string()).fetch_optional(db).await?;
    row.map(|row| row::text(&row, "digest")).transpose()
}
