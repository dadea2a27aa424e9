//! Makes the deliveries that are due, until the daemon stops.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::prune::prune;
use super::{Occasion, RenderError, Settings, hook};
use crate::db::webhook_deliveries::{Attempt, Open};
use crate::db::{self, Db, DbError};
use crate::model::{Level, WebhookId, next_attempt};
use crate::outbox::{self, Due, ERROR_WAIT, Outbox, Signals, TIDY_INTERVAL};

/// What the worker works with.
#[derive(Debug)]
pub struct Launcher {
    pub db: Db,
    pub settings: Settings,
    /// The clock.
    pub now: fn() -> OffsetDateTime,
    /// No attempt is begun from then on.
    pub stopping: CancellationToken,
    /// Attempts that are under way are given up then; they are made again at the next start.
    pub killing: CancellationToken,
}

/// Which kind of attempt is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Turn {
    First,
    Again,
}

/// A webhook, to which something is on its way.
type Lane = (WebhookId, Turn);

/// What makes a body.
type Render = Box<dyn Fn(Occasion) -> BoxFuture<'static, Result<Vec<u8>, RenderError>> + Send + Sync>;

struct Launching {
    launcher: Launcher,
    render: Render,
}

/// Delivers until it is stopped; `render` makes a body.
pub async fn launch<R, F>(launcher: Launcher, render: R)
where
    R: Fn(Occasion) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Vec<u8>, RenderError>> + Send + 'static,
{
    let render: Render = Box::new(move |occasion| render(occasion).boxed());
    outbox::drain(Arc::new(Launching { launcher, render })).await;
}

impl Outbox for Launching {
    type Row = Open;
    type Lane = Lane;
    const DOES: &'static str = "delivering to webhooks";

    fn signals(&self) -> Signals {
        let Launcher { db, stopping, killing, .. } = &self.launcher;
        Signals { commits: db.commits(), stopping: stopping.clone(), killing: killing.clone() }
    }

    async fn due(&self, busy: &HashSet<Lane>) -> Due<Self> {
        let (due, next) = self.launcher.due(&busy.iter().copied().collect()).await;
        (due.into_iter().map(|open| ((open.webhook, turn(&open)), open)).collect(), next)
    }

    async fn carry_on(&self, open: Open) {
        self.launcher.deliver(&open, &self.render).await;
    }

    async fn tidy(&self) {
        self.launcher.prune_or_say().await;
    }
}

impl Launcher {
    /// The deliveries to be attempted now, of other webhooks than the busy ones, and for how long there is no other.
    async fn due(&self, busy: &HashMap<WebhookId, Turn>) -> (Vec<Open>, Duration) {
        let open = match self.open().await {
            Ok(open) => open,
            Err(error) => {
                tracing::error!(%error, "webhooks' deliveries can't be read");
                return (Vec::new(), ERROR_WAIT);
            }
        };
        let now = (self.now)();
        let (due, later): (Vec<_>, Vec<_>) =
            open.into_iter().filter(|open| !busy.contains_key(&open.webhook)).partition(|open| open.next_attempt_at <= now);
        let next = later.first().map(|open| (open.next_attempt_at - now).unsigned_abs());
        (choose(due, busy, self.settings.concurrent), next.unwrap_or(TIDY_INTERVAL))
    }

    async fn open(&self) -> Result<Vec<Open>, DbError> {
        db::webhook_deliveries::open(&mut *self.db.read().await?).await
    }

    /// Makes one attempt and records it.
    async fn deliver<R, F>(&self, open: &Open, render: &R)
    where
        R: Fn(Occasion) -> F,
        F: Future<Output = Result<Vec<u8>, RenderError>>,
    {
        let attempt = hook::attempt(&self.db, &self.settings, open, render, self.now).await;
        if let Some(attempt) = attempt
            && let Err(error) = self.record(open, &attempt).await
        {
            tracing::error!(delivery.id = %open.id, %error, "a webhook's attempt could not be recorded: it will be made again");
            sleep(ERROR_WAIT).await;
        }
    }

    async fn record(&self, open: &Open, attempt: &Attempt) -> Result<(), DbError> {
        let mut tx = self.db.write().await?;
        let next = self.next(open, attempt).filter(|_| !attempt.has_succeeded);
        db::webhook_deliveries::record_attempt(&mut tx, open.id, attempt, next).await?;
        Ok(tx.commit().await?)
    }

    /// When there is another attempt if this one has failed.
    fn next(&self, open: &Open, attempt: &Attempt) -> Option<OffsetDateTime> {
        if open.level == Level::Notify || open.app_is_destroyed {
            return None;
        }
        let chance = Uuid::new_v4().as_bytes()[0];
        let deadline = open.created_at + self.settings.give_up_after;
        next_attempt(open.attempts + 1, self.settings.first_wait, chance, attempt.ended_at, deadline)
    }

    async fn prune_or_say(&self) {
        if let Err(error) = self.prune().await {
            tracing::error!(%error, "old events can't be forgotten");
        }
    }

    async fn prune(&self) -> Result<(), DbError> {
        prune(&self.db, (self.now)() - self.settings.event_age, self.settings.events_per_app).await
    }
}

fn turn(open: &Open) -> Turn {
    if open.attempts == 0 { Turn::First } else { Turn::Again }
}

/// Takes as many as there are places for. Second and later attempts get half of the places: a receiver that hangs holds its
/// place for the whole of an attempt's time, and others shall not wait for it.
fn choose(due: Vec<Open>, busy: &HashMap<WebhookId, Turn>, concurrent: usize) -> Vec<Open> {
    let again = busy.values().filter(|turn| **turn == Turn::Again).count();
    let mut for_again = concurrent.div_ceil(2).saturating_sub(again);
    let mut has_place = |open: &Open| match turn(open) {
        Turn::First => true,
        Turn::Again if for_again == 0 => false,
        Turn::Again => {
            for_again -= 1;
            true
        }
    };
    due.into_iter().filter(|open| has_place(open)).take(concurrent.saturating_sub(busy.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppId, DeliveryId};

    fn due(attempts: u32) -> Open {
        Open {
            id: DeliveryId::new(),
            webhook: WebhookId::new(),
            app: AppId::new(),
            event_number: 1,
            level: Level::Sync,
            url: "http://localhost/".into(),
            attempts,
            next_attempt_at: OffsetDateTime::UNIX_EPOCH,
            created_at: OffsetDateTime::UNIX_EPOCH,
            app_is_destroyed: false,
        }
    }

    fn chosen(attempts: &[u32], busy: &[Turn], concurrent: usize) -> Vec<u32> {
        let busy = busy.iter().map(|turn| (WebhookId::new(), *turn)).collect();
        let due = attempts.iter().map(|attempts| due(*attempts)).collect();
        choose(due, &busy, concurrent).iter().map(|open| open.attempts).collect()
    }

    #[test]
    fn receivers_that_failed_leave_places_for_others() {
        use Turn::{Again, First};
        assert_eq!(chosen(&[3, 2, 1, 0, 0], &[], 4), [3, 2, 0, 0]);
        assert_eq!(chosen(&[1, 1, 0], &[Again, Again], 4), [0]);
        assert_eq!(chosen(&[1, 0, 0], &[First, Again], 4), [1, 0]);
        assert_eq!(chosen(&[1, 0], &[First], 1), [0; 0]);
        assert_eq!(chosen(&[1], &[], 1), [1]);
    }
}
