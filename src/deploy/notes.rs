//! What is noted of a build while it goes on, and the one line that the pusher reads of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::queue::Entry;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{BuildFacts, BuildId, PackReport, Phase, seconds};
use crate::transcript::size;

/// A part that takes less is not worth the pusher's time, in milliseconds.
const SHORTEST_SHOWN: u64 = 100;

/// The notes of one build. They are there also when it has failed or was cancelled.
#[derive(Debug)]
pub(super) struct Notes(Mutex<Noted>);

#[derive(Debug)]
struct Noted {
    facts: BuildFacts,
    /// What the build is at, and since when.
    current: Option<(Phase, Instant)>,
}

impl Notes {
    /// Of a build that waits from now on, and took so long to come in.
    pub(super) fn new(received_in: Option<Duration>) -> Self {
        let phases = received_in.map(|time| (Phase::Receive, millis(time))).into_iter().collect();
        let facts = BuildFacts { phases, ..BuildFacts::default() };
        Self(Mutex::new(Noted { facts, current: Some((Phase::Queue, Instant::now())) }))
    }

    /// What the build was at until now has ended, and this begins.
    pub(super) fn begin(&self, phase: Phase) {
        let mut noted = self.noted();
        noted.end_current();
        noted.current = Some((phase, Instant::now()));
    }

    pub(super) fn cache_restored(&self, size_bytes: Option<u64>) {
        self.noted().facts.cache_restored_bytes = size_bytes;
    }

    pub(super) fn cache_saved(&self, size_bytes: Option<u64>) {
        self.noted().facts.cache_saved_bytes = size_bytes;
    }

    pub(super) fn reported(&self, reports: Vec<PackReport>) {
        self.noted().facts.reports = reports;
    }

    /// The build has ended, if this is not asked a second time.
    pub(super) fn end(&self) -> BuildFacts {
        let mut noted = self.noted();
        noted.end_current();
        noted.facts.clone()
    }

    // Held for a moment, never across an await.
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn end_current(&mut self) {
        if let Some((phase, since)) = self.current.take() {
            *self.facts.phases.entry(phase).or_default() += millis(since.elapsed());
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Keeps what was noted of a build that has ended. A build is not undone for want of it.
pub(super) async fn keep_facts_or_say(ctx: &Ctx, entry: &Entry) {
    if let Err(error) = keep(ctx, entry.id, &entry.notes.end()).await {
        tracing::error!(build.id = %entry.id, %error, "what happened in a build could not be recorded");
    }
}

async fn keep(ctx: &Ctx, id: BuildId, facts: &BuildFacts) -> Result<(), DbError> {
    let mut tx = ctx.db.write().await?;
    db::build_facts::insert(&mut tx, id, facts).await?;
    Ok(tx.commit().await?)
}

/// `Built in 12.3s: compile 9.8s, pack 1.1s; cache 41.7M restored, 42M saved`: the longer parts, in their order.
pub(super) fn summary(facts: &BuildFacts) -> String {
    let shown = facts.phases.iter().filter(|(_, millis)| **millis >= SHORTEST_SHOWN);
    let phases: Vec<_> = shown.map(|(phase, millis)| format!("{} {}", phase.as_str(), seconds(*millis))).collect();
    let cache = [(facts.cache_restored_bytes, "restored"), (facts.cache_saved_bytes, "saved")];
    let cache: Vec<_> = cache.into_iter().filter_map(|(bytes, done)| Some(format!("{} {done}", size(bytes?)))).collect();
    let phases = if phases.is_empty() { String::new() } else { format!(": {}", phases.join(", ")) };
    let cache = if cache.is_empty() { String::new() } else { format!("; cache {}", cache.join(", ")) };
    format!("Built in {}{phases}{cache}", seconds(facts.total_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_parts_and_the_cache_are_shown() {
        let mut facts = BuildFacts {
            phases: [(Phase::Queue, 99), (Phase::Pack, 1_100), (Phase::Compile, 9_800)].into(),
            ..BuildFacts::default()
        };
        assert_eq!(summary(&facts), "Built in 10.9s: compile 9.8s, pack 1.1s");
        facts.cache_saved_bytes = Some(43_700_000);
        assert_eq!(summary(&facts), "Built in 10.9s: compile 9.8s, pack 1.1s; cache 41.6M saved");
        facts.phases = [(Phase::Detect, 20)].into();
        facts.cache_restored_bytes = Some(2048);
        assert_eq!(summary(&facts), "Built in 0.0s; cache 2K restored, 41.6M saved");
    }

    #[test]
    fn each_part_ends_where_the_next_begins() {
        let notes = Notes::new(Some(Duration::from_millis(7)));
        notes.begin(Phase::Export);
        notes.begin(Phase::Detect);
        let facts = notes.end();
        let phases: Vec<_> = facts.phases.keys().copied().collect();
        assert_eq!(phases, [Phase::Receive, Phase::Queue, Phase::Export, Phase::Detect]);
        assert_eq!(facts.phases[&Phase::Receive], 7);
        assert_eq!(notes.end(), facts, "it has ended");
    }
}
