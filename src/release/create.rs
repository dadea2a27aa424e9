//! Releases of code that is there already: of a slug or an image, of the newest release once more, of an earlier one.
//!
//! None of them runs a build or moves a ref: what the next push builds on stays what was pushed last.

use time::OffsetDateTime;

use super::config::base_config;
use super::deploy::deploy_of;
use super::phase::first_status;
use crate::db::releases::NewRelease;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{
    AccountId, AppId, ArtifactId, AttachedAddon, BuildId, CommitId, ConfigVars, OneLine, ProcessType, Release, ReleaseId,
    ReleaseStatus, RollbackRefusal,
};

/// Who makes a release of which app.
#[derive(Debug, Clone)]
pub struct Cause {
    pub app: AppId,
    pub by: AccountId,
    pub at: OffsetDateTime,
}

/// Why a release was not made. Nothing was recorded then.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("the release can't be gone back to: {0:?}")]
    Rollback(RollbackRefusal),
    /// The app has no code yet.
    #[error("there is no code in the newest release")]
    NothingToRelease,
    #[error("the app has no such release")]
    NoSuchRelease,
    #[error("there is no such slug or image")]
    NoSuchArtifact,
    #[error("the app has no process type {0}")]
    NoSuchProcessType(ProcessType),
    /// Its push was refused, because its release command did not succeed, or is not decided yet (`-o strict`).
    #[error("the push of this code was not accepted")]
    NotPushed,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Releases a slug or an image with the app's config as it is. Without a description it is called after its commit.
///
/// A slug may be another app's: that this caller may release it is for the caller to know.
pub async fn release_artifact(
    db: &Db,
    cause: Cause,
    artifact: ArtifactId,
    description: Option<OneLine>,
) -> Result<Release, CreateError> {
    let mut tx = db.write().await?;
    let release = release_artifact_in(&mut tx, db, cause, artifact, description).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(release)
}

/// [`release_artifact`] as a part of a greater transaction.
pub async fn release_artifact_in(
    tx: &mut Connection,
    db: &Db,
    cause: Cause,
    artifact: ArtifactId,
    description: Option<OneLine>,
) -> Result<Release, CreateError> {
    let found = db::artifacts::get(tx, artifact).await?.ok_or(CreateError::NoSuchArtifact)?;
    // What the app has released before was made by the build that this release names.
    let before = db::releases::newest_of(tx, cause.app, artifact).await?;
    if let Some(before) = &before
        && before.status != ReleaseStatus::Succeeded
        && !db::phases::refs(tx, before.id).await?.is_empty()
    {
        return Err(CreateError::NotPushed);
    }
    let description =
        description.map_or_else(|| deploy_of(found.commit().map_or("source", |commit| commit.short())), |line| line.to_string());
    let content = Content {
        artifact: Some(artifact),
        build: before.and_then(|release| release.build),
        commit: found.commit().cloned(),
        config: base_config(tx, db, cause.app).await?,
    };
    Ok(append(tx, db, cause, description, content).await?)
}

/// Makes the release that the next one builds upon once more: its code, and its config, which is the app's.
pub async fn release_again(db: &Db, cause: Cause, description: OneLine) -> Result<Release, CreateError> {
    let mut tx = db.write().await?;
    let base = db::releases::base(&mut tx, cause.app).await?.filter(|release| release.artifact().is_some());
    let content = content_of(&mut tx, db, base.ok_or(CreateError::NothingToRelease)?).await?;
    let release = append(&mut tx, db, cause, description.to_string(), content).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(release)
}

/// Goes back to an earlier release: a new one with that one's code and config. The add-ons must be the same, and tell what
/// they tell now: a password that was changed since is not brought back.
pub async fn roll_back(db: &Db, cause: Cause, to: ReleaseId) -> Result<Release, CreateError> {
    let mut tx = db.write().await?;
    // Looked at where it is written: a release that fails or is blocked meanwhile is not gone back to.
    let target = db::releases::by_id(&mut tx, cause.app, to).await?.ok_or(CreateError::NoSuchRelease)?;
    if let Some(refusal) = target.rollback_refusal() {
        return Err(CreateError::Rollback(refusal));
    }
    let attached = db::addon_attachments::snapshot(&mut tx, cause.app).await?;
    if let Some(difference) = AttachedAddon::difference(&target.addons, &attached) {
        return Err(CreateError::Rollback(RollbackRefusal::Addons { difference }));
    }
    let description = format!("Rollback to {}", target.version);
    let content = content_of(&mut tx, db, target).await?;
    let release = append(&mut tx, db, cause, description, content).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(release)
}

/// What a release is made of.
struct Content {
    artifact: Option<ArtifactId>,
    build: Option<BuildId>,
    commit: Option<CommitId>,
    config: ConfigVars,
}

async fn content_of(tx: &mut Connection, db: &Db, release: Release) -> Result<Content, DbError> {
    let config = db::releases::config(tx, db.cipher(), release.id).await?;
    Ok(Content { artifact: release.artifact(), build: release.build, commit: release.commit, config })
}

async fn append(tx: &mut Connection, db: &Db, cause: Cause, description: String, content: Content) -> Result<Release, DbError> {
    let new = NewRelease {
        app: cause.app,
        description,
        by: cause.by,
        artifact: content.artifact,
        build: content.build,
        commit: content.commit,
        config: content.config,
        status: first_status(tx, content.artifact).await?,
        at: cause.at,
    };
    db::releases::append(tx, db.cipher(), new).await
}
