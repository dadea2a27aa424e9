//! A change of config vars is a release.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::phase::first_status;
use crate::db::releases::NewRelease;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{AccountId, AppId, ConfigKey, ConfigVars, Invalid, Release, Secret};

/// Why config vars could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The config vars as they are now: those of the release that the next one builds upon.
pub async fn current_config(db: &Db, app: AppId) -> Result<ConfigVars, DbError> {
    base_config(&mut *db.read().await?, db, app).await
}

/// Sets (`Some`) and unsets (`None`) config vars in a release of their own. Returns the vars as they are now, and
/// the release unless nothing changed.
///
/// Reading and writing are one transaction: of two changes at once, neither is lost.
pub async fn change_config(
    db: &Db,
    app: AppId,
    by: AccountId,
    changes: &BTreeMap<ConfigKey, Option<Secret>>,
    now: OffsetDateTime,
) -> Result<(ConfigVars, Option<Release>), ConfigError> {
    let mut tx = db.write().await?;
    refuse_attached(&mut tx, app, changes).await?;
    let base = db::releases::base(&mut tx, app).await?;
    let (config, change) = base_config(&mut tx, db, app).await?.changed(changes)?;
    if change.is_empty() {
        return Ok((config, None));
    }
    let artifact = base.as_ref().and_then(Release::artifact);
    let new = NewRelease {
        app,
        description: change.description(),
        by,
        artifact,
        build: base.as_ref().and_then(|release| release.build),
        commit: base.and_then(|release| release.commit),
        config: config.clone(),
        status: first_status(&mut tx, artifact).await?,
        at: now,
    };
    let release = db::releases::append(&mut tx, db.cipher(), new).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok((config, Some(release)))
}

/// Refuses a change of config vars that attachments own.
pub(super) async fn refuse_attached(
    tx: &mut Connection,
    app: AppId,
    changes: &BTreeMap<ConfigKey, Option<Secret>>,
) -> Result<(), ConfigError> {
    let owned = db::addon_attachments::config_vars(tx, app).await?;
    let both: Vec<_> = owned.iter().filter(|key| changes.contains_key(key)).map(ConfigKey::as_str).collect();
    if both.is_empty() {
        return Ok(());
    }
    // Heroku's own sentence.
    Err(Invalid(format!("Cannot overwrite attachment values {}.", both.join(", "))).into())
}

/// The config vars of the release that the next one builds upon, as seen by a transaction.
pub(super) async fn base_config(connection: &mut Connection, db: &Db, app: AppId) -> Result<ConfigVars, DbError> {
    match db::releases::base(connection, app).await? {
        Some(release) => db::releases::config(connection, db.cipher(), release.id).await,
        None => Ok(ConfigVars::default()),
    }
}
