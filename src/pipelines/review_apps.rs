//! What is wanted of a pipeline's review apps: by its users, and by the pull requests of its repository. What is wanted is
//! recorded here and carried out by the spine.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::PipelineError;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{
    Account, BranchName, CommitId, ConfigKey, ConfigVars, Connected, Connection as Repository, Fork, Forks, Invalid, Pipeline,
    PipelineId, PullRequest, PullRequestAction, ReviewApp, ReviewAppConfig, ReviewAppId, ReviewSource, Secret,
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
    let environment = ConfigVars(new.environment);
    db::review_apps::insert(&mut tx, db.cipher(), &review_app, &environment).await.map_err(|error| {
        let taken = || Invalid(format!("The branch {} has a review app already.", review_app.branch));
        if error.is_taken() { PipelineError::from(taken()) } else { error.into() }
    })?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(review_app)
}

/// Has a review app deleted; nothing is to be done if it is already.
pub async fn delete_review_app(db: &Db, id: ReviewAppId, at: OffsetDateTime) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::review_apps::begin_deletion(&mut tx, id, at).await?;
    Ok(tx.commit().await?)
}

/// Takes up what has happened to a pull request of a pipeline's repository, in the transaction that remembers that it was
/// told. Says what is done about it, in words for people.
///
/// What happened earlier, by the forge's own clock, than what is known already is passed over: the order in which it is told
/// does not matter.
pub async fn take_up_pull_request(
    tx: &mut Connection,
    db: &Db,
    repository: &Repository,
    pull_request: &PullRequest,
    now: OffsetDateTime,
) -> Result<&'static str, DbError> {
    let happened_at = OffsetDateTime::from_unix_timestamp(pull_request.updated_at).unwrap_or(now);
    let Connected::Pipeline(pipeline) = repository.of else { return Ok("nothing: no pipeline has review apps of it") };
    let number = pull_request.number;
    let is_news = match pull_request.action {
        PullRequestAction::Reopened => db::review_apps::note_open(tx, pipeline, number, happened_at).await?,
        PullRequestAction::Closed => db::review_apps::note_closed(tx, pipeline, number, happened_at).await?,
        PullRequestAction::Opened | PullRequestAction::Updated => {
            db::review_apps::note_news(tx, pipeline, number, happened_at).await?
        }
        PullRequestAction::Other => return Ok("nothing: review apps do not depend on it"),
    };
    if !is_news {
        return Ok("nothing: something later is known of the pull request");
    }
    let there = db::review_apps::of_pull_request(tx, pipeline, number).await?;
    match (pull_request.action, there) {
        (PullRequestAction::Closed, Some(review_app)) => {
            db::review_apps::begin_deletion(tx, review_app.id, now).await?;
            Ok("its review app is destroyed")
        }
        (PullRequestAction::Closed, None) => Ok("nothing: it has no review app"),
        (_, Some(review_app)) => {
            let source = ReviewSource::Repository(Some(pull_request.commit.clone()));
            if review_app.source == source {
                return Ok("nothing: its review app has this commit");
            }
            db::review_apps::want(tx, review_app.id, &source, now).await?;
            Ok("its review app is updated")
        }
        (action, None) => open_review_app(tx, db, (repository, pipeline), (pull_request, action), now).await,
    }
}

/// Makes a review app of a pull request that has none, if it is to have one by itself.
async fn open_review_app(
    tx: &mut Connection,
    db: &Db,
    (repository, pipeline): (&Repository, PipelineId),
    (pull_request, action): (&PullRequest, PullRequestAction),
    now: OffsetDateTime,
) -> Result<&'static str, DbError> {
    let config = db::review_app_configs::get(tx, pipeline).await?;
    let Some(config) = config.filter(|config| config.automatic) else {
        return Ok("nothing: review apps are not made automatically");
    };
    // One that somebody has deleted does not come back with the next push. That of its opening may be told too late.
    if action == PullRequestAction::Updated && db::review_apps::has_had(tx, pipeline, pull_request.number).await? {
        return Ok("nothing: its review app was deleted");
    }
    let Some(from) = &pull_request.from else { return Ok("nothing: its repository is gone") };
    let fork = (*from != repository.full_name).then(|| Fork::of(pull_request, from));
    if fork.is_some() && config.forks == Forks::Refused {
        return Ok("nothing: forks get no review apps");
    }
    let source = ReviewSource::Repository(Some(pull_request.commit.clone()));
    let review_app = ReviewApp {
        pull_request: Some(pull_request.number),
        fork,
        ..ReviewApp::new(&config, pull_request.branch.clone(), source, now)
    };
    if db::review_apps::living(tx, pipeline, &review_app.branch, review_app.fork.as_ref()).await?.is_some() {
        return Ok("nothing: its branch has a review app already");
    }
    db::review_apps::insert(tx, db.cipher(), &review_app, &ConfigVars::default()).await?;
    Ok("a review app is made")
}

/// Takes up a push to a branch of a pipeline's repository, as [`take_up_pull_request`] does: for review apps that somebody has
/// asked for without a pull request.
pub async fn take_up_push(
    tx: &mut Connection,
    pipeline: PipelineId,
    branch: &BranchName,
    commit: &CommitId,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let there = db::review_apps::living(tx, pipeline, branch, None).await?;
    let source = ReviewSource::Repository(Some(commit.clone()));
    let is_followed =
        |one: &ReviewApp| one.pull_request.is_none() && matches!(one.source, ReviewSource::Repository(_)) && one.source != source;
    match there.filter(is_followed) {
        Some(review_app) => db::review_apps::want(tx, review_app.id, &source, now).await,
        None => Ok(()),
    }
}

/// Has the review apps look again that wait for CI to end on a commit.
pub async fn take_up_ci(
    tx: &mut Connection,
    pipeline: PipelineId,
    commit: &CommitId,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    db::review_apps::wake(tx, pipeline, commit, now).await
}

#[cfg(test)]
mod tests;
