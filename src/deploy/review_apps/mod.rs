//! Review apps, from being wanted to being deployed, and to their end.
//!
//! What is wanted is a row ([`crate::db::review_apps`]), which whoever wants it has written. One task here looks for such rows
//! after each commit, and has each carried on by a task of its own: `create` sets the app up, `update` deploys to it, `destroy`
//! takes it away; `source` gets the code. Whatever cuts that off, the row still says what is to be done.

mod create;
mod destroy;
mod source;
mod update;

pub use source::find_branch;

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::addons::AddonFailure;
use super::failure::Failure;
use super::run::RunError;
use super::trigger::Hitch;
use crate::auth;
use crate::build::BuildError;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{Account, Action, Pipeline, ReviewApp, ReviewAppId, ReviewAppStatus, ReviewSource};

/// Carried on at once.
const CONCURRENT: usize = 4;
/// How often stale ones are looked for; also the longest sleep.
const STALE_INTERVAL: Duration = Duration::from_hours(1);
/// Before it goes on after the database, or a panic, has stopped it.
const ERROR_WAIT: Duration = Duration::from_secs(5);
/// Before what could not be done is tried again, the first time; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// How often it is tried before whoever waits is told that it can't be done.
const MOST_ATTEMPTS: u32 = 10;

/// How long the forge is not asked about CI again, at least, and in all.
const CI_WAIT: Duration = Duration::from_mins(1);
const CI_TIME: Duration = Duration::from_hours(24);

/// Why a review app is not carried on now.
#[derive(Debug)]
enum Halt {
    /// It can't be, and users are told so.
    Failed(String),
    /// It is tried again, a while later.
    Again(String),
    /// It waits for CI: looked at again after a while, or when the forge tells of it.
    Ci(&'static str),
    Db(DbError),
}

/// Carries review apps on until hoist stops.
pub(super) fn keep_review_apps(ctx: &Ctx) {
    ctx.tasks.spawn(keep(ctx.clone()));
}

/// Woken by each commit, by the end of a task and when the next one is due, and by nothing else.
async fn keep(ctx: Ctx) {
    let mut commits = ctx.db.commits();
    let mut under_way = FuturesUnordered::new();
    let mut busy = HashSet::new();
    let mut next_stale = Instant::now();
    while !ctx.stopping.is_cancelled() {
        commits.borrow_and_update();
        if Instant::now() >= next_stale {
            next_stale = Instant::now() + STALE_INTERVAL;
            delete_stale_or_say(&ctx).await;
        }
        let (due, next) = due(&ctx, &busy).await;
        for review_app in due {
            busy.insert(review_app.id);
            under_way.push(in_task(&ctx, review_app));
        }
        tokio::select! {
            () = ctx.stopping.cancelled() => {}
            // The sender is in `ctx`.
            _ = commits.changed() => {}
            Some(id) = under_way.next(), if !under_way.is_empty() => { busy.remove(&id); }
            () = sleep(next.min(next_stale.saturating_duration_since(Instant::now()))) => {}
        }
    }
}

/// Those that are to be carried on now, and for how long there is no other.
async fn due(ctx: &Ctx, busy: &HashSet<ReviewAppId>) -> (Vec<ReviewApp>, Duration) {
    let open = async { db::review_apps::open(&mut *ctx.db.read().await?).await };
    let open = match open.await {
        Ok(open) => open,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "review apps can't be read");
            return (Vec::new(), ERROR_WAIT);
        }
    };
    let now = ctx.now();
    let (due, later): (Vec<_>, Vec<_>) =
        open.into_iter().filter(|one| !busy.contains(&one.id)).partition(|one| one.next_attempt_at.is_none_or(|at| at <= now));
    let next = later.first().and_then(|one| one.next_attempt_at).map_or(STALE_INTERVAL, |at| (at - now).unsigned_abs());
    let places = CONCURRENT.saturating_sub(busy.len());
    (due.into_iter().take(places).collect(), next)
}

/// Lets a panic be the end of nothing else.
fn in_task(ctx: &Ctx, review_app: ReviewApp) -> impl Future<Output = ReviewAppId> + use<> {
    let (id, task_ctx) = (review_app.id, ctx.clone());
    let task = ctx.tasks.spawn(async move {
        let killing = task_ctx.killing.clone();
        Box::pin(killing.run_until_cancelled(carry_on_or_say(&task_ctx, review_app))).await
    });
    async move {
        if let Err(error) = task.await {
            tracing::error!(review_app.id = %id, %error, "a review app could not be carried on");
            sleep(ERROR_WAIT).await;
        }
        id
    }
}

async fn carry_on_or_say(ctx: &Ctx, review_app: ReviewApp) {
    let id = review_app.id;
    let recorded = match carry_on(ctx, &review_app).await {
        Ok(()) => Ok(()),
        Err(halt) => record(ctx, review_app, halt).await,
    };
    if let Err(error) = recorded {
        tracing::error!(review_app.id = %id, %error, "a review app could not be carried on; it is tried again");
        sleep(ERROR_WAIT).await;
    }
}

/// Does the next thing that is to be done.
async fn carry_on(ctx: &Ctx, review_app: &ReviewApp) -> Result<(), Halt> {
    match review_app.status {
        ReviewAppStatus::Pending => create::create(ctx, review_app).await,
        ReviewAppStatus::Creating => create::settle(ctx, review_app).await,
        ReviewAppStatus::Created => update::update(ctx, review_app).await,
        ReviewAppStatus::Deleting => destroy::destroy(ctx, review_app).await,
        ReviewAppStatus::Deleted | ReviewAppStatus::Errored => Ok(()),
    }
}

async fn record(ctx: &Ctx, review_app: ReviewApp, halt: Halt) -> Result<(), DbError> {
    let (now, waited) = (ctx.now(), ctx.now() - review_app.updated_at);
    let mut tx = ctx.db.write().await?;
    match halt {
        Halt::Db(error) => return Err(error),
        Halt::Ci(why) if waited < CI_TIME => {
            // Asked less and less often: most forges say by themselves when it has changed.
            let wait = (waited / 8_i32).unsigned_abs().clamp(CI_WAIT, LONGEST_WAIT);
            db::review_apps::put_off(&mut tx, &review_app, why, now + wait).await?;
        }
        Halt::Again(message) if review_app.attempts + 1 < MOST_ATTEMPTS => {
            let wait = FIRST_WAIT.saturating_mul(1 << review_app.attempts.min(10)).min(LONGEST_WAIT);
            let review_app = ReviewApp { attempts: review_app.attempts + 1, ..review_app };
            db::review_apps::put_off(&mut tx, &review_app, &message, now + wait).await?;
        }
        Halt::Ci(_) => give_up(&mut tx, &review_app, "its CI did not succeed within a day", now).await?,
        Halt::Again(message) | Halt::Failed(message) => give_up(&mut tx, &review_app, &message, now).await?,
    }
    Ok(tx.commit().await?)
}

/// In whose name it is made and deployed to: whoever has asked for it, as long as they may deploy in the pipeline.
async fn deployer(ctx: &Ctx, review_app: &ReviewApp, pipeline: &Pipeline) -> Result<Account, DbError> {
    let may = auth::may_in_pipeline(&ctx.db, review_app.by, pipeline, Action::Deploy).await?;
    let id = if may { review_app.by } else { pipeline.owner };
    db::accounts::get(&mut *ctx.db.read().await?, id).await
}

/// Of one that is there, the rest stays as it is; what is to go is tried for ever.
async fn give_up(tx: &mut db::Connection, review_app: &ReviewApp, message: &str, now: OffsetDateTime) -> Result<(), DbError> {
    match (review_app.status, &review_app.source) {
        (ReviewAppStatus::Created, ReviewSource::Repository(commit)) => {
            db::review_apps::deployed(tx, review_app.id, Some(message), commit.as_ref(), now).await
        }
        (ReviewAppStatus::Deleting, _) => db::review_apps::put_off(tx, review_app, message, now + LONGEST_WAIT).await,
        _ => db::review_apps::fail(tx, review_app.id, message, now).await,
    }
}

async fn delete_stale_or_say(ctx: &Ctx) {
    let delete = async {
        let mut tx = ctx.db.write().await?;
        let stale = db::review_apps::begin_deletion_of_stale(&mut tx, ctx.now()).await?;
        tx.commit().await?;
        Ok::<_, DbError>(stale)
    };
    match delete.await {
        Ok(0) => {}
        Ok(stale) => tracing::info!("{stale} review apps were not deployed for long and are deleted"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "stale review apps can't be looked for");
        }
    }
}

impl From<DbError> for Halt {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Stopped | Failure::QueueFull(_) => Self::Again(failure.to_string()),
            _ if failure.is_hoists_fault() => {
                tracing::error!(
                    error = &failure as &dyn std::error::Error,
                    "a review app's code can't be had, for hoist's own reasons"
                );
                Self::Again(format!("{failure} (hoist's fault, not yours)"))
            }
            _ => Self::Failed(failure.to_string()),
        }
    }
}

impl From<BuildError> for Halt {
    fn from(error: BuildError) -> Self {
        Failure::from(error).into()
    }
}

impl From<Hitch> for Halt {
    fn from(hitch: Hitch) -> Self {
        match hitch {
            Hitch::Db(error) => error.into(),
            Hitch::Final(why) => Self::Failed(why),
            hitch @ (Hitch::Later { .. } | Hitch::NotBefore { .. } | Hitch::Stopping) => Self::Again(hitch.to_string()),
        }
    }
}

impl From<AddonFailure> for Halt {
    fn from(failure: AddonFailure) -> Self {
        match failure {
            AddonFailure::Db(error) => error.into(),
            failure => Self::Again(format!("its app can't be destroyed: {failure}")),
        }
    }
}

impl From<RunError> for Halt {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Db(error) => error.into(),
            error => Self::Again(format!("pr-predestroy can't be run: {error}")),
        }
    }
}
