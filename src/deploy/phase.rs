//! The release phase: what becomes of a release that was appended as pending (conventions 3.4).
//!
//! Whoever appends a release, for whatever cause, calls [`begin_phase`]. The phases of one app run one after the other,
//! in the order of their releases; nobody's connection owns them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::app_log::app_log;
use super::archive::{self, LogOf};
use super::dynos::{Dyno, DynoEnd, PhaseTurn};
use super::failure::Failure;
use super::process::{Job, ProcessFailure, run_job, stop_reason};
use super::program::Program;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{ConfigVars, Release, ReleaseStatus};
use crate::release::{expire, expired, settle_phase};
use crate::telemetry;
use crate::transcript::{Follower, Redactor, Transcript, warning};

/// Carries out what a release that was just appended still needs: its release command, if it is pending. Returns what
/// can be followed; the phase goes on whether or not anybody does, and ends in exactly one recorded status.
#[expect(clippy::must_use_candidate, reason = "the phase goes on whether or not anybody follows it")]
pub fn begin_phase(ctx: &Ctx, release: &Release) -> Option<Arc<Dyno>> {
    if release.status != ReleaseStatus::Pending {
        return None;
    }
    let name = format!("release.{}", release.version.0);
    let process_type = "release".parse().expect("a process type's name");
    let dyno = Dyno::new(name, process_type, release.clone(), ctx.now(), ctx.killing.child_token());
    let dyno = Arc::new(dyno);
    let turn = ctx.dynos.enter_phase(&dyno);
    let (ctx_of_task, dyno_of_task) = (ctx.clone(), Arc::clone(&dyno));
    ctx.tasks.spawn(async move { carry_out(&ctx_of_task, &dyno_of_task, turn).await });
    Some(dyno)
}

async fn carry_out(ctx: &Ctx, dyno: &Arc<Dyno>, turn: PhaseTurn) {
    let start = Instant::now();
    // In a task of its own, so that a panic is an outcome like any other.
    let work = {
        let (ctx, dyno) = (ctx.clone(), Arc::clone(dyno));
        tokio::spawn(async move { run_phase(&ctx, &dyno, turn).await })
    };
    let outcome = work.await.unwrap_or_else(|error| Err(Failure::Lost(error.to_string()).into()));
    let end = settle(ctx, &dyno.release, outcome).await;
    telemetry::dyno_ended("release", end.as_ref().err().map_or("succeeded", ProcessFailure::word), start.elapsed());
    if let Err(error @ ProcessFailure::Platform(_)) = &end {
        let error: &dyn std::error::Error = error;
        tracing::error!(release.version = %dyno.release.version, app.id = %dyno.app, error, "a release command could not be run");
    }
    let log = last_words(ctx, dyno, &end);
    dyno.end(Arc::new(end));
    match log {
        Ok(log) => archive::keep_log_or_say(ctx, LogOf::Release(dyno.release.id), log).await,
        Err(error) => tracing::error!(release.id = %dyno.release.id, %error, "a release command's output can't be kept"),
    }
    // Until its output is archived, this is where readers find it.
    ctx.dynos.leave(dyno);
}

async fn run_phase(ctx: &Ctx, dyno: &Dyno, turn: PhaseTurn) -> DynoEnd {
    let slot = tokio::select! {
        slot = turn.wait(&ctx.dynos) => slot,
        () = dyno.stopped() => return Err(stop_reason(ctx)),
    };
    let release = &dyno.release;
    let (program, config) = load(ctx, release).await.map_err(Failure::from)?;
    dyno.set_command(&program.command());
    let transcript = new_log(ctx, dyno, &config).map_err(log_failure)?;
    dyno.start(Some(transcript.clone()));
    // Here and not before: while this one waited for its turn, a newer one may have become current.
    if let Some(why) = expired(&ctx.db, release).await.map_err(Failure::from)? {
        return Err(ProcessFailure::Expired(why));
    }
    note_begin(ctx, release).await.map_err(Failure::from)?;
    let _running = telemetry::dyno_running("release");
    let (env, time) = (BTreeMap::new(), ctx.config.limits.release_time);
    let job = Job { name: &dyno.name, program: &program, config: &config, env: &env, time };
    tokio::select! {
        ended = run_job(ctx, &job, &transcript, slot) => ended,
        () = dyno.stopped() => Err(stop_reason(ctx)),
    }
}

async fn note_begin(ctx: &Ctx, release: &Release) -> Result<(), DbError> {
    let mut tx = ctx.db.write().await?;
    db::releases::begin_command(&mut tx, release.id, ctx.now()).await?;
    Ok(tx.commit().await?)
}

async fn load(ctx: &Ctx, release: &Release) -> Result<(Program, ConfigVars), DbError> {
    let mut db = ctx.db.read().await?;
    let missing = || DbError::Corrupt { what: "release", why: format!("{} is pending without a release command", release.id) };
    let artifact = db::artifacts::of_release(&mut db, release).await?;
    let program = artifact.as_ref().and_then(Program::of_phase).ok_or_else(missing)?;
    Ok((program, db::releases::config(&mut db, ctx.db.cipher(), release.id).await?))
}

/// Records what became of the release. If that fails, the next start does: a pending release is one that was cut off.
async fn settle(ctx: &Ctx, release: &Release, outcome: DynoEnd) -> DynoEnd {
    let settled = match &outcome {
        Err(ProcessFailure::Expired(why)) => expire(&ctx.db, release, why, ctx.now()).await,
        Err(failure) => settle_phase(&ctx.db, release, Err(failure.to_string()), ctx.now()).await,
        Ok(()) => settle_phase(&ctx.db, release, Ok(()), ctx.now()).await,
    };
    match settled {
        Ok(settled) if settled.status == ReleaseStatus::Expired => {
            Err(ProcessFailure::Expired(settled.reason.unwrap_or_default()))
        }
        Ok(_) => outcome,
        Err(error) => Err(Failure::from(error).into()),
    }
}

/// Ends the output with what went wrong.
fn last_words(ctx: &Ctx, dyno: &Dyno, end: &DynoEnd) -> std::io::Result<Follower> {
    let transcript = if let Some(transcript) = dyno.transcript() {
        transcript
    } else {
        // It was ended before its turn came.
        let transcript = new_log(ctx, dyno, &ConfigVars::default())?;
        dyno.start(Some(transcript.clone()));
        transcript
    };
    if let Err(failure) = end {
        transcript.end_line();
        let limits = &ctx.config.limits;
        failure.words("Release command", limits.release_time, limits).iter().for_each(|line| transcript.line(line));
        let version = dyno.release.version;
        transcript.line(&warning(&format!("{version} does not become current: what was current before stays.")));
        transcript.line(&warning("Mend what failed, and release again."));
    }
    transcript.end();
    Ok(transcript.follow())
}

fn new_log(ctx: &Ctx, dyno: &Dyno, config: &ConfigVars) -> std::io::Result<Transcript> {
    let redactor = Redactor::new(config.0.iter().map(|(key, value)| (key.as_str(), value.expose())));
    let transcript = Transcript::create(&archive::spool_dir(ctx, dyno.release.id), ctx.config.limits.log_bytes, redactor)?;
    transcript.copy_output_to(app_log(ctx, dyno.app)?, &dyno.name);
    Ok(transcript)
}

fn log_failure(source: std::io::Error) -> Failure {
    Failure::Io { what: "the output can't be kept", source }
}
