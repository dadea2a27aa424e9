//! What a push certificate has to quote, so that nobody can show an old one (gitprotocol-pack(5), "push-cert=").
//!
//! A nonce is its own proof: its time and number, and a keyed hash of both and of the place, as `receive.certNonceSeed` makes
//! git give out. Over HTTP the refs are told by one request and the push is another one: of those that are given out nothing
//! is remembered. Those that certificates have quoted are, as each is good once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ring::hmac;
use ring::rand::SystemRandom;
use time::OffsetDateTime;

use super::advertise::Greeting;

/// How long a nonce is good over HTTP: there is time to type a passphrase, and to try again with a password.
const SLOP_SECONDS: i64 = 10 * 60;

/// Most used nonces that are remembered, far more than are quoted in [`SLOP_SECONDS`]. What was given out before one that had
/// to be forgotten counts as used: under a flood of signed pushes those that are slow push again.
const MOST_USED: usize = 10_000;

/// Gives nonces out. The key lives as long as the process: who was told a nonce before a restart pushes again. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct Nonces(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    key: hmac::Key,
    next: AtomicU64,
    used: Mutex<Used>,
}

/// The numbers of those that were quoted.
#[derive(Debug, Default)]
struct Used {
    numbers: BTreeSet<u64>,
    /// All below this one count as used.
    from: u64,
}

impl Used {
    /// Notes one; tells whether it is used for the first time.
    fn add(&mut self, number: u64) -> bool {
        let is_first = number >= self.from && self.numbers.insert(number);
        if self.numbers.len() > MOST_USED
            && let Some(oldest) = self.numbers.pop_first()
        {
            self.from = oldest + 1;
        }
        is_first
    }
}

impl Nonces {
    /// With a key of its own.
    ///
    /// # Panics
    /// When the kernel gives no random bytes.
    #[must_use]
    pub fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.expect("the kernel gives random bytes");
        Self(Arc::new(Shared { key, next: AtomicU64::new(0), used: Mutex::default() }))
    }

    /// A nonce for pushes to one place, such as an app's id.
    #[must_use]
    pub fn give(&self, place: &str, now: OffsetDateTime) -> Nonce {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        Nonce { nonces: self.clone(), place: place.to_owned(), seconds: now.unix_timestamp(), number }
    }
}

impl Default for Nonces {
    fn default() -> Self {
        Self::new()
    }
}

/// One that was given out.
#[derive(Debug, Clone)]
pub struct Nonce {
    nonces: Nonces,
    place: String,
    seconds: i64,
    number: u64,
}

impl Nonce {
    /// `SECONDS-NUMBER-HASH`.
    pub(super) fn text(&self) -> String {
        let tag = hmac::sign(&self.nonces.0.key, self.signed(self.seconds, self.number).as_bytes());
        format!("{}-{}-{}", self.seconds, self.number, hex::encode(tag))
    }

    /// Whether a quoted nonce is this one, or over HTTP one that was given out for the same place a little before; and was
    /// not used yet. From now on it is.
    pub(super) fn redeem(&self, quoted: &str, greeting: Greeting) -> bool {
        let parts = || {
            let (seconds, rest) = quoted.split_once('-')?;
            let (number, tag) = rest.split_once('-')?;
            Some((seconds.parse::<i64>().ok()?, number.parse::<u64>().ok()?, hex::decode(tag).ok()?))
        };
        let Some((seconds, number, tag)) = parts() else { return false };
        let is_timely = match greeting {
            Greeting::Stream => number == self.number,
            Greeting::Http => self.seconds.checked_sub(seconds).is_some_and(|age| (0..=SLOP_SECONDS).contains(&age)),
        };
        let Shared { key, used, .. } = &*self.nonces.0;
        let is_ours = || hmac::verify(key, self.signed(seconds, number).as_bytes(), &tag).is_ok();
        is_timely && is_ours() && used.lock().unwrap_or_else(PoisonError::into_inner).add(number)
    }

    fn signed(&self, seconds: i64, number: u64) -> String {
        format!("{}:{seconds}:{number}", self.place)
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn only_what_was_given_out_here_and_lately_is_good() {
        let nonces = Nonces::new();
        let after = |minutes| nonces.give("shop", NOW + Duration::minutes(minutes));
        let (given, later) = (after(0), after(9));
        let quoted = given.text();
        assert!(!later.redeem(&quoted, Greeting::Stream), "a stream has its own");
        assert!(!given.redeem(&later.text(), Greeting::Http), "from the future");
        assert!(!after(11).redeem(&quoted, Greeting::Http), "too old");
        assert!(!nonces.give("ship", NOW).redeem(&quoted, Greeting::Http), "another app's");
        assert!(!Nonces::new().give("shop", NOW).redeem(&quoted, Greeting::Http), "another hoist's");
        let (other_time, other_number) = (quoted.replacen("0-", "1-", 1), quoted.replacen("-0-", "-7-", 1));
        let cut = &quoted[..quoted.len() - 2];
        for bad in ["", "-", "0", "0-", "0-0", "0-0-zz", "x-0-00", "0-x-00", &other_time, &other_number, cut] {
            assert!(!later.redeem(bad, Greeting::Http), "{bad}");
        }
        assert!(!later.redeem("-9223372036854775808-0-00", Greeting::Http));
        assert!(given.redeem(&quoted, Greeting::Stream) && later.redeem(&later.text(), Greeting::Http));
        assert!(later.redeem(&after(0).text(), Greeting::Http));
    }

    #[test]
    fn each_is_good_once() {
        let nonces = Nonces::new();
        for greeting in [Greeting::Stream, Greeting::Http] {
            let given = nonces.give("shop", NOW);
            assert!(given.redeem(&given.text(), greeting));
            for again in [Greeting::Stream, Greeting::Http] {
                assert!(!given.redeem(&given.text(), again), "{greeting:?}, {again:?}");
            }
            assert!(!nonces.give("shop", NOW).redeem(&given.text(), Greeting::Http), "at another connection");
        }
    }

    #[test]
    fn those_that_are_forgotten_stay_used() {
        let mut used = Used::default();
        let most = u64::try_from(MOST_USED).unwrap();
        assert!(used.add(3) && (10..10 + most).all(|number| used.add(number)));
        assert_eq!(used.numbers.len(), MOST_USED);
        assert!([0, 1, 2, 3, 10, 11].into_iter().all(|number| !used.add(number)));
        assert!(used.add(10 + most));
    }
}
