//! Progress of the second pass, in git's own words.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::wire::{Order, Verdict, say};

/// Packs with fewer objects are done before anybody could read about it.
const WORTH_TELLING: usize = 100;

/// Time before the first text, as with git's own meters.
const DELAY: Duration = Duration::from_secs(1);

/// Counts deltas and tells of each per cent.
pub(super) struct Meter {
    total: usize,
    done: AtomicUsize,
    told: AtomicUsize,
    start: Option<Instant>,
}

impl Meter {
    pub(super) fn new(total: usize, order: &Order) -> Self {
        let start = (order.verbose && total >= WORTH_TELLING).then(Instant::now);
        Self { total, done: AtomicUsize::new(0), told: AtomicUsize::new(0), start }
    }

    /// One more delta is done.
    pub(super) fn tick(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(start) = self.start else { return };
        // A thin pack's added objects are no part of the total.
        let percent = (done * 100 / self.total).min(99);
        if percent > self.told.load(Ordering::Relaxed)
            && start.elapsed() >= DELAY
            && self.told.fetch_max(percent, Ordering::Relaxed) < percent
        {
            tell(&format!("{percent:3}% ({done}/{})\r", self.total));
        }
    }

    /// All is done.
    pub(super) fn finish(&self) {
        if self.start.is_some() {
            tell(&format!("100% ({total}/{total}), done.\n", total = self.total));
        }
    }
}

fn tell(what: &str) {
    say(&Verdict::Progress { text: format!("Resolving deltas: {what}") });
}
