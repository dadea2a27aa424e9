//! Setups: apps made and deployed as their app.json says.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::answer::Accepted;
use super::error::ApiError;
use super::extract::{Body, Caller, Named};
use super::types::{self, NamedRef, NewAppSetup, Postdeploy, SetupBuild, Timestamp};
use super::urls::Urls;
use super::{builds, config_vars, stacks};
use crate::auth;
use crate::build::ArchiveSource;
use crate::ctx::Ctx;
use crate::db::app_setups::AppSetup;
use crate::db::{self, DbError};
use crate::deploy::{self, SetupRequest};
use crate::model::{Account, AppId, AppSetupId, BuildId, BuildStatus, ConfigKey, DynoId, EnvironmentName, Priority, Secret};

/// Most that is told of a script's output, in bytes.
const MOST_OUTPUT: usize = 64 * 1024;

/// `POST /app-setups`. The app is there before the answer; its setup goes on after it.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<NewAppSetup>,
) -> Result<Accepted<types::AppSetup>, ApiError> {
    let blob = builds::source_blob(new.source_blob)?;
    let stack = new.app.stack.map(|name| stacks::find(&ctx, &name).ok_or_else(|| stacks::unknown(&name))).transpose()?;
    let request = SetupRequest {
        name: new.app.name.as_deref().map(str::parse).transpose()?,
        stack,
        source: ArchiveSource { origin: builds::origin(&ctx, &blob.url).await?, blob },
        env: parse_env(new.overrides.env)?,
        buildpacks: new
            .overrides
            .buildpacks
            .into_iter()
            .map(|new| builds::buildpack(&ctx.config, new))
            .collect::<Result<_, _>>()?,
        by: account,
        environment: EnvironmentName::Base,
        origin: None,
        priority: Priority::Request,
    };
    let id = deploy::submit_setup(&ctx, request).await?;
    let setup = db::app_setups::get(&mut *ctx.db.read().await?, id).await?.ok_or(ApiError::NotFound("app_setup"))?;
    Ok(Accepted(describe(&ctx, &setup).await?))
}

/// `GET /app-setups/{setup}`: of the caller's own, and of apps that the caller works on.
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(setup): Named,
) -> Result<Json<types::AppSetup>, ApiError> {
    let missing = || ApiError::NotFound("app_setup");
    let id: AppSetupId = setup.parse().map_err(|_| missing())?;
    let setup = db::app_setups::get(&mut *ctx.db.read().await?, id).await?.ok_or_else(missing)?;
    if !may_see(&ctx, &account, &setup).await? {
        return Err(missing());
    }
    Ok(Json(describe(&ctx, &setup).await?))
}

async fn may_see(ctx: &Ctx, account: &Account, setup: &AppSetup) -> Result<bool, DbError> {
    let is_members = auth::find_app(&ctx.db, account.id, &setup.app.to_string()).await?.is_some();
    Ok(is_members || setup.by == account.id)
}

/// What is null is as if it were not there.
pub(super) fn parse_env(env: BTreeMap<String, Value>) -> Result<BTreeMap<ConfigKey, Secret>, ApiError> {
    let changes = env.into_iter().map(config_vars::change).collect::<Result<Vec<_>, ApiError>>()?;
    Ok(changes.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

async fn describe(ctx: &Ctx, setup: &AppSetup) -> Result<types::AppSetup, ApiError> {
    let mut db = ctx.db.read().await?;
    // A setup goes with its app.
    let app = db::apps::by_id(&mut db, setup.app).await?.ok_or(ApiError::NotFound("app_setup"))?;
    drop(db);
    let (end, status) = match &setup.end {
        None => (None, "pending"),
        Some(end) if end.failure_message.is_none() => (Some(end), "succeeded"),
        Some(end) => (Some(end), "failed"),
    };
    Ok(types::AppSetup {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        build: match setup.build {
            Some(build) => describe_build(ctx, app.id, build).await?,
            None => None,
        },
        created_at: Timestamp(setup.created_at),
        failure_message: end.and_then(|end| end.failure_message.clone()),
        id: setup.id,
        manifest_errors: end.map(|end| end.manifest_errors.clone()).unwrap_or_default(),
        postdeploy: match setup.postdeploy.filter(|_| end.is_some()) {
            Some(dyno) => describe_postdeploy(ctx, app.id, dyno).await?,
            None => None,
        },
        resolved_success_url: end.and_then(|end| end.success_url.clone()),
        status: status.into(),
        updated_at: Timestamp(end.map_or(setup.created_at, |end| end.at)),
    })
}

async fn describe_build(ctx: &Ctx, app: AppId, build: BuildId) -> Result<Option<SetupBuild>, ApiError> {
    let build = db::builds::get(&mut *ctx.db.read().await?, app, build).await?;
    Ok(build.map(|build| SetupBuild {
        id: build.id,
        output_stream_url: Urls::new(ctx).build_output(build.id),
        // The wire has no word for a cancelled build.
        status: if build.status == BuildStatus::Cancelled { BuildStatus::Failed } else { build.status }.as_str().into(),
    }))
}

async fn describe_postdeploy(ctx: &Ctx, app: AppId, dyno: DynoId) -> Result<Option<Postdeploy>, ApiError> {
    let dyno = db::dynos::find(&mut *ctx.db.read().await?, app, &dyno.to_string()).await?;
    let Some((dyno, end)) = dyno.and_then(|dyno| dyno.end.clone().map(|end| (dyno, end))) else { return Ok(None) };
    let mut output = Vec::new();
    // It has ended, so this does not wait for more.
    if let Some(mut log) = deploy::open_dyno_log(ctx, dyno.id).await? {
        while let Some(piece) = log.next().await.transpose()?.filter(|_| output.len() < MOST_OUTPUT) {
            output.extend_from_slice(&piece);
        }
    }
    output.truncate(MOST_OUTPUT);
    Ok(Some(Postdeploy { exit_code: end.exit_status, output: String::from_utf8_lossy(&output).into_owned() }))
}
