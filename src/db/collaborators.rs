//! Who besides its owner may work on an app, and what they may do.

use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, accounts, events, row};
use crate::model::{Account, AccountId, AppId, Change, CollaboratorFacts, Facts, Permissions};

/// A collaborator of an app.
#[derive(Debug, Clone)]
pub struct Collaborator {
    pub account: Account,
    pub permissions: Permissions,
    /// When the account came to the app.
    pub created_at: OffsetDateTime,
    /// When its permissions were set.
    pub updated_at: OffsetDateTime,
}

/// Adds a collaborator and tells whether that was new; one who is there stays as they are.
pub async fn insert(
    db: &mut Connection,
    app: AppId,
    account: AccountId,
    permissions: &Permissions,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let row = sqlx::query(
        "INSERT INTO collaborators (app_id, account_id, permissions, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT DO NOTHING",
    );
    let row = row.bind(app.to_string()).bind(account.to_string()).bind(permissions.to_string()).bind(row::millis(at));
    let is_new = row.execute(&mut *db).await?.rows_affected() > 0;
    if is_new {
        let facts =
            CollaboratorFacts { account, permissions: permissions.clone(), created_at: at, updated_at: at, previous: None };
        record(db, app, Change::Create, facts, (by, at)).await?;
    }
    Ok(is_new)
}

/// Replaces a collaborator's permissions and tells whether there is such a collaborator.
pub async fn set_permissions(
    db: &mut Connection,
    app: AppId,
    account: AccountId,
    permissions: &Permissions,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let Some(previous) = self::permissions(&mut *db, app, account).await? else { return Ok(false) };
    let row = sqlx::query(
        "UPDATE collaborators SET permissions = ?, updated_at = ? WHERE app_id = ? AND account_id = ? RETURNING created_at",
    )
    .bind(permissions.to_string())
    .bind(row::millis(at))
    .bind(app.to_string())
    .bind(account.to_string())
    .fetch_one(&mut *db)
    .await?;
    let created_at = row::time(&row, "created_at")?;
    let permissions = permissions.clone();
    let facts = CollaboratorFacts { account, permissions, created_at, updated_at: at, previous: Some(previous) };
    record(db, app, Change::Update, facts, (by, at)).await?;
    Ok(true)
}

/// Removes a collaborator and tells whether there was one.
pub async fn delete(
    db: &mut Connection,
    app: AppId,
    account: AccountId,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let removed = sqlx::query("DELETE FROM collaborators WHERE app_id = ? AND account_id = ? RETURNING *")
        .bind(app.to_string())
        .bind(account.to_string())
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = removed else { return Ok(false) };
    let facts = CollaboratorFacts {
        account,
        permissions: row::text(&row, "permissions")?,
        created_at: row::time(&row, "created_at")?,
        updated_at: row::time(&row, "updated_at")?,
        previous: None,
    };
    record(db, app, Change::Destroy, facts, (by, at)).await?;
    Ok(true)
}

/// Records what has happened to a collaborator: by whom, and when.
async fn record(
    db: &mut Connection,
    app: AppId,
    action: Change,
    facts: CollaboratorFacts,
    (by, at): (AccountId, OffsetDateTime),
) -> Result<(), DbError> {
    events::record(db, &events::NewEvent { app, action, by, facts: Facts::Collaborator(facts), at }).await
}

/// Lists an app's collaborators (without its owner), by address.
pub async fn list(db: &mut Connection, app: AppId) -> Result<Vec<Collaborator>, DbError> {
    let rows = sqlx::query(
        "SELECT accounts.id, accounts.email, accounts.name, accounts.created_at, collaborators.permissions,
           collaborators.created_at AS added_at, COALESCE (collaborators.updated_at, collaborators.created_at) AS updated_at
         FROM collaborators JOIN accounts ON accounts.id = collaborators.account_id
         WHERE collaborators.app_id = ? ORDER BY accounts.email",
    )
    .bind(app.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(collaborator).collect()
}

/// What the account may do in the app as a collaborator; `None` when it is none.
pub async fn permissions(db: &mut Connection, app: AppId, account: AccountId) -> Result<Option<Permissions>, DbError> {
    let row = sqlx::query("SELECT permissions FROM collaborators WHERE app_id = ? AND account_id = ?")
        .bind(app.to_string())
        .bind(account.to_string())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(|row| row::text(row, "permissions")).transpose()
}

fn collaborator(row: &SqliteRow) -> Result<Collaborator, DbError> {
    Ok(Collaborator {
        account: accounts::account(row)?,
        permissions: row::text(row, "permissions")?,
        created_at: row::time(row, "added_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
