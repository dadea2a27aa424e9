//! Tags that were pushed. Those that the ledger gives (`v7`, `current`) stand in no row.

use super::super::{Connection, DbError, apps, row};
use super::{Place, at};
use crate::model::{AccountId, AppName, Digest, ProcessType, Tag};

/// Lets a tag name a manifest of the repository.
pub async fn set(db: &mut Connection, place: &Place, tag: &Tag, manifest: &Digest) -> Result<(), DbError> {
    let sql = "INSERT INTO image_tags (app_id, process_type, tag, manifest) VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET manifest = excluded.manifest";
    at(sql, place).bind(tag.as_str()).bind(manifest.to_string()).execute(db).await?;
    Ok(())
}

/// The manifest that a tag names.
pub async fn get(db: &mut Connection, place: &Place, tag: &Tag) -> Result<Option<Digest>, DbError> {
    let sql = "SELECT manifest FROM image_tags WHERE app_id = ? AND process_type = ? AND tag = ?";
    let row = at(sql, place).bind(tag.as_str()).fetch_optional(db).await?;
    row.map(|row| row::text(&row, "manifest")).transpose()
}

/// Lists the repository's tags from behind `last` on, in the order of the specification, which knows no case. Of two that
/// differ in nothing else, the capital comes first.
pub async fn list(db: &mut Connection, place: &Place, last: &str, most: u32) -> Result<Vec<Tag>, DbError> {
    let sql = "SELECT tag FROM image_tags
               WHERE app_id = ?1 AND process_type = ?2 AND (tag COLLATE NOCASE, tag) > (?3 COLLATE NOCASE, ?3)
               ORDER BY tag COLLATE NOCASE, tag LIMIT ?4";
    let rows = at(sql, place).bind(last).bind(most).fetch_all(db).await?;
    rows.iter().map(|row| row::text(row, "tag")).collect()
}

/// Removes a tag and tells whether it was there.
pub async fn delete(db: &mut Connection, place: &Place, tag: &Tag) -> Result<bool, DbError> {
    let sql = "DELETE FROM image_tags WHERE app_id = ? AND process_type = ? AND tag = ?";
    Ok(at(sql, place).bind(tag.as_str()).execute(db).await?.rows_affected() > 0)
}

/// Lists the repositories with manifests among the living apps that the account has a part in.
pub async fn repositories(db: &mut Connection, account: AccountId) -> Result<Vec<(AppName, ProcessType)>, DbError> {
    let sql = format!(
        "SELECT DISTINCT apps.name, manifests.process_type FROM manifests JOIN apps ON apps.id = manifests.app_id
         WHERE apps.id IN {} ORDER BY apps.name, manifests.process_type",
        apps::VISIBLE
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(account.to_string()).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row::text(row, "name")?, row::text(row, "process_type")?))).collect()
}
