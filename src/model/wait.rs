//! When something that failed elsewhere is attempted again.

use std::time::Duration;

use time::OffsetDateTime;

/// The longest wait: a receiver that comes back is not kept waiting for most of a day.
const LONGEST: Duration = Duration::from_hours(3);

/// When the attempt after `attempts` failed ones is made: after a wait that doubles, and at the latest, one last time, at
/// `deadline`; `None` when that is over. `chance` (0 to 255) spreads the waits by a quarter to both sides, so that what a
/// receiver has missed does not come back to it all at once.
#[must_use]
pub fn next_attempt(
    attempts: u32,
    first_wait: Duration,
    chance: u8,
    now: OffsetDateTime,
    deadline: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    let wait = first_wait.saturating_mul(doubled).min(LONGEST);
    let spread = wait * 3 / 4 + (wait / 2) * u32::from(chance) / 255;
    (now < deadline).then(|| deadline.min(now + spread))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn seconds(attempts: u32, chance: u8) -> i64 {
        let next = next_attempt(attempts, Duration::from_secs(16), chance, NOW, NOW + Duration::from_hours(72)).unwrap();
        (next - NOW).whole_seconds()
    }

    #[test]
    fn waits_grow_to_hours() {
        assert_eq!([1, 2, 3, 8].map(|attempts| seconds(attempts, 0)), [12, 24, 48, 1536]);
        assert_eq!([1, 2, 3, 8].map(|attempts| seconds(attempts, 255)), [20, 40, 80, 2560]);
        assert_eq!([11, 32, 33, u32::MAX].map(|attempts| seconds(attempts, 255)), [13_500; 4]);
    }

    #[test]
    fn the_last_attempt_is_at_the_deadline() {
        let deadline = NOW + Duration::from_secs(5);
        let next = |now| next_attempt(3, Duration::from_secs(16), 0, now, deadline);
        assert_eq!(next(NOW), Some(deadline));
        assert_eq!(next(deadline), None);
    }
}
