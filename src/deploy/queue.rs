//! Who builds when: one build at a time per app, in the order of acceptance; so many at once on this host, by the rule of
//! [`Schedule`]. `turn` is what one of them waits for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::notes::Notes;
use super::submit::End;
use super::turn::{Standing, Turn};
use crate::git::Base;
use crate::model::{AccountId, AppId, BuildId, CommitId, Email, Job, JobNumber, Limits, Priority, Schedule};
use crate::release::RefMove;
use crate::transcript::Transcript;

/// So far the order of the waiting builds is foretold; the rest wait behind these.
pub(super) const MOST_FORETOLD: usize = 100;

/// The builds that have been accepted and have not ended. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Builds(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slot_count: usize,
    most_per_app: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    apps: HashMap<AppId, VecDeque<Arc<Entry>>>,
    schedule: Schedule,
    standings: HashMap<JobNumber, watch::Sender<Standing>>,
}

/// One accepted build.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: BuildId,
    pub(super) app: AppId,
    pub(super) by: Email,
    pub(super) commit: Option<CommitId>,
    pub(super) refs: Vec<RefMove>,
    /// Of the key that the push was signed with.
    pub(super) signed_with: Option<String>,
    pub(super) transcript: Transcript,
    pub(super) notes: Notes,
    /// What was exported of an earlier source and is this build's now: another is made of it unless a newer one is released.
    pub(super) source_base: OnceLock<Base>,
    pub(super) cancel: CancellationToken,
    /// Who cancelled it; nobody when its pusher just went away.
    pub(super) cancelled_by: OnceLock<Email>,
    /// `None` until the build has ended.
    pub(super) end: watch::Sender<Option<Arc<End>>>,
    /// There once it is in the queue.
    pub(super) job: OnceLock<JobNumber>,
}

/// One of the host's builders, or a place among those who wait for one. Given up when dropped.
#[derive(Debug)]
pub(super) struct Builder {
    builds: Builds,
    number: JobNumber,
}

impl Builds {
    /// Makes an empty queue, with as many builders as the limits say.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let slot_count = if limits.concurrent_builds == 0 { cores } else { limits.concurrent_builds };
        let schedule = Schedule::new(slot_count, limits.builds_per_user);
        let queue = Mutex::new(Queue { apps: HashMap::new(), schedule, standings: HashMap::new() });
        Self(Arc::new(Shared { slot_count, most_per_app: limits.queued_builds_per_app, queue }))
    }

    /// Enters a build behind the app's others; `None` when too many wait already.
    ///
    /// Called inside the transaction that gives the build its fencing number, so that the queue has the same order.
    pub(super) fn enter(&self, entry: &Arc<Entry>, by: AccountId, priority: Priority) -> Option<Turn> {
        let mut queue = self.queue();
        let of_app = queue.apps.entry(entry.app).or_default();
        let mut running = of_app.iter().filter(|entry| entry.end.borrow().is_none());
        if running.clone().count() > self.0.most_per_app {
            return None;
        }
        let before = running.next_back().map(|last| last.by.clone());
        of_app.push_back(Arc::clone(entry));
        let (number, standing) = queue.enter(Job { app: Some(entry.app), by, priority });
        entry.job.set(number).expect("a build is entered once");
        Some(Turn { builder: self.builder(number), standing, before })
    }

    /// Enters a test run, which waits for no other of its kind.
    pub(super) fn enter_test_run(&self, by: AccountId) -> Turn {
        let (number, standing) = self.queue().enter(Job { app: None, by, priority: Priority::Background });
        Turn { builder: self.builder(number), standing, before: None }
    }

    /// Lets the app's next build go on: this one's end is recorded.
    pub(super) fn ended(&self, entry: &Entry) {
        if let Some(number) = entry.job.get() {
            self.queue().change(|schedule| schedule.end(*number));
        }
    }

    /// Takes an ended build out.
    pub(super) fn leave(&self, entry: &Entry) {
        self.ended(entry);
        let mut queue = self.queue();
        if let Some(of_app) = queue.apps.get_mut(&entry.app) {
            of_app.retain(|other| other.id != entry.id);
            if of_app.is_empty() {
                queue.apps.remove(&entry.app);
            }
        }
    }

    /// Finds a running build of the same commit to the same refs: what a repeated push re-attaches to.
    pub(super) fn same(&self, app: AppId, commit: &CommitId, refs: &[RefMove]) -> Option<Arc<Entry>> {
        let queue = self.queue();
        let same =
            |entry: &&Arc<Entry>| entry.commit.as_ref() == Some(commit) && entry.refs == refs && entry.end.borrow().is_none();
        queue.apps.get(&app)?.iter().find(same).cloned()
    }

    /// Finds a running build by its id.
    pub(super) fn find(&self, id: BuildId) -> Option<Arc<Entry>> {
        self.queue().apps.values().flatten().find(|entry| entry.id == id).cloned()
    }

    /// How many builds come before one that waits, as things are: at most a hundred, which stands for more, too. `None` when it does
    /// not wait.
    #[must_use]
    pub fn ahead_of(&self, app: AppId, id: BuildId) -> Option<usize> {
        let queue = self.queue();
        let entry = queue.apps.get(&app)?.iter().find(|entry| entry.id == id)?;
        match *queue.standings.get(entry.job.get()?)?.borrow() {
            Standing::Waits { ahead, .. } => Some(ahead),
            Standing::Starts => None,
        }
    }

    pub(super) fn slot_count(&self) -> usize {
        self.0.slot_count
    }

    fn builder(&self, number: JobNumber) -> Builder {
        Builder { builds: self.clone(), number }
    }

    // Held for look-ups in small maps, and for what the schedule says then; never across an await.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().expect("no holder panics")
    }
}

impl Queue {
    fn enter(&mut self, job: Job) -> (JobNumber, watch::Receiver<Standing>) {
        let (sender, standing) = watch::channel(Standing::ENTERED);
        let mut number = None;
        self.change(|schedule| number = Some(schedule.enter(job)));
        let number = number.expect("it was just entered");
        self.standings.insert(number, sender);
        self.tell();
        (number, standing)
    }

    /// Changes who waits and runs, starts what may start then, and tells everybody how they stand.
    fn change(&mut self, change: impl FnOnce(&mut Schedule)) {
        change(&mut self.schedule);
        while self.schedule.start_next().is_some() {}
        self.tell();
    }

    fn tell(&self) {
        let forecast = self.schedule.forecast(MOST_FORETOLD);
        let ahead: HashMap<_, _> = forecast.into_iter().enumerate().map(|(ahead, number)| (number, ahead)).collect();
        for (number, standing) in &self.standings {
            let now = match self.schedule.ahead_in_app(*number) {
                Some(in_app) => Standing::Waits {
                    in_app,
                    ahead: ahead.get(number).copied().unwrap_or(MOST_FORETOLD),
                    for_own: self.schedule.waits_for_own(*number),
                },
                None => Standing::Starts,
            };
            standing.send_if_modified(|standing| std::mem::replace(standing, now) != now);
        }
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        let mut queue = self.builds.queue();
        queue.standings.remove(&self.number);
        queue.change(|schedule| schedule.free(self.number));
    }
}
