//! Review apps: what is wanted of each, and how far it is.
//!
//! Something is to be done with one as long as it has a next attempt.

mod progress;

pub use progress::{begin, begin_again, created, deployed, fail, put_off, set_predestroy};

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Cipher, Connection, DbError, row};
use crate::model::{AppId, BranchName, CommitId, ConfigVars, Fork, PipelineId, ReviewApp, ReviewAppId, ReviewSource};

/// Records a review app that is to be made. Fails with [`DbError::is_taken`] when its branch has one.
pub async fn insert(db: &mut Connection, new: &ReviewApp) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO review_apps (id, pipeline_id, account_id, branch, pull_request, fork, status, wait_for_ci,
           deployed_at, next_attempt_at, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?9, ?9)",
    )
    .bind(new.id.to_string())
    .bind(new.pipeline.to_string())
    .bind(new.by.to_string())
    .bind(new.branch.as_str())
    .bind(new.pull_request.map(row::signed))
    .bind(new.fork.as_ref().map(ToString::to_string))
    .bind(new.status.as_str())
    .bind(new.wait_for_ci)
    .bind(row::millis(new.created_at))
    .execute(&mut *db)
    .await?;
    set_source(db, new.id, &new.source).await
}

/// Finds a review app.
pub async fn get(db: &mut Connection, id: ReviewAppId) -> Result<Option<ReviewApp>, DbError> {
    let query = sqlx::query("SELECT * FROM review_apps WHERE id = ?").bind(id.to_string());
    query.fetch_optional(db).await?.as_ref().map(review_app).transpose()
}

/// Finds the review app whose app this is.
pub async fn of_app(db: &mut Connection, app: AppId) -> Result<Option<ReviewApp>, DbError> {
    let query = sqlx::query("SELECT * FROM review_apps WHERE app_id = ? AND status <> 'pending'").bind(app.to_string());
    query.fetch_optional(db).await?.as_ref().map(review_app).transpose()
}

/// Lists a pipeline's review apps that have not been deleted, oldest first.
pub async fn of_pipeline(db: &mut Connection, pipeline: PipelineId) -> Result<Vec<ReviewApp>, DbError> {
    let sql = "SELECT * FROM review_apps WHERE pipeline_id = ? AND status <> 'deleted' ORDER BY created_at, rowid";
    sqlx::query(sql).bind(pipeline.to_string()).fetch_all(db).await?.iter().map(review_app).collect()
}

/// Finds a branch's review app, unless that is about to go.
pub async fn living(
    db: &mut Connection,
    pipeline: PipelineId,
    branch: &BranchName,
    fork: Option<&Fork>,
) -> Result<Option<ReviewApp>, DbError> {
    let sql = "SELECT * FROM review_apps WHERE pipeline_id = ? AND branch = ? AND COALESCE (fork, '') = ?
        AND status NOT IN ('deleting', 'deleted')";
    let query =
        sqlx::query(sql).bind(pipeline.to_string()).bind(branch.as_str()).bind(fork.map(ToString::to_string).unwrap_or_default());
    query.fetch_optional(db).await?.as_ref().map(review_app).transpose()
}

/// Finds a pull request's review app, unless that is about to go.
pub async fn of_pull_request(db: &mut Connection, pipeline: PipelineId, number: u64) -> Result<Option<ReviewApp>, DbError> {
    let sql = "SELECT * FROM review_apps WHERE pipeline_id = ? AND pull_request = ? AND status NOT IN ('deleting', 'deleted')";
    let query = sqlx::query(sql).bind(pipeline.to_string()).bind(row::signed(number));
    query.fetch_optional(db).await?.as_ref().map(review_app).transpose()
}

/// Tells whether a pull request has ever had a review app.
pub async fn has_had(db: &mut Connection, pipeline: PipelineId, number: u64) -> Result<bool, DbError> {
    let query = sqlx::query("SELECT 1 FROM review_apps WHERE pipeline_id = ? AND pull_request = ? LIMIT 1");
    Ok(query.bind(pipeline.to_string()).bind(row::signed(number)).fetch_optional(db).await?.is_some())
}

/// Keeps the config vars that were asked for with a review app.
pub async fn set_environment(
    db: &mut Connection,
    cipher: &Cipher,
    id: ReviewAppId,
    environment: &ConfigVars,
) -> Result<(), DbError> {
    let plain = serde_json::to_vec(environment).expect("a map of texts is JSON");
    let query = sqlx::query("UPDATE review_apps SET environment = ? WHERE id = ?").bind(cipher.seal(&context(id), &plain));
    query.bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Decrypts them; none if there are none.
pub async fn environment(db: &mut Connection, cipher: &Cipher, id: ReviewAppId) -> Result<ConfigVars, DbError> {
    let row = sqlx::query("SELECT environment FROM review_apps WHERE id = ?").bind(id.to_string()).fetch_one(db).await?;
    let Some(sealed) = row.try_get::<Option<Vec<u8>>, _>("environment")? else { return Ok(ConfigVars::default()) };
    let bad = |why: String| DbError::Corrupt { what: "review app's config vars", why };
    let plain = cipher.open_sealed(&context(id), &sealed).ok_or_else(|| bad("they can't be opened with this key".into()))?;
    serde_json::from_slice(&plain).map_err(|error| bad(error.to_string()))
}

/// Lists those with which something is to be done, the first one first. One that comes after another of its branch waits until that
/// has gone.
pub async fn open(db: &mut Connection) -> Result<Vec<ReviewApp>, DbError> {
    let sql = "SELECT * FROM review_apps AS one WHERE next_attempt_at IS NOT NULL AND NOT (status = 'pending' AND EXISTS (
            SELECT 1 FROM review_apps AS other WHERE other.pipeline_id = one.pipeline_id AND other.branch = one.branch
              AND COALESCE (other.fork, '') = COALESCE (one.fork, '') AND other.status = 'deleting'))
        ORDER BY next_attempt_at, created_at";
    sqlx::query(sql).fetch_all(db).await?.iter().map(review_app).collect()
}

/// Wants another source: it is deployed, or the app is set up anew if that has failed.
pub async fn want(db: &mut Connection, id: ReviewAppId, source: &ReviewSource, at: OffsetDateTime) -> Result<(), DbError> {
    set_source(&mut *db, id, source).await?;
    sqlx::query(
        "UPDATE review_apps SET status = CASE status WHEN 'errored' THEN 'pending' ELSE status END, attempts = 0,
           next_attempt_at = ?1, updated_at = ?1 WHERE id = ?2",
    )
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Notes where a branch stands whose tip is wanted.
pub async fn resolve(db: &mut Connection, id: ReviewAppId, commit: &CommitId) -> Result<(), DbError> {
    sqlx::query("UPDATE review_apps SET commit_id = ? WHERE id = ? AND commit_id IS NULL AND archive_url IS NULL")
        .bind(commit.as_str())
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

async fn set_source(db: &mut Connection, id: ReviewAppId, source: &ReviewSource) -> Result<(), DbError> {
    let (commit, url, digest, version) = match source {
        ReviewSource::Repository(commit) => (commit.as_ref(), None, None, None),
        ReviewSource::Archive { url, digest, version } => (None, Some(url), digest.as_ref(), version.as_ref()),
    };
    sqlx::query("UPDATE review_apps SET commit_id = ?, archive_url = ?, archive_digest = ?, archive_version = ? WHERE id = ?")
        .bind(commit.map(CommitId::as_str))
        .bind(url)
        .bind(digest.map(ToString::to_string))
        .bind(version.map(ToString::to_string))
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Has whatever waits for CI to end on a commit look again.
pub async fn wake(db: &mut Connection, pipeline: PipelineId, commit: &CommitId, at: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE review_apps SET next_attempt_at = ? WHERE pipeline_id = ? AND commit_id = ? AND wait_for_ci
           AND status IN ('pending', 'created') AND commit_id IS NOT deployed_commit",
    )
    .bind(row::millis(at))
    .bind(pipeline.to_string())
    .bind(commit.as_str())
    .execute(db)
    .await?;
    Ok(())
}

/// Has a review app deleted; `false` when it is already.
pub async fn begin_deletion(db: &mut Connection, id: ReviewAppId, at: OffsetDateTime) -> Result<bool, DbError> {
    let query = sqlx::query(
        "UPDATE review_apps SET status = 'deleting', attempts = 0, next_attempt_at = ?1, updated_at = ?1
         WHERE id = ?2 AND status NOT IN ('deleting', 'deleted')",
    );
    Ok(query.bind(row::millis(at)).bind(id.to_string()).execute(db).await?.rows_affected() > 0)
}

/// Has those deleted that were not deployed for longer than their pipeline allows. Tells how many.
pub async fn begin_deletion_of_stale(db: &mut Connection, at: OffsetDateTime) -> Result<u64, DbError> {
    let query = sqlx::query(
        "UPDATE review_apps SET status = 'deleting', attempts = 0, next_attempt_at = ?1, updated_at = ?1
         WHERE status IN ('created', 'errored') AND EXISTS (SELECT 1 FROM review_app_configs AS config
           WHERE config.pipeline_id = review_apps.pipeline_id AND config.destroy_stale
             AND review_apps.deployed_at < ?1 - config.stale_days * 86400000)",
    );
    Ok(query.bind(row::millis(at)).execute(db).await?.rows_affected())
}

/// Records that a review app without an app is gone.
pub async fn deleted(db: &mut Connection, id: ReviewAppId, at: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE review_apps SET status = 'deleted', next_attempt_at = NULL, updated_at = ? WHERE id = ?");
    query.bind(row::millis(at)).bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Records that a review app is gone with its app, which was not to be set up anew.
pub(super) async fn deleted_with(db: &mut Connection, app: AppId, at: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE review_apps SET status = 'deleted', next_attempt_at = NULL, updated_at = ? WHERE app_id = ? AND status <> 'pending'",
    );
    query.bind(row::millis(at)).bind(app.to_string()).execute(db).await?;
    Ok(())
}

/// Lets a pipeline's review apps go: their apps stay, as apps like any others.
pub(super) async fn let_go(db: &mut Connection, pipeline: PipelineId, at: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE review_apps SET status = 'deleted', next_attempt_at = NULL, updated_at = ? WHERE pipeline_id = ? AND status <> 'deleted'",
    );
    query.bind(row::millis(at)).bind(pipeline.to_string()).execute(db).await?;
    Ok(())
}

/// Binds what is sealed to its row.
fn context(id: ReviewAppId) -> String {
    format!("review app {id}")
}

fn review_app(row: &SqliteRow) -> Result<ReviewApp, DbError> {
    let pull_request: Option<i64> = row.try_get("pull_request")?;
    let source = match row.try_get::<Option<String>, _>("archive_url")? {
        None => ReviewSource::Repository(row::optional(row, "commit_id")?),
        Some(url) => ReviewSource::Archive {
            url,
            digest: row::optional(row, "archive_digest")?,
            version: row::optional(row, "archive_version")?,
        },
    };
    Ok(ReviewApp {
        id: row::text(row, "id")?,
        pipeline: row::text(row, "pipeline_id")?,
        by: row::text(row, "account_id")?,
        branch: row::text(row, "branch")?,
        pull_request: pull_request.map(|_| row::number(row, "pull_request")).transpose()?,
        fork: row::optional(row, "fork")?,
        status: row::text(row, "status")?,
        source,
        deployed_commit: row::optional(row, "deployed_commit")?,
        wait_for_ci: row.try_get("wait_for_ci")?,
        app: row::optional(row, "app_id")?,
        setup: row::optional(row, "setup_id")?,
        predestroy: row.try_get("predestroy")?,
        message: row.try_get("message")?,
        error_status: row.try_get("error_status")?,
        attempts: row::number(row, "attempts")?,
        next_attempt_at: row::optional_time(row, "next_attempt_at")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
