//! Which app stands where in which pipeline. Who may deploy an app may move it.

use axum::Json;
use axum::extract::State;

use super::account::oneself;
use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Caller, InApp, Named, See};
use super::pipelines::{apps_in, find as find_pipeline};
use super::range::{Key, Page, Range};
use super::types::{IdRef, NewPipelineCoupling, PipelineCoupling, PipelineCouplingChange, PipelineRef, Timestamp};
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::model::{Account, Action, Coupling, Stage};
use crate::{auth, pipelines};

const KEYS: [Key<PipelineCoupling>; 1] = [("id", |one| one.id.to_string())];

/// `GET /pipeline-couplings`: of the caller's apps.
pub(super) async fn list(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    range: Range,
) -> Result<Page<PipelineCoupling>, ApiError> {
    let mut db = ctx.db.read().await?;
    let mut all = Vec::new();
    for coupling in db::pipeline_couplings::visible_to(&mut db, account.id).await? {
        all.push(describe(&mut db, &account, &coupling).await?);
    }
    range.cut(all, &KEYS)
}

/// `GET /users/{user}/pipeline-couplings`
pub(super) async fn list_of_user(
    state: State<Ctx>,
    caller: Caller,
    Named(user): Named,
    range: Range,
) -> Result<Page<PipelineCoupling>, ApiError> {
    oneself(&caller.0, &user)?;
    list(state, caller, range).await
}

/// `GET /pipelines/{pipeline}/pipeline-couplings`
pub(super) async fn list_of_pipeline(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
    range: Range,
) -> Result<Page<PipelineCoupling>, ApiError> {
    let apps = apps_in(&ctx, &account, &pipeline).await?;
    let mut db = ctx.db.read().await?;
    let mut all = Vec::new();
    for (.., coupling) in apps {
        all.push(describe(&mut db, &account, &coupling).await?);
    }
    range.cut(all, &KEYS)
}

/// `GET /apps/{app}/pipeline-couplings`: one, although the path sounds like several.
pub(super) async fn of_app(State(ctx): State<Ctx>, at: InApp<See>) -> Result<Json<PipelineCoupling>, ApiError> {
    let mut db = ctx.db.read().await?;
    let coupling = db::pipeline_couplings::of_app(&mut db, at.app.id).await?.ok_or(ApiError::NotFound("pipeline_coupling"))?;
    Ok(Json(describe(&mut db, &at.by, &coupling).await?))
}

/// `POST /pipeline-couplings`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<NewPipelineCoupling>,
) -> Result<Created<PipelineCoupling>, ApiError> {
    let stage: Stage = new.stage.parse()?;
    let (app, _) = auth::open_app(&ctx.db, account.id, &new.app, Action::Deploy).await?;
    let pipeline = find_pipeline(&mut *ctx.db.read().await?, &account, &new.pipeline).await?;
    let coupling = pipelines::couple(&ctx.db, &pipeline, &app, stage, ctx.now()).await?;
    Ok(Created(describe(&mut *ctx.db.read().await?, &account, &coupling).await?))
}

/// `GET /pipeline-couplings/{coupling}`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(coupling): Named,
) -> Result<Json<PipelineCoupling>, ApiError> {
    let mut db = ctx.db.read().await?;
    let coupling = find(&mut db, &account, &coupling).await?;
    Ok(Json(describe(&mut db, &account, &coupling).await?))
}

/// `PATCH /pipeline-couplings/{coupling}`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(coupling): Named,
    Body(change): Body<PipelineCouplingChange>,
) -> Result<Json<PipelineCoupling>, ApiError> {
    let stage = change.stage.as_deref().map(str::parse::<Stage>).transpose()?;
    let mut coupling = find(&mut *ctx.db.read().await?, &account, &coupling).await?;
    auth::open_app(&ctx.db, account.id, &coupling.app.to_string(), Action::Deploy).await?;
    if let Some(stage) = stage {
        coupling = pipelines::move_to_stage(&ctx.db, coupling, stage, ctx.now()).await?;
    }
    Ok(Json(describe(&mut *ctx.db.read().await?, &account, &coupling).await?))
}

/// `DELETE /pipeline-couplings/{coupling}`
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(coupling): Named,
) -> Result<Json<PipelineCoupling>, ApiError> {
    let mut db = ctx.db.read().await?;
    let coupling = find(&mut db, &account, &coupling).await?;
    let last = describe(&mut db, &account, &coupling).await?;
    drop(db);
    auth::open_app(&ctx.db, account.id, &coupling.app.to_string(), Action::Deploy).await?;
    pipelines::uncouple(&ctx.db, coupling.id).await?;
    Ok(Json(last))
}

async fn find(db: &mut Connection, account: &Account, id: &str) -> Result<Coupling, ApiError> {
    let all = db::pipeline_couplings::visible_to(db, account.id).await?;
    all.into_iter().find(|coupling| coupling.id.to_string() == id).ok_or(ApiError::NotFound("pipeline_coupling"))
}

async fn describe(db: &mut Connection, account: &Account, coupling: &Coupling) -> Result<PipelineCoupling, ApiError> {
    let pipeline = find_pipeline(db, account, &coupling.pipeline.to_string()).await?;
    Ok(PipelineCoupling {
        app: IdRef { id: coupling.app },
        created_at: Timestamp(coupling.created_at),
        id: coupling.id,
        pipeline: PipelineRef { id: pipeline.id, name: pipeline.name.to_string() },
        stage: coupling.stage.to_string(),
        updated_at: Timestamp(coupling.updated_at),
    })
}
