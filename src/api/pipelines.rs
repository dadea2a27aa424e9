//! Pipelines. Who owns one, or works on an app in it, sees it; of its apps everybody sees their own.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};

use super::account::oneself;
use super::answer::Created;
use super::error::ApiError;
use super::extract::{Body, Caller, Named};
use super::range::{Page, Range};
use super::types::{self, NamedRef, NewPipeline, PipelineChange, PipelineOwner, Timestamp};
use super::urls::Urls;
use super::{builds, releases};
use crate::auth;
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::model::{Account, AccountId, App, Coupling, Permissions, Pipeline};
use crate::pipelines;

/// `GET /pipelines`, also `?eq[name]=NAME`.
pub(super) async fn list(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Query(filter): Query<HashMap<String, String>>,
    range: Range,
) -> Result<Page<types::Pipeline>, ApiError> {
    let mut all = db::pipelines::visible_to(&mut *ctx.db.read().await?, account.id).await?;
    if let Some(name) = filter.get("eq[name]") {
        all.retain(|pipeline| pipeline.name.as_str() == name);
    }
    let all = all.iter().map(describe).collect();
    range.cut(all, &[("id", |one: &types::Pipeline| one.id.to_string()), ("name", |one| format!("{} {}", one.name, one.id))])
}

/// `POST /pipelines`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<NewPipeline>,
) -> Result<Created<types::Pipeline>, ApiError> {
    if let Some(owner) = &new.owner
        && (owner.kind != "user" || oneself(&account, &owner.id).is_err())
    {
        return Err(ApiError::InvalidParams("A pipeline here is owned by whoever creates it; there are no teams.".into()));
    }
    let pipeline = pipelines::create(&ctx.db, &account, new.name.parse()?, ctx.now()).await?;
    Ok(Created(describe(&pipeline)))
}

/// `GET /pipelines/{pipeline}`, by id or name.
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
) -> Result<Json<types::Pipeline>, ApiError> {
    Ok(Json(describe(&find(&mut *ctx.db.read().await?, &account, &pipeline).await?)))
}

/// `PATCH /pipelines/{pipeline}`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
    Body(change): Body<PipelineChange>,
) -> Result<Json<types::Pipeline>, ApiError> {
    let pipeline = find(&mut *ctx.db.read().await?, &account, &pipeline).await?;
    let Some(name) = change.name else { return Ok(Json(describe(&pipeline))) };
    owner_only(&pipeline, &account)?;
    Ok(Json(describe(&pipelines::rename(&ctx.db, pipeline, name.parse()?, ctx.now()).await?)))
}

/// `DELETE /pipelines/{pipeline}`
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
) -> Result<Json<types::Pipeline>, ApiError> {
    let pipeline = find(&mut *ctx.db.read().await?, &account, &pipeline).await?;
    owner_only(&pipeline, &account)?;
    pipelines::destroy(&ctx.db, pipeline.id, ctx.now()).await?;
    Ok(Json(describe(&pipeline)))
}

/// `GET /pipelines/{pipeline}/latest-releases` and `…/latest-deployments`: the current release of each app, as far as it
/// has code.
pub(super) async fn latest_releases(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
) -> Result<Json<Vec<types::Release>>, ApiError> {
    let (urls, mut latest) = (Urls::new(&ctx.config), Vec::new());
    for (app, ..) in apps_in(&ctx, &account, &pipeline).await? {
        let mut db = ctx.db.read().await?;
        let current = db::releases::current(&mut db, app.id).await?;
        if let Some(release) = current.filter(|release| release.artifact().is_some()) {
            let user = (&db::accounts::get(&mut db, release.by).await?).into();
            latest.push(releases::describe(&urls, &app, &release, user));
        }
    }
    Ok(Json(latest))
}

/// `GET /pipelines/{pipeline}/latest-builds`: the newest build of each app.
pub(super) async fn latest_builds(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
) -> Result<Json<Vec<types::Build>>, ApiError> {
    let urls = Urls::new(&ctx.config);
    let mut latest = Vec::new();
    for (app, permissions, _) in apps_in(&ctx, &account, &pipeline).await? {
        let mut db = ctx.db.read().await?;
        if let Some(build) = db::builds::list(&mut db, app.id, 1).await?.pop() {
            latest.push(builds::describe_one(&mut db, &build, &urls, &permissions).await?);
        }
    }
    Ok(Json(latest))
}

/// Finds a pipeline that the account may see, its own before others of the same name.
pub(super) async fn find(db: &mut Connection, account: &Account, id_or_name: &str) -> Result<Pipeline, ApiError> {
    let mut all = db::pipelines::visible_to(db, account.id).await?;
    all.sort_by_key(|pipeline| pipeline.owner != account.id);
    let is = |pipeline: &Pipeline| pipeline.id.to_string() == id_or_name || pipeline.name.as_str() == id_or_name;
    all.into_iter().find(is).ok_or(ApiError::NotFound("pipeline"))
}

/// The apps of a pipeline that the account has a part in, and which part.
pub(super) async fn apps_in(ctx: &Ctx, account: &Account, pipeline: &str) -> Result<Vec<(App, Permissions, Coupling)>, ApiError> {
    let mut db = ctx.db.read().await?;
    let pipeline = find(&mut db, account, pipeline).await?;
    let couplings = db::pipeline_couplings::of_pipeline(&mut db, pipeline.id).await?;
    drop(db);
    let mut apps = Vec::new();
    for coupling in couplings {
        if let Some((app, permissions)) = auth::find_app(&ctx.db, account.id, &coupling.app.to_string()).await? {
            apps.push((app, permissions, coupling));
        }
    }
    Ok(apps)
}

pub(super) fn owner_only(pipeline: &Pipeline, account: &Account) -> Result<(), ApiError> {
    if pipeline.owner == account.id {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!("Only the owner of the pipeline {} can do this.", pipeline.name)))
}

pub(super) fn owner(id: AccountId) -> PipelineOwner {
    PipelineOwner { id, kind: "user".into() }
}

fn describe(pipeline: &Pipeline) -> types::Pipeline {
    types::Pipeline {
        created_at: Timestamp(pipeline.created_at),
        generation: NamedRef::named("generation", "cedar"),
        id: pipeline.id,
        name: pipeline.name.to_string(),
        owner: owner(pipeline.owner),
        updated_at: Timestamp(pipeline.updated_at),
    }
}
