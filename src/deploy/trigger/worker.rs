//! Takes up the triggers that are due, until the daemon stops.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use time::OffsetDateTime;
use tokio::time::sleep;

use super::advance;
use crate::ctx::Ctx;
use crate::db;
use crate::db::triggers::Trigger;
use crate::model::AppId;

/// How many are under way at once: each asks a forge, which may be slow.
const AT_ONCE: usize = 16;
/// The longest sleep.
const LONGEST: Duration = Duration::from_hours(1);
/// Before it goes on after the database, or a panic, has stopped it.
const ERROR_WAIT: Duration = Duration::from_secs(5);

/// Deploys until it is stopped. A panic stops it for a moment only: what was under way is taken up again.
pub async fn deploy_triggers(ctx: Ctx) {
    while AssertUnwindSafe(drain(&ctx)).catch_unwind().await.is_err() {
        // What it said stands in the log already.
        tracing::error!("the deploys from repositories panicked; they go on");
        ctx.stopping.run_until_cancelled(sleep(ERROR_WAIT)).await;
    }
}

/// Woken by each commit of the database, by the end of what is under way and when the next is due, and by nothing else.
async fn drain(ctx: &Ctx) {
    let mut commits = ctx.db.commits();
    let mut under_way = FuturesUnordered::new();
    let mut busy = HashSet::new();
    while !ctx.stopping.is_cancelled() {
        commits.borrow_and_update();
        let (due, next) = due(ctx, &busy).await;
        for trigger in due {
            busy.insert(trigger.app);
            under_way.push(advance_or_say(ctx, trigger));
        }
        tokio::select! {
            () = ctx.stopping.cancelled() => {}
            // The sender is in `ctx`.
            _ = commits.changed() => {}
            Some(app) = under_way.next(), if !under_way.is_empty() => { busy.remove(&app); }
            () = sleep(next) => {}
        }
    }
    let the_rest = async { while under_way.next().await.is_some() {} };
    ctx.killing.run_until_cancelled(the_rest).await;
}

/// The triggers to be taken up now, and for how long there is no other.
async fn due(ctx: &Ctx, busy: &HashSet<AppId>) -> (Vec<Trigger>, Duration) {
    let open = async { db::triggers::open(&mut *ctx.db.read().await?).await };
    match open.await {
        Ok(open) => choose(open, busy, ctx.now()),
        Err(error) => {
            tracing::error!(%error, "the deploys from repositories can't be read");
            (Vec::new(), ERROR_WAIT)
        }
    }
}

/// One of each app at a time, in the order in which they were asked for: so their builds are accepted in that order.
fn choose(open: Vec<Trigger>, busy: &HashSet<AppId>, now: OffsetDateTime) -> (Vec<Trigger>, Duration) {
    let (due, later): (Vec<_>, Vec<_>) = open.into_iter().partition(|trigger| trigger.next_attempt_at <= now);
    let next = later.iter().map(|trigger| (trigger.next_attempt_at - now).unsigned_abs()).min();
    let mut taken = busy.clone();
    let chosen = due.into_iter().filter(|trigger| taken.len() < AT_ONCE && taken.insert(trigger.app));
    (chosen.collect(), next.unwrap_or(LONGEST).min(LONGEST))
}

/// What goes wrong with one must not keep the others from going on.
async fn advance_or_say(ctx: &Ctx, trigger: Trigger) -> AppId {
    match AssertUnwindSafe(advance(ctx, &trigger)).catch_unwind().await {
        Ok(Ok(())) => return trigger.app,
        Ok(Err(error)) => {
            tracing::error!(trigger.id = %trigger.id, %error, "a deploy from a repository can't be recorded: it will be taken up again");
        }
        // What it said stands in the log already.
        Err(_panic) => {
            tracing::error!(trigger.id = %trigger.id, "a deploy from a repository panicked: it will be taken up again");
        }
    }
    sleep(ERROR_WAIT).await;
    trigger.app
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
            (due.iter().map(|trigger| trigger.number).collect::<Vec<_>>(), next.as_secs())
        };
        assert_eq!(numbers(&[]), (vec![2, 4], 7));
        assert_eq!(numbers(&[one]), (vec![4], 7));
        assert_eq!(numbers(&[one, other]), (vec![], 7));
        assert_eq!(choose(Vec::new(), &HashSet::new(), NOW).1, LONGEST);
    }

    #[test]
    fn not_all_are_under_way_at_once() {
        let open = (0..100).map(|number| trigger(number, AppId::new(), 0)).collect();
        assert_eq!(choose(open, &HashSet::new(), NOW).0.len(), AT_ONCE);
    }
}
