//! Files of packs that are to be removed.

use sqlx::Row as _;

use super::{Connection, DbError, row};
use crate::model::AppId;

/// Records that a pack's files are to be removed unless the pack is recorded.
pub async fn insert(db: &mut Connection, app: AppId, name: &str) -> Result<(), DbError> {
    let query = sqlx::query("INSERT INTO old_packs (app_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING");
    query.bind(app.to_string()).bind(name).execute(db).await?;
    Ok(())
}

/// Lists those of all apps.
pub async fn list(db: &mut Connection) -> Result<Vec<(AppId, String)>, DbError> {
    let rows = sqlx::query("SELECT app_id, name FROM old_packs ORDER BY app_id, name").fetch_all(db).await?;
    rows.iter().map(|row| Ok((row::text(row, "app_id")?, row.try_get("name")?))).collect()
}

/// Records that a pack's files are gone.
pub async fn remove(db: &mut Connection, app: AppId, name: &str) -> Result<(), DbError> {
    let query = sqlx::query("DELETE FROM old_packs WHERE app_id = ? AND name = ?");
    query.bind(app.to_string()).bind(name).execute(db).await?;
    Ok(())
}
