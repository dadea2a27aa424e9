//! Accepting a build, carrying it out whoever listens, and recording its one outcome.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::archive::{self, LogOf};
use super::dynos::Dyno;
use super::phase::begin_phase;
use super::queue::{Entry, Turn};
use super::trigger::MOST_CUT_OFF;
use super::{Built, Failure, Request};
use crate::build::Source;
use crate::ctx::Ctx;
use crate::db::builds::Outcome;
use crate::db::{self, DbError};
use crate::model::{BuildId, BuildStatus, CacheChange, ConfigVars, Email, Release};
use crate::release::{Deploy, ReleaseError, current_config, release_deploy, release_deploy_strictly};
use crate::telemetry;
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
        && let Some(entry) = ctx.builds.same(request.app.id, &git.commit, &request.refs)
    {
        let signed_with = signed_with(&request);
        if signed_with.is_some() && signed_with != entry.signed_with {
            return Err(Failure::BuiltOtherwiseSigned);
        }
        return Ok(ticket(&entry, true));
    }
    let config = current_config(&ctx.db, request.app.id).await?;
    let (config, _) = config.changed(&request.options.config).map_err(ReleaseError::from)?;
    let entry = Arc::new(new_entry(ctx, &request, &config)?);
    let turn = accept(ctx, &request, &entry).await?;
    let ticket = ticket(&entry, false);
    let ctx_of_task = ctx.clone();
    ctx.tasks.spawn(async move { carry_out(&ctx_of_task, request, entry, turn, config).await });
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
        cancel: ctx.killing.child_token(),
        cancelled_by: OnceLock::new(),
        end: watch::Sender::new(None),
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
        && !db::triggers::start(&mut tx, trigger, entry.id, ctx.now()).await?
    {
        // Whoever wanted it does not any more: the connection or the branch has just gone.
        return Err(Failure::Cancelled);
    }
    let turn = ctx.builds.enter(entry).ok_or(Failure::QueueFull(ctx.config.limits.queued_builds_per_app))?;
    if let Err(error) = tx.commit().await {
        ctx.builds.leave(entry);
        return Err(DbError::from(error).into());
    }
    Ok(turn)
}

async fn carry_out(ctx: &Ctx, request: Request, entry: Arc<Entry>, turn: Turn, config: ConfigVars) {
    let start = Instant::now();
    // In a task of its own, so that a panic is an outcome like any other.
    let work = {
        let (ctx, entry, request) = (ctx.clone(), Arc::clone(&entry), request);
        tokio::spawn(async move { build_and_release(&ctx, &request, &entry, turn, &config).await })
    };
    let end = match work.await {
        Ok(Ok(end)) => end,
        Ok(Err(failure)) => fail(ctx, &entry, failure).await,
        Err(error) => fail(ctx, &entry, Failure::Lost(error.to_string())).await,
    };
    telemetry::build_ended(end.word(), start.elapsed());
    entry.transcript.end();
    entry.end.send_replace(Some(Arc::new(end)));
    archive::keep_log_or_say(ctx, LogOf::Build(entry.id), entry.transcript.follow()).await;
    // Only now: until its log is archived, the build is where readers find it.
    ctx.builds.leave(&entry);
}

async fn build_and_release(ctx: &Ctx, request: &Request, entry: &Entry, turn: Turn, config: &ConfigVars) -> Result<End, Failure> {
    let built = tokio::select! {
        built = build_in_turn(ctx, request, entry, turn, config) => built?,
        () = entry.cancel.cancelled() => return Err(stop_reason(ctx, entry)),
    };
    if request.options.dry_run {
        return dry_run(ctx, entry).await;
    }
    // From here on nothing may cancel: a transaction that is dropped in its commit has an unknown end.
    let release = release(ctx, request, entry, built).await?;
    let phase = begin_phase(ctx, &release);
    if phase.is_some() {
        let text = "Release command declared: this new release will not be available until the command succeeds.";
        entry.transcript.warning(text);
    }
    if let Some(phase) = phase.as_deref().filter(|_| request.options.strict)
        && !follow_strictly(entry, phase).await
    {
        return Ok(End::ReleaseFailed(release));
    }
    entry.transcript.detail(&format!("Released {}", release.version));
    let place = ctx.config.app_url.as_ref().map(|url| url.replace("{app}", request.app.name.as_str()));
    entry.transcript.detail(&format!("{} deployed to hoist", place.as_deref().unwrap_or(request.app.name.as_str())));
    entry.transcript.line("");
    Ok(End::Released(release, phase.filter(|_| !request.options.strict)))
}

/// Waits for the release command, as a part of the build: the push is decided by it. The app's next build waits too.
async fn follow_strictly(entry: &Entry, phase: &Dyno) -> bool {
    entry.transcript.line("Running release command...");
    entry.transcript.line("");
    let show = async {
        let Some(mut log) = phase.log().await else { return };
        while let Some(piece) = log.next().await.transpose() {
            match piece {
                Ok(piece) => entry.transcript.output(&piece),
                Err(error) => {
                    tracing::error!(build.id = %entry.id, %error, "a release command's output can't be read");
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = show => {}
        () = entry.cancel.cancelled() => phase.stop(),
    }
    let succeeded = phase.ended().await.is_ok();
    entry.transcript.line(if succeeded { "Waiting for release.... done." } else { "Waiting for release.... failed." });
    succeeded
}

async fn build_in_turn(ctx: &Ctx, request: &Request, entry: &Entry, turn: Turn, config: &ConfigVars) -> Result<Built, Failure> {
    let waited_for = turn.waits_for();
    let queued = telemetry::build_queued();
    let slot = turn.wait(&ctx.builds, &entry.transcript).await;
    drop(queued);
    let _running = telemetry::build_running();
    refuse_superseded(ctx, request, waited_for).await?;
    super::run(ctx, entry.id, request, &entry.transcript, config, slot).await
}

/// A push whose old value is no longer the ref's is refused before it builds (design section 2.2).
async fn refuse_superseded(ctx: &Ctx, request: &Request, waited_for: Option<Email>) -> Result<(), Failure> {
    let mut db = ctx.db.read().await?;
    let mut there = 0;
    for moved in &request.refs {
        let now = db::refs::get(&mut db, request.app.id, &moved.name).await?;
        if now == moved.new {
            there += 1;
        } else if now != moved.old {
            let name = moved.name.branch().unwrap_or(moved.name.as_str()).to_owned();
            let by = waited_for.map_or_else(|| "another push".to_owned(), |email| format!("a push of {email}"));
            return Err(Failure::Superseded { name, by });
        }
    }
    // An archive moves no ref, so there is nothing that another push could have moved.
    if there > 0 && there == request.refs.len() { Err(Failure::AlreadyDeployed) } else { Ok(()) }
}

async fn release(ctx: &Ctx, request: &Request, entry: &Entry, built: Built) -> Result<Release, Failure> {
    if let Some(quarantine) = request.source.quarantine() {
        // Just before the transaction: a pack that no row names does no harm, a row without its pack would.
        quarantine.publish().await.map_err(|source| Failure::Io { what: "the pushed objects can't be kept", source })?;
    }
    let (old_cache, cache) = (request.cache, built.cache);
    let deploy = Deploy {
        app: request.app.id,
        by: request.by.id,
        build: entry.id,
        artifact: built.artifact,
        manifests: built.manifests,
        cache: built.cache,
        refs: request.refs.clone(),
        pack: request.pack.clone(),
        config: request.options.config.clone(),
        at: ctx.now(),
    };
    let released = if request.options.strict {
        release_deploy_strictly(&ctx.db, deploy).await
    } else {
        release_deploy(&ctx.db, deploy).await
    };
    if released.is_ok()
        && let CacheChange::To(new_cache) = cache
    {
        // Neither may be the app's any more: its stack can have been changed while this was built.
        archive::drop_cache(ctx, old_cache.filter(|old| Some(*old) != new_cache)).await;
        archive::drop_cache(ctx, new_cache).await;
        archive::keep_folders(ctx, new_cache);
    }
    Ok(released?)
}

async fn dry_run(ctx: &Ctx, entry: &Entry) -> Result<End, Failure> {
    let outcome = Outcome { status: BuildStatus::Succeeded, reason: Some("dry run".into()), slug: None };
    let mut tx = ctx.db.write().await?;
    db::builds::end(&mut tx, entry.id, &outcome, ctx.now()).await?;
    tx.commit().await.map_err(DbError::from)?;
    entry.transcript.detail("Dry run: nothing was released");
    entry.transcript.line("");
    Ok(End::DryRun)
}

/// Records a failure and tells the pusher. If the outcome is recorded already, the commit that seemed to fail did
/// happen, and the release is real.
async fn fail(ctx: &Ctx, entry: &Entry, failure: Failure) -> End {
    if failure.is_hoists_fault() {
        tracing::error!(build.id = %entry.id, error = &failure as &dyn std::error::Error, "a build failed for hoist's own reasons");
    }
    match record_failure(ctx, entry, &failure).await {
        Ok(None) => {}
        Ok(Some(release)) => {
            let phase = begin_phase(ctx, &release);
            return End::Released(release, phase);
        }
        // The next start records it: a build without an outcome is one that was cut off.
        Err(error) => tracing::error!(build.id = %entry.id, %error, "a build's failure could not be recorded"),
    }
    entry.transcript.end_line();
    failure.words(&ctx.config.limits, Some(entry.id)).iter().for_each(|line| entry.transcript.line(line));
    End::Failed(failure)
}

async fn record_failure(ctx: &Ctx, entry: &Entry, failure: &Failure) -> Result<Option<Release>, DbError> {
    let outcome = Outcome { status: failure.status(), reason: Some(failure.to_string()), slug: None };
    let mut tx = ctx.db.write().await?;
    match db::builds::end(&mut tx, entry.id, &outcome, ctx.now()).await {
        Ok(()) => {
            if matches!(failure, Failure::Stopped) {
                db::triggers::reopen(&mut tx, entry.id, MOST_CUT_OFF, ctx.now()).await?;
            }
            tx.commit().await?;
            Ok(None)
        }
        Err(error) if error.is_taken() => db::releases::by_build(&mut tx, entry.app, entry.id).await,
        Err(error) => Err(error),
    }
}

fn stop_reason(ctx: &Ctx, entry: &Entry) -> Failure {
    match entry.cancelled_by.get() {
        _ if ctx.killing.is_cancelled() => Failure::Stopped,
        Some(email) => Failure::CancelledBy(email.clone()),
        None => Failure::Cancelled,
    }
}
