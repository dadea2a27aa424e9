//! API tokens: made, listed, replaced and revoked.

use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::AuthError;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{Account, AccountId, Authorization, AuthorizationId, Digest, Invalid, OneLine, Origin, Scopes, Secret, mask};

/// Every token starts with this, so that a secret scanner can tell one in a leaked file.
const TOKEN_PREFIX: &str = "hoist-";
/// More is a script that never logs out.
const MOST: usize = 500;
/// Longest life that can be asked for; for longer, ask for none.
const LONGEST: Duration = Duration::days(10 * 365);

/// An authorization that is asked for.
#[derive(Debug, Clone)]
pub struct NewAuthorization {
    pub description: OneLine,
    pub scopes: Scopes,
    pub expires_in: Option<Duration>,
}

/// Whose token this is, and which.
pub async fn by_token(db: &Db, token: &str, now: OffsetDateTime) -> Result<Option<(Account, Authorization)>, DbError> {
    db::tokens::holder_of(&mut *db.read().await?, &hash(token), now).await
}

/// Whose authorization this is, as long as it is neither revoked nor expired.
pub async fn by_id(db: &Db, id: AuthorizationId, now: OffsetDateTime) -> Result<Option<(Account, Authorization)>, DbError> {
    db::tokens::by_id(&mut *db.read().await?, id, now).await
}

/// Makes an authorization with a token (returned; it can't be read back later).
pub async fn authorize(
    db: &Db,
    account: AccountId,
    new: NewAuthorization,
    now: OffsetDateTime,
) -> Result<(Authorization, Secret), AuthError> {
    if new.expires_in.is_some_and(|life| life <= Duration::ZERO || life > LONGEST) {
        return Err(Invalid("A token's life must be between one second and ten years; leave it out for no end.".into()).into());
    }
    let mut tx = db.write().await?;
    db::tokens::delete_expired(&mut tx, account, now).await?;
    if db::tokens::list(&mut tx, account, now).await?.len() >= MOST {
        return Err(Invalid(format!("You have {MOST} authorizations already. Revoke some first.")).into());
    }
    let made = insert(&mut tx, account, Origin::User, new, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(made)
}

pub(super) async fn insert(
    tx: &mut Connection,
    account: AccountId,
    origin: Origin,
    new: NewAuthorization,
    now: OffsetDateTime,
) -> Result<(Authorization, Secret), DbError> {
    let token = new_token();
    let authorization = Authorization {
        id: AuthorizationId::new(),
        account,
        description: new.description.to_string(),
        scopes: new.scopes,
        origin,
        token_id: Uuid::new_v4().to_string(),
        mask: Some(mask(&token)),
        created_at: now,
        updated_at: now,
        expires_at: new.expires_in.map(|life| now + life),
    };
    db::tokens::insert(tx, &authorization, &hash(token.expose())).await?;
    Ok((authorization, token))
}

/// Describes an authorization anew.
pub async fn describe_authorization(
    db: &Db,
    authorization: Authorization,
    description: &OneLine,
    now: OffsetDateTime,
) -> Result<Authorization, DbError> {
    let described = Authorization { description: description.to_string(), updated_at: now, ..authorization };
    let mut tx = db.write().await?;
    db::tokens::update(&mut tx, &described, None).await?;
    tx.commit().await?;
    Ok(described)
}

/// Gives an authorization another token; the one before is good for nothing from then on.
pub async fn regenerate(db: &Db, authorization: Authorization, now: OffsetDateTime) -> Result<(Authorization, Secret), DbError> {
    let token = new_token();
    let (token_id, mask) = (Uuid::new_v4().to_string(), Some(mask(&token)));
    let renewed = Authorization { token_id, mask, updated_at: now, ..authorization };
    let mut tx = db.write().await?;
    db::tokens::update(&mut tx, &renewed, Some(&hash(token.expose()))).await?;
    tx.commit().await?;
    Ok((renewed, token))
}

/// Revokes an authorization.
pub async fn revoke(db: &Db, authorization: AuthorizationId) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::tokens::delete(&mut tx, authorization).await?;
    Ok(tx.commit().await?)
}

fn new_token() -> Secret {
    Secret::new(format!("{TOKEN_PREFIX}{}", Secret::random().expose()))
}

fn hash(token: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(token).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn world() -> (tempfile::TempDir, Db, AccountId) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let email = "a@example.com".parse().unwrap();
        let (account, _) = super::super::add_user(&db, &email, None, OffsetDateTime::UNIX_EPOCH).await.unwrap();
        (dir, db, account.id)
    }

    fn for_seconds(seconds: i64) -> NewAuthorization {
        let expires_in = Some(Duration::seconds(seconds));
        NewAuthorization { description: "test".parse().unwrap(), scopes: Scopes::default(), expires_in }
    }

    #[tokio::test]
    async fn a_token_is_good_until_it_expires_and_then_makes_room() {
        let (_dir, db, account) = world().await;
        let start = OffsetDateTime::UNIX_EPOCH;
        let (made, token) = authorize(&db, account, for_seconds(60), start).await.unwrap();
        let at = async |seconds| {
            let found = by_token(&db, token.expose(), start + Duration::seconds(seconds)).await.unwrap();
            found.map(|(_, authorization)| authorization.id)
        };
        assert_eq!((at(0).await, at(59).await, at(60).await), (Some(made.id), Some(made.id), None));
        let (later, _) = authorize(&db, account, for_seconds(60), start + Duration::seconds(61)).await.unwrap();
        // As of the beginning, nothing had expired: what is missing is gone.
        let left = db::tokens::list(&mut db.read().await.unwrap(), account, start).await.unwrap();
        assert!(left.iter().any(|one| one.id == later.id) && left.iter().all(|one| one.id != made.id), "{left:?}");
    }

    #[tokio::test]
    async fn a_new_token_ends_the_old_one() {
        let (_dir, db, account) = world().await;
        let now = OffsetDateTime::UNIX_EPOCH;
        let (made, old) = authorize(&db, account, for_seconds(60), now).await.unwrap();
        let (renewed, new) = regenerate(&db, made.clone(), now).await.unwrap();
        assert_eq!((renewed.id, renewed.expires_at), (made.id, made.expires_at));
        assert_ne!((&renewed.token_id, &renewed.mask), (&made.token_id, &made.mask));
        assert!(by_token(&db, old.expose(), now).await.unwrap().is_none());
        assert!(by_token(&db, new.expose(), now).await.unwrap().is_some());
        revoke(&db, made.id).await.unwrap();
        assert!(by_token(&db, new.expose(), now).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn lives_and_their_number_are_bounded() {
        let (_dir, db, account) = world().await;
        let now = OffsetDateTime::UNIX_EPOCH;
        for bad in [0, -1, i64::from(u32::MAX)] {
            assert!(authorize(&db, account, for_seconds(bad), now).await.is_err(), "{bad}");
        }
        let mut tx = db.write().await.unwrap();
        for _ in 0..MOST {
            insert(&mut tx, account, Origin::User, for_seconds(60), now).await.unwrap();
        }
        tx.commit().await.unwrap();
        let error = authorize(&db, account, for_seconds(60), now).await.unwrap_err().to_string();
        assert_eq!(error, "You have 500 authorizations already. Revoke some first.");
    }
}
