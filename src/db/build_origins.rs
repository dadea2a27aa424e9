//! Where builds came from, if it was from a connected repository. What becomes of such a build is told there: `record` makes
//! a telling of each event that says so.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::events::NewEvent;
use super::{Connection, DbError, row, tellings};
use crate::model::{
    AppId, BuildId, BuildOrigin, BuildStatus, BuildTelling, Change, CommitId, Facts, Form, Progress, ReleaseId, ReleaseStatus,
    ReleaseVersion, Telling,
};

/// Notes where a build that was just recorded came from, and has it told that the build is under way. To be called in the
/// transaction that records the build.
pub async fn insert(
    db: &mut Connection,
    app: AppId,
    build: BuildId,
    origin: &BuildOrigin,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let pull_request = origin.pull_request.and_then(|number| i64::try_from(number).ok());
    sqlx::query("INSERT INTO build_origins (build_id, connection_id, commit_id, pull_request) VALUES (?, ?, ?, ?)")
        .bind(build.to_string())
        .bind(origin.connection.to_string())
        .bind(origin.commit.as_str())
        .bind(pull_request)
        .execute(&mut *db)
        .await?;
    let forms = forms(origin.pull_request.is_some());
    tell(db, app, build, Progress::Building, forms, at).await
}

/// Finds where a build came from, and whose it is.
pub async fn get(db: &mut Connection, build: BuildId) -> Result<Option<(AppId, BuildOrigin)>, DbError> {
    let row = sqlx::query(
        "SELECT build_origins.*, builds.app_id FROM build_origins JOIN builds ON builds.id = build_id WHERE build_id = ?",
    );
    let row = row.bind(build.to_string()).fetch_optional(db).await?;
    row.map(|row| Ok((row::text(&row, "app_id")?, origin(&row)?))).transpose()
}

/// Tells whether the last build of the app was of this commit of its repository, and has become a release.
pub async fn is_of_last_release(db: &mut Connection, app: AppId, commit: &CommitId) -> Result<bool, DbError> {
    let query = sqlx::query(
        "SELECT 1 FROM builds JOIN build_origins ON build_origins.build_id = builds.id
           JOIN build_outcomes ON build_outcomes.build_id = builds.id AND build_outcomes.status = 'succeeded'
         WHERE builds.app_id = ?1 AND build_origins.commit_id = ?2
           AND builds.number = (SELECT MAX (number) FROM builds WHERE app_id = ?1)",
    );
    Ok(query.bind(app.to_string()).bind(commit.as_str()).fetch_optional(db).await?.is_some())
}

/// Has it told what an event says of a build that came from elsewhere.
pub(super) async fn record(db: &mut Connection, new: &NewEvent) -> Result<(), DbError> {
    let found = match (&new.facts, new.action) {
        (Facts::Build { id }, Change::Update) => of_build(db, *id).await?,
        (Facts::Release { id, status, .. }, _) => of_release(db, *id, *status).await?,
        (Facts::App(_), Change::Destroy) => of_review_app(db, new.app).await?,
        _ => None,
    };
    let Some((build, progress)) = found else { return Ok(()) };
    let Some((_, origin)) = get(db, build).await? else { return Ok(()) };
    let all = forms(origin.pull_request.is_some());
    // What was said of the commit stays true when the app is gone.
    let told = if progress == Progress::Destroyed { &all[1..] } else { all };
    tell(db, new.app, build, progress, told, new.at).await
}

fn forms(has_pull_request: bool) -> &'static [Form] {
    if has_pull_request { &[Form::Status, Form::Deployment, Form::Comment] } else { &[Form::Status, Form::Deployment] }
}

/// What is told of one app in one form is told in order, whichever of its builds it is about. A form that the forge will not have
/// holds up no other.
async fn tell(
    db: &mut Connection,
    app: AppId,
    build: BuildId,
    progress: Progress,
    forms: &[Form],
    at: OffsetDateTime,
) -> Result<(), DbError> {
    for &form in forms {
        let lane = format!("{} of {app}", form.as_str());
        tellings::insert(db, &lane, &Telling::Build(BuildTelling { build, form, progress }), at).await?;
    }
    Ok(())
}

/// A build that has succeeded is told of as its release.
async fn of_build(db: &mut Connection, build: BuildId) -> Result<Option<(BuildId, Progress)>, DbError> {
    let row = sqlx::query("SELECT status FROM build_outcomes WHERE build_id = ?").bind(build.to_string()).fetch_one(db).await?;
    Ok(match row::text(&row, "status")? {
        BuildStatus::Failed => Some((build, Progress::BuildFailed)),
        BuildStatus::Cancelled => Some((build, Progress::BuildCancelled)),
        BuildStatus::Succeeded | BuildStatus::Pending => None,
    })
}

/// Later releases of the same slug name the build too, and are none of its own.
async fn of_release(
    db: &mut Connection,
    release: ReleaseId,
    status: ReleaseStatus,
) -> Result<Option<(BuildId, Progress)>, DbError> {
    let row = sqlx::query(
        "SELECT version, build_id FROM releases WHERE id = ? AND version =
           (SELECT MIN (version) FROM releases AS same WHERE same.app_id = releases.app_id AND same.build_id = releases.build_id)",
    );
    let Some(row) = row.bind(release.to_string()).fetch_optional(db).await? else { return Ok(None) };
    let version = ReleaseVersion(row::number(&row, "version")?);
    let progress = match status {
        ReleaseStatus::Pending => Progress::Releasing(version),
        ReleaseStatus::Succeeded => Progress::Deployed(version),
        ReleaseStatus::Failed => Progress::ReleaseFailed(version),
        ReleaseStatus::Expired => Progress::Expired(version),
    };
    Ok(Some((row::text(&row, "build_id")?, progress)))
}

/// The newest build of a review app, whose pull request hears of the app's end.
async fn of_review_app(db: &mut Connection, app: AppId) -> Result<Option<(BuildId, Progress)>, DbError> {
    let row = sqlx::query(
        "SELECT build_id FROM build_origins JOIN builds ON builds.id = build_id
         WHERE builds.app_id = ? AND pull_request IS NOT NULL ORDER BY builds.number DESC LIMIT 1",
    );
    let row = row.bind(app.to_string()).fetch_optional(db).await?;
    row.map(|row| Ok((row::text(&row, "build_id")?, Progress::Destroyed))).transpose()
}

fn origin(row: &SqliteRow) -> Result<BuildOrigin, DbError> {
    let pull_request: Option<i64> = row.try_get("pull_request")?;
    Ok(BuildOrigin {
        connection: row::text(row, "connection_id")?,
        commit: row::text(row, "commit_id")?,
        pull_request: pull_request.map(i64::cast_unsigned),
    })
}
