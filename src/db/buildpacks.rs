//! The buildpacks that are set on an app, in order.

use super::{Connection, DbError, row};
use crate::model::{AppId, BuildpackRef};

/// Lists the app's buildpacks; empty means detection.
pub async fn list(db: &mut Connection, app: AppId) -> Result<Vec<BuildpackRef>, DbError> {
    let rows = sqlx::query("SELECT buildpack FROM app_buildpacks WHERE app_id = ? ORDER BY ordinal")
        .bind(app.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| row::text(row, "buildpack")).collect()
}

/// Replaces the app's buildpacks.
pub async fn replace(db: &mut Connection, app: AppId, buildpacks: &[BuildpackRef]) -> Result<(), DbError> {
    sqlx::query("DELETE FROM app_buildpacks WHERE app_id = ?").bind(app.to_string()).execute(&mut *db).await?;
    for (ordinal, buildpack) in (0_i64..).zip(buildpacks) {
        sqlx::query("INSERT INTO app_buildpacks (app_id, ordinal, buildpack) VALUES (?, ?, ?)")
            .bind(app.to_string())
            .bind(ordinal)
            .bind(buildpack.to_string())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
