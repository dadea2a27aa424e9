//! One-off commands: any command in the code and the config of the app's current release.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use uuid::Uuid;

use super::archive::{self, LogOf};
use super::dynos::{Dyno, DynoEnd};
use super::failure::Failure;
use super::process::{Job, ProcessFailure, run_job, stop_reason};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{Account, App, ConfigVars, DynoId, ProcessType, ProcessTypes, Release, Slug};
use crate::telemetry;
use crate::transcript::{Redactor, Transcript};

/// What is asked for.
#[derive(Debug)]
pub struct RunRequest {
    pub app: App,
    pub by: Account,
    pub command: String,
    /// Variables that win over the config vars.
    pub env: BTreeMap<String, String>,
    pub process_type: ProcessType,
    /// Less than the limit, if the user wants so.
    pub time_to_live: Option<Duration>,
}

/// Why a command was not started.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the app has no code yet")]
    NoCode,
    #[error("{0} one-off commands are running already")]
    TooMany(usize),
    #[error("hoist is being stopped")]
    Stopped,
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the command's output can't be kept")]
    Output(#[source] std::io::Error),
}

/// Everything that a started command needs.
struct Run {
    slug: Slug,
    config: ConfigVars,
    env: BTreeMap<String, String>,
    time: Duration,
    place: OwnedSemaphorePermit,
    transcript: Transcript,
}

/// Records a command and starts it. From here on it goes on whatever becomes of the caller, for a limited time, and ends
/// in exactly one recorded end.
pub async fn run_detached(ctx: &Ctx, request: RunRequest) -> Result<Arc<Dyno>, RunError> {
    if ctx.stopping.is_cancelled() {
        return Err(RunError::Stopped);
    }
    let (release, slug, config) = current(ctx, &request.app).await?;
    let dyno = Arc::new(new_dyno(ctx, &request, release, &slug.process_types));
    let most = ctx.config.limits.concurrent_runs;
    let place = ctx.dynos.enter_run(&dyno).ok_or(RunError::TooMany(most))?;
    let transcript = match record(ctx, &dyno, &request, &config).await {
        Ok(transcript) => transcript,
        Err(error) => {
            ctx.dynos.leave(&dyno);
            return Err(error);
        }
    };
    dyno.start(transcript.clone());
    let longest = ctx.config.limits.run_time;
    let time = request.time_to_live.map_or(longest, |time| time.min(longest));
    let run = Run { slug, config, env: request.env, time, place, transcript };
    let (ctx_of_task, dyno_of_task) = (ctx.clone(), Arc::clone(&dyno));
    ctx.tasks.spawn(async move { carry_out(&ctx_of_task, &dyno_of_task, run).await });
    Ok(dyno)
}

async fn current(ctx: &Ctx, app: &App) -> Result<(Release, Slug, ConfigVars), RunError> {
    let mut db = ctx.db.read().await?;
    let release = db::releases::current(&mut db, app.id).await?.ok_or(RunError::NoCode)?;
    let slug = db::slugs::get(&mut db, release.slug.ok_or(RunError::NoCode)?).await?.ok_or(RunError::NoCode)?;
    let config = db::releases::config(&mut db, ctx.db.cipher(), release.id).await?;
    Ok((release, slug, config))
}

fn new_dyno(ctx: &Ctx, request: &RunRequest, release: Release, types: &ProcessTypes) -> Dyno {
    let is_free = |name: &String| ctx.dynos.find(request.app.id, name).is_none();
    let mut names = std::iter::repeat_with(|| format!("{}.{}", request.process_type, random_number()));
    let name = names.find(is_free).expect("far fewer commands than numbers run at once");
    let dyno = Dyno::new(name, request.process_type.clone(), release, ctx.now(), ctx.killing.child_token());
    dyno.set_command(&expand(&request.command, types));
    dyno
}

/// Four digits, as at Heroku.
fn random_number() -> u128 {
    1000 + Uuid::new_v4().as_u128() % 9000
}

/// A process type in place of a program means that process, with what follows as its arguments.
fn expand(command: &str, types: &ProcessTypes) -> String {
    let (first, rest) = command.split_once(' ').map_or((command, None), |(first, rest)| (first, Some(rest)));
    match types.iter().find(|(name, _)| name.as_str() == first) {
        Some((_, process)) => rest.map_or_else(|| process.clone(), |rest| format!("{process} {rest}")),
        None => command.to_owned(),
    }
}

async fn record(ctx: &Ctx, dyno: &Dyno, request: &RunRequest, config: &ConfigVars) -> Result<Transcript, RunError> {
    let secrets = config.0.iter().map(|(key, value)| (key.as_str(), value.expose()));
    let transcript = Transcript::create(&archive::spool_dir(ctx, dyno.id), ctx.config.limits.log_bytes, Redactor::new(secrets));
    let transcript = transcript.map_err(RunError::Output)?;
    let row = db::dynos::Dyno {
        id: dyno.id,
        app: dyno.app,
        release: dyno.release.id,
        by: request.by.id,
        name: dyno.name.clone(),
        process_type: dyno.process_type.clone(),
        command: dyno.command().to_owned(),
        created_at: dyno.created_at,
        end: None,
    };
    let mut tx = ctx.db.write().await?;
    db::dynos::insert(&mut tx, &row).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(transcript)
}

async fn carry_out(ctx: &Ctx, dyno: &Arc<Dyno>, run: Run) {
    let start = Instant::now();
    let (transcript, time) = (run.transcript.clone(), run.time);
    // In a task of its own, so that a panic is an outcome like any other.
    let work = {
        let (ctx, dyno) = (ctx.clone(), Arc::clone(dyno));
        tokio::spawn(async move { run_it(&ctx, &dyno, run).await })
    };
    let end = work.await.unwrap_or_else(|error| Err(Failure::Lost(error.to_string()).into()));
    telemetry::dyno_ended("run", end.as_ref().err().map_or("succeeded", ProcessFailure::word), start.elapsed());
    if let Err(error @ ProcessFailure::Platform(_)) = &end {
        let error: &dyn std::error::Error = error;
        tracing::error!(dyno.id = %dyno.id, app.id = %dyno.app, error, "a one-off command could not be run");
    }
    if let Err(error) = record_end(ctx, dyno.id, &end).await {
        // The next start does: a command without an end is one that was cut off.
        tracing::error!(dyno.id = %dyno.id, %error, "a one-off command's end could not be recorded");
    }
    if let Err(failure) = &end {
        for line in failure.words("Command", time, &ctx.config.limits) {
            transcript.line(&line);
        }
    }
    transcript.end();
    dyno.end(Arc::new(end));
    archive::keep_log_or_say(ctx, LogOf::Dyno(dyno.id), transcript.follow()).await;
    // Until its output is archived, this is where readers find it.
    ctx.dynos.leave(dyno);
}

async fn run_it(ctx: &Ctx, dyno: &Dyno, run: Run) -> DynoEnd {
    let _running = telemetry::dyno_running("run");
    let Run { slug, config, env, time, place, transcript } = run;
    let job = Job { name: &dyno.name, command: dyno.command(), slug: slug.id, config: &config, env: &env, time };
    tokio::select! {
        ended = run_job(ctx, &job, &transcript, place) => ended,
        () = dyno.stopped() => Err(stop_reason(ctx)),
    }
}

async fn record_end(ctx: &Ctx, id: DynoId, end: &DynoEnd) -> Result<(), DbError> {
    let row = match end {
        Ok(()) => db::dynos::DynoEnd { exit_status: Some(0), reason: None },
        Err(failure) => db::dynos::DynoEnd { exit_status: failure.exit_status(), reason: Some(failure.to_string()) },
    };
    let mut tx = ctx.db.write().await?;
    db::dynos::end(&mut tx, id, &row, ctx.now()).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_type_is_its_command() {
        let types = [("console", "bin/rails console"), ("web", "./serve")];
        let types = types.map(|(name, command)| (name.parse().unwrap(), command.to_owned())).into();
        let check = |command: &str, expected: &str| assert_eq!(expand(command, &types), expected);
        check("console", "bin/rails console");
        check("console --sandbox", "bin/rails console --sandbox");
        check("consoles", "consoles");
        check("echo web", "echo web");
    }
}
