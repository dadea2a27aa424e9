//! Adding and removing what hoist shows other git servers for an app's submodules.

use crate::db::{self, Db, DbError};
use crate::model::{AppId, GitCredential, GitCredentialId, RepositoryPrefix, Secret};

/// More than anybody has servers.
pub const MOST_GIT_CREDENTIALS: usize = 100;

/// Why a credential was not added.
#[derive(Debug, thiserror::Error)]
pub enum GitCredentialError {
    #[error("the app has a credential for {0} already")]
    Taken(RepositoryPrefix),
    #[error("the app has {MOST_GIT_CREDENTIALS} credentials already")]
    TooMany,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Adds a credential to an app.
pub async fn add_git_credential(db: &Db, credential: &GitCredential, secret: &Secret) -> Result<(), GitCredentialError> {
    let mut tx = db.write().await?;
    if db::git_credentials::list_of(&mut tx, credential.app).await?.len() >= MOST_GIT_CREDENTIALS {
        return Err(GitCredentialError::TooMany);
    }
    match db::git_credentials::insert(&mut tx, db.cipher(), credential, secret).await {
        Err(error) if error.is_taken() => return Err(GitCredentialError::Taken(credential.url.clone())),
        inserted => inserted?,
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Removes a credential, which no build gets from then on; `None` when the app has no such.
pub async fn remove_git_credential(db: &Db, app: AppId, id: GitCredentialId) -> Result<Option<GitCredential>, DbError> {
    let mut tx = db.write().await?;
    let found = db::git_credentials::list_of(&mut tx, app).await?.into_iter().find(|credential| credential.id == id);
    let Some(credential) = found else { return Ok(None) };
    db::git_credentials::delete(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Some(credential))
}
