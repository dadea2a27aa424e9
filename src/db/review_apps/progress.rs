//! How far a review app is, as whoever carries it on records it. What it takes to do something takes its time, in which others
//! may want something else; so each of these changes only the status that it was done in.

use time::OffsetDateTime;

use super::super::{Connection, DbError, row};
use crate::model::{AppId, AppSetupId, CommitId, ReviewApp, ReviewAppId, ReviewAppStatus, ReviewSource};

/// Notes that an app is being set up, of which commit, if it is known; `false` when it is not wanted any more.
pub async fn begin(
    db: &mut Connection,
    id: ReviewAppId,
    (app, setup, commit): (AppId, AppSetupId, Option<&CommitId>),
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let query = sqlx::query(
        "UPDATE review_apps SET status = 'creating', app_id = ?, setup_id = ?, deployed_commit = ?, message = NULL,
           error_status = NULL, attempts = 0, updated_at = ? WHERE id = ? AND status = 'pending'",
    );
    let query = query.bind(app.to_string()).bind(setup.to_string()).bind(commit.map(CommitId::as_str));
    let query = query.bind(row::millis(at)).bind(id.to_string());
    Ok(query.execute(db).await?.rows_affected() > 0)
}

/// Has the apps set up anew whose setup has no end: those that a crash cut off. What there is of them goes first.
pub async fn begin_again(db: &mut Connection, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE review_apps SET status = 'pending', next_attempt_at = ?1, updated_at = ?1 WHERE status = 'creating'
           AND NOT EXISTS (SELECT 1 FROM app_setup_ends WHERE app_setup_ends.setup_id = review_apps.setup_id)",
    )
    .bind(row::millis(at))
    .execute(db)
    .await?;
    Ok(())
}

/// Records how a setup has ended. Goes on if something else is wanted meanwhile.
pub async fn created(db: &mut Connection, id: ReviewAppId, failure: Option<&str>, at: OffsetDateTime) -> Result<(), DbError> {
    let status = if failure.is_some() { ReviewAppStatus::Errored } else { ReviewAppStatus::Created };
    sqlx::query(
        "UPDATE review_apps SET status = ?1, message = ?2, error_status = ?2, updated_at = ?3 WHERE id = ?4 AND status = 'creating'",
    )
    .bind(status.as_str())
    .bind(failure)
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(&mut *db)
    .await?;
    settle(db, id, at).await
}

/// Records that a commit was deployed, or could not be: `message` says why. Goes on if another is wanted meanwhile.
pub async fn deployed(
    db: &mut Connection,
    id: ReviewAppId,
    message: Option<&str>,
    commit: Option<&CommitId>,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE review_apps SET message = ?, deployed_commit = ?, updated_at = ? WHERE id = ? AND status = 'created'",
    );
    let query = query.bind(message).bind(commit.map(CommitId::as_str)).bind(row::millis(at)).bind(id.to_string());
    query.execute(&mut *db).await?;
    settle(db, id, at).await
}

/// Nothing more is to be done, unless another commit is wanted than was deployed, or the app is to go.
async fn settle(db: &mut Connection, id: ReviewAppId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE review_apps SET deployed_at = ?1, attempts = 0,
           status = CASE WHEN status = 'errored' AND commit_id IS NOT deployed_commit THEN 'pending' ELSE status END,
           next_attempt_at = CASE WHEN commit_id IS NOT deployed_commit THEN ?1 END
         WHERE id = ?2 AND status IN ('created', 'errored')",
    )
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces the command that is run before the app is destroyed.
pub async fn set_predestroy(db: &mut Connection, id: ReviewAppId, command: Option<&str>) -> Result<(), DbError> {
    sqlx::query("UPDATE review_apps SET predestroy = ? WHERE id = ?").bind(command).bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Puts off what is to be done with a review app, unless it was changed or woken meanwhile, and says why.
pub async fn put_off(
    db: &mut Connection,
    review_app: &ReviewApp,
    message: &str,
    next_attempt_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE review_apps SET message = ?, attempts = ?, next_attempt_at = ?
         WHERE id = ? AND status = ? AND commit_id IS ? AND next_attempt_at IS ?",
    )
    .bind(message)
    .bind(review_app.attempts)
    .bind(row::millis(next_attempt_at))
    .bind(review_app.id.to_string())
    .bind(review_app.status.as_str())
    .bind(match &review_app.source {
        ReviewSource::Repository(commit) => commit.as_ref().map(CommitId::as_str),
        ReviewSource::Archive { .. } => None,
    })
    .bind(review_app.next_attempt_at.map(row::millis))
    .execute(db)
    .await?;
    Ok(())
}

/// Records that no app can be set up, in the words that users get.
pub async fn fail(db: &mut Connection, id: ReviewAppId, message: &str, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE review_apps SET status = 'errored', message = ?1, error_status = ?1, next_attempt_at = NULL, updated_at = ?2
         WHERE id = ?3 AND status = 'pending'",
    )
    .bind(message)
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(())
}
