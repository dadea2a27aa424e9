//! What builds of archives were asked to build, as their authors describe it. Append-only, like the builds.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Connection, DbError, row};
use crate::model::{BuildId, BuildpackRef, SourceBlob};

/// Records a build's archive and the buildpacks that it was given.
pub async fn insert(db: &mut Connection, build: BuildId, blob: &SourceBlob, buildpacks: &[BuildpackRef]) -> Result<(), DbError> {
    let buildpacks: Vec<_> = buildpacks.iter().map(ToString::to_string).collect();
    sqlx::query(
        "INSERT INTO build_sources (build_id, url, checksum, version, version_description, buildpacks) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(build.to_string())
    .bind(&blob.url)
    .bind(blob.checksum.map(|checksum| checksum.to_string()))
    .bind(blob.version.as_ref().map(ToString::to_string))
    .bind(blob.version_description.as_deref())
    .bind(serde_json::to_string(&buildpacks).expect("a list of texts is JSON"))
    .execute(db)
    .await?;
    Ok(())
}

/// The archive in a row that joins this table; none when it is that of a git push.
pub(super) fn blob(row: &SqliteRow) -> Result<Option<SourceBlob>, DbError> {
    let Some(url) = row.try_get("url")? else { return Ok(None) };
    Ok(Some(SourceBlob {
        url,
        checksum: row::optional(row, "checksum")?,
        version: row::optional(row, "version")?,
        version_description: row.try_get("version_description")?,
    }))
}

/// The buildpacks in such a row.
pub(super) fn buildpacks(row: &SqliteRow) -> Result<Vec<BuildpackRef>, DbError> {
    let Some(json) = row.try_get::<Option<String>, _>("buildpacks")? else { return Ok(Vec::new()) };
    let bad = |why: String| DbError::Corrupt { what: "buildpacks", why };
    let names: Vec<String> = serde_json::from_str(&json).map_err(|error| bad(error.to_string()))?;
    names.iter().map(|name| name.parse().map_err(|error: crate::model::Invalid| bad(error.to_string()))).collect()
}
