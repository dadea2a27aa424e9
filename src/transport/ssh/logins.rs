//! How many connections of one address may be on their way to a login, or wait for that, and how many may fail.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::auth::{Rates, network};
use crate::ctx::Ctx;

/// Logins at once; each takes a fraction of a second.
const PER_ADDRESS: usize = 64;

/// Connections that are on their way or wait: a team behind one address, or its CI, pushing at the same moment. Much fewer than
/// all connections, so that no address keeps the others out.
const MOST: usize = 320;

/// Counts logins under way by address, and those that have failed.
#[derive(Clone)]
pub(super) struct Logins {
    rates: Rates,
    under_way: Arc<Mutex<HashMap<IpAddr, UnderWay>>>,
    /// How long one waits for its turn.
    patience: Duration,
}

/// What comes from one address.
struct UnderWay {
    count: usize,
    turns: Arc<Semaphore>,
}

/// A login under way; over when dropped.
pub(super) struct Login {
    logins: Logins,
    from: IpAddr,
    turn: Option<OwnedSemaphorePermit>,
    /// Whether a key has been refused. Who only looks whether hoist is there has not failed.
    failed: bool,
}

/// Why a login may not begin or go on, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Barred {
    #[error("too many logins at once from your address")]
    AtOnce,
    #[error("too many failed logins from your address: try again in {0} seconds")]
    Failed(i64),
}

impl Logins {
    pub(super) fn new(rates: Rates, patience: Duration) -> Self {
        Self { rates, under_way: Arc::default(), patience }
    }

    /// Lets a login begin when its address has no longer too many.
    pub(super) async fn enter(&self, from: IpAddr) -> Result<Login, Barred> {
        let (mut login, turns) = self.knock(from)?;
        let turn = timeout(self.patience, turns.acquire_owned()).await;
        login.turn = turn.ok().and_then(Result::ok);
        if login.turn.is_some() { Ok(login) } else { Err(Barred::AtOnce) }
    }

    /// Counts a login that may have to wait, unless too many do.
    fn knock(&self, from: IpAddr) -> Result<(Login, Arc<Semaphore>), Barred> {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || UnderWay { count: 0, turns: Arc::new(Semaphore::new(PER_ADDRESS)) };
        let own = all.entry(network(from)).or_insert_with(new);
        if own.count == MOST {
            return Err(Barred::AtOnce);
        }
        own.count += 1;
        Ok((Login { logins: self.clone(), from, turn: None, failed: false }, Arc::clone(&own.turns)))
    }
}

impl Login {
    /// A key was refused. Another one may be good, unless too many logins have failed: many share one address, and those
    /// whose first key is good must not suffer for the others.
    pub(super) fn fail(&mut self) -> Result<(), Barred> {
        self.failed = true;
        let may = self.logins.rates.may_log_in(self.from, Ctx::now_utc());
        may.map_err(|wait| Barred::Failed(wait.retry_after.whole_seconds() + 1))
    }

    /// A key was good.
    pub(super) fn succeed(mut self) {
        self.failed = false;
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let Logins { rates, under_way, .. } = &self.logins;
        self.turn = None;
        if self.failed {
            rates.failed_login(self.from, Ctx::now_utc());
        }
        let mut all = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut own) = all.entry(network(self.from)) {
            own.get_mut().count -= 1;
            if own.get().count == 0 {
                own.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limits;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn logins(limits: &Limits) -> Logins {
        Logins::new(Rates::new(limits), Duration::ZERO)
    }

    #[tokio::test]
    async fn each_address_has_its_own_bound() {
        let logins = logins(&Limits::default());
        let enter = async |text: &str| logins.enter(address(text)).await;
        let mut held = Vec::new();
        for _ in 0..PER_ADDRESS {
            held.push(enter("2001:db8::1").await.ok().unwrap());
        }
        assert_eq!(enter("2001:db8::2").await.err(), Some(Barred::AtOnce), "the same /64");
        assert!(enter("2001:db8:0:1::1").await.is_ok());
        assert!(enter("127.0.0.1").await.is_ok());
        held.pop();
        assert!(enter("2001:db8::1").await.is_ok());
        held.clear();
        assert!(logins.under_way.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_is_too_many_waits_but_not_all_of_them() {
        let logins = Logins { patience: Duration::from_mins(1), ..logins(&Limits::default()) };
        let from = address("192.0.2.1");
        let mut held = Vec::new();
        for _ in 0..PER_ADDRESS {
            held.push(logins.enter(from).await.ok().unwrap());
        }
        let waiting: Vec<_> = (PER_ADDRESS..MOST).map(|_| logins.knock(from).ok().unwrap()).collect();
        assert_eq!(logins.enter(from).await.err(), Some(Barred::AtOnce), "at once");
        drop(waiting);
        let (next, ()) = tokio::join!(logins.enter(from), async { held.truncate(1) });
        assert!(next.is_ok());
    }

    #[tokio::test]
    async fn who_fails_too_often_is_turned_away() {
        let logins = logins(&Limits { failed_logins_per_hour: 1, ..Limits::default() });
        let from = address("192.0.2.1");
        let enter = async || logins.enter(from).await.ok().unwrap();
        drop(enter().await);
        let mut found = enter().await;
        assert_eq!(found.fail(), Ok(()));
        found.succeed();
        assert_eq!(enter().await.fail(), Ok(()));
        assert!(matches!(enter().await.fail(), Err(Barred::Failed(1..=3601))));
        // The first key may still be good.
        enter().await.succeed();
        assert_eq!(logins.enter(address("192.0.2.2")).await.ok().unwrap().fail(), Ok(()));
    }
}
