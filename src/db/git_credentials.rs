//! What apps show other git servers for the submodules of their code. The secrets are kept encrypted. Those of destroyed apps are
//! removed with them.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Cipher, Connection, DbError, row};
use crate::model::{
    AppId, Credentials, DeployKey, GitCredential, GitCredentialId, GitCredentialKind, GitCredentials, Invalid, OpenedCredential,
    Secret,
};

/// Adds a credential. Fails with [`DbError::is_taken`] when the app has one for the same place.
pub async fn insert(db: &mut Connection, cipher: &Cipher, credential: &GitCredential, secret: &Secret) -> Result<(), DbError> {
    let (username, public_key, known_hosts) = match &credential.kind {
        GitCredentialKind::Token { username } => (username.as_deref(), None, None),
        GitCredentialKind::DeployKey { public_key, known_hosts } => (None, Some(public_key), known_hosts.as_deref()),
    };
    sqlx::query(
        "INSERT INTO git_credentials (id, app_id, account_id, url, username, public_key, known_hosts, secret, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(credential.id.to_string())
    .bind(credential.app.to_string())
    .bind(credential.by.to_string())
    .bind(credential.url.to_string())
    .bind(username)
    .bind(public_key)
    .bind(known_hosts)
    .bind(cipher.seal(&context(credential.id), secret.expose().as_bytes()))
    .bind(row::millis(credential.created_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a credential.
pub async fn delete(db: &mut Connection, id: GitCredentialId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM git_credentials WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Removes all of an app's.
pub(super) async fn delete_of(db: &mut Connection, app: AppId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM git_credentials WHERE app_id = ?").bind(app.to_string()).execute(db).await?;
    Ok(())
}

/// Lists an app's credentials, oldest first.
pub async fn list_of(db: &mut Connection, app: AppId) -> Result<Vec<GitCredential>, DbError> {
    rows_of(db, app).await?.iter().map(credential).collect()
}

/// Decrypts all that an app may show.
pub async fn open_of(db: &mut Connection, cipher: &Cipher, app: AppId) -> Result<GitCredentials, DbError> {
    rows_of(db, app).await?.iter().map(|row| open(cipher, row)).collect()
}

async fn rows_of(db: &mut Connection, app: AppId) -> Result<Vec<SqliteRow>, DbError> {
    let rows = sqlx::query("SELECT * FROM git_credentials WHERE app_id = ? ORDER BY created_at, id").bind(app.to_string());
    Ok(rows.fetch_all(db).await?)
}

/// Remembers that a credential was shown to its server.
pub async fn set_used(db: &mut Connection, id: GitCredentialId, at: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE git_credentials SET last_used_at = ? WHERE id = ?");
    query.bind(row::millis(at)).bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// In which place alone the secret can be opened.
fn context(id: GitCredentialId) -> String {
    format!("git credential {id}")
}

fn credential(row: &SqliteRow) -> Result<GitCredential, DbError> {
    let kind = match row.try_get("public_key")? {
        Some(public_key) => GitCredentialKind::DeployKey { public_key, known_hosts: row.try_get("known_hosts")? },
        None => GitCredentialKind::Token { username: row.try_get("username")? },
    };
    Ok(GitCredential {
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        by: row::text(row, "account_id")?,
        url: row::text(row, "url")?,
        kind,
        created_at: row::time(row, "created_at")?,
        last_used_at: row::optional_time(row, "last_used_at")?,
    })
}

fn open(cipher: &Cipher, row: &SqliteRow) -> Result<OpenedCredential, DbError> {
    let GitCredential { id, url, kind, .. } = credential(row)?;
    let bad = |why: String| DbError::Corrupt { what: "git credential", why: format!("{why} ({id})") };
    let sealed: Vec<u8> = row.try_get("secret")?;
    let plain = cipher.open_sealed(&context(id), &sealed).and_then(|plain| String::from_utf8(plain).ok());
    let secret = Secret::new(plain.ok_or_else(|| bad("it can't be opened with this key".into()))?);
    let credentials = match kind {
        GitCredentialKind::Token { username: None } => Credentials::Token(secret),
        GitCredentialKind::Token { username: Some(username) } => Credentials::Login { username, token: secret },
        GitCredentialKind::DeployKey { known_hosts, .. } => {
            let bad = |Invalid(why)| bad(why);
            let known_hosts = known_hosts.unwrap_or_default().parse().map_err(bad)?;
            Credentials::Key(DeployKey::new(secret, known_hosts).map_err(bad)?)
        }
    };
    Ok(OpenedCredential { id, url, credentials })
}

#[cfg(test)]
mod tests;
