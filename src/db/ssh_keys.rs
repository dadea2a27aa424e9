//! Users' SSH public keys. A key belongs to one account only, or a login could not be told whose it is.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Connection, DbError, accounts, row};
use crate::model::{Account, AccountId};

/// A stored key.
#[derive(Debug, Clone)]
pub struct SshKey {
    pub id: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// `ssh-ed25519 AAAA…`, without the comment.
    pub public_key: String,
    pub comment: String,
    pub created_at: OffsetDateTime,
}

/// Adds a key. Fails with [`DbError::is_taken`] when any account has it already.
pub async fn insert(
    db: &mut Connection,
    account: AccountId,
    fingerprint: &str,
    public_key: &str,
    comment: &str,
    at: OffsetDateTime,
) -> Result<SshKey, DbError> {
    let id = Uuid::new_v4().to_string();
    sqlx::query("INSERT INTO ssh_keys (id, account_id, fingerprint, public_key, comment, created_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&id)
        .bind(account.to_string())
        .bind(fingerprint)
        .bind(public_key)
        .bind(comment)
        .bind(row::millis(at))
        .execute(db)
        .await?;
    Ok(SshKey { id, fingerprint: fingerprint.into(), public_key: public_key.into(), comment: comment.into(), created_at: at })
}

/// Finds whose key has this fingerprint.
pub async fn account_of(db: &mut Connection, fingerprint: &str) -> Result<Option<Account>, DbError> {
    let row = sqlx::query(
        "SELECT accounts.id, accounts.email, accounts.name, accounts.created_at FROM ssh_keys JOIN accounts ON accounts.id = ssh_keys.account_id
         WHERE ssh_keys.fingerprint = ?",
    )
    .bind(fingerprint)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(accounts::account).transpose()
}

/// Lists an account's keys, oldest first.
pub async fn list(db: &mut Connection, account: AccountId) -> Result<Vec<SshKey>, DbError> {
    let rows = sqlx::query(
        "SELECT id, fingerprint, public_key, comment, created_at FROM ssh_keys WHERE account_id = ? ORDER BY created_at, id",
    )
    .bind(account.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(ssh_key).collect()
}

/// Removes one of an account's keys and returns it; `None` when the account has no such key.
pub async fn delete(db: &mut Connection, account: AccountId, id: &str) -> Result<Option<SshKey>, DbError> {
    let row = sqlx::query(
        "DELETE FROM ssh_keys WHERE account_id = ? AND id = ? RETURNING id, fingerprint, public_key, comment, created_at",
    )
    .bind(account.to_string())
    .bind(id)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(ssh_key).transpose()
}

fn ssh_key(row: &SqliteRow) -> Result<SshKey, DbError> {
    Ok(SshKey {
        id: row.try_get("id")?,
        fingerprint: row.try_get("fingerprint")?,
        public_key: row.try_get("public_key")?,
        comment: row.try_get("comment")?,
        created_at: row::time(row, "created_at")?,
    })
}
