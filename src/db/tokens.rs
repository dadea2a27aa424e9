//! API tokens, kept as SHA-256 only, with what they may be used for.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, accounts, row};
use crate::model::{Account, AccountId, Authorization, AuthorizationId, Digest};

/// Tokens that have not expired at `?2`.
const LIVING: &str = "SELECT * FROM tokens WHERE (expires_at IS NULL OR expires_at > ?2)";

/// Adds an authorization with its token's hash.
pub async fn insert(db: &mut Connection, one: &Authorization, hash: &Digest) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO tokens (id, account_id, hash, description, scope, origin, token_id, mask, created_at, updated_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(one.id.to_string())
    .bind(one.account.to_string())
    .bind(hash.to_string())
    .bind(&one.description)
    .bind(one.scopes.to_string())
    .bind(one.origin.as_str())
    .bind(&one.token_id)
    .bind(one.mask.as_deref())
    .bind(row::millis(one.created_at))
    .bind(row::millis(one.updated_at))
    .bind(one.expires_at.map(row::millis))
    .execute(db)
    .await?;
    Ok(())
}

/// Finds whose unexpired token has this hash.
///
/// The look-up is by the hash of a 256-bit random text: an index look-up's timing tells a guesser nothing usable.
pub async fn holder_of(
    db: &mut Connection,
    hash: &Digest,
    at: OffsetDateTime,
) -> Result<Option<(Account, Authorization)>, DbError> {
    held(db, "hash", hash.to_string(), at).await
}

/// Finds an unexpired authorization and whose it is.
pub async fn by_id(
    db: &mut Connection,
    id: AuthorizationId,
    at: OffsetDateTime,
) -> Result<Option<(Account, Authorization)>, DbError> {
    held(db, "id", id.to_string(), at).await
}

async fn held(
    db: &mut Connection,
    column: &'static str,
    value: String,
    at: OffsetDateTime,
) -> Result<Option<(Account, Authorization)>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{LIVING} AND {column} = ?1"));
    let row = sqlx::query(sql).bind(value).bind(row::millis(at)).fetch_optional(&mut *db).await?;
    let Some(one) = row.as_ref().map(authorization).transpose()? else { return Ok(None) };
    Ok(Some((accounts::get(db, one.account).await?, one)))
}

/// Lists an account's unexpired authorizations, oldest first.
pub async fn list(db: &mut Connection, account: AccountId, at: OffsetDateTime) -> Result<Vec<Authorization>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{LIVING} AND account_id = ?1 ORDER BY created_at, id"));
    let rows = sqlx::query(sql).bind(account.to_string()).bind(row::millis(at)).fetch_all(db).await?;
    rows.iter().map(authorization).collect()
}

/// Writes what can change: the description and, with its hash, the token.
pub async fn update(db: &mut Connection, one: &Authorization, new_hash: Option<&Digest>) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE tokens SET description = ?, token_id = ?, mask = ?, updated_at = ?, hash = COALESCE (?, hash) WHERE id = ?",
    )
    .bind(&one.description)
    .bind(&one.token_id)
    .bind(one.mask.as_deref())
    .bind(row::millis(one.updated_at))
    .bind(new_hash.map(ToString::to_string))
    .bind(one.id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Removes an authorization: its token is good for nothing from then on.
pub async fn delete(db: &mut Connection, id: AuthorizationId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM tokens WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Removes an account's expired authorizations, so that those of many logins do not pile up.
pub async fn delete_expired(db: &mut Connection, account: AccountId, at: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query("DELETE FROM tokens WHERE account_id = ? AND expires_at <= ?");
    query.bind(account.to_string()).bind(row::millis(at)).execute(db).await?;
    Ok(())
}

fn authorization(row: &SqliteRow) -> Result<Authorization, DbError> {
    let created_at = row::time(row, "created_at")?;
    Ok(Authorization {
        id: row::text(row, "id")?,
        account: row::text(row, "account_id")?,
        description: row.try_get("description")?,
        scopes: row::text(row, "scope")?,
        origin: row::text(row, "origin")?,
        token_id: row.try_get::<Option<String>, _>("token_id")?.map_or_else(|| row.try_get("id"), Ok)?,
        mask: row.try_get("mask")?,
        created_at,
        updated_at: row::optional_time(row, "updated_at")?.unwrap_or(created_at),
        expires_at: row::optional_time(row, "expires_at")?,
    })
}
