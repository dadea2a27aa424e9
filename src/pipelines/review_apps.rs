//! What is wanted of a pipeline's review apps by its users; what its repository's pull requests want, `connections` takes up.
//! It is recorded here and carried out by the spine.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::PipelineError;
use crate::db::{self, Db, DbError};
use crate::model::{
    Account, BranchName, ConfigKey, ConfigVars, Fork, Invalid, Pipeline, PipelineId, ReviewApp, ReviewAppConfig, ReviewAppId,
    ReviewSource, Secret,
};

/// A review app that somebody asks for.
#[derive(Debug)]
pub struct NewReviewApp {
    pub branch: BranchName,
    pub pull_request: Option<u64>,
    pub fork: Option<Fork>,
    pub source: ReviewSource,
    /// Config vars that win over all others.
    pub environment: BTreeMap<ConfigKey, Secret>,
}

/// Enables a pipeline's review apps.
pub async fn enable_review_apps(db: &Db, config: &ReviewAppConfig) -> Result<(), PipelineError> {
    let mut tx = db.write().await?;
    db::review_app_configs::insert(&mut tx, config).await.map_err(|error| {
        if error.is_taken() { PipelineError::from(Invalid("Review apps are enabled already.".into())) } else { error.into() }
    })?;
    Ok(tx.commit().await.map_err(DbError::from)?)
}

/// Changes what a pipeline's review apps are like; `None` when they are not enabled.
pub async fn change_review_apps(
    db: &Db,
    pipeline: PipelineId,
    change: impl FnOnce(ReviewAppConfig) -> ReviewAppConfig,
) -> Result<Option<ReviewAppConfig>, DbError> {
    let mut tx = db.write().await?;
    let Some(config) = db::review_app_configs::get(&mut tx, pipeline).await? else { return Ok(None) };
    let config = change(config);
    db::review_app_configs::update(&mut tx, &config).await?;
    tx.commit().await?;
    Ok(Some(config))
}

/// Disables a pipeline's review apps. Those there are stay until they are deleted, or their pull requests closed.
pub async fn disable_review_apps(db: &Db, pipeline: PipelineId) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::review_app_configs::delete(&mut tx, pipeline).await?;
    Ok(tx.commit().await?)
}

/// Has a review app made, as somebody asks.
pub async fn want_review_app(
    db: &Db,
    pipeline: &Pipeline,
    by: &Account,
    new: NewReviewApp,
    at: OffsetDateTime,
) -> Result<ReviewApp, PipelineError> {
    let mut tx = db.write().await?;
    let config = db::review_app_configs::get(&mut tx, pipeline.id).await?;
    let config = config.ok_or_else(|| {
        Invalid(format!("Review apps are not enabled for {}: enable them first, reviewapps:enable does.", pipeline.name))
    })?;
    let is_archive = matches!(new.source, ReviewSource::Archive { .. });
    let review_app = ReviewApp {
        pull_request: new.pull_request,
        fork: new.fork,
        // Nobody says whose CI an archive is.
        wait_for_ci: config.wait_for_ci && !is_archive,
        by: by.id,
        ..ReviewApp::new(&config, new.branch, new.source, at)
    };
    db::review_apps::insert(&mut tx, &review_app).await.map_err(|error| {
        let taken = || Invalid(format!("The branch {} has a review app already.", review_app.branch));
        if error.is_taken() { PipelineError::from(taken()) } else { error.into() }
    })?;
    db::review_apps::set_environment(&mut tx, db.cipher(), review_app.id, &ConfigVars(new.environment)).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(review_app)
}

/// Has a review app deleted; nothing is to be done if it is already.
pub async fn delete_review_app(db: &Db, id: ReviewAppId, at: OffsetDateTime) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::review_apps::begin_deletion(&mut tx, id, at).await?;
    Ok(tx.commit().await?)
}
