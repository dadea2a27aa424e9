//! Accepting a build: it is recorded, and started in a task that nobody's connection owns.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::archive;
use super::carry_out::carry_out;
use super::dynos::Dyno;
use super::given::Given;
use super::notes::Notes;
use super::queue::Entry;
use super::turn::Turn;
use super::{Failure, Request};
use crate::build::Source;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{BuildId, ConfigVars, Release};
use crate::transcript::{Follower, Redactor, Transcript};

/// How a build ended.
#[derive(Debug)]
pub enum End {
    /// With its release command, if it has one that is still to be followed.
    Released(Release, Option<Arc<Dyno>>),
    /// Released, but its release command did not succeed, and the push was strict: no ref has moved.
    ReleaseFailed(Release),
    /// Built and packed, not released: the pusher wanted just that.
    DryRun,
    Failed(Failure),
}

impl End {
    /// How metrics name it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Released(..) => "released",
            Self::ReleaseFailed(_) => "release failed",
            Self::DryRun => "dry run",
            Self::Failed(failure) if failure.is_hoists_fault() => "error",
            Self::Failed(failure) => failure.status().as_str(),
        }
    }
}

/// A door's hold on a build that it has submitted. Dropping it does not touch the build.
#[derive(Debug)]
pub struct Ticket {
    pub build: BuildId,
    /// Whether the build was running already when it was asked for.
    pub attached: bool,
    /// The log from its first byte.
    pub log: Follower,
    end: watch::Receiver<Option<Arc<End>>>,
    cancel: CancellationToken,
}

impl Ticket {
    /// Waits until the build has ended and been recorded.
    pub async fn ended(&mut self) -> Arc<End> {
        match self.end.wait_for(Option::is_some).await {
            Ok(end) => Arc::clone(end.as_ref().expect("it was waited for")),
            Err(_) => Arc::new(End::Failed(Failure::Lost("its task is gone".into()))),
        }
    }

    /// Stops the build.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// Records a build and starts it, or attaches to one that runs already for the same push.
///
/// From here on the build goes on whatever becomes of the caller, and ends in exactly one recorded outcome.
pub async fn submit(ctx: &Ctx, request: Request) -> Result<Ticket, Failure> {
    if ctx.stopping.is_cancelled() {
        return Err(Failure::Stopped);
    }
    if let Source::Git(git) = &request.source
        && request.trigger.is_none()
        && let Some(entry) = ctx.builds.same(request.app.id, &git.commit, &request.refs)
    {
        let signed_with = signed_with(&request);
        if signed_with.is_some() && signed_with != entry.signed_with {
            return Err(Failure::BuiltOtherwiseSigned);
        }
        return Ok(ticket(&entry, true));
    }
    // In a task of its own: whoever goes away in the middle of it would leave a build in the queue that nobody carries out.
    let ctx_of_task = ctx.clone();
    let starting = ctx.tasks.spawn(async move { start(&ctx_of_task, request).await });
    starting.await.unwrap_or_else(|error| Err(Failure::Lost(error.to_string())))
}

async fn start(ctx: &Ctx, request: Request) -> Result<Ticket, Failure> {
    let given = Given::of(ctx, &request).await?;
    let entry = Arc::new(new_entry(ctx, &request, &given.config)?);
    let turn = match accept(ctx, &request, &entry).await {
        Ok(turn) => turn,
        Err(failure) => {
            // It has no build whose log it would be.
            entry.transcript.follow().discard();
            return Err(failure);
        }
    };
    let ticket = ticket(&entry, false);
    let ctx_of_task = ctx.clone();
    ctx.tasks.spawn(async move { carry_out(&ctx_of_task, request, entry, turn, given).await });
    Ok(ticket)
}

fn ticket(entry: &Entry, attached: bool) -> Ticket {
    Ticket { build: entry.id, attached, log: entry.transcript.follow(), end: entry.end.subscribe(), cancel: entry.cancel.clone() }
}

fn signed_with(request: &Request) -> Option<String> {
    request.source.certificate().map(|certificate| certificate.fingerprint.clone())
}

fn new_entry(ctx: &Ctx, request: &Request, config: &ConfigVars) -> Result<Entry, Failure> {
    let id = BuildId::new();
    let redactor = Redactor::new(config.0.iter().map(|(key, value)| (key.as_str(), value.expose())));
    let transcript = Transcript::create(&archive::spool_dir(ctx, id), ctx.config.limits.log_bytes, redactor)
        .map_err(|source| Failure::Io { what: "the build's log can't be made", source })?;
    Ok(Entry {
        id,
        app: request.app.id,
        by: request.by.email.clone(),
        commit: request.source.commit(),
        refs: request.refs.clone(),
        signed_with: signed_with(request),
        transcript,
        notes: Notes::new(request.source.received_in()),
        source_base: OnceLock::new(),
        cancel: ctx.killing.child_token(),
        cancelled_by: OnceLock::new(),
        end: watch::Sender::new(None),
        job: OnceLock::new(),
    })
}

/// Records the build and enters it into the queue, in one order.
async fn accept(ctx: &Ctx, request: &Request, entry: &Arc<Entry>) -> Result<Turn, Failure> {
    let (app, stack) = (&request.app, &request.app.stack);
    let mut tx = ctx.db.write().await?;
    db::builds::insert(&mut tx, entry.id, app.id, request.by.id, entry.commit.as_ref(), stack, ctx.now()).await?;
    if let Some(blob) = request.source.blob() {
        db::build_sources::insert(&mut tx, entry.id, blob, &request.buildpacks).await?;
    }
    if let Some(certificate) = request.source.certificate() {
        db::push_certificates::insert(&mut tx, entry.id, certificate).await?;
    }
    if let Some(origin) = &request.origin {
        db::build_origins::insert(&mut tx, app.id, entry.id, origin, ctx.now()).await?;
    }
    if let Some(trigger) = request.trigger
        && !trigger.start(&mut tx, entry.id, ctx.now()).await?
    {
        // Whoever wanted it does not any more: the connection or the branch has just gone, or something newer has come.
        return Err(Failure::Cancelled);
    }
    let turn = ctx
        .builds
        .enter(entry, request.by.id, request.priority)
        .ok_or(Failure::QueueFull(ctx.config.limits.queued_builds_per_app))?;
    if let Err(error) = tx.commit().await {
        ctx.builds.leave(entry);
        return Err(DbError::from(error).into());
    }
    Ok(turn)
}
