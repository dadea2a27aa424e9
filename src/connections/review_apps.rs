//! What is told of a repository whose pull requests have review apps.

use time::OffsetDateTime;

use crate::db::{self, DbError};
use crate::model::{
    BranchName, CommitId, Connection as Repository, Delivered, Fork, Forks, PipelineId, PullRequest, PullRequestAction,
    ReviewApp, ReviewSource,
};

/// Takes up what is told of a pipeline's repository, in the transaction that remembers that it was told. Says what is done
/// about it, in words for people.
pub(super) async fn take_up(
    tx: &mut db::Connection,
    of: (&Repository, PipelineId),
    told: &Delivered,
    now: OffsetDateTime,
) -> Result<&'static str, DbError> {
    match told {
        Delivered::PullRequest(pull_request) => take_up_pull_request(tx, of, pull_request, now).await,
        Delivered::Push(push) => take_up_push(tx, of.1, &push.branch, &push.after, now).await,
        Delivered::Ci { commit } => {
            db::review_apps::wake(tx, of.1, commit, now).await?;
            Ok("review apps that wait for CI look at it again")
        }
        Delivered::Deletion { .. } | Delivered::Uninstalled | Delivered::Ping | Delivered::Other => Ok("nothing to be done"),
    }
}

/// Takes up what has happened to a pull request.
///
/// What happened earlier, by the forge's own clock, than what is known already is passed over: the order in which it is told
/// does not matter.
async fn take_up_pull_request(
    tx: &mut db::Connection,
    (repository, pipeline): (&Repository, PipelineId),
    pull_request: &PullRequest,
    now: OffsetDateTime,
) -> Result<&'static str, DbError> {
    let happened_at = OffsetDateTime::from_unix_timestamp(pull_request.updated_at).unwrap_or(now);
    let number = pull_request.number;
    if pull_request.action == PullRequestAction::Other {
        return Ok("nothing: review apps do not depend on it");
    }
    if !db::pull_requests::note(tx, (pipeline, number), pull_request.action, happened_at).await? {
        return Ok("nothing: something later is known of the pull request");
    }
    let there = db::review_apps::of_pull_request(tx, pipeline, number).await?;
    match (pull_request.action, there) {
        (PullRequestAction::Closed, Some(review_app)) => {
            db::review_apps::begin_deletion(tx, review_app.id, now).await?;
            Ok("its review app is destroyed")
        }
        (PullRequestAction::Closed, None) => Ok("nothing: it has no review app"),
        // Made by hand, of a branch of the repository's own. What strangers write is never taken for that.
        (_, Some(review_app)) if review_app.fork.is_none() && !is_of(repository, pull_request) => {
            Ok("nothing: its review app is not of a fork")
        }
        (_, Some(review_app)) => {
            let source = ReviewSource::Repository(Some(pull_request.commit.clone()));
            if review_app.source == source {
                return Ok("nothing: its review app has this commit");
            }
            db::review_apps::want(tx, review_app.id, &source, now).await?;
            Ok("its review app is updated")
        }
        (action, None) => open_review_app(tx, (repository, pipeline), (pull_request, action), now).await,
    }
}

/// Makes a review app of a pull request that has none, if it is to have one by itself.
async fn open_review_app(
    tx: &mut db::Connection,
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
    let fork = (!is_of(repository, pull_request)).then(|| Fork::of(pull_request, from));
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
    db::review_apps::insert(tx, &review_app).await?;
    Ok("a review app is made")
}

/// Tells whether what is to be merged is in the repository itself.
fn is_of(repository: &Repository, pull_request: &PullRequest) -> bool {
    pull_request.from.as_ref() == Some(&repository.full_name)
}

/// Takes up a push to a branch, for a review app that somebody has asked for without a pull request.
async fn take_up_push(
    tx: &mut db::Connection,
    pipeline: PipelineId,
    branch: &BranchName,
    commit: &CommitId,
    now: OffsetDateTime,
) -> Result<&'static str, DbError> {
    let there = db::review_apps::living(tx, pipeline, branch, None).await?;
    let source = ReviewSource::Repository(Some(commit.clone()));
    let is_followed =
        |one: &ReviewApp| one.pull_request.is_none() && matches!(one.source, ReviewSource::Repository(_)) && one.source != source;
    let Some(review_app) = there.filter(is_followed) else { return Ok("nothing: no review app follows the branch") };
    db::review_apps::want(tx, review_app.id, &source, now).await?;
    Ok("its review app is updated")
}

#[cfg(test)]
mod tests;
