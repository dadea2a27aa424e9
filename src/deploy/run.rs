//! One-off commands: any command in the code and the config of the app's current release.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use uuid::Uuid;

use super::app_log::app_log;
use super::archive::{self, LogOf};
use super::dynos::{Dyno, DynoEnd};
use super::failure::Failure;
use super::process::{Job, ProcessFailure, run_job, run_job_attached, stop_reason};
use super::program::Program;
use super::rendezvous::{Attached, Meeting};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{Account, App, ConfigVars, DynoId, ProcessType, Release, WindowSize};
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
    /// Of whoever is going to attach, if they want one.
    pub terminal: Option<WindowSize>,
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
    program: Program,
    config: ConfigVars,
    env: BTreeMap<String, String>,
    time: Duration,
    place: OwnedSemaphorePermit,
    others: Others,
}

/// Who is at the command's other end.
enum Others {
    /// Nobody: its output is kept.
    Log(Transcript),
    /// Somebody who is to come.
    Client(Meeting, Option<WindowSize>),
}

/// How long whoever wants to attach may take to come.
const MEETING_TIME: Duration = Duration::from_mins(1);

/// Records a command and starts it. From here on it goes on whatever becomes of the caller, for a limited time, and ends
/// in exactly one recorded end.
pub async fn run_detached(ctx: &Ctx, request: RunRequest) -> Result<Arc<Dyno>, RunError> {
    let (dyno, config, program) = accept(ctx, &request).await?;
    let dyno = Arc::new(dyno);
    let secrets = config.0.iter().map(|(key, value)| (key.as_str(), value.expose()));
    let dir = archive::spool_dir(ctx, dyno.id);
    let transcript = Transcript::create(&dir, ctx.config.limits.log_bytes, Redactor::new(secrets)).map_err(RunError::Output)?;
    let log = transcript.follow();
    let copied = app_log(ctx, dyno.app).map(|log| transcript.copy_output_to(log, &dyno.name));
    if let Err(error) = copied {
        log.discard();
        return Err(RunError::Output(error));
    }
    let started = start(ctx, request, &dyno, (program, config), Others::Log(transcript)).await;
    if started.is_err() {
        log.discard();
    }
    started.map(|()| dyno)
}

/// Records a command and starts it once a client has come to [`attach`] with the secret that is returned. It ends when the
/// client goes away. What is put out is the client's alone: it is neither kept nor searched for secrets.
pub async fn run_attached(ctx: &Ctx, request: RunRequest) -> Result<(Arc<Dyno>, String), RunError> {
    let (mut dyno, config, program) = accept(ctx, &request).await?;
    dyno.is_attached = true;
    let dyno = Arc::new(dyno);
    let meeting = ctx.dynos.waiting().meet();
    let (secret, terminal) = (meeting.secret.clone(), request.terminal);
    start(ctx, request, &dyno, (program, config), Others::Client(meeting, terminal)).await?;
    Ok((dyno, secret))
}

/// Brings a connection to the command that waits for this line, and waits until they are through; `false` when none does.
pub async fn attach(ctx: &Ctx, line: &str, connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> bool {
    ctx.dynos.waiting().bring(line, Box::new(connection)).await
}

/// Looks up what the command is to be run in.
async fn accept(ctx: &Ctx, request: &RunRequest) -> Result<(Dyno, ConfigVars, Program), RunError> {
    if ctx.stopping.is_cancelled() {
        return Err(RunError::Stopped);
    }
    let (release, program, config) = current(ctx, request).await?;
    Ok((new_dyno(ctx, request, release, &program), config, program))
}

async fn start(
    ctx: &Ctx,
    request: RunRequest,
    dyno: &Arc<Dyno>,
    (program, config): (Program, ConfigVars),
    others: Others,
) -> Result<(), RunError> {
    let place = ctx.dynos.enter_run(dyno).ok_or(RunError::TooMany(ctx.config.limits.concurrent_runs))?;
    if let Err(error) = record(ctx, dyno, &request).await {
        ctx.dynos.leave(dyno);
        return Err(error.into());
    }
    if let Others::Log(transcript) = &others {
        dyno.start(Some(transcript.clone()));
    }
    let longest = ctx.config.limits.run_time;
    let time = request.time_to_live.map_or(longest, |time| time.min(longest));
    let run = Run { program, config, env: request.env, time, place, others };
    let (ctx_of_task, dyno_of_task) = (ctx.clone(), Arc::clone(dyno));
    ctx.tasks.spawn(async move { carry_out(&ctx_of_task, &dyno_of_task, run).await });
    Ok(())
}

async fn current(ctx: &Ctx, request: &RunRequest) -> Result<(Release, Program, ConfigVars), RunError> {
    let mut db = ctx.db.read().await?;
    let release = db::releases::current(&mut db, request.app.id).await?.ok_or(RunError::NoCode)?;
    let artifact = db::artifacts::of_release(&mut db, &release).await?.ok_or(RunError::NoCode)?;
    let program = Program::one_off(&artifact, &request.process_type, &request.command).ok_or(RunError::NoCode)?;
    let config = db::releases::config(&mut db, ctx.db.cipher(), release.id).await?;
    Ok((release, program, config))
}

fn new_dyno(ctx: &Ctx, request: &RunRequest, release: Release, program: &Program) -> Dyno {
    let is_free = |name: &String| ctx.dynos.find(request.app.id, name).is_none();
    let mut names = std::iter::repeat_with(|| format!("{}.{}", request.process_type, random_number()));
    let name = names.find(is_free).expect("far fewer commands than numbers run at once");
    let dyno = Dyno::new(name, request.process_type.clone(), release, ctx.now(), ctx.killing.child_token());
    dyno.set_command(&program.command());
    dyno
}

/// Four digits, as at Heroku.
fn random_number() -> u128 {
    1000 + Uuid::new_v4().as_u128() % 9000
}

async fn record(ctx: &Ctx, dyno: &Dyno, request: &RunRequest) -> Result<(), DbError> {
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
    Ok(tx.commit().await?)
}

async fn carry_out(ctx: &Ctx, dyno: &Arc<Dyno>, run: Run) {
    let start = Instant::now();
    let transcript = if let Others::Log(transcript) = &run.others { Some(transcript.clone()) } else { None };
    let time = run.time;
    // In a task of its own, so that a panic is an outcome like any other.
    let work = {
        let (ctx, dyno) = (ctx.clone(), Arc::clone(dyno));
        tokio::spawn(async move { run_it(&ctx, &dyno, run).await })
    };
    let (end, attached) = work.await.unwrap_or_else(|error| (Err(Failure::Lost(error.to_string()).into()), None));
    telemetry::dyno_ended("run", end.as_ref().err().map_or("succeeded", ProcessFailure::word), start.elapsed());
    if let Err(error @ ProcessFailure::Platform(_)) = &end {
        let error: &dyn std::error::Error = error;
        tracing::error!(dyno.id = %dyno.id, app.id = %dyno.app, error, "a one-off command could not be run");
    }
    // Before the output's end: whoever has read that asks how it ended.
    if let Err(error) = record_end(ctx, dyno.id, &end).await {
        // The next start does: a command without an end is one that was cut off.
        tracing::error!(dyno.id = %dyno.id, %error, "a one-off command's end could not be recorded");
    }
    let words = end.as_ref().err().map(|failure| failure.words("Command", time, &ctx.config.limits)).unwrap_or_default();
    let is_by_itself = end.as_ref().map_or_else(|failure| failure.exit_status().is_some(), |()| true);
    dyno.end(Arc::new(end));
    if let Some(attached) = attached {
        // Whoever is attached sees the exit code as their own command's.
        attached.close(if is_by_itself { &[] } else { &words }).await;
    }
    if let Some(transcript) = transcript {
        for line in &words {
            transcript.line(line);
        }
        transcript.end();
        archive::keep_log_or_say(ctx, LogOf::Dyno(dyno.id), transcript.follow()).await;
    }
    // Until its output is archived, this is where readers find it.
    ctx.dynos.leave(dyno);
}

/// Runs the command to its end; gives back the client, who is told then.
async fn run_it(ctx: &Ctx, dyno: &Dyno, run: Run) -> (DynoEnd, Option<Attached>) {
    let Run { program, config, env, time, place, others } = run;
    let job = Job { name: &dyno.name, program: &program, config: &config, env: &env, time };
    match others {
        Others::Log(transcript) => {
            if let Err(error) = note_begin(ctx, dyno.id).await {
                return (Err(Failure::from(error).into()), None);
            }
            let _running = telemetry::dyno_running("run");
            let end = tokio::select! {
                ended = run_job(ctx, &job, &transcript, place) => ended,
                () = dyno.stopped() => Err(stop_reason(ctx)),
            };
            (end, None)
        }
        Others::Client(mut meeting, terminal) => {
            let client = tokio::select! {
                client = meeting.client(MEETING_TIME) => client,
                () = dyno.stopped() => return (Err(stop_reason(ctx)), None),
            };
            let Some(client) = client else { return (Err(ProcessFailure::NotAttached), None) };
            let Ok(mut attached) = client.greet(terminal).await else { return (Err(ProcessFailure::Left), None) };
            dyno.start(None);
            if let Err(error) = note_begin(ctx, dyno.id).await {
                return (Err(Failure::from(error).into()), Some(attached));
            }
            let _running = telemetry::dyno_running("run");
            let end = tokio::select! {
                ended = run_job_attached(ctx, &job, &mut attached, place) => ended,
                () = dyno.stopped() => Err(stop_reason(ctx)),
            };
            (end, Some(attached))
        }
    }
}

async fn note_begin(ctx: &Ctx, id: DynoId) -> Result<(), DbError> {
    let mut tx = ctx.db.write().await?;
    db::dynos::begin(&mut tx, id, ctx.now()).await?;
    Ok(tx.commit().await?)
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
