//! Drains the outbox: tells what is due, until the daemon stops. Made as [`crate::launch`]'s worker is.

use std::collections::HashSet;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::build::tell_build;
use super::release::{Hook, tell_release};
use super::{MailServer, Providers, RunError, TellError};
use crate::db::tellings::{Open, Outcome};
use crate::db::{self, Db, DbError};
use crate::model::{Telling, next_attempt};

/// How often old rows are forgotten; also the longest sleep.
const PRUNE_INTERVAL: Duration = Duration::from_hours(1);
/// Rows removed in one transaction, so that none holds up other writers for long.
const PRUNE_BATCH: u32 = 500;
/// Before it goes on after the database, or a panic, has stopped it.
const ERROR_WAIT: Duration = Duration::from_secs(5);

/// How things are told.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// At once.
    pub concurrent: usize,
    /// For one attempt.
    pub attempt_time: Duration,
    /// Wait after the first failed attempt.
    pub first_wait: Duration,
    /// How old something may become that is not told yet.
    pub give_up_after: Duration,
    /// For how long it is known what was told.
    pub keep: Duration,
}

/// What the worker works with.
#[derive(Debug)]
pub struct Teller {
    pub db: Db,
    pub providers: Providers,
    /// What sends e-mail.
    pub mail: Option<MailServer>,
    /// Networks that may be reached although they are private.
    pub allow_networks: Vec<(IpAddr, u8)>,
    pub pace: Pace,
    /// Where users reach hoist, without a slash at its end.
    pub public_url: String,
    /// Where apps answer, with `{app}` for the name.
    pub app_url: Option<String>,
    /// The clock.
    pub now: fn() -> OffsetDateTime,
    /// No attempt is begun from then on.
    pub stopping: CancellationToken,
    /// Attempts that are under way are given up then; they are made again at the next start.
    pub killing: CancellationToken,
}

/// Tells until it is stopped; `run` begins a command. A panic stops it for a moment only: what was under way is told again.
pub async fn tell<R, F>(teller: Teller, run: R)
where
    R: Fn(Hook) -> F,
    F: Future<Output = Result<(), RunError>>,
{
    while AssertUnwindSafe(drain(&teller, &run)).catch_unwind().await.is_err() {
        // What it said stands in the log already.
        tracing::error!("telling back panicked; it goes on");
        teller.stopping.run_until_cancelled(sleep(ERROR_WAIT)).await;
    }
}

/// Woken by each commit, by the end of an attempt and when the next one is due, and by nothing else.
async fn drain<R, F>(teller: &Teller, run: &R)
where
    R: Fn(Hook) -> F,
    F: Future<Output = Result<(), RunError>>,
{
    let mut commits = teller.db.commits();
    let mut under_way = FuturesUnordered::new();
    let mut busy = HashSet::new();
    let mut next_prune = Instant::now();
    while !teller.stopping.is_cancelled() {
        commits.borrow_and_update();
        if Instant::now() >= next_prune {
            next_prune = Instant::now() + PRUNE_INTERVAL;
            teller.prune_or_say().await;
        }
        let (due, next) = teller.due(&busy).await;
        for open in due {
            busy.insert(open.lane.clone());
            under_way.push(teller.attempt(open, run));
        }
        tokio::select! {
            () = teller.stopping.cancelled() => {}
            // The sender is in `teller`.
            _ = commits.changed() => {}
            Some(lane) = under_way.next(), if !under_way.is_empty() => { busy.remove(&lane); }
            () = sleep(next.min(next_prune.saturating_duration_since(Instant::now()))) => {}
        }
    }
    let the_rest = async { while under_way.next().await.is_some() {} };
    teller.killing.run_until_cancelled(the_rest).await;
}

impl Teller {
    /// What is to be told now, of other lanes than the busy ones, and for how long there is nothing else.
    async fn due(&self, busy: &HashSet<String>) -> (Vec<Open>, Duration) {
        let open = match self.open().await {
            Ok(open) => open,
            Err(error) => {
                tracing::error!(%error, "what is to be told can't be read");
                return (Vec::new(), ERROR_WAIT);
            }
        };
        let now = (self.now)();
        let (mut due, later): (Vec<_>, Vec<_>) =
            open.into_iter().filter(|open| !busy.contains(&open.lane)).partition(|open| open.next_attempt_at <= now);
        let next = later.first().map(|open| (open.next_attempt_at - now).unsigned_abs());
        // Who hangs holds a place for the whole of an attempt's time: those who did not fail yet come first.
        due.sort_by_key(|open| open.attempts > 0);
        due.truncate(self.pace.concurrent.saturating_sub(busy.len()));
        (due, next.unwrap_or(PRUNE_INTERVAL))
    }

    async fn open(&self) -> Result<Vec<Open>, DbError> {
        db::tellings::open(&mut *self.db.read().await?).await
    }

    /// Makes one attempt and records it.
    async fn attempt<R, F>(&self, open: Open, run: R) -> String
    where
        R: Fn(Hook) -> F,
        F: Future<Output = Result<(), RunError>>,
    {
        let telling = async {
            match &open.telling {
                Telling::Build(telling) => tell_build(self, telling).await,
                Telling::Release(telling) => tell_release(self, telling, run).await,
            }
        };
        let told = AssertUnwindSafe(telling).catch_unwind().await;
        let outcome = match told {
            Ok(Ok(())) => Outcome::Told,
            Ok(Err(error)) => self.failed(&open, &error),
            // What it said stands in the log already. It must not keep all others from being told.
            Err(_panic) => self.again(&open).unwrap_or_else(|| Outcome::GivenUp("it panicked".into())),
        };
        if let Err(error) = self.record(&open, &outcome).await {
            tracing::error!(telling.number = open.number, %error, "what was told could not be recorded: it will be told again");
            sleep(ERROR_WAIT).await;
        }
        open.lane
    }

    fn failed(&self, open: &Open, error: &TellError) -> Outcome {
        let why: &dyn std::error::Error = error;
        let (number, lane) = (open.number, &open.lane);
        let again = match error {
            TellError::Limited { until, .. } => self.not_before(open, *until),
            error => self.again(open).filter(|_| !error.is_final()),
        };
        if again.is_some() {
            tracing::warn!(telling.number = number, lane, error = why, "telling failed; it is tried again");
        } else {
            tracing::warn!(telling.number = number, lane, error = why, "telling failed; it is given up");
        }
        again.unwrap_or_else(|| Outcome::GivenUp(error.to_string()))
    }

    /// When there is another attempt after one that has failed.
    fn again(&self, open: &Open) -> Option<Outcome> {
        let chance = Uuid::new_v4().as_bytes()[0];
        let deadline = open.created_at + self.pace.give_up_after;
        next_attempt(open.attempts + 1, self.pace.first_wait, chance, (self.now)(), deadline).map(Outcome::Again)
    }

    /// The same after the provider has said when.
    fn not_before(&self, open: &Open, until: OffsetDateTime) -> Option<Outcome> {
        let deadline = open.created_at + self.pace.give_up_after;
        ((self.now)() < deadline).then(|| Outcome::Again(until.min(deadline)))
    }

    async fn record(&self, open: &Open, outcome: &Outcome) -> Result<(), DbError> {
        let mut tx = self.db.write().await?;
        db::tellings::record_attempt(&mut tx, open.number, outcome).await?;
        Ok(tx.commit().await?)
    }

    async fn prune_or_say(&self) {
        if let Err(error) = self.prune().await {
            tracing::error!(%error, "what was told long ago can't be forgotten");
        }
    }

    async fn prune(&self) -> Result<(), DbError> {
        loop {
            let mut tx = self.db.write().await?;
            let forgotten = db::tellings::forget_older(&mut tx, (self.now)() - self.pace.keep, PRUNE_BATCH).await?;
            tx.commit().await?;
            if forgotten < u64::from(PRUNE_BATCH) {
                return Ok(());
            }
        }
    }
}
