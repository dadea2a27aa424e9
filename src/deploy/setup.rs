//! Setups: a new app, made and deployed as its app.json says.
//!
//! A setup that fails leaves its app as far as it came: Heroku's API answers with the app of a failed setup, and such
//! apps are there to be looked at (their builds are read by `Financial-Times/n-heroku-tools` after a setup has errored,
//! and they serve requests in `git/git-scm.com` issue 1304). Whoever does not want it destroys it.

mod addons;
mod files;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failure::Failure;
use super::process::ProcessFailure;
use super::run::{RunError, RunRequest, run_detached};
use super::submit::{End, submit};
use super::{Dyno, Request, begin_phase, manifest, source_means};
use crate::apps::{self, AppError};
use crate::build::{self, ArchiveSource, BuildError, Means, Source};
use crate::ctx::Ctx;
use crate::db::app_setups::{AppSetup, AppSetupEnd};
use crate::db::formations::Scale;
use crate::db::{self, Connection, DbError};
use crate::model::{
    Account, App, AppJson, AppName, AppSetupId, BuildOrigin, BuildpackRef, ConfigKey, ConfigVars, DynoSize, EnvironmentName,
    Invalid, Manifest, Priority, PushOptions, Secret, SourceRoot, StackName,
};
use crate::release::{ConfigError, change_config};

/// What is asked for.
#[derive(Debug)]
pub struct SetupRequest {
    pub by: Account,
    /// A random one, if none is given.
    pub name: Option<AppName>,
    /// That of app.json, or the default one, if none is given.
    pub stack: Option<StackName>,
    pub source: ArchiveSource,
    /// Config vars that win over those in app.json.
    pub env: BTreeMap<ConfigKey, Secret>,
    /// In place of those in app.json, unless empty.
    pub buildpacks: Vec<BuildpackRef>,
    /// Which part of app.json counts.
    pub environment: EnvironmentName,
    /// The connected repository that the source came from.
    pub origin: Option<BuildOrigin>,
    /// Of its build.
    pub priority: Priority,
}

/// A setup that is recorded, and is to be carried out.
#[derive(Debug)]
pub(super) struct NewSetup {
    pub(super) id: AppSetupId,
    pub(super) app: App,
}

/// Why a setup was not begun.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{0} setups have not ended")]
    TooMany(usize),
    #[error("hoist is being stopped")]
    Stopped,
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Why a setup did not succeed, in the words that its row has.
#[derive(Debug)]
enum SetupFailure {
    Failed {
        message: String,
        manifest_errors: Vec<String>,
        /// hoist's own fault, to be logged.
        cause: Option<Box<Failure>>,
    },
    /// hoist is being stopped.
    Stopped,
}

/// What is recorded of one that a stop has cut off.
const STOPPED: &str = "hoist was stopped while the app was set up; destroy the app and set it up again";

/// Makes the app, records its setup and starts it. From here on it goes on whatever becomes of the caller, and ends in
/// exactly one recorded end.
pub async fn submit_setup(ctx: &Ctx, request: SetupRequest) -> Result<AppSetupId, SetupError> {
    if ctx.stopping.is_cancelled() {
        return Err(SetupError::Stopped);
    }
    let mut tx = ctx.db.write().await?;
    let setup = record_new(&mut tx, ctx, &request).await?;
    tx.commit().await.map_err(DbError::from)?;
    let (id, ctx_of_task) = (setup.id, ctx.clone());
    ctx.tasks.spawn(async move { carry_out(&ctx_of_task, setup, request).await });
    Ok(id)
}

/// Makes the app and records its setup, in a transaction that may record more. Whoever commits it carries it out.
pub(super) async fn record_new(tx: &mut Connection, ctx: &Ctx, request: &SetupRequest) -> Result<NewSetup, SetupError> {
    let (id, now) = (AppSetupId::new(), ctx.now());
    let stack = request.stack.as_ref().unwrap_or(&ctx.config.default_stack);
    let app = apps::new_app(&request.by, request.name.clone(), stack, now);
    let most = ctx.config.limits.concurrent_setups;
    let unended = db::app_setups::unended(tx).await?;
    if unended.iter().filter(|setup| setup.by == request.by.id).count() >= most {
        return Err(SetupError::TooMany(most));
    }
    apps::insert(tx, ctx.db.cipher(), &app).await?;
    db::app_setups::insert(tx, id, app.id, request.by.id, now).await?;
    Ok(NewSetup { id, app })
}

/// Records that a setup was cut off.
pub(super) async fn end_cut_off(ctx: &Ctx, setup: &AppSetup) -> Result<(), DbError> {
    tracing::warn!(setup.id = %setup.id, app.id = %setup.app, "hoist was stopped while this app was set up; the setup is recorded as failed");
    record(ctx, setup.id, Err(SetupFailure::Stopped)).await
}

/// Carries a setup out to its recorded end.
pub(super) async fn carry_out(ctx: &Ctx, NewSetup { id, app }: NewSetup, request: SetupRequest) {
    // In a task of its own, so that a panic is an outcome like any other.
    let work = {
        let ctx = ctx.clone();
        tokio::spawn(async move {
            tokio::select! {
                ended = set_up(&ctx, id, app, request) => ended,
                () = ctx.killing.cancelled() => Err(SetupFailure::Stopped),
            }
        })
    };
    let outcome = work.await.unwrap_or_else(|error| Err(Failure::Lost(error.to_string()).into()));
    // The next start says so, after it has begun again with what nobody else would: a review app.
    if matches!(outcome, Err(SetupFailure::Stopped)) {
        return;
    }
    if let Err(SetupFailure::Failed { cause: Some(cause), .. }) = &outcome {
        tracing::error!(setup.id = %id, error = &**cause as &dyn std::error::Error, "a setup failed for hoist's own reasons");
    }
    if let Err(error) = record(ctx, id, outcome).await {
        // The next start does: a setup without an end is one that was cut off.
        tracing::error!(setup.id = %id, %error, "a setup's end could not be recorded");
    }
}

/// Sets the app up; returns where its user is led then.
async fn set_up(ctx: &Ctx, id: AppSetupId, app: App, request: SetupRequest) -> Result<Option<String>, SetupFailure> {
    let root = SourceRoot::of_config(&ConfigVars(request.env.clone()))?;
    let means = Means { root, ..source_means(ctx) };
    let source = build::keep_archive(request.source.clone(), &means).await?;
    let (app_json, wanted) = files::read(&source, &means, request.stack.as_ref(), request.environment).await?;
    let config = wanted.config(&request.env, Secret::random).map_err(SetupFailure::manifest)?;
    let addons = addons::check(ctx, &wanted.addons)?;
    let app = choose_stack(ctx, app, &request, &app_json).await?;
    let buildpacks = if request.buildpacks.is_empty() { wanted.buildpacks.clone() } else { request.buildpacks.clone() };
    apps::set_buildpacks(&ctx.db, &app, &buildpacks).await?;
    set_config(ctx, &app, &request.by, config).await?;
    addons::provision(ctx, &app, &request.by, addons).await?;
    set_formation(ctx, &app, &wanted).await?;
    deploy(ctx, id, &app, &request, Source::Archive(source), buildpacks).await?;
    if let Some(script) = &wanted.scripts.postdeploy {
        run_postdeploy(ctx, id, &app, &request.by, script.as_str()).await?;
    }
    let web_url = ctx.config.app_url.as_ref().map(|url| url.replace("{app}", app.name.as_str()));
    Ok(app_json.resolved_success_url(web_url.as_deref()))
}

/// The caller's wish comes before that of app.json.
async fn choose_stack(ctx: &Ctx, app: App, request: &SetupRequest, app_json: &AppJson) -> Result<App, SetupFailure> {
    if request.stack.is_some() {
        return Ok(app);
    }
    match manifest::stack(ctx, app_json)? {
        Some(stack) => Ok(apps::set_stack(&ctx.db, &app, stack.clone(), app.owner, ctx.now()).await?),
        None => Ok(app),
    }
}

async fn set_config(ctx: &Ctx, app: &App, by: &Account, config: BTreeMap<ConfigKey, Secret>) -> Result<(), SetupFailure> {
    let changes = config.into_iter().map(|(key, value)| (key, Some(value))).collect();
    match change_config(&ctx.db, app.id, by.id, &changes, ctx.now()).await {
        Ok((_, release)) => {
            // Somebody may have pushed to the app meanwhile.
            if let Some(release) = release {
                begin_phase(ctx, &release);
            }
            Ok(())
        }
        Err(ConfigError::Invalid(invalid)) => Err(invalid.into()),
        Err(ConfigError::Db(error)) => Err(error.into()),
    }
}

/// Keeps the wish for process types that the first release is about to bring.
async fn set_formation(ctx: &Ctx, app: &App, wanted: &Manifest) -> Result<(), SetupFailure> {
    let mut tx = ctx.db.write().await?;
    for (process_type, spec) in &wanted.formation {
        let size = spec.size.clone().unwrap_or_else(|| DynoSize::DEFAULT.to_owned());
        let scale = Scale { quantity: spec.quantity, size, updated_at: ctx.now() };
        db::formations::set(&mut tx, app.id, process_type, &scale, app.owner).await?;
    }
    Ok(tx.commit().await.map_err(DbError::from)?)
}

/// Builds and releases, on the same road as a push.
async fn deploy(
    ctx: &Ctx,
    id: AppSetupId,
    app: &App,
    asked: &SetupRequest,
    source: Source,
    buildpacks: Vec<BuildpackRef>,
) -> Result<(), SetupFailure> {
    let (app, by, options, origin) = (app.clone(), asked.by.clone(), PushOptions::default(), asked.origin.clone());
    let priority = asked.priority;
    let request = Request {
        app,
        by,
        source,
        options,
        priority,
        refs: Vec::new(),
        pack: None,
        buildpacks,
        cache: None,
        origin,
        trigger: None,
    };
    let mut ticket = submit(ctx, request).await?;
    let mut tx = ctx.db.write().await?;
    db::app_setups::set_build(&mut tx, id, ticket.build).await?;
    tx.commit().await.map_err(DbError::from)?;
    match &*ticket.ended().await {
        End::Released(_, None) => Ok(()),
        End::Released(_, Some(phase)) => match &*phase.ended().await {
            Ok(()) => Ok(()),
            Err(failure) => Err(SetupFailure::new(format!("release command failed: {failure}"))),
        },
        End::Failed(Failure::Stopped) => Err(SetupFailure::Stopped),
        End::Failed(failure) => Err(SetupFailure::new(format!("build failed: {failure}"))),
        // Of pushes that ask for these.
        End::ReleaseFailed(_) | End::DryRun => Err(SetupFailure::new("build failed: nothing was released")),
    }
}

async fn run_postdeploy(ctx: &Ctx, id: AppSetupId, app: &App, by: &Account, command: &str) -> Result<(), SetupFailure> {
    let request = RunRequest {
        app: app.clone(),
        by: by.clone(),
        command: command.to_owned(),
        env: BTreeMap::new(),
        terminal: None,
        process_type: "postdeploy".parse().expect("a process type's name"),
        time_to_live: Some(ctx.config.limits.release_time),
    };
    let dyno: Arc<Dyno> = run_detached(ctx, request).await?;
    let mut tx = ctx.db.write().await?;
    db::app_setups::set_postdeploy(&mut tx, id, dyno.id).await?;
    tx.commit().await.map_err(DbError::from)?;
    match &*dyno.ended().await {
        Ok(()) => Ok(()),
        // Heroku's own words.
        Err(ProcessFailure::Exit(_)) => Err(SetupFailure::new("postdeploy exit code was not 0")),
        Err(failure) => Err(SetupFailure::new(format!("postdeploy did not succeed: {failure}"))),
    }
}

async fn record(ctx: &Ctx, id: AppSetupId, outcome: Result<Option<String>, SetupFailure>) -> Result<(), DbError> {
    let at = ctx.now();
    let (failure_message, manifest_errors, success_url) = match outcome {
        Ok(success_url) => (None, Vec::new(), success_url),
        Err(SetupFailure::Failed { message, manifest_errors, .. }) => (Some(message), manifest_errors, None),
        Err(SetupFailure::Stopped) => (Some(STOPPED.to_owned()), Vec::new(), None),
    };
    let end = AppSetupEnd { failure_message, manifest_errors, success_url, at };
    let mut tx = ctx.db.write().await?;
    db::app_setups::end(&mut tx, id, &end).await?;
    Ok(tx.commit().await?)
}

impl SetupFailure {
    fn new(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), manifest_errors: Vec::new(), cause: None }
    }

    /// The words of the schema's example.
    fn manifest(errors: Vec<String>) -> Self {
        Self::Failed { message: "invalid app.json".into(), manifest_errors: errors, cause: None }
    }
}

impl From<Failure> for SetupFailure {
    fn from(failure: Failure) -> Self {
        if matches!(failure, Failure::Stopped) {
            return Self::Stopped;
        }
        let message = failure.to_string();
        if failure.is_hoists_fault() {
            return Self::Failed {
                message: format!("{message} (hoist's fault, not yours)"),
                manifest_errors: Vec::new(),
                cause: Some(Box::new(failure)),
            };
        }
        Self::new(message)
    }
}

/// Of what app.json says.
impl From<Invalid> for SetupFailure {
    fn from(Invalid(why): Invalid) -> Self {
        Self::manifest(vec![why])
    }
}

impl From<BuildError> for SetupFailure {
    fn from(error: BuildError) -> Self {
        Failure::from(error).into()
    }
}

impl From<DbError> for SetupFailure {
    fn from(error: DbError) -> Self {
        Failure::from(error).into()
    }
}

impl From<RunError> for SetupFailure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Db(error) => error.into(),
            RunError::Stopped => Self::Stopped,
            error => Self::new(format!("postdeploy could not be run: {error}")),
        }
    }
}
