//! Users of this installation.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, row};
use crate::model::{Account, AccountId, Email};

/// Adds an account. Fails with [`DbError::is_taken`] when the address is known already.
pub async fn insert(db: &mut Connection, email: &Email, at: OffsetDateTime) -> Result<Account, DbError> {
    let account = Account { id: AccountId::new(), email: email.clone(), name: None, created_at: at };
    sqlx::query("INSERT INTO accounts (id, email, created_at) VALUES (?, ?, ?)")
        .bind(account.id.to_string())
        .bind(email.as_str())
        .bind(row::millis(at))
        .execute(db)
        .await?;
    Ok(account)
}

/// Finds an account by its address.
pub async fn by_email(db: &mut Connection, email: &Email) -> Result<Option<Account>, DbError> {
    let row = sqlx::query("SELECT id, email, name, created_at FROM accounts WHERE email = ?")
        .bind(email.as_str())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(account).transpose()
}

/// Finds an account by its id.
pub async fn by_id(db: &mut Connection, id: AccountId) -> Result<Option<Account>, DbError> {
    let row = sqlx::query("SELECT id, email, name, created_at FROM accounts WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(account).transpose()
}

/// Gets an account that must exist because another row names it.
pub async fn get(db: &mut Connection, id: AccountId) -> Result<Account, DbError> {
    let row =
        sqlx::query("SELECT id, email, name, created_at FROM accounts WHERE id = ?").bind(id.to_string()).fetch_one(db).await?;
    account(&row)
}

/// Tells whether two accounts have a part in one living app, or in one living pipeline: as its owner, or in an app of it.
pub async fn work_together(db: &mut Connection, one: AccountId, other: AccountId) -> Result<bool, DbError> {
    let row = sqlx::query(
        "WITH parts (account, place) AS (
           SELECT owner_id, id FROM apps WHERE destroyed_at IS NULL
           UNION ALL
           SELECT account_id, app_id FROM collaborators JOIN apps ON apps.id = app_id WHERE destroyed_at IS NULL),
         places (account, place) AS (
           SELECT account, place FROM parts
           UNION ALL
           SELECT account, pipeline_id FROM parts JOIN pipeline_couplings ON app_id = place
           UNION ALL
           SELECT owner_id, id FROM pipelines WHERE destroyed_at IS NULL)
         SELECT 1 FROM places one JOIN places other ON other.place = one.place
         WHERE one.account = ? AND other.account = ? LIMIT 1",
    )
    .bind(one.to_string())
    .bind(other.to_string());
    Ok(row.fetch_optional(db).await?.is_some())
}

/// Sets what the user calls themselves.
pub async fn set_name(db: &mut Connection, id: AccountId, name: Option<&str>) -> Result<(), DbError> {
    sqlx::query("UPDATE accounts SET name = ? WHERE id = ?").bind(name).bind(id.to_string()).execute(db).await?;
    Ok(())
}

pub(super) fn account(row: &SqliteRow) -> Result<Account, DbError> {
    Ok(Account {
        id: row::text(row, "id")?,
        email: row::text(row, "email")?,
        name: row.try_get("name")?,
        created_at: row::time(row, "created_at")?,
    })
}
