//! Who is this, and may they do that: tokens and SSH keys to accounts, accounts to permissions in apps.

mod access;
mod authorizations;
mod credentials;
mod rates;

use russh::keys::ssh_key::{self, HashAlg};
use time::OffsetDateTime;

use crate::db::ssh_keys::SshKey;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{Account, AccountId, Email, Invalid, OneLine, Origin, Scopes, Secret};

pub use access::{AccessError, Denied, check, find_app, may_in_pipeline, open_app};
pub use authorizations::{NewAuthorization, authorize, by_id, by_token, describe_authorization, regenerate, revoke};
pub use credentials::Credentials;
pub use rates::{Rates, TooOften, network};

/// Why an account or a key could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Makes an account with a token (returned; it can't be read back later) and, if given, an SSH key.
///
/// For an address that is known already, another token is made and the key is added.
pub async fn add_user(db: &Db, email: &Email, key: Option<&str>, now: OffsetDateTime) -> Result<(Account, Secret), AuthError> {
    let key = key.map(parse_key).transpose()?;
    let mut tx = db.write().await?;
    let account = match db::accounts::by_email(&mut tx, email).await? {
        Some(account) => account,
        None => db::accounts::insert(&mut tx, email, now).await?,
    };
    let description = "made by hoist admin user:add".parse().expect("one line");
    let new = NewAuthorization { description, scopes: Scopes::default(), expires_in: None };
    let (_, token) = authorizations::insert(&mut tx, account.id, Origin::Admin, new, now).await?;
    if let Some(key) = key {
        insert_key(&mut tx, account.id, &key, now).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok((account, token))
}

/// Gives an account another name, or none.
pub async fn rename_account(db: &Db, account: Account, name: Option<&OneLine>) -> Result<Account, DbError> {
    let name = name.map(ToString::to_string);
    let mut tx = db.write().await?;
    db::accounts::set_name(&mut tx, account.id, name.as_deref()).await?;
    tx.commit().await?;
    Ok(Account { name, ..account })
}

/// Adds an SSH key to an account.
pub async fn add_key(db: &Db, account: AccountId, key: &str, now: OffsetDateTime) -> Result<SshKey, AuthError> {
    let key = parse_key(key)?;
    let mut tx = db.write().await?;
    let key = insert_key(&mut tx, account, &key, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(key)
}

/// Removes an SSH key of an account and returns it; `None` when the account has no key with this id.
pub async fn remove_key(db: &Db, account: AccountId, id: &str) -> Result<Option<SshKey>, DbError> {
    let mut tx = db.write().await?;
    let key = db::ssh_keys::delete(&mut tx, account, id).await?;
    tx.commit().await?;
    Ok(key)
}

/// Whose SSH key this is, by its SHA-256 fingerprint. That the key signed the login is the SSH door's part.
pub async fn by_ssh_key(db: &Db, fingerprint: &str) -> Result<Option<Account>, DbError> {
    db::ssh_keys::account_of(&mut *db.read().await?, fingerprint).await
}

async fn insert_key(
    tx: &mut Connection,
    account: AccountId,
    key: &ssh_key::PublicKey,
    now: OffsetDateTime,
) -> Result<SshKey, AuthError> {
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    let comment = key.comment().to_string();
    let mut bare = key.clone();
    bare.set_comment("");
    let text = bare.to_openssh().map_err(|error| Invalid(format!("the SSH key can't be written: {error}")))?;
    match db::ssh_keys::insert(tx, account, &fingerprint, text.trim_end(), &comment, now).await {
        Err(error) if error.is_taken() => {
            Err(Invalid("This SSH key is already in use. A key can belong to one account only.".into()).into())
        }
        other => Ok(other?),
    }
}

/// Reads one public key in OpenSSH form and refuses what the SSH door would never accept.
fn parse_key(text: &str) -> Result<ssh_key::PublicKey, Invalid> {
    let key = ssh_key::PublicKey::from_openssh(text.trim()).map_err(|_| {
        Invalid("This is not an SSH public key. Give the content of a file such as ~/.ssh/id_ed25519.pub.".into())
    })?;
    match key.algorithm() {
        ssh_key::Algorithm::Ed25519 | ssh_key::Algorithm::Ecdsa { .. } | ssh_key::Algorithm::Rsa { .. } => Ok(key),
        other => Err(Invalid(format!("{other} keys are not accepted: use an ed25519, ecdsa or rsa key"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILmJ4nZ1B4n5K8m1i3d0cHkPvJ3eYcHhA1dA2y0s9v8R alice@laptop\n";

    async fn db() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        (dir, db)
    }

    #[tokio::test]
    async fn a_token_finds_its_account_and_is_not_stored() {
        let (dir, db) = db().await;
        let now = OffsetDateTime::UNIX_EPOCH;
        let (account, token) = add_user(&db, &"a@example.com".parse().unwrap(), None, now).await.unwrap();
        assert_eq!(by_token(&db, token.expose(), now).await.unwrap().map(|(found, _)| found), Some(account));
        assert_eq!(by_token(&db, "hoist-wrong", now).await.unwrap(), None);
        db.close().await;
        let file = std::fs::read(dir.path().join("hoist.db")).unwrap();
        assert!(!file.windows(token.expose().len()).any(|window| window == token.expose().as_bytes()));
    }

    #[tokio::test]
    async fn a_key_belongs_to_one_account() {
        let (_dir, db) = db().await;
        let now = OffsetDateTime::UNIX_EPOCH;
        let (alice, _) = add_user(&db, &"a@example.com".parse().unwrap(), Some(KEY), now).await.unwrap();
        let (bob, _) = add_user(&db, &"b@example.com".parse().unwrap(), None, now).await.unwrap();
        let stored = db::ssh_keys::list(&mut db.read().await.unwrap(), alice.id).await.unwrap().remove(0);
        assert_eq!(stored.comment, "alice@laptop");
        assert_eq!(by_ssh_key(&db, &stored.fingerprint).await.unwrap(), Some(alice));
        let error = add_key(&db, bob.id, KEY, now).await.unwrap_err().to_string();
        assert!(error.contains("already in use"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_key_is_refused() {
        let (_dir, db) = db().await;
        for bad in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
            let email = "a@example.com".parse().unwrap();
            assert!(add_user(&db, &email, Some(bad), OffsetDateTime::UNIX_EPOCH).await.is_err(), "{bad}");
            let found = db::accounts::by_email(&mut db.read().await.unwrap(), &email).await.unwrap();
            assert_eq!(found, None, "a refused key must not leave an account behind");
        }
    }
}
