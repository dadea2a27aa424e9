//! Deploys from connected repositories: what a push at a forge, or somebody who asked for a branch, has triggered.
//!
//! A trigger is a row until a build has been accepted for it, in the transaction that accepts the build, or there will be none.
//! So it is taken up again by the next start, and ends in one build at most. The commit is fetched in its build's own turn.

mod source;
mod worker;

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Failure, Request, request, submit};
use crate::auth::{self, AccessError};
use crate::build::{self, RemoteError};
use crate::ctx::Ctx;
use crate::db::triggers::Trigger;
use crate::db::{self, DbError};
use crate::model::{
    Action, BuildOrigin, Cause, CiState, CommitId, Connection, ConnectionSecrets, Priority, PushOptions, Remote, TriggerState,
    next_attempt,
};
use crate::tell::{Place, TellError};
pub(super) use source::remote_of;
use source::remote_source;

pub use worker::deploy_triggers;

/// Before the forge is asked again about CI. Most forges say by themselves when it has changed.
const CI_WAIT: Duration = Duration::from_secs(30);
/// How long CI is waited for, or a forge that wants to be asked less often.
const CI_TIME: Duration = Duration::from_hours(24);
/// Before a forge that is away, or a full queue, is tried again.
const RETRY_WAIT: Duration = Duration::from_secs(5);
/// How long that is tried.
const RETRY_TIME: Duration = Duration::from_hours(1);

/// How often what was triggered is built again after hoist was stopped meanwhile.
pub(super) const MOST_CUT_OFF: u32 = 3;

/// How often a wait doubles: somebody waits for what is deployed, so that CI is looked at every eight minutes at least.
const MOST_DOUBLINGS: u32 = 4;

/// Why a trigger has not become a build, this time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Hitch {
    /// It never will.
    #[error("{0}")]
    Final(String),
    /// It may later. Says for how long that is tried.
    #[error("{why}")]
    Later { why: String, first_wait: Duration, within: Duration },
    /// The forge was asked too often, and says when it may be again.
    #[error("{why}")]
    NotBefore { why: String, until: OffsetDateTime },
    /// hoist's fault, or its end.
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("hoist is being stopped")]
    Stopping,
}

impl Hitch {
    pub(super) fn later(why: impl std::fmt::Display) -> Self {
        Self::Later { why: why.to_string(), first_wait: RETRY_WAIT, within: RETRY_TIME }
    }
}

/// Goes as far as it can with a trigger, and records how far that is.
async fn advance(ctx: &Ctx, trigger: &Trigger) -> Result<(), DbError> {
    let hitch = match step(ctx, trigger).await {
        // One that hoist's stop has cut off is taken up by the next start.
        Ok(()) | Err(Hitch::Stopping) => return Ok(()),
        Err(Hitch::Db(error)) => return Err(error),
        Err(hitch) => hitch,
    };
    let now = ctx.now();
    let next = match &hitch {
        Hitch::Later { first_wait, within, .. } => next_try(trigger.attempts, *first_wait, trigger.since + *within, now),
        Hitch::NotBefore { until, .. } => {
            let deadline = trigger.since + CI_TIME;
            (now < deadline).then(|| deadline.min(*until))
        }
        _ => None,
    };
    let mut tx = ctx.db.write().await?;
    match next {
        Some(next) => db::triggers::postpone(&mut tx, trigger, &hitch.to_string(), next, now).await?,
        None => db::triggers::give_up(&mut tx, trigger.id, &hitch.to_string(), now).await?,
    }
    tx.commit().await?;
    if next.is_none() {
        tracing::info!(trigger.id = %trigger.id, "a deploy from a repository is given up: {hitch}");
    }
    Ok(())
}

/// When what was tried so often is tried again; `None` when that would be after the deadline.
pub(super) fn next_try(
    attempts: u32,
    first_wait: Duration,
    deadline: OffsetDateTime,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let chance = Uuid::new_v4().as_bytes()[0];
    next_attempt(attempts.min(MOST_DOUBLINGS) + 1, first_wait, chance, now, deadline)
}

async fn step(ctx: &Ctx, trigger: &Trigger) -> Result<(), Hitch> {
    let mut db = ctx.db.read().await?;
    // Gone with it are its triggers.
    let Some(connection) = db::connections::get(&mut db, trigger.connection).await? else { return Ok(()) };
    let Some(secrets) = db::connections::secrets(&mut db, ctx.db.cipher(), connection.id).await? else { return Ok(()) };
    drop(db);
    if let Some(why) = why_not(ctx, trigger, &connection).await? {
        return Err(Hitch::Final(why.into()));
    }
    match (trigger.state, &trigger.commit) {
        (_, None) => ask_for_commit(ctx, trigger, &connection, secrets).await,
        (TriggerState::WaitingForCi, Some(commit)) => look_at_ci(ctx, trigger, Place::new(connection, secrets), commit).await,
        (_, Some(commit)) => build_commit(ctx, trigger, &connection, secrets, commit).await,
    }
}

/// Why it is not to be deployed any more: much may have been changed while CI was waited for.
async fn why_not(ctx: &Ctx, trigger: &Trigger, connection: &Connection) -> Result<Option<&'static str>, DbError> {
    if trigger.cause == Cause::Push && !connection.auto_deploy {
        return Ok(Some("pushes are not deployed any more"));
    }
    if trigger.cause == Cause::Push && connection.branch.as_ref() != Some(&trigger.branch) {
        return Ok(Some("another branch is deployed now"));
    }
    match auth::open_app(&ctx.db, trigger.by, &trigger.app.to_string(), Action::Deploy).await {
        Ok(_) => Ok(None),
        Err(AccessError::NoSuchApp | AccessError::Denied(_)) => {
            Ok(Some("in whose name it was asked for may not deploy the app any more"))
        }
        Err(AccessError::Db(error)) => Err(error),
    }
}

/// Asks the forge where the branch stands. A push may have been told of after another that brought this very commit.
async fn ask_for_commit(ctx: &Ctx, trigger: &Trigger, connection: &Connection, secrets: ConnectionSecrets) -> Result<(), Hitch> {
    let remote = remote_of(ctx, connection, secrets).await?;
    let asked = build::find_remote_ref(&remote, &trigger.branch.ref_name(), &super::source_means(ctx).bounds).await;
    let commit = asked.map_err(branch_hitch)?;
    let mut tx = ctx.db.write().await?;
    if trigger.cause == Cause::Push && db::triggers::is_taken_up(&mut tx, trigger, &commit).await? {
        return Err(Hitch::Final("a later push came first".into()));
    }
    db::triggers::set_commit(&mut tx, trigger.id, &commit, ctx.now()).await?;
    Ok(tx.commit().await.map_err(DbError::from)?)
}

async fn look_at_ci(ctx: &Ctx, trigger: &Trigger, place: Place, commit: &CommitId) -> Result<(), Hitch> {
    let waits = |why: String| Hitch::Later { why, first_wait: CI_WAIT, within: CI_TIME };
    let state = ctx.providers.ci_state(&place, commit).await;
    match state {
        Ok(CiState::Green) => {
            let mut tx = ctx.db.write().await?;
            db::triggers::set_ready(&mut tx, trigger.id, ctx.now()).await?;
            Ok(tx.commit().await.map_err(DbError::from)?)
        }
        Ok(CiState::Pending) => Err(waits("CI has not ended, or has not begun".into())),
        // It may be run again.
        Ok(CiState::Red) => Err(waits("CI has failed".into())),
        Err(TellError::Db(error)) => Err(error.into()),
        Err(error @ TellError::NotConfigured(_)) => Err(Hitch::Final(error.to_string())),
        Err(error @ TellError::Limited { until, .. }) => Err(Hitch::NotBefore { why: error.to_string(), until }),
        Err(error) => Err(waits(format!("the state of CI can't be asked for: {error}"))),
    }
}

async fn build_commit(
    ctx: &Ctx,
    trigger: &Trigger,
    connection: &Connection,
    secrets: ConnectionSecrets,
    commit: &CommitId,
) -> Result<(), Hitch> {
    let remote = remote_of(ctx, connection, secrets).await?;
    let Some(request) = request(ctx, trigger, remote, commit).await? else { return Ok(()) };
    match submit(ctx, request).await {
        Ok(ticket) => {
            tracing::info!(trigger.id = %trigger.id, build.id = %ticket.build, "a commit of {} is built", connection.full_name);
            Ok(())
        }
        Err(Failure::Stopped) => Err(Hitch::Stopping),
        Err(failure @ Failure::QueueFull(_)) => Err(Hitch::later(failure)),
        Err(failure) if failure.is_hoists_fault() => {
            tracing::error!(trigger.id = %trigger.id, error = &failure as &dyn std::error::Error, "a deploy from a repository can't be begun");
            Err(Hitch::later("hoist could not begin its build"))
        }
        Err(failure) => Err(Hitch::Final(failure.to_string())),
    }
}

/// What is to be built; `None` when the app has just gone.
async fn request(ctx: &Ctx, trigger: &Trigger, remote: Remote, commit: &CommitId) -> Result<Option<Request>, Hitch> {
    let mut db = ctx.db.read().await?;
    let Some(app) = db::apps::by_id(&mut db, trigger.app).await? else { return Ok(None) };
    let by = db::accounts::get(&mut db, trigger.by).await?;
    let buildpacks = db::buildpacks::list(&mut db, app.id).await?;
    let cache = db::apps::cache(&mut db, app.id).await?;
    drop(db);
    let origin = BuildOrigin { connection: trigger.connection, commit: commit.clone(), pull_request: None };
    let source = remote_source(ctx, &app, remote, commit.clone(), &trigger.branch)?;
    Ok(Some(Request {
        app,
        by,
        source,
        options: PushOptions::default(),
        priority: if trigger.cause == Cause::Manual { Priority::Request } else { Priority::AutoDeploy },
        refs: Vec::new(),
        pack: None,
        buildpacks,
        cache,
        origin: Some(origin),
        trigger: Some(request::Trigger::Forge(trigger.id)),
    }))
}

/// A forge that is away may come back; whatever else it says, it will say again.
fn branch_hitch(error: RemoteError) -> Hitch {
    match error {
        RemoteError::Unreached(_) | RemoteError::TooSlow | RemoteError::Status(500..) => Hitch::later(error),
        error => Hitch::Final(error.to_string()),
    }
}
