//! How often one may knock: token buckets that fill up within an hour.
//!
//! Of our own because what libraries there are can neither tell what is left without taking some of it nor bound how
//! many buckets they keep; and because a bucket is one number, the time at which it is full again (GCRA).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use crate::model::{AccountId, AppId, AuthorizationId, Limits};

const PERIOD: Duration = Duration::HOUR;

/// Requests of a fetch over HTTP for each that is counted as one: clients seldom take as many turns.
const TURNS: u32 = 20;

/// Every rate limit of the installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rates {
    /// Requests to the API, by token.
    pub api: Buckets<AuthorizationId>,
    /// Requests to the registry, likewise: a pull makes one for each layer.
    pub images: Buckets<AuthorizationId>,
    git: Buckets<(AccountId, AppId)>,
    git_turns: Buckets<(AccountId, AppId)>,
    is_git_limited_on_loopback: bool,
    logins: Buckets<IpAddr>,
    failed_logins: Buckets<IpAddr>,
}

/// Too often; it can be tried again after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOften {
    pub retry_after: Duration,
}

impl Rates {
    /// Full buckets.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let most = limits.rate_buckets;
        let git = limits.git_requests_per_hour.unwrap_or(Limits::GIT_REQUESTS_PER_HOUR);
        Self {
            api: Buckets::new(limits.api_requests_per_hour, most),
            images: Buckets::new(limits.image_requests_per_hour, most),
            git: Buckets::new(git, most),
            git_turns: Buckets::new(git.saturating_mul(TURNS), most),
            is_git_limited_on_loopback: limits.git_requests_per_hour.is_some(),
            logins: Buckets::new(limits.logins_per_hour, most),
            failed_logins: Buckets::new(limits.failed_logins_per_hour, most),
        }
    }

    /// Counts a git request. Those from this host itself are not counted, unless the configuration names a limit.
    pub fn git(&self, by: AccountId, app: AppId, from: IpAddr, now: OffsetDateTime) -> Result<(), TooOften> {
        if self.is_exempt(from) { Ok(()) } else { self.git.take((by, app), now).map(drop) }
    }

    /// Counts a later request of a fetch over HTTP, of which each may be many.
    pub fn git_turn(&self, by: AccountId, app: AppId, from: IpAddr, now: OffsetDateTime) -> Result<(), TooOften> {
        if self.is_exempt(from) { Ok(()) } else { self.git_turns.take((by, app), now).map(drop) }
    }

    fn is_exempt(&self, from: IpAddr) -> bool {
        from.to_canonical().is_loopback() && !self.is_git_limited_on_loopback
    }

    /// Counts an attempt to log in with a password.
    pub fn login(&self, from: IpAddr, now: OffsetDateTime) -> Result<(), TooOften> {
        self.logins.take(network(from), now).map(drop)
    }

    /// Whether an address may try another SSH key. To ask counts for nothing.
    pub fn may_log_in(&self, from: IpAddr, now: OffsetDateTime) -> Result<(), TooOften> {
        self.failed_logins.look(&network(from), now)
    }

    /// Counts a connection none of whose SSH keys was good.
    pub fn failed_login(&self, from: IpAddr, now: OffsetDateTime) {
        // When there are too many already, the next one is refused anyway.
        let _ = self.failed_logins.take(network(from), now);
    }
}

/// One bucket per key. All of the same size.
#[derive(Debug, Clone)]
pub struct Buckets<K> {
    /// 0 means no limit.
    size: u32,
    most: usize,
    full_at: Arc<Mutex<HashMap<K, OffsetDateTime>>>,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    fn new(size: u32, most: usize) -> Self {
        Self { size, most: most.max(1), full_at: Arc::default() }
    }

    /// Takes one from a bucket and tells how many are left; `None` where there is no limit.
    pub fn take(&self, key: K, now: OffsetDateTime) -> Result<Option<u32>, TooOften> {
        let Some(each) = self.each() else { return Ok(None) };
        // A panic between lock and unlock would leave a sound map.
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = full_at(&buckets, &key, now) + each;
        if full_at - now > PERIOD {
            return Err(TooOften { retry_after: full_at - now - PERIOD });
        }
        if buckets.len() >= self.most && !buckets.contains_key(&key) {
            make_room(&mut buckets, now);
        }
        buckets.insert(key, full_at);
        Ok(Some(self.left(full_at, now, each)))
    }

    /// Whether one could be taken from a bucket.
    fn look(&self, key: &K, now: OffsetDateTime) -> Result<(), TooOften> {
        let Some(each) = self.each() else { return Ok(()) };
        let buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = full_at(&buckets, key, now) + each;
        if full_at - now > PERIOD { Err(TooOften { retry_after: full_at - now - PERIOD }) } else { Ok(()) }
    }

    /// How many are left in a bucket; `None` where there is no limit.
    #[must_use]
    pub fn remaining(&self, key: &K, now: OffsetDateTime) -> Option<u32> {
        let each = self.each()?;
        let buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        Some(self.left(full_at(&buckets, key, now), now, each))
    }

    /// The time in which one more comes in.
    fn each(&self) -> Option<Duration> {
        (self.size > 0).then(|| PERIOD / self.size)
    }

    fn left(&self, full_at: OffsetDateTime, now: OffsetDateTime, each: Duration) -> u32 {
        // Whatever is there in part is not there: rounded up.
        let taken = (full_at - now + each - Duration::NANOSECOND).whole_nanoseconds() / each.whole_nanoseconds();
        self.size.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
    }
}

/// A clock that was set back must not keep anybody out for longer than an empty bucket does.
fn full_at<K: Eq + Hash>(buckets: &HashMap<K, OffsetDateTime>, key: &K, now: OffsetDateTime) -> OffsetDateTime {
    buckets.get(key).map_or(now, |full_at| (*full_at).clamp(now, now + PERIOD))
}

/// Forgets the buckets that are full again, which loses nothing; if there is none, the one that is nearest to it.
fn make_room<K: Clone + Eq + Hash>(buckets: &mut HashMap<K, OffsetDateTime>, now: OffsetDateTime) {
    let before = buckets.len();
    buckets.retain(|_, full_at| *full_at > now);
    if buckets.len() == before
        && let Some(fullest) = buckets.iter().min_by_key(|(_, full_at)| **full_at).map(|(key, _)| key.clone())
    {
        buckets.remove(&fullest);
    }
}

/// One IPv6 host has a whole /64 to choose its address from.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn a_fetch_may_take_many_turns() {
        let (by, app, from) = (AccountId::new(), AppId::new(), "192.0.2.1".parse().unwrap());
        let rates = Rates::new(&Limits { git_requests_per_hour: Some(2), ..Limits::default() });
        for _ in 0..2 * TURNS {
            rates.git_turn(by, app, from, NOW).unwrap();
        }
        rates.git_turn(by, app, from, NOW).unwrap_err();
        rates.git(by, app, from, NOW).unwrap();
    }

    #[test]
    fn a_bucket_empties_and_fills_up_again() {
        let buckets = Buckets::new(3, 10);
        let left: Vec<_> = (0..3).map(|_| buckets.take("a", NOW).unwrap()).collect();
        assert_eq!(left, [Some(2), Some(1), Some(0)]);
        assert_eq!(buckets.take("a", NOW), Err(TooOften { retry_after: Duration::minutes(20) }));
        assert_eq!(buckets.take("b", NOW), Ok(Some(2)), "everybody has their own");
        let later = NOW + Duration::minutes(20);
        assert_eq!(buckets.remaining(&"a", later), Some(1), "to look takes nothing");
        assert_eq!(buckets.remaining(&"a", later), Some(1));
        assert_eq!(buckets.take("a", later), Ok(Some(0)));
        assert_eq!(buckets.remaining(&"a", NOW + Duration::hours(9)), Some(3));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out_for_longer() {
        let buckets = Buckets::new(1, 10);
        buckets.take("a", NOW + Duration::days(1)).unwrap();
        assert_eq!(buckets.take("a", NOW), Err(TooOften { retry_after: Duration::HOUR }));
        assert_eq!(buckets.take("a", NOW + Duration::HOUR), Err(TooOften { retry_after: Duration::HOUR }));
    }

    #[test]
    fn their_number_is_bounded_and_the_emptiest_stay() {
        let buckets = Buckets::new(2, 3);
        for _ in 0..2 {
            buckets.take(0, NOW).unwrap();
        }
        for key in 1..100 {
            buckets.take(key, NOW).unwrap();
        }
        assert_eq!(buckets.full_at.lock().unwrap().len(), 3);
        assert!(buckets.take(0, NOW).is_err(), "whoever has used theirs up is remembered");
    }

    #[test]
    fn nothing_is_no_limit() {
        let buckets = Buckets::new(0, 3);
        assert_eq!((buckets.take(1, NOW), buckets.remaining(&1, NOW)), (Ok(None), None));
    }

    #[test]
    fn only_failed_logins_count_against_an_address() {
        let rates = Rates::new(&Limits { failed_logins_per_hour: 2, ..Limits::default() });
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        rates.failed_login(here, NOW);
        assert!((0..9).all(|_| rates.may_log_in(here, NOW).is_ok()), "to ask takes nothing");
        rates.failed_login(here, NOW);
        assert_eq!(rates.may_log_in(here, NOW), Err(TooOften { retry_after: Duration::minutes(30) }));
        rates.failed_login(here, NOW);
        assert_eq!(rates.may_log_in(here, NOW + Duration::minutes(30)), Ok(()));
        assert_eq!(rates.may_log_in(there, NOW), Ok(()));
    }

    #[test]
    fn a_host_has_one_bucket_for_all_its_addresses() {
        let rates = Rates::new(&Limits { logins_per_hour: 1, ..Limits::default() });
        let from = |address: &str| rates.login(address.parse().unwrap(), NOW);
        assert!(from("2001:db8::1").is_ok() && from("2001:db8::2").is_err());
        assert!(from("2001:db8:0:1::1").is_ok() && from("192.0.2.1").is_ok());
    }
}
