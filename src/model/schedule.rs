//! Which build gets the next free builder: fair among users, in order within an app, starving nobody.
//!
//! Of the builds that are the next ones of their apps, the one with the most urgent [`Priority`] comes first; among equals that of
//! the user with the fewest running builds; among these that of the user who was served longest ago; then the oldest. So
//! a hundred pushes of one user keep another's single push waiting for one of them at most. A build that was overtaken
//! often becomes more urgent. There is no clock in this: what is forecast is what will happen, unless somebody comes
//! or goes.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{AccountId, AppId};

/// How urgent a build is: what somebody waits for comes before what nobody looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A git push.
    Push,
    /// Asked for over the API: a build of an archive, of a connected branch, of a new app.
    Request,
    /// A push to a connected repository.
    AutoDeploy,
    /// Review apps and test runs.
    Background,
}

/// What wants a builder.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Whose builds run one by one, in the order in which they were accepted; `None` for a test run.
    pub app: Option<AppId>,
    pub by: AccountId,
    pub priority: Priority,
}

/// A job's place in the order of acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobNumber(u64);

/// The jobs that wait and run, and the rule by which they start.
#[derive(Debug, Clone)]
pub struct Schedule {
    slots: usize,
    /// 0 means any number.
    most_per_user: usize,
    entered: u64,
    started: u64,
    waiting: BTreeMap<JobNumber, Waiting>,
    running: BTreeMap<JobNumber, Running>,
    /// Of those who have jobs: who was served longest ago has the lowest.
    turns: HashMap<AccountId, u64>,
}

#[derive(Debug, Clone)]
struct Waiting {
    job: Job,
    /// How many jobs have started that came later.
    overtaken: u32,
}

#[derive(Debug, Clone)]
struct Running {
    job: Job,
    order: u64,
    /// Until its environment is gone.
    has_slot: bool,
    /// Until its outcome is recorded.
    has_app: bool,
}

/// How often a job is overtaken before it becomes more urgent by one priority.
const PATIENCE: u32 = 5;

impl Priority {
    /// How metrics name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Request => "request",
            Self::AutoDeploy => "auto-deploy",
            Self::Background => "background",
        }
    }
}

impl Schedule {
    /// Makes an empty one for so many jobs at a time, at least one, and so many of one user (0: any number).
    #[must_use]
    pub fn new(slots: usize, most_per_user: usize) -> Self {
        let (waiting, running, turns) = (BTreeMap::new(), BTreeMap::new(), HashMap::new());
        Self { slots: slots.max(1), most_per_user, entered: 0, started: 0, waiting, running, turns }
    }

    /// Enters a job behind those of its app.
    pub fn enter(&mut self, job: Job) -> JobNumber {
        self.entered += 1;
        // As if just served, but before whoever was.
        self.turns.entry(job.by).or_insert(2 * self.started);
        let number = JobNumber(self.entered);
        self.waiting.insert(number, Waiting { job, overtaken: 0 });
        number
    }

    /// Starts the next job that may start now, if any.
    pub fn start_next(&mut self) -> Option<JobNumber> {
        let number = self.choose()?;
        let Waiting { job, .. } = self.waiting.remove(&number)?;
        self.started += 1;
        self.turns.insert(job.by, 2 * self.started + 1);
        for (_, earlier) in self.waiting.range_mut(..number) {
            earlier.overtaken += 1;
        }
        self.running.insert(number, Running::new(job, self.started));
        Some(number)
    }

    /// Lets the app's next job start: this one's outcome is recorded. Its slot it may have for longer.
    pub fn end(&mut self, number: JobNumber) {
        match self.waiting.remove(&number) {
            Some(Waiting { job, .. }) => self.forget(job.by),
            None => self.let_go(number, |running| running.has_app = false),
        }
    }

    /// Frees a job's slot, or its place if it waits for one. The app's next job waits for its end all the same.
    pub fn free(&mut self, number: JobNumber) {
        if let Some(Waiting { job, .. }) = self.waiting.remove(&number) {
            self.running.insert(number, Running::new(job, self.started));
        }
        self.let_go(number, |running| running.has_slot = false);
    }

    /// How many jobs of the same app are before this one and have not ended; `None` if it does not wait.
    #[must_use]
    pub fn ahead_in_app(&self, number: JobNumber) -> Option<usize> {
        let app = self.waiting.get(&number)?.job.app;
        let waiting = self.waiting.range(..number).filter(|(_, other)| other.job.app == app).count();
        let running = self.running.values().filter(|other| other.has_app && other.job.app == app).count();
        Some(if app.is_some() { waiting + running } else { 0 })
    }

    /// Whether a job waits although there may be room: its user has as many slots as one may have.
    #[must_use]
    pub fn waits_for_own(&self, number: JobNumber) -> bool {
        self.waiting.get(&number).is_some_and(|waiting| !self.may_start(waiting.job.by))
    }

    /// The jobs that wait, in the order in which they would start if nobody came or went and those that run ended in the
    /// order in which they have started; no more than `most`.
    #[must_use]
    pub fn forecast(&self, most: usize) -> Vec<JobNumber> {
        let mut future = self.clone();
        let mut order = Vec::new();
        while order.len() < most && !future.waiting.is_empty() {
            if let Some(number) = future.start_next() {
                order.push(number);
                continue;
            }
            let Some((&first, _)) = future.running.iter().min_by_key(|(_, running)| running.order) else { break };
            future.end(first);
            future.free(first);
        }
        order
    }

    /// The waiting jobs' numbers.
    #[cfg(test)]
    fn waiting(&self) -> impl Iterator<Item = JobNumber> {
        self.waiting.keys().copied()
    }

    fn let_go(&mut self, number: JobNumber, what: impl FnOnce(&mut Running)) {
        let Some(running) = self.running.get_mut(&number) else { return };
        what(running);
        let by = running.job.by;
        if !running.has_slot && !running.has_app {
            self.running.remove(&number);
            self.forget(by);
        }
    }

    /// Forgets whose turn it is of somebody who has no jobs any more.
    fn forget(&mut self, by: AccountId) {
        let waiting = self.waiting.values().map(|waiting| waiting.job.by);
        if !waiting.chain(self.running.values().map(|running| running.job.by)).any(|other| other == by) {
            self.turns.remove(&by);
        }
    }

    fn choose(&self) -> Option<JobNumber> {
        if self.running.values().filter(|running| running.has_slot).count() >= self.slots {
            return None;
        }
        let may_start = self.next_ones().into_iter().filter(|(_, job, _)| self.may_start(job.by));
        let first = may_start.min_by_key(|(number, job, urgency)| {
            (*urgency, self.slots_of(job.by), self.turns.get(&job.by).copied().unwrap_or(0), *number)
        });
        first.map(|(number, ..)| number)
    }

    fn may_start(&self, by: AccountId) -> bool {
        self.most_per_user == 0 || self.slots_of(by) < self.most_per_user
    }

    fn slots_of(&self, by: AccountId) -> usize {
        self.running.values().filter(|running| running.has_slot && running.job.by == by).count()
    }

    /// The next job of each app that has none running, and every job of none; each with its urgency, the lowest first. A
    /// job is as urgent as any that waits behind it.
    fn next_ones(&self) -> Vec<(JobNumber, Job, u32)> {
        let busy: HashSet<_> =
            self.running.values().filter(|running| running.has_app).filter_map(|running| running.job.app).collect();
        let mut first: HashMap<AppId, usize> = HashMap::new();
        let mut next: Vec<(JobNumber, Job, u32)> = Vec::new();
        for (number, waiting) in &self.waiting {
            let urgency = waiting.urgency();
            match waiting.job.app {
                Some(app) if busy.contains(&app) => {}
                Some(app) if first.contains_key(&app) => {
                    let ahead = &mut next[first[&app]].2;
                    *ahead = urgency.min(*ahead);
                }
                app => {
                    first.extend(app.map(|app| (app, next.len())));
                    next.push((*number, waiting.job, urgency));
                }
            }
        }
        next
    }
}

impl Running {
    fn new(job: Job, order: u64) -> Self {
        Self { job, order, has_slot: true, has_app: job.app.is_some() }
    }
}

impl Waiting {
    fn urgency(&self) -> u32 {
        (self.job.priority as u32).saturating_sub(self.overtaken / PATIENCE)
    }
}

#[cfg(test)]
mod tests;
