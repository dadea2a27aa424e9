//! Who besides its owner may work on an app.

use time::OffsetDateTime;

use super::{Connection, DbError, accounts, row};
use crate::model::{Account, AccountId, AppId};

/// Adds a collaborator; adding one twice changes nothing.
pub async fn insert(db: &mut Connection, app: AppId, account: AccountId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("INSERT INTO collaborators (app_id, account_id, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(app.to_string())
        .bind(account.to_string())
        .bind(row::millis(at))
        .execute(db)
        .await?;
    Ok(())
}

/// Removes a collaborator and tells whether there was one.
pub async fn delete(db: &mut Connection, app: AppId, account: AccountId) -> Result<bool, DbError> {
    let done = sqlx::query("DELETE FROM collaborators WHERE app_id = ? AND account_id = ?")
        .bind(app.to_string())
        .bind(account.to_string())
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Lists an app's collaborators (without its owner), by address.
pub async fn list(db: &mut Connection, app: AppId) -> Result<Vec<Account>, DbError> {
    let rows = sqlx::query(
        "SELECT accounts.id, accounts.email, collaborators.created_at FROM collaborators
         JOIN accounts ON accounts.id = collaborators.account_id WHERE collaborators.app_id = ? ORDER BY accounts.email",
    )
    .bind(app.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(accounts::account).collect()
}

/// Tells whether the account is a collaborator of the app.
pub async fn exists(db: &mut Connection, app: AppId, account: AccountId) -> Result<bool, DbError> {
    let row = sqlx::query("SELECT 1 FROM collaborators WHERE app_id = ? AND account_id = ?")
        .bind(app.to_string())
        .bind(account.to_string())
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}
