//! Setting a review app up.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::setup::{self, NewSetup, SetupError, SetupRequest};
use super::super::{addons, manifest, source_means};
use super::{Halt, deployer, source};
use crate::apps::AppError;
use crate::build::{self, ArchiveSource, Means};
use crate::ctx::Ctx;
use crate::db::{self, Connection, DbError};
use crate::model::{
    Account, App, AppName, ConfigKey, ConfigVars, Coupling, CouplingId, EnvironmentName, Forks, Permissions, Pipeline, Priority,
    ReviewApp, ReviewAppConfig, Secret, SourceRoot, Stage, review_app_name,
};

/// Sets the app up, in place of what an earlier attempt has left.
pub(super) async fn create(ctx: &Ctx, review_app: &ReviewApp) -> Result<(), Halt> {
    let mut db = ctx.db.read().await?;
    let Some(pipeline) = db::pipelines::get(&mut db, review_app.pipeline).await? else { return Ok(()) };
    let config = db::review_app_configs::get(&mut db, pipeline.id).await?;
    let former = match review_app.app {
        Some(app) => db::apps::by_id(&mut db, app).await?,
        None => None,
    };
    let owner = db::accounts::get(&mut db, pipeline.owner).await?;
    drop(db);
    let deployer = deployer(ctx, review_app, &pipeline).await?;
    if let Some(app) = former {
        addons::destroy_app(ctx, app, review_app.by).await?;
    }
    let fetched = source::get(ctx, review_app).await?;
    let source = build::keep_archive(fetched.archive, &source_means(ctx)).await?;
    let name = new_name(config.as_ref(), &pipeline, review_app);
    let env = environment(ctx, review_app, config.as_ref(), &name).await?;
    // What is wrong with it, the setup says.
    let root = SourceRoot::of_config(&ConfigVars(env.clone())).unwrap_or_default();
    let predestroy = predestroy(ctx, &source, root).await?;
    let request = SetupRequest {
        by: owner,
        name: Some(name),
        stack: None,
        source,
        env,
        buildpacks: Vec::new(),
        environment: EnvironmentName::Review,
        origin: fetched.origin,
        priority: Priority::Background,
    };
    let mut tx = ctx.db.write().await?;
    let new = setup::record_new(&mut tx, ctx, &request).await?;
    place(&mut tx, ctx, &pipeline, &deployer, &new.app).await?;
    let begun = (new.app.id, new.id, fetched.commit.as_ref());
    if !db::review_apps::begin(&mut tx, review_app.id, begun, ctx.now()).await? {
        // It is not wanted any more: nothing of this is committed.
        return Ok(());
    }
    db::review_apps::set_predestroy(&mut tx, review_app.id, predestroy.as_deref()).await?;
    tx.commit().await.map_err(DbError::from)?;
    let id = new.id;
    setup::carry_out(ctx, NewSetup { id, app: new.app }, request).await;
    settle(ctx, &ReviewApp { setup: Some(id), ..review_app.clone() }).await
}

/// Takes over how the setup has ended.
pub(super) async fn settle(ctx: &Ctx, review_app: &ReviewApp) -> Result<(), Halt> {
    let mut tx = ctx.db.write().await?;
    let setup = match review_app.setup {
        Some(setup) => db::app_setups::get(&mut tx, setup).await?,
        None => None,
    };
    // One that has none could not be recorded, and the next start does.
    let Some(end) = setup.and_then(|setup| setup.end) else { return Err(Halt::Again("its setup has no end".into())) };
    let failure = end.failure_message.map(|message| match end.manifest_errors.as_slice() {
        [] => message,
        errors => format!("{message}: {}", errors.join("; ")),
    });
    db::review_apps::created(&mut tx, review_app.id, failure.as_deref(), ctx.now()).await?;
    Ok(tx.commit().await.map_err(DbError::from)?)
}

/// The command that the code wants to be run before its app is destroyed. What else its app.json says, the setup tells.
pub(super) async fn predestroy(ctx: &Ctx, source: &ArchiveSource, root: Option<SourceRoot>) -> Result<Option<String>, Halt> {
    let means = Means { root, ..source_means(ctx) };
    let app_json = manifest::read(source, &means).await?.ok().flatten();
    let script = app_json.and_then(|app_json| app_json.manifest(EnvironmentName::Review).scripts.pr_predestroy);
    Ok(script.map(|script| script.as_str().to_owned()))
}

fn new_name(config: Option<&ReviewAppConfig>, pipeline: &Pipeline, review_app: &ReviewApp) -> AppName {
    let base = config.and_then(|config| config.base_name.as_ref());
    let random = Uuid::new_v4().simple().to_string();
    review_app_name(base, &pipeline.name, review_app.pull_request, &review_app.branch, &random[..6])
}

/// The config vars that win over those of app.json: the pipeline's, those that were asked for with the review app, and what it
/// is, in Heroku's words. Whose code a stranger has written gets none of the pipeline's, unless its owner wants so.
async fn environment(
    ctx: &Ctx,
    review_app: &ReviewApp,
    config: Option<&ReviewAppConfig>,
    name: &AppName,
) -> Result<BTreeMap<ConfigKey, Secret>, DbError> {
    let mut db = ctx.db.read().await?;
    let is_trusted = review_app.fork.is_none() || config.is_some_and(|config| config.forks == Forks::WithConfigVars);
    let mut env = BTreeMap::new();
    if is_trusted {
        env = db::pipeline_config_vars::get(&mut db, ctx.db.cipher(), review_app.pipeline, Stage::Review).await?.0;
    }
    let mut own = vec![("HEROKU_APP_NAME", name.to_string()), ("HEROKU_BRANCH", review_app.branch.to_string())];
    own.extend(review_app.pull_request.map(|number| ("HEROKU_PR_NUMBER", number.to_string())));
    env.extend(own.into_iter().map(|(key, value)| (key.parse().expect("a config var's name"), Secret::new(value))));
    env.extend(db::review_apps::environment(&mut db, ctx.db.cipher(), review_app.id).await?.0);
    Ok(env)
}

/// Puts the app into its pipeline, and lets whoever has asked for it work on it.
async fn place(tx: &mut Connection, ctx: &Ctx, pipeline: &Pipeline, deployer: &Account, app: &App) -> Result<(), DbError> {
    let (now, stage) = (ctx.now(), Stage::Review);
    let coupling =
        Coupling { id: CouplingId::new(), app: app.id, pipeline: pipeline.id, stage, created_at: now, updated_at: now };
    db::pipeline_couplings::insert(tx, &coupling).await?;
    if deployer.id != app.owner {
        let permissions = Permissions::default();
        db::collaborators::insert(tx, app.id, deployer.id, &permissions, app.owner, now).await?;
    }
    Ok(())
}

impl From<SetupError> for Halt {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Db(error) | SetupError::App(AppError::Db(error)) => error.into(),
            SetupError::App(AppError::Invalid(invalid)) => Self::Failed(invalid.to_string()),
            error @ (SetupError::TooMany(_) | SetupError::Stopped) => Self::Again(error.to_string()),
        }
    }
}
