//! How the process types of an app are scaled, where somebody has said so.

use std::collections::BTreeMap;

use sqlx::Row as _;
use time::OffsetDateTime;

use super::{Connection, DbError, events, releases, row};
use crate::model::{AccountId, AppId, Change, Facts, FormationFacts, ProcessType};

/// The scale of one process type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    pub quantity: u32,
    /// Name of a dyno size.
    pub size: String,
    pub updated_at: OffsetDateTime,
}

/// Lists the scales that were set, also of process types that the app does not have any more.
pub async fn list(db: &mut Connection, app: AppId) -> Result<BTreeMap<ProcessType, Scale>, DbError> {
    let rows = sqlx::query("SELECT * FROM formations WHERE app_id = ?").bind(app.to_string()).fetch_all(db).await?;
    let scale = |row| {
        let scale = Scale {
            quantity: row::number(row, "quantity")?,
            size: row.try_get("size")?,
            updated_at: row::time(row, "updated_at")?,
        };
        Ok((row::text(row, "type")?, scale))
    };
    rows.iter().map(scale).collect()
}

/// Sets the scale of a process type.
pub async fn set(
    db: &mut Connection,
    app: AppId,
    process_type: &ProcessType,
    scale: &Scale,
    by: AccountId,
) -> Result<(), DbError> {
    let previous = list(db, app).await?.remove(process_type).map(|scale| (scale.quantity, scale.size));
    sqlx::query(
        "INSERT INTO formations (app_id, type, quantity, size, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (app_id, type) DO UPDATE SET quantity = ?3, size = ?4, updated_at = ?5",
    )
    .bind(app.to_string())
    .bind(process_type.as_str())
    .bind(scale.quantity)
    .bind(&scale.size)
    .bind(row::millis(scale.updated_at))
    .execute(&mut *db)
    .await?;
    let facts = Facts::Formation(FormationFacts {
        process_type: process_type.clone(),
        quantity: scale.quantity,
        size: scale.size.clone(),
        previous,
        release: releases::current(db, app).await?.map(|release| release.id),
    });
    events::record(db, &events::NewEvent { app, action: Change::Update, by, facts, at: scale.updated_at }).await
}
