//! How many connections of one address may be on their way to a login, and how many may fail.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::{Rates, network};
use crate::ctx::Ctx;

/// Enough for a team behind one address pushing at the same moment; a login takes a fraction of a second.
const PER_ADDRESS: usize = 64;

/// Counts logins under way by address, and those that have failed.
#[derive(Clone)]
pub(super) struct Logins {
    rates: Rates,
    under_way: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A login under way; over when dropped.
pub(super) struct Login {
    logins: Logins,
    from: IpAddr,
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
    pub(super) fn new(rates: Rates) -> Self {
        Self { rates, under_way: Arc::default() }
    }

    /// Lets a login begin, unless its address has too many.
    pub(super) fn enter(&self, from: IpAddr) -> Result<Login, Barred> {
        let network = network(from);
        let mut counts = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_default();
        if *count == PER_ADDRESS {
            return Err(Barred::AtOnce);
        }
        *count += 1;
        Ok(Login { logins: self.clone(), from, failed: false })
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
        let Logins { rates, under_way } = &self.logins;
        if self.failed {
            rates.failed_login(self.from, Ctx::now_utc());
        }
        let mut counts = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(network(self.from)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
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

    #[test]
    fn each_address_has_its_own_bound() {
        let logins = Logins::new(Rates::new(&Limits::default()));
        let mut held: Vec<_> = (0..PER_ADDRESS).map(|_| logins.enter(address("2001:db8::1")).ok().unwrap()).collect();
        assert_eq!(logins.enter(address("2001:db8::2")).err(), Some(Barred::AtOnce), "the same /64");
        assert!(logins.enter(address("2001:db8:0:1::1")).is_ok());
        assert!(logins.enter(address("127.0.0.1")).is_ok());
        held.pop();
        assert!(logins.enter(address("2001:db8::1")).is_ok());
        held.clear();
        assert!(logins.under_way.lock().unwrap().is_empty());
    }

    #[test]
    fn who_fails_too_often_is_turned_away() {
        let logins = Logins::new(Rates::new(&Limits { failed_logins_per_hour: 1, ..Limits::default() }));
        let from = address("192.0.2.1");
        let enter = || logins.enter(from).ok().unwrap();
        drop(enter());
        let mut found = enter();
        assert_eq!(found.fail(), Ok(()));
        found.succeed();
        assert_eq!(enter().fail(), Ok(()));
        assert!(matches!(enter().fail(), Err(Barred::Failed(1..=3601))));
        // The first key may still be good.
        enter().succeed();
        assert_eq!(logins.enter(address("192.0.2.2")).ok().unwrap().fail(), Ok(()));
    }
}
