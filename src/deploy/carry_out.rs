//! Carrying an accepted build out whoever listens: its turn, the build itself, the release; and recording its one outcome.

use std::sync::Arc;

use tokio::time::Instant;

use super::ahead;
use super::archive::{self, LogOf};
use super::dynos::Dyno;
use super::first_deploy;
use super::given::Given;
use super::notes::{keep_facts_or_say, summary};
use super::phase::begin_phase;
use super::queue::Entry;
use super::submit::End;
use super::trigger::MOST_CUT_OFF;
use super::turn::Turn;
use super::unchanged;
use super::{Built, Failure, Request};
use crate::build::Source;
use crate::ctx::Ctx;
use crate::db::builds::Outcome;
use crate::db::{self, DbError};
use crate::model::{BuildStatus, CacheChange, Email, Phase, Release, StackName};
use crate::release::{Deploy, release_deploy, release_deploy_strictly};
use crate::stack;
use crate::telemetry;

/// Carries a build out to its one recorded outcome.
pub(super) async fn carry_out(ctx: &Ctx, request: Request, entry: Arc<Entry>, turn: Turn, given: Given) {
    let start = Instant::now();
    let repo = if let Source::Git(git) = &request.source { Some(git.repo.let_go()) } else { None };
    // In a task of its own, so that a panic is an outcome like any other.
    let work = {
        let (ctx, entry, request) = (ctx.clone(), Arc::clone(&entry), request);
        tokio::spawn(async move { build_and_release(&ctx, request, &entry, turn, &given).await })
    };
    let built = work.await;
    if let (Some(repo), Some(base), true) = (repo, entry.source_base.get(), leaves_base(&built)) {
        ahead::keep_base(ctx, entry.app, &repo, base.clone());
    }
    let end = match built {
        Ok(Ok(end)) => end,
        Ok(Err(failure)) => fail(ctx, &entry, failure).await,
        Err(error) => fail(ctx, &entry, Failure::Lost(error.to_string())).await,
    };
    keep_facts_or_say(ctx, &entry).await;
    telemetry::build_ended(end.word(), start.elapsed());
    entry.transcript.end();
    entry.end.send_replace(Some(Arc::new(end)));
    ctx.builds.ended(&entry);
    archive::keep_log_or_say(ctx, LogOf::Build(entry.id), entry.transcript.follow()).await;
    // Only now: until its log is archived, the build is where readers find it.
    ctx.builds.leave(&entry);
}

/// Whether the app's next build is to begin with what this one began with.
fn leaves_base<E>(built: &Result<Result<End, Failure>, E>) -> bool {
    match built {
        Ok(Ok(end)) => !matches!(end, End::Released(..) | End::ReleaseFailed(_)),
        // Whatever went wrong may have been in that.
        Ok(Err(failure)) => !failure.is_hoists_fault(),
        Err(_) => false,
    }
}

async fn build_and_release(ctx: &Ctx, mut request: Request, entry: &Entry, turn: Turn, given: &Given) -> Result<End, Failure> {
    let built = tokio::select! {
        built = build_in_turn(ctx, &mut request, entry, turn, given) => built?,
        () = entry.cancel.cancelled() => return Err(stop_reason(ctx, entry)),
    };
    if request.options.dry_run {
        return dry_run(ctx, entry).await;
    }
    let (request, is_again, exported) = (&request, built.is_again, built.exported.clone());
    // From here on nothing may cancel: a transaction that is dropped in its commit has an unknown end.
    let release = release(ctx, request, entry, built).await?;
    if let Some(exported) = exported {
        ahead::keep_source(ctx, request.app.id, &request.source, given.root.as_ref(), exported);
    }
    let facts = entry.notes.end();
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
    if !is_again {
        entry.transcript.section(&summary(&facts));
    }
    entry.transcript.line("");
    tell_of_newer_stack(ctx, entry, &request.app.stack);
    Ok(End::Released(release, phase.filter(|_| !request.options.strict)))
}

/// In Heroku's words (conventions 3.1).
fn tell_of_newer_stack(ctx: &Ctx, entry: &Entry, name: &StackName) {
    let told = ctx.config.stacks.get(name).and_then(|stack| stack.newer.as_ref());
    // Where they can't be listed, nobody is told of any.
    let installed: Vec<_> = stack::list(&ctx.config.stacks_dir).unwrap_or_default().into_iter().map(|stack| stack.name).collect();
    let Some(newer) = stack::newer(name, told, &installed) else { return };
    entry.transcript.line(&format!("This app is using the {name} stack, however a newer stack is available."));
    entry.transcript.line(&format!("To upgrade to {newer}, see:"));
    entry.transcript.line("https://devcenter.heroku.com/articles/upgrading-to-the-latest-stack");
    entry.transcript.line("");
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

async fn build_in_turn(ctx: &Ctx, request: &mut Request, entry: &Entry, mut turn: Turn, given: &Given) -> Result<Built, Failure> {
    let (priority, entered) = (request.priority.as_str(), Instant::now());
    let queued = telemetry::build_queued(priority);
    turn.first_of_app(&entry.transcript).await;
    // It need not wait for a builder to be refused.
    refuse_superseded(ctx, request, turn.before.clone()).await?;
    if !request.options.clear_cache {
        // The builds before it have left another one.
        request.cache = db::apps::cache(&mut *ctx.db.read().await?, request.app.id).await?;
    }
    if let Some(built) = unchanged::slug_again(ctx, entry, request, given).await? {
        return Ok(built);
    }
    let builder = turn.start(&entry.transcript, ctx.builds.slot_count()).await;
    drop(queued);
    telemetry::build_waited(priority, entered.elapsed());
    let _running = telemetry::build_running();
    super::run(ctx, entry, request, given, builder).await
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
    entry.notes.begin(Phase::Store);
    if let Some(quarantine) = request.source.quarantine() {
        // Just before the transaction: a pack that no row names does no harm, a row without its pack would.
        quarantine.publish().await.map_err(|source| Failure::Io { what: "the pushed objects can't be kept", source })?;
    }
    entry.notes.begin(Phase::Release);
    let (old_cache, cache) = (request.cache, built.cache);
    let config = first_deploy::provide(ctx, request, &entry.transcript, &built.for_new_app).await?;
    let deploy = Deploy {
        app: request.app.id,
        by: request.by.id,
        build: entry.id,
        artifact: built.artifact,
        statements: built.statements,
        manifests: built.manifests,
        cache: built.cache,
        refs: request.refs.clone(),
        pack: request.pack.clone(),
        config,
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
        ahead::keep_folders(ctx, new_cache);
    }
    Ok(released?)
}

async fn dry_run(ctx: &Ctx, entry: &Entry) -> Result<End, Failure> {
    let outcome = Outcome { status: BuildStatus::Succeeded, reason: Some("dry run".into()), slug: None };
    let mut tx = ctx.db.write().await?;
    db::builds::end(&mut tx, entry.id, &outcome, ctx.now()).await?;
    tx.commit().await.map_err(DbError::from)?;
    entry.transcript.detail("Dry run: nothing was released");
    entry.transcript.section(&summary(&entry.notes.end()));
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
    // A config var's value may be in it, such as BUILDPACK_URL's.
    let reason = entry.transcript.redacted(&failure.to_string());
    let outcome = Outcome { status: failure.status(), reason: Some(reason), slug: None };
    let mut tx = ctx.db.write().await?;
    match db::builds::end(&mut tx, entry.id, &outcome, ctx.now()).await {
        Ok(()) => {
            if matches!(failure, Failure::Stopped) {
                db::triggers::reopen(&mut tx, entry.id, MOST_CUT_OFF, ctx.now()).await?;
                db::follower_deploys::reopen(&mut tx, entry.id, MOST_CUT_OFF, ctx.now()).await?;
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
