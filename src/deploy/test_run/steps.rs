//! The run itself: the source, compiled for its tests, then whatever prepares them, then the tests.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::time::Instant;

use super::super::buildpacks::{self, Behalf};
use super::super::queue::Builder;
use super::super::site::Site;
use super::super::{Failure, archive, environment_spec, manifest, source_means};
use super::TestFailure;
use super::live::{LiveRun, Logs};
use crate::build::{self, ArchiveSource, Build, BuildError, Means, Source};
use crate::ctx::Ctx;
use crate::db;
use crate::engine::{Environment, Exit};
use crate::model::{
    ConfigKey, ConfigVars, EnvironmentName, Manifest, Secret, SourceRoot, Stage, TestLog, TestRun, TestRunStatus,
};
use crate::run::{self, Process};
use crate::stack::{self, Hold, Stack};
use crate::transcript::{Redactor, Transcript};

/// The app's folder. At Heroku, too, tests are compiled where they run.
const APP_DIR: &str = "/app";
/// In the environment as `DYNO`.
const DYNO: &str = "test.1";

/// What is tested, in a form that runs.
struct Prepared {
    source: ArchiveSource,
    wanted: Manifest,
    stack: Stack,
    config: ConfigVars,
    root: Option<SourceRoot>,
}

/// Runs the tests. May be dropped at any point: that ends them.
pub(super) async fn run_tests(
    ctx: &Ctx,
    live: &LiveRun,
    run: &TestRun,
    source: ArchiveSource,
    builder: Builder,
) -> Result<(), TestFailure> {
    live.set_status(TestRunStatus::Creating);
    let (prepared, hold) = prepare(ctx, run, source).await?;
    let logs = new_logs(ctx, run, &prepared.config).map_err(TestFailure::Build)?;
    live.set_logs(logs.clone());
    let name = format!("test-{}", run.id);
    let environment = ctx.engine.start(environment_spec(ctx, &name, &prepared.stack)).await?;
    let site = Site::new(name, &ctx.tasks, environment, builder).with_stack(hold);
    live.set_status(TestRunStatus::Building);
    let command = set_up(ctx, run, &prepared, site.environment(), &logs.setup).await?;
    logs.setup.end();
    live.set_status(TestRunStatus::Running);
    match run_script(ctx, run, &prepared, site.environment(), &command, &logs.output).await? {
        Exit::Code(0) => Ok(()),
        exit => Err(TestFailure::Tests(exit)),
    }
}

/// Gets the source and reads what it asks for, also the stack, which stays meanwhile.
async fn prepare(ctx: &Ctx, run: &TestRun, source: ArchiveSource) -> Result<(Prepared, Hold), TestFailure> {
    let given = given_config(ctx, run).await.map_err(Failure::from)?;
    let root = SourceRoot::of_config(&given).map_err(BuildError::Root)?;
    let means = Means { root: root.clone(), ..source_means(ctx) };
    let source = build::keep_archive(source, &means).await?;
    // Without an app.json everything is detected.
    let app_json = manifest::read(&source, &means).await??.unwrap_or_default();
    let wanted = app_json.manifest(EnvironmentName::Test);
    let config = wanted.config(&given.0, Secret::random).map_err(TestFailure::Manifest)?;
    let stack = manifest::stack(ctx, &app_json)?.unwrap_or_else(|| ctx.config.default_stack.clone());
    let held = stack::hold(&ctx.config.stacks_dir, &stack).map_err(Failure::from)?;
    let prepared = Prepared { source, wanted, stack: held.stack.clone(), config: ConfigVars(config), root };
    Ok((prepared, held.into_hold()))
}

async fn given_config(ctx: &Ctx, run: &TestRun) -> Result<ConfigVars, db::DbError> {
    let mut db = ctx.db.read().await?;
    db::pipeline_config_vars::get(&mut db, ctx.db.cipher(), run.pipeline, Stage::Test).await
}

/// Starts both outputs, in which the config's values are not to be seen.
pub(super) fn new_logs(ctx: &Ctx, run: &TestRun, config: &ConfigVars) -> Result<Logs, Failure> {
    let redactor = Redactor::new(config.0.iter().map(|(key, value)| (key.as_str(), value.expose())));
    let log = |log| {
        let dir = archive::spool_dir(ctx, archive::test_log_name(run.id, log));
        Transcript::create(&dir, ctx.config.limits.log_bytes, redactor.clone())
            .map_err(|source| Failure::Io { what: "the tests' output can't be kept", source })
    };
    Ok(Logs { setup: log(TestLog::Setup)?, output: log(TestLog::Output)? })
}

/// Compiles the app and prepares its tests; returns the command that runs them.
async fn set_up(
    ctx: &Ctx,
    run: &TestRun,
    prepared: &Prepared,
    environment: &Environment,
    transcript: &Transcript,
) -> Result<String, TestFailure> {
    transcript.section(&format!("Testing on the {} stack", prepared.stack.name));
    if !prepared.wanted.addons.is_empty() {
        transcript.warning("The add-ons in app.json are not provisioned for tests: set what the tests need with ci:config:set");
    }
    let build = new_build(ctx, run, prepared, environment, transcript);
    // On the heap: the future of a whole build is large.
    let of_pack = build.in_time(Box::pin(compile(ctx, run, prepared, &build))).await?;
    let scripts = &prepared.wanted.scripts;
    if let Some(script) = &scripts.test_setup {
        transcript.section("Running test-setup command");
        match run_script(ctx, run, prepared, environment, script.as_str(), transcript).await? {
            Exit::Code(0) => {}
            exit => return Err(TestFailure::Setup(exit)),
        }
    }
    scripts.test.as_ref().map(|script| script.as_str().to_owned()).or(of_pack).ok_or(TestFailure::NoTests)
}

async fn compile(ctx: &Ctx, run: &TestRun, prepared: &Prepared, build: &Build<'_>) -> Result<Option<String>, TestFailure> {
    let source = Source::Archive(prepared.source.clone());
    let means = Means { root: prepared.root.clone(), ..source_means(ctx) };
    let mut env_dir = prepared.config.clone();
    env_dir.0.extend(ci_variables(run).into_iter().map(|(key, value)| (key, Secret::new(value))));
    tokio::try_join!(
        build::put_source(build, &source, &means, None),
        build::put_env_dir(build, &env_dir),
        // Each run begins with an empty one: what another branch's tests left must not decide.
        build::restore_cache(build, &ctx.store, None),
    )?;
    let wanted = build::choose_buildpacks(build, &prepared.config, &prepared.wanted.buildpacks).await?;
    let found = buildpacks::find_all(ctx, build, &wanted, &Behalf::nobodys(ctx)).await?;
    let packs = build::select(build, found).await?;
    let compiled = build::test_compile(build, packs).await?;
    Ok(build::test_command(build, &compiled).await?)
}

fn new_build<'a>(
    ctx: &Ctx,
    run: &'a TestRun,
    prepared: &'a Prepared,
    environment: &'a Environment,
    transcript: &'a Transcript,
) -> Build<'a> {
    let limits = &ctx.config.limits;
    Build {
        environment,
        transcript,
        dir: APP_DIR.to_owned(),
        stack: &prepared.stack.name,
        stack_env: &prepared.stack.build_env,
        source_version: Some(run.commit.as_str()),
        request_id: run.id.to_string(),
        deadline: Instant::now() + limits.build_time,
        time_limit: limits.build_time,
        silence: limits.build_silence,
        language: Mutex::default(),
        reports: Mutex::default(),
    }
}

async fn run_script(
    ctx: &Ctx,
    run: &TestRun,
    prepared: &Prepared,
    environment: &Environment,
    command: &str,
    transcript: &Transcript,
) -> Result<Exit, TestFailure> {
    let env: BTreeMap<_, _> = ci_variables(run).into_iter().map(|(key, value)| (key.to_string(), value)).collect();
    let program = run::Program::Slug { command: command.to_owned(), env: prepared.stack.build_env.clone() };
    let process =
        Process { name: DYNO, program: &program, config: &prepared.config, env: &env, time: ctx.config.limits.test_time };
    Ok(run::run(environment, &process, transcript).await?)
}

/// What Heroku CI tells tests of themselves (Dev Center, "Heroku CI" and "Heroku CI Parallel Test Runs"). Nobody can set
/// these otherwise.
fn ci_variables(run: &TestRun) -> BTreeMap<ConfigKey, String> {
    let variables = [
        ("CI", "true".to_owned()),
        ("CI_NODE_INDEX", "0".to_owned()),
        ("CI_NODE_TOTAL", "1".to_owned()),
        ("HEROKU_TEST_RUN_BRANCH", run.branch.to_string()),
        ("HEROKU_TEST_RUN_COMMIT_VERSION", run.commit.to_string()),
        ("HEROKU_TEST_RUN_ID", run.id.to_string()),
        ("HEROKU_TEST_RUN_NUMBER", run.number.to_string()),
    ];
    variables.into_iter().map(|(name, value)| (name.parse().expect("a config var's name"), value)).collect()
}
