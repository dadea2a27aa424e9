//! Who builds when: one build at a time per app, in the order of acceptance; so many at once on this host.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::notes::Notes;
use super::submit::End;
use crate::model::{AppId, BuildId, CommitId, Email};
use crate::release::RefMove;
use crate::transcript::Transcript;

/// A wait for a builder that the pusher is not told of: often the last build's environment is just being removed.
const UNSAID_TIME: Duration = Duration::from_millis(500);

/// The builds that have been accepted and have not ended. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Builds(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slots: Arc<Semaphore>,
    slot_count: usize,
    most_per_app: usize,
    apps: Mutex<HashMap<AppId, VecDeque<Arc<Entry>>>>,
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
    pub(super) cancel: CancellationToken,
    /// Who cancelled it; nobody when its pusher just went away.
    pub(super) cancelled_by: OnceLock<Email>,
    /// `None` until the build has ended.
    pub(super) end: watch::Sender<Option<Arc<End>>>,
}

/// What has to be waited for before a build may begin.
#[derive(Debug)]
pub(super) struct Turn {
    /// The build before this one, and how many are before it in all.
    before: Option<(Arc<Entry>, usize)>,
}

impl Builds {
    /// Makes an empty queue: `at_once` builds run at a time (0: one per core), `most_per_app` may wait per app.
    #[must_use]
    pub fn new(at_once: usize, most_per_app: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let slot_count = if at_once == 0 { cores } else { at_once };
        let shared = Shared { slots: Arc::new(Semaphore::new(slot_count)), slot_count, most_per_app, apps: Mutex::default() };
        Self(Arc::new(shared))
    }

    /// Enters a build behind the app's others; `None` when too many wait already.
    ///
    /// Called inside the transaction that gives the build its fencing number, so that the queue has the same order.
    pub(super) fn enter(&self, entry: &Arc<Entry>) -> Option<Turn> {
        let mut apps = self.apps();
        let queue = apps.entry(entry.app).or_default();
        let mut running = queue.iter().filter(|entry| entry.end.borrow().is_none());
        let ahead = running.clone().count();
        if ahead > self.0.most_per_app {
            return None;
        }
        let before = running.next_back().map(|last| (Arc::clone(last), ahead));
        queue.push_back(Arc::clone(entry));
        Some(Turn { before })
    }

    /// Takes an ended build out.
    pub(super) fn leave(&self, entry: &Entry) {
        let mut apps = self.apps();
        if let Some(queue) = apps.get_mut(&entry.app) {
            queue.retain(|other| other.id != entry.id);
            if queue.is_empty() {
                apps.remove(&entry.app);
            }
        }
    }

    /// Finds a running build of the same commit to the same refs: what a repeated push re-attaches to.
    pub(super) fn same(&self, app: AppId, commit: &CommitId, refs: &[RefMove]) -> Option<Arc<Entry>> {
        let apps = self.apps();
        let same =
            |entry: &&Arc<Entry>| entry.commit.as_ref() == Some(commit) && entry.refs == refs && entry.end.borrow().is_none();
        apps.get(&app)?.iter().find(same).cloned()
    }

    /// Waits for the host's room for a build, behind those that wait already.
    pub(super) async fn slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.0.slots).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Finds a running build by its id.
    pub(super) fn find(&self, id: BuildId) -> Option<Arc<Entry>> {
        self.apps().values().flatten().find(|entry| entry.id == id).cloned()
    }

    // Held for look-ups in small maps only, never across an await.
    fn apps(&self) -> MutexGuard<'_, HashMap<AppId, VecDeque<Arc<Entry>>>> {
        self.0.apps.lock().expect("no holder panics")
    }
}

impl Turn {
    /// Waits until the app's earlier builds have ended and the host has room, telling the pusher what it waits for.
    pub(super) async fn wait(self, builds: &Builds, transcript: &Transcript) -> OwnedSemaphorePermit {
        if let Some((before, ahead)) = self.before {
            let pushes = if ahead == 1 { "1 earlier push".to_owned() } else { format!("{ahead} earlier pushes") };
            transcript.section(&format!("Waiting for {pushes} to this app (the last one by {})", before.by));
            // An error means that the sender is gone, and with it the build.
            let _ = before.end.subscribe().wait_for(Option::is_some).await;
        }
        let mut slot = pin!(builds.slot());
        if let Ok(slot) = timeout(UNSAID_TIME, &mut slot).await {
            return slot;
        }
        transcript.section(&format!("Waiting for one of {} builders to become free", builds.0.slot_count));
        slot.await
    }

    /// Whose push this one waits for, if any.
    pub(super) fn waits_for(&self) -> Option<Email> {
        self.before.as_ref().map(|(before, _)| before.by.clone())
    }
}
