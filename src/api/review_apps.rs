//! Review apps. Who sees a pipeline sees them; who may deploy to one of its apps may make and delete them.

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::app_setups::parse_env;
use super::error::ApiError;
use super::extract::{Body, Caller, InApp, Named, See};
use super::range::{Key, Page, Range};
use super::types::{self, ForkRepo, IdRef, NewSourceBlob, Timestamp};
use super::{builds, pipeline_rights, pipelines as api_pipelines};
use crate::build::Origin;
use crate::ctx::Ctx;
use crate::db;
use crate::model::{Account, Action, Fork, ReviewApp, ReviewAppStatus, ReviewSource};
use crate::pipelines::{self, NewReviewApp};

/// The `url` of a source that hoist finds itself (heroku-api 3.10).
const RESOLVE: &str = "resolve";
const KEYS: [Key<types::ReviewApp>; 1] = [("id", |one| one.id.to_string())];

/// `POST /review-apps`. It is made after the answer.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<types::NewReviewApp>,
) -> Result<Created<types::ReviewApp>, ApiError> {
    let pipeline = pipeline_rights::open(&ctx, &account, &new.pipeline, Action::Deploy).await?;
    let wanted = NewReviewApp {
        branch: new.branch.parse()?,
        pull_request: new.pr_number,
        fork: new.fork_repo_id.map(Fork::Numbered),
        source: source(&ctx, new.source_blob).await?,
        environment: parse_env(new.environment.unwrap_or_default())?,
    };
    let is_repositorys = matches!(wanted.source, ReviewSource::Repository(_));
    if is_repositorys && db::connections::of_pipeline(&mut *ctx.db.read().await?, pipeline.id).await?.is_none() {
        return Err(ApiError::InvalidParams(format!(
            "The pipeline {} is not connected to a repository: connect it first, pipelines:connect does.",
            pipeline.name
        )));
    }
    let made = pipelines::want_review_app(&ctx.db, &pipeline, &account, wanted, ctx.now()).await?;
    Ok(Created(describe(made)))
}

/// `GET /pipelines/{pipeline}/review-apps`: those that have not been deleted.
pub(super) async fn list(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
    range: Range,
) -> Result<Page<types::ReviewApp>, ApiError> {
    let mut db = ctx.db.read().await?;
    let pipeline = api_pipelines::find(&mut db, &account, &pipeline).await?;
    let all = db::review_apps::of_pipeline(&mut db, pipeline.id).await?;
    range.cut(all.into_iter().map(describe).collect(), &KEYS)
}

/// `GET /review-apps/{review_app}`, also of one that was deleted.
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(review_app): Named,
) -> Result<Json<types::ReviewApp>, ApiError> {
    Ok(Json(describe(find(&ctx, &account, &review_app).await?)))
}

/// `GET /apps/{app}/review-app`
pub(super) async fn of_app(State(ctx): State<Ctx>, at: InApp<See>) -> Result<Json<types::ReviewApp>, ApiError> {
    let review_app = db::review_apps::of_app(&mut *ctx.db.read().await?, at.app.id).await?;
    Ok(Json(describe(review_app.ok_or(ApiError::NotFound("review_app"))?)))
}

/// `DELETE /review-apps/{review_app}`. Its app goes after the answer.
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(review_app): Named,
) -> Result<Json<types::ReviewApp>, ApiError> {
    let review_app = find(&ctx, &account, &review_app).await?;
    pipeline_rights::open(&ctx, &account, &review_app.pipeline.to_string(), Action::Deploy).await?;
    pipelines::delete_review_app(&ctx.db, review_app.id, ctx.now()).await?;
    let now = db::review_apps::get(&mut *ctx.db.read().await?, review_app.id).await?;
    Ok(Json(describe(now.unwrap_or(review_app))))
}

async fn source(ctx: &Ctx, new: Option<NewSourceBlob>) -> Result<ReviewSource, ApiError> {
    if new.as_ref().is_some_and(|blob| blob.url.as_deref() == Some(RESOLVE)) {
        let commit = new.and_then(|blob| blob.version).filter(|version| !version.is_empty());
        let commit = commit.as_deref().map(str::parse).transpose().map_err(ApiError::unfit("source_blob.version"))?;
        return Ok(ReviewSource::Repository(commit));
    }
    let blob = builds::source_blob(new)?;
    let digest = match builds::origin(ctx, &blob.url).await? {
        Origin::Stored(digest) => Some(digest),
        Origin::Url(_) => None,
    };
    Ok(ReviewSource::Archive { url: blob.url, digest, version: blob.version })
}

/// Finds a review app of a pipeline that the account may see.
async fn find(ctx: &Ctx, account: &Account, id: &str) -> Result<ReviewApp, ApiError> {
    let missing = || ApiError::NotFound("review_app");
    let id = id.parse().map_err(|_| missing())?;
    let mut db = ctx.db.read().await?;
    let review_app = db::review_apps::get(&mut db, id).await?.ok_or_else(missing)?;
    match api_pipelines::find(&mut db, account, &review_app.pipeline.to_string()).await {
        Err(ApiError::NotFound(_)) => Err(missing()),
        found => found.map(|_| review_app),
    }
}

fn describe(review_app: ReviewApp) -> types::ReviewApp {
    // While it is pending there is no app, or one that is about to go; afterwards there is none.
    let has_app = !matches!(review_app.status, ReviewAppStatus::Pending | ReviewAppStatus::Deleted);
    types::ReviewApp {
        app: review_app.app.filter(|_| has_app).map(|id| IdRef { id }),
        app_setup: review_app.setup.filter(|_| has_app).map(|id| IdRef { id }),
        branch: review_app.branch.to_string(),
        created_at: Timestamp(review_app.created_at),
        creator: IdRef { id: review_app.by },
        error_status: review_app.error_status,
        fork_repo: review_app.fork.map(|fork| match fork {
            Fork::Numbered(number) => ForkRepo { id: Some(number) },
            Fork::Named(_) => ForkRepo { id: None },
        }),
        id: review_app.id,
        message: review_app.message,
        pipeline: IdRef { id: review_app.pipeline },
        pr_number: review_app.pull_request,
        status: review_app.status.as_str().into(),
        updated_at: Timestamp(review_app.updated_at),
        wait_for_ci: review_app.wait_for_ci,
    }
}
