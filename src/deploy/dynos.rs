//! The dynos that run: release phases and one-off commands. Who waits for one, follows it or stops it finds it here.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::app_log::AppLogs;
use super::process::ProcessFailure;
use super::rendezvous::Waiting;
use crate::model::{AppId, DynoId, ProcessType, Release, ReleaseId};
use crate::transcript::{Follower, Transcript};

/// The dynos that have been accepted and have not ended. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dynos(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// For release phases: as many as builds, so that neither can keep the other waiting.
    phases: Arc<Semaphore>,
    /// For one-off commands.
    runs: Arc<Semaphore>,
    all: Mutex<Vec<Arc<Dyno>>>,
    waiting: Waiting,
    app_logs: AppLogs,
}

/// One run of one command of a release.
#[derive(Debug)]
pub struct Dyno {
    pub id: DynoId,
    pub app: AppId,
    /// `release.3`, `run.1234`
    pub name: String,
    pub process_type: ProcessType,
    command: OnceLock<String>,
    pub release: Release,
    pub created_at: OffsetDateTime,
    /// Whether its output goes to a client, and is not kept.
    pub is_attached: bool,
    cancel: CancellationToken,
    stage: watch::Sender<Stage>,
}

/// How far a dyno is.
#[derive(Debug, Clone, Default)]
struct Stage {
    has_started: bool,
    /// There once it has started, unless somebody is attached to it.
    transcript: Option<Transcript>,
    /// There once it has ended and that is recorded.
    end: Option<Arc<DynoEnd>>,
}

/// How a dyno ended.
pub type DynoEnd = Result<(), ProcessFailure>;

/// What has to be waited for before a release phase may begin: the app's phase before it.
#[derive(Debug)]
pub(super) struct PhaseTurn(Option<Arc<Dyno>>);

impl Dynos {
    /// Makes an empty registry: so many release phases run at once (0: one per core), and so many one-off commands.
    #[must_use]
    pub fn new(phases: usize, runs: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let phases = if phases == 0 { cores } else { phases };
        let (phases, runs) = (Arc::new(Semaphore::new(phases)), Arc::new(Semaphore::new(runs)));
        Self(Arc::new(Shared { phases, runs, all: Mutex::default(), waiting: Waiting::default(), app_logs: AppLogs::default() }))
    }

    /// An app's dynos, oldest first.
    #[must_use]
    pub fn of_app(&self, app: AppId) -> Vec<Arc<Dyno>> {
        self.all().iter().filter(|dyno| dyno.app == app).cloned().collect()
    }

    /// Finds an app's dyno by its name or id.
    #[must_use]
    pub fn find(&self, app: AppId, name_or_id: &str) -> Option<Arc<Dyno>> {
        let found = |dyno: &&Arc<Dyno>| dyno.app == app && (dyno.name == name_or_id || dyno.id.to_string() == name_or_id);
        self.all().iter().find(found).cloned()
    }

    /// Finds a dyno by its id.
    pub(super) fn by_id(&self, id: DynoId) -> Option<Arc<Dyno>> {
        self.all().iter().find(|dyno| dyno.id == id).cloned()
    }

    /// Finds the release phase of a release.
    pub(super) fn phase_of(&self, release: ReleaseId) -> Option<Arc<Dyno>> {
        self.all().iter().find(|dyno| dyno.is_phase() && dyno.release.id == release).cloned()
    }

    /// Enters a release phase behind the app's others.
    pub(super) fn enter_phase(&self, dyno: &Arc<Dyno>) -> PhaseTurn {
        let mut all = self.all();
        let before = all.iter().rfind(|other| other.app == dyno.app && other.is_phase()).cloned();
        all.push(Arc::clone(dyno));
        PhaseTurn(before)
    }

    /// Enters a one-off command; `None` when too many run already.
    pub(super) fn enter_run(&self, dyno: &Arc<Dyno>) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.0.runs).try_acquire_owned().ok()?;
        self.all().push(Arc::clone(dyno));
        Some(place)
    }

    /// The commands that wait for who wants to attach to them.
    pub(super) fn waiting(&self) -> &Waiting {
        &self.0.waiting
    }

    /// The apps' logs.
    pub(super) fn app_logs(&self) -> &AppLogs {
        &self.0.app_logs
    }

    /// Takes an ended dyno out.
    pub(super) fn leave(&self, dyno: &Dyno) {
        self.all().retain(|other| other.id != dyno.id);
    }

    // Held for look-ups in a small list only, never across an await.
    fn all(&self) -> MutexGuard<'_, Vec<Arc<Dyno>>> {
        self.0.all.lock().expect("no holder panics")
    }
}

impl PhaseTurn {
    /// Waits until the app's phases before this one have ended and the host has room.
    pub(super) async fn wait(self, dynos: &Dynos) -> OwnedSemaphorePermit {
        if let Some(before) = self.0 {
            before.ended().await;
        }
        Arc::clone(&dynos.0.phases).acquire_owned().await.expect("the semaphore is never closed")
    }
}

impl Dyno {
    pub(super) fn new(
        name: String,
        process_type: ProcessType,
        release: Release,
        created_at: OffsetDateTime,
        cancel: CancellationToken,
    ) -> Self {
        let (id, app, stage) = (DynoId::new(), release.app, watch::Sender::default());
        Self { id, app, name, process_type, command: OnceLock::new(), release, created_at, is_attached: false, cancel, stage }
    }

    /// Whether it is a release phase.
    #[must_use]
    pub fn is_phase(&self) -> bool {
        self.process_type.is_release()
    }

    /// What it runs; empty for a release phase whose turn has not come.
    #[must_use]
    pub fn command(&self) -> &str {
        self.command.get().map_or("", String::as_str)
    }

    pub(super) fn set_command(&self, command: &str) {
        // Called once per dyno.
        let _ = self.command.set(command.to_owned());
    }

    /// Whether its command runs, or is about to.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.stage.borrow().has_started
    }

    /// Whether it has ended and that is recorded.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.stage.borrow().end.is_some()
    }

    /// Ends it. What becomes of it is recorded as ever.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    pub(super) async fn stopped(&self) {
        self.cancel.cancelled().await;
    }

    /// Its output from the first byte; waits until there can be some.
    pub async fn log(&self) -> Option<Follower> {
        let mut stage = self.stage.subscribe();
        // The sender is in `self`.
        let started = stage.wait_for(|stage| stage.transcript.is_some() || stage.end.is_some()).await.ok()?;
        started.transcript.as_ref().map(Transcript::follow)
    }

    /// Where its output goes, once it has started.
    pub(super) fn transcript(&self) -> Option<Transcript> {
        self.stage.borrow().transcript.clone()
    }

    /// Waits until it has ended and been recorded.
    pub async fn ended(&self) -> Arc<DynoEnd> {
        let mut stage = self.stage.subscribe();
        let ended = stage.wait_for(|stage| stage.end.is_some()).await.expect("the sender is in `self`");
        Arc::clone(ended.end.as_ref().expect("it was waited for"))
    }

    /// Notes that it has started, and where its output goes if that is kept.
    pub(super) fn start(&self, transcript: Option<Transcript>) {
        self.stage.send_modify(|stage| {
            stage.has_started = true;
            stage.transcript = transcript;
        });
    }

    pub(super) fn end(&self, end: Arc<DynoEnd>) {
        self.stage.send_modify(|stage| stage.end = Some(end));
    }
}
