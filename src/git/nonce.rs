//! What a push certificate has to quote, so that nobody can show an old one (gitprotocol-pack(5), "push-cert="). Over HTTP one
//! that is minutes old is good, and may be shown again as long: by its pusher, and where the refs are as it says.
//!
//! A nonce is its own proof: the time and a keyed hash of time and place, as `receive.certNonceSeed` makes git give out.
//! Over HTTP the refs are told by one request and the push is another one, so that nothing can be remembered in between.

use ring::hmac;
use ring::rand::SystemRandom;
use time::OffsetDateTime;

use super::advertise::Greeting;

/// How long a nonce is good over HTTP: there is time to type a passphrase, and to try again with a password.
const SLOP_SECONDS: i64 = 10 * 60;

/// Gives nonces out. The key lives as long as the process: who was told a nonce before a restart pushes again. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct Nonces(hmac::Key);

impl Nonces {
    /// With a key of its own.
    ///
    /// # Panics
    /// When the kernel gives no random bytes.
    #[must_use]
    pub fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Self(key.expect("the kernel gives random bytes"))
    }

    /// A nonce for pushes to one place, such as an app's id.
    #[must_use]
    pub fn give(&self, place: &str, now: OffsetDateTime) -> Nonce {
        Nonce { nonces: self.clone(), place: place.to_owned(), seconds: now.unix_timestamp() }
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
}

impl Nonce {
    /// `SECONDS-HASH`.
    pub(super) fn text(&self) -> String {
        let tag = hmac::sign(&self.nonces.0, self.signed(self.seconds).as_bytes());
        format!("{}-{}", self.seconds, hex::encode(tag))
    }

    /// Whether a quoted nonce is this one; over HTTP also whether it was given out for the same place a little before.
    pub(super) fn is_quoted_by(&self, quoted: &str, greeting: Greeting) -> bool {
        let parts = || {
            let (seconds, tag) = quoted.split_once('-')?;
            Some((seconds.parse::<i64>().ok()?, hex::decode(tag).ok()?))
        };
        let Some((seconds, tag)) = parts() else { return false };
        let slop = match greeting {
            Greeting::Stream => 0,
            Greeting::Http => SLOP_SECONDS,
        };
        let is_young = self.seconds.checked_sub(seconds).is_some_and(|age| (0..=slop).contains(&age));
        is_young && hmac::verify(&self.nonces.0, self.signed(seconds).as_bytes(), &tag).is_ok()
    }

    fn signed(&self, seconds: i64) -> String {
        format!("{}:{seconds}", self.place)
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
        let (given, later) = (nonces.give("shop", NOW), nonces.give("shop", NOW + Duration::minutes(9)));
        let quoted = given.text();
        assert!(given.is_quoted_by(&quoted, Greeting::Stream) && given.is_quoted_by(&quoted, Greeting::Http));
        assert!(later.is_quoted_by(&quoted, Greeting::Http));
        assert!(!later.is_quoted_by(&quoted, Greeting::Stream), "a stream has its own");
        assert!(!given.is_quoted_by(&later.text(), Greeting::Http), "from the future");
        assert!(!nonces.give("shop", NOW + Duration::minutes(11)).is_quoted_by(&quoted, Greeting::Http), "too old");
        assert!(!nonces.give("ship", NOW).is_quoted_by(&quoted, Greeting::Http), "another app's");
        assert!(!Nonces::new().give("shop", NOW).is_quoted_by(&quoted, Greeting::Http), "another hoist's");
        let other_time = quoted.replacen('0', "1", 1);
        for bad in ["", "-", "0", "0-", "0-zz", "x-00", &quoted[..quoted.len() - 2], &other_time, "-9223372036854775808-00"] {
            assert!(!later.is_quoted_by(bad, Greeting::Http), "{bad}");
        }
    }
}
