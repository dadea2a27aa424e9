//! Promotions and what became of them in each app.

use sqlx::Row as _;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{AccountId, Promotion, PromotionId, PromotionOutcome, PromotionTarget};

/// Records a promotion.
pub async fn insert(db: &mut Connection, promotion: &Promotion) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO pipeline_promotions (id, pipeline_id, account_id, source_app_id, source_release_id, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(promotion.id.to_string())
    .bind(promotion.pipeline.to_string())
    .bind(promotion.by.to_string())
    .bind(promotion.source_app.to_string())
    .bind(promotion.source_release.to_string())
    .bind(row::millis(promotion.created_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Records a promotion's release in one app, or why there is none. What becomes of the release is told by its own rows.
pub async fn insert_target(db: &mut Connection, promotion: PromotionId, target: &PromotionTarget) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO pipeline_promotion_targets (id, promotion_id, app_id, release_id, error_message) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(target.id.to_string())
    .bind(promotion.to_string())
    .bind(target.app.to_string())
    .bind(target.outcome.release().map(|release| release.to_string()))
    .bind(match &target.outcome {
        PromotionOutcome::Failed { why, .. } => Some(why),
        PromotionOutcome::Pending(_) | PromotionOutcome::Succeeded(_) => None,
    })
    .execute(db)
    .await?;
    Ok(())
}

/// Finds a promotion that the account made.
pub async fn get(db: &mut Connection, id: PromotionId, by: AccountId) -> Result<Option<Promotion>, DbError> {
    let row = sqlx::query("SELECT * FROM pipeline_promotions WHERE id = ? AND account_id = ?")
        .bind(id.to_string())
        .bind(by.to_string())
        .fetch_optional(db)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Promotion {
        id: row::text(&row, "id")?,
        pipeline: row::text(&row, "pipeline_id")?,
        by: row::text(&row, "account_id")?,
        source_app: row::text(&row, "source_app_id")?,
        source_release: row::text(&row, "source_release_id")?,
        created_at: row::time(&row, "created_at")?,
    }))
}

/// When the last of a promotion's releases got the status that it has, if there are any.
pub async fn changed_at(db: &mut Connection, promotion: PromotionId) -> Result<Option<OffsetDateTime>, DbError> {
    let row = sqlx::query(
        "SELECT created_at FROM release_events WHERE release_id IN
             (SELECT release_id FROM pipeline_promotion_targets WHERE promotion_id = ?)
         ORDER BY created_at DESC LIMIT 1",
    );
    let row = row.bind(promotion.to_string()).fetch_optional(db).await?;
    row.as_ref().map(|row| row::time(row, "created_at")).transpose()
}

/// Lists what has become of a promotion, app by app in the order in which it was asked for.
pub async fn targets(db: &mut Connection, promotion: PromotionId) -> Result<Vec<PromotionTarget>, DbError> {
    let rows = sqlx::query(
        "SELECT targets.*, event.status, event.reason FROM pipeline_promotion_targets AS targets
         LEFT JOIN release_events AS event ON event.number =
             (SELECT MAX(number) FROM release_events WHERE release_id = targets.release_id)
         WHERE targets.promotion_id = ? ORDER BY targets.rowid",
    )
    .bind(promotion.to_string())
    .fetch_all(db)
    .await?;
    let target = |row| {
        let outcome = if let Some(release) = row::optional(row, "release_id")? {
            PromotionOutcome::of_release(release, row::text(row, "status")?, row.try_get("reason")?)
        } else {
            let why = row.try_get::<Option<String>, _>("error_message")?.unwrap_or_default();
            PromotionOutcome::Failed { release: None, why }
        };
        Ok(PromotionTarget { id: row::text(row, "id")?, app: row::text(row, "app_id")?, outcome })
    };
    rows.iter().map(target).collect()
}
