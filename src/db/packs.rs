//! Which packs an app's repository is made of. A pack file without a row here is a leftover.

use sqlx::Row as _;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::AppId;

/// Records a published pack; recording one twice (the same objects pushed again) changes nothing.
pub async fn insert(
    db: &mut Connection,
    app: AppId,
    name: &str,
    objects: u64,
    bytes: u64,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("INSERT INTO packs (app_id, name, objects, bytes, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(app.to_string())
        .bind(name)
        .bind(i64::try_from(objects).unwrap_or(i64::MAX))
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(row::millis(at))
        .execute(db)
        .await?;
    Ok(())
}

/// Lists the names of the app's packs.
pub async fn list(db: &mut Connection, app: AppId) -> Result<Vec<String>, DbError> {
    let rows = sqlx::query("SELECT name FROM packs WHERE app_id = ? ORDER BY created_at, name")
        .bind(app.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("name")?)).collect()
}

/// Bytes of all packs of the app together.
pub async fn bytes(db: &mut Connection, app: AppId) -> Result<u64, DbError> {
    let row = sqlx::query("SELECT COALESCE (SUM (bytes), 0) AS bytes FROM packs WHERE app_id = ?").bind(app.to_string());
    row::number(&row.fetch_one(db).await?, "bytes")
}

/// Lists the living apps that have at least so many packs.
pub async fn apps_with_many(db: &mut Connection, count: u32) -> Result<Vec<AppId>, DbError> {
    let sql = "SELECT app_id FROM packs JOIN apps ON apps.id = app_id WHERE destroyed_at IS NULL
        GROUP BY app_id HAVING COUNT (*) >= ? ORDER BY app_id";
    let rows = sqlx::query(sql).bind(count).fetch_all(db).await?;
    rows.iter().map(|row| row::text(row, "app_id")).collect()
}

/// Records that a pack is none of the app's any more.
pub async fn remove(db: &mut Connection, app: AppId, name: &str) -> Result<(), DbError> {
    let query = sqlx::query("DELETE FROM packs WHERE app_id = ? AND name = ?");
    query.bind(app.to_string()).bind(name).execute(db).await?;
    Ok(())
}
