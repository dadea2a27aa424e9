//! Promotions: one app's code, released in other apps of its pipeline.

use axum::Json;
use axum::extract::State;
use time::OffsetDateTime;

use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Caller, Named};
use super::pipelines::{apps_in, find as find_pipeline};
use super::releases;
use super::types::{
    IdRef, NewPipelinePromotion, NewPromotionSource, PipelinePromotion, PipelinePromotionTarget, PromotionSource, Timestamp,
};
use crate::auth;
use crate::ctx::Ctx;
use crate::db;
use crate::deploy;
use crate::model::{Account, Action, App, Promotion, PromotionOutcome, PromotionTarget, Release, ReleaseStatus};
use crate::release::{self, Promote};

/// `POST /pipeline-promotions`. Every app must be in the pipeline and the caller's to deploy. The releases are made
/// before the answer; their commands run after it.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<NewPipelinePromotion>,
) -> Result<Created<PipelinePromotion>, ApiError> {
    let pipeline = find_pipeline(&mut *ctx.db.read().await?, &account, &new.pipeline.id).await?;
    let apps: Vec<App> = apps_in(&ctx, &account, &pipeline.id.to_string()).await?.into_iter().map(|(app, ..)| app).collect();
    let source = member(&apps, &new.source.app.id)?;
    let mut targets: Vec<App> = Vec::new();
    for target in &new.targets {
        let app = member(&apps, &target.app.id)?;
        if app.id == source.id || targets.iter().any(|other| other.id == app.id) {
            return Err(ApiError::InvalidParams(format!("{} can be promoted to only once, and not from itself.", app.name)));
        }
        targets.push(app);
    }
    auth::open_app(&ctx.db, account.id, &source.id.to_string(), Action::ReadCode).await?;
    for target in &targets {
        auth::open_app(&ctx.db, account.id, &target.id.to_string(), Action::Deploy).await?;
    }
    if targets.is_empty() {
        return Err(ApiError::InvalidParams("`targets` must name at least one app.".into()));
    }
    let release = source_release(&ctx, &source, &new.source).await?;
    let promote =
        Promote { pipeline: pipeline.id, by: account.id, source: &source, release: &release, targets: &targets, at: ctx.now() };
    let (promotion, releases) = release::promote(&ctx.db, &promote).await?;
    let pending = releases.iter().any(|release| release.status == ReleaseStatus::Pending);
    for release in &releases {
        deploy::begin_phase(&ctx, release);
    }
    Ok(Created(describe(&promotion, pending, promotion.created_at)))
}

/// `GET /pipeline-promotions/{promotion}`: of the caller's own.
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(promotion): Named,
) -> Result<Json<PipelinePromotion>, ApiError> {
    let promotion = find(&ctx, &account, &promotion).await?;
    let mut db = ctx.db.read().await?;
    let targets = db::pipeline_promotions::targets(&mut db, promotion.id).await?;
    let changed_at = db::pipeline_promotions::changed_at(&mut db, promotion.id).await?;
    let pending = targets.iter().any(|target| matches!(target.outcome, PromotionOutcome::Pending(_)));
    Ok(Json(describe(&promotion, pending, changed_at.unwrap_or(promotion.created_at))))
}

/// `GET /pipeline-promotions/{promotion}/promotion-targets`
pub(super) async fn targets(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(promotion): Named,
) -> Result<Json<Vec<PipelinePromotionTarget>>, ApiError> {
    let promotion = find(&ctx, &account, &promotion).await?;
    let targets = db::pipeline_promotions::targets(&mut *ctx.db.read().await?, promotion.id).await?;
    Ok(Json(targets.into_iter().map(|target| describe_target(&promotion, target)).collect()))
}

/// An app of the pipeline that the caller has a part in, by id or name.
fn member(apps: &[App], id_or_name: &str) -> Result<App, ApiError> {
    let is = |app: &&App| app.id.to_string() == id_or_name || app.name.as_str() == id_or_name;
    apps.iter().find(is).cloned().ok_or(ApiError::NotFound("app"))
}

async fn source_release(ctx: &Ctx, app: &App, source: &NewPromotionSource) -> Result<Release, ApiError> {
    let mut db = ctx.db.read().await?;
    let none = || ApiError::InvalidParams(format!("{} has no release to promote.", app.name));
    match &source.release {
        Some(release) => releases::find(&mut db, app, &release.id).await,
        None => db::releases::current(&mut db, app.id).await?.ok_or_else(none),
    }
}

async fn find(ctx: &Ctx, account: &Account, id: &str) -> Result<Promotion, ApiError> {
    let not_found = ApiError::NotFound("pipeline_promotion");
    let Ok(id) = id.parse() else { return Err(not_found) };
    db::pipeline_promotions::get(&mut *ctx.db.read().await?, id, account.id).await?.ok_or(not_found)
}

/// A promotion is completed when each of its releases has its last status.
fn describe(promotion: &Promotion, pending: bool, changed_at: OffsetDateTime) -> PipelinePromotion {
    PipelinePromotion {
        created_at: Timestamp(promotion.created_at),
        id: promotion.id,
        pipeline: IdRef { id: promotion.pipeline },
        source: PromotionSource { app: IdRef { id: promotion.source_app }, release: IdRef { id: promotion.source_release } },
        status: if pending { "pending" } else { "completed" }.into(),
        updated_at: Some(Timestamp(changed_at)),
    }
}

fn describe_target(promotion: &Promotion, target: PromotionTarget) -> PipelinePromotionTarget {
    let release = target.outcome.release().map(|id| IdRef { id });
    let (status, error_message) = match target.outcome {
        PromotionOutcome::Pending(_) => ("pending", None),
        PromotionOutcome::Succeeded(_) => ("succeeded", None),
        PromotionOutcome::Failed { why, .. } => ("failed", Some(why)),
    };
    PipelinePromotionTarget {
        app: IdRef { id: target.app },
        error_message,
        id: target.id,
        pipeline_promotion: IdRef { id: promotion.id },
        release,
        status: status.into(),
    }
}
