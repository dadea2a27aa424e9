//! What a pipeline's review apps are like: for those who may configure one of its apps.

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Caller, Named};
use super::pipeline_repo::number;
use super::types::{self, RepoRef, ReviewAppConfigChange};
use super::{pipeline_rights, pipelines as api_pipelines};
use crate::ctx::Ctx;
use crate::db;
use crate::model::{Account, Action, BaseName, Connection as Repository, Forks, FullName, Pipeline, ReviewAppConfig, StaleDays};
use crate::pipelines;

/// `GET /pipelines/{pipeline}/review-app-config`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
) -> Result<Json<types::ReviewAppConfig>, ApiError> {
    let mut db = ctx.db.read().await?;
    let pipeline = api_pipelines::find(&mut db, &account, &pipeline).await?;
    let config = db::review_app_configs::get(&mut db, pipeline.id).await?.ok_or_else(missing)?;
    let repository = db::connections::of_pipeline(&mut db, pipeline.id).await?;
    Ok(Json(describe(&config, repository.as_ref())))
}

/// `POST /pipelines/{pipeline}/review-app-config`: enables review apps.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
    Body(new): Body<ReviewAppConfigChange>,
) -> Result<Created<types::ReviewAppConfig>, ApiError> {
    let (pipeline, repository) = open(&ctx, &account, &pipeline).await?;
    let repository = connected(&pipeline, repository, new.repo.as_deref())?;
    let now = ctx.now();
    let first = ReviewAppConfig {
        pipeline: pipeline.id,
        by: account.id,
        automatic: false,
        destroy_stale: false,
        stale_days: StaleDays::DEFAULT,
        wait_for_ci: false,
        base_name: None,
        // Whoever can open a pull request could run anything here, add-ons and all. Heroku makes none by itself either.
        forks: Forks::Refused,
        created_at: now,
        updated_at: now,
    };
    let config = Change::read(new)?.apply(first);
    pipelines::enable_review_apps(&ctx.db, &config).await?;
    Ok(Created(describe(&config, Some(&repository))))
}

/// `PATCH /pipelines/{pipeline}/review-app-config`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
    Body(change): Body<ReviewAppConfigChange>,
) -> Result<Json<types::ReviewAppConfig>, ApiError> {
    let (pipeline, repository) = open(&ctx, &account, &pipeline).await?;
    if let (Some(_), name @ Some(_)) = (&repository, &change.repo) {
        connected(&pipeline, repository.clone(), name.as_deref())?;
    }
    let (change, now) = (Change::read(change)?, ctx.now());
    let apply = |config| ReviewAppConfig { updated_at: now, ..change.apply(config) };
    let config = pipelines::change_review_apps(&ctx.db, pipeline.id, apply).await?.ok_or_else(missing)?;
    Ok(Json(describe(&config, repository.as_ref())))
}

/// `DELETE /pipelines/{pipeline}/review-app-config`: disables review apps. Those there are stay.
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
) -> Result<Json<types::ReviewAppConfig>, ApiError> {
    let (pipeline, repository) = open(&ctx, &account, &pipeline).await?;
    let last = db::review_app_configs::get(&mut *ctx.db.read().await?, pipeline.id).await?.ok_or_else(missing)?;
    pipelines::disable_review_apps(&ctx.db, pipeline.id).await?;
    Ok(Json(describe(&last, repository.as_ref())))
}

/// A change that can be made.
#[expect(clippy::option_option, reason = "a base name may also be taken away")]
struct Change {
    automatic: Option<bool>,
    destroy_stale: Option<bool>,
    stale_days: Option<StaleDays>,
    wait_for_ci: Option<bool>,
    base_name: Option<Option<BaseName>>,
    forks: Option<Forks>,
}

impl Change {
    fn read(change: ReviewAppConfigChange) -> Result<Self, ApiError> {
        Ok(Self {
            automatic: change.automatic_review_apps,
            destroy_stale: change.destroy_stale_apps,
            stale_days: change.stale_days.map(StaleDays::try_from).transpose()?,
            wait_for_ci: change.wait_for_ci,
            base_name: change.base_name.map(|name| name.as_deref().map(str::parse).transpose()).transpose()?,
            forks: change.forks.as_deref().map(str::parse).transpose()?,
        })
    }

    fn apply(self, config: ReviewAppConfig) -> ReviewAppConfig {
        ReviewAppConfig {
            automatic: self.automatic.unwrap_or(config.automatic),
            destroy_stale: self.destroy_stale.unwrap_or(config.destroy_stale),
            stale_days: self.stale_days.unwrap_or(config.stale_days),
            wait_for_ci: self.wait_for_ci.unwrap_or(config.wait_for_ci),
            base_name: self.base_name.unwrap_or(config.base_name),
            forks: self.forks.unwrap_or(config.forks),
            ..config
        }
    }
}

async fn open(ctx: &Ctx, account: &Account, pipeline: &str) -> Result<(Pipeline, Option<Repository>), ApiError> {
    let pipeline = pipeline_rights::open(ctx, account, pipeline, Action::Configure).await?;
    let repository = db::connections::of_pipeline(&mut *ctx.db.read().await?, pipeline.id).await?;
    Ok((pipeline, repository))
}

/// The pipeline's repository, if it is the one that is meant.
fn connected(pipeline: &Pipeline, repository: Option<Repository>, name: Option<&str>) -> Result<Repository, ApiError> {
    let Some(repository) = repository else {
        return Err(ApiError::InvalidParams(format!(
            "The pipeline {} is not connected to a repository: connect it first, pipelines:connect does.",
            pipeline.name
        )));
    };
    let name: FullName =
        name.ok_or_else(|| ApiError::InvalidParams("`repo` is missing: name it as OWNER/NAME.".into()))?.parse()?;
    if name != repository.full_name {
        let connected = &repository.full_name;
        return Err(ApiError::InvalidParams(format!(
            "The pipeline {} is connected to {connected}, not to {name}.",
            pipeline.name
        )));
    }
    Ok(repository)
}

fn missing() -> ApiError {
    ApiError::NotFound("review_app_config")
}

fn describe(config: &ReviewAppConfig, repository: Option<&Repository>) -> types::ReviewAppConfig {
    types::ReviewAppConfig {
        automatic_review_apps: config.automatic,
        base_name: config.base_name.as_ref().map(|name| name.as_str().to_owned()),
        deploy_target: None,
        destroy_stale_apps: config.destroy_stale,
        forks: config.forks.as_str().into(),
        pipeline_id: config.pipeline,
        repo: RepoRef { id: repository.map_or(0, number) },
        stale_days: config.stale_days.get(),
        wait_for_ci: config.wait_for_ci,
    }
}
