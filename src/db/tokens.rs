//! API tokens, kept as SHA-256 only.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Connection, DbError, accounts, row};
use crate::model::{Account, AccountId, Digest};

/// Adds a token by its hash.
pub async fn insert(
    db: &mut Connection,
    account: AccountId,
    hash: &Digest,
    description: &str,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("INSERT INTO tokens (id, account_id, hash, description, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(Uuid::new_v4().to_string())
        .bind(account.to_string())
        .bind(hash.to_string())
        .bind(description)
        .bind(row::millis(at))
        .execute(db)
        .await?;
    Ok(())
}

/// Finds whose unexpired token has this hash.
///
/// The look-up is by the hash of a 256-bit random text: an index look-up's timing tells a guesser nothing usable.
pub async fn account_of(db: &mut Connection, hash: &Digest, at: OffsetDateTime) -> Result<Option<Account>, DbError> {
    let row = sqlx::query(
        "SELECT accounts.id, accounts.email, accounts.created_at FROM tokens JOIN accounts ON accounts.id = tokens.account_id
         WHERE tokens.hash = ? AND (tokens.expires_at IS NULL OR tokens.expires_at > ?)",
    )
    .bind(hash.to_string())
    .bind(row::millis(at))
    .fetch_optional(db)
    .await?;
    row.as_ref().map(accounts::account).transpose()
}
