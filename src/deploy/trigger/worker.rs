//! Takes up the triggers that are due, until the daemon stops.

use std::collections::HashSet;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::sleep;

use super::advance;
use crate::ctx::Ctx;
use crate::db;
use crate::db::triggers::Trigger;
use crate::model::AppId;
use crate::outbox::{self, Due, ERROR_WAIT, Outbox, Signals, TIDY_INTERVAL};

/// How many are under way at once: each asks a forge, which may be slow.
const AT_ONCE: usize = 16;

struct Triggers(Ctx);

/// Deploys until it is stopped.
pub async fn deploy_triggers(ctx: Ctx) {
    outbox::drain(Arc::new(Triggers(ctx))).await;
}

impl Outbox for Triggers {
    type Row = Trigger;
    type Lane = AppId;
    const DOES: &'static str = "deploying from repositories";

    fn signals(&self) -> Signals {
        self.0.signals()
    }

    async fn due(&self, busy: &HashSet<AppId>) -> Due<Self> {
        let Self(ctx) = self;
        let open = async { db::triggers::open(&mut *ctx.db.read().await?).await };
        match open.await {
            Ok(open) => choose(open, busy, ctx.now()),
            Err(error) => {
                tracing::error!(%error, "the deploys from repositories can't be read");
                (Vec::new(), ERROR_WAIT)
            }
        }
    }

    async fn carry_on(&self, trigger: Trigger) {
        if let Err(error) = advance(&self.0, &trigger).await {
            tracing::error!(trigger.id = %trigger.id, %error, "a deploy from a repository can't be recorded: it will be taken up again");
            sleep(ERROR_WAIT).await;
        }
    }
}

/// One of each app at a time, in the order in which they were asked for: so their builds are accepted in that order.
fn choose(open: Vec<Trigger>, busy: &HashSet<AppId>, now: OffsetDateTime) -> Due<Triggers> {
    let (due, later): (Vec<_>, Vec<_>) = open.into_iter().partition(|trigger| trigger.next_attempt_at <= now);
    let next = later.iter().map(|trigger| (trigger.next_attempt_at - now).unsigned_abs()).min();
    let mut taken = busy.clone();
    let chosen = due.into_iter().filter(|trigger| taken.len() < AT_ONCE && taken.insert(trigger.app));
    (chosen.map(|trigger| (trigger.app, trigger)).collect(), next.unwrap_or(TIDY_INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, Cause, ConnectionId, TriggerId, TriggerState};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn trigger(number: i64, app: AppId, seconds: i64) -> Trigger {
        Trigger {
            number,
            id: TriggerId::new(),
            connection: ConnectionId::new(),
            app,
            by: AccountId::new(),
            cause: Cause::Push,
            branch: "main".parse().unwrap(),
            commit: None,
            state: TriggerState::Ready,
            build: None,
            reason: None,
            attempts: 0,
            next_attempt_at: NOW + time::Duration::seconds(seconds),
            created_at: NOW,
            since: NOW,
            updated_at: NOW,
        }
    }

    #[test]
    fn an_apps_deploys_are_taken_up_one_by_one_in_their_order() {
        let (one, other) = (AppId::new(), AppId::new());
        let open =
            || vec![trigger(1, one, 9), trigger(2, one, 0), trigger(3, one, 0), trigger(4, other, -1), trigger(5, other, 7)];
        let numbers = |busy: &[AppId]| {
            let (due, next) = choose(open(), &busy.iter().copied().collect(), NOW);
            (due.iter().map(|(_, trigger)| trigger.number).collect::<Vec<_>>(), next.as_secs())
        };
        assert_eq!(numbers(&[]), (vec![2, 4], 7));
        assert_eq!(numbers(&[one]), (vec![4], 7));
        assert_eq!(numbers(&[one, other]), (vec![], 7));
        assert_eq!(choose(Vec::new(), &HashSet::new(), NOW).1, TIDY_INTERVAL);
    }

    #[test]
    fn not_all_are_under_way_at_once() {
        let open = (0..100).map(|number| trigger(number, AppId::new(), 0)).collect();
        assert_eq!(choose(open, &HashSet::new(), NOW).0.len(), AT_ONCE);
    }
}
