//! Where a build or a command of a release runs: an environment, in one of the host's slots for such.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::TaskTracker;

use super::queue::Builder;
use crate::build::{CacheFolder, TakenSource};
use crate::engine::Environment;
use crate::image::Root;
use crate::stack::Hold;

/// How long an environment may take to go before its slot is given to the next build all the same: hours of waiting
/// builds would be worse than one host that is fuller than it should be.
const STOP_TIME: Duration = Duration::from_mins(5);

/// What runs here has one of these; free when dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "what is in it is only held")]
pub(super) enum Slot {
    Build(Builder),
    Command(OwnedSemaphorePermit),
}

/// An environment and the slot that it takes. Dropped, it is stopped in a task of its own, and the slot is free only
/// when it is gone: its processes and files use the host as much as a running build's.
#[derive(Debug)]
pub(super) struct Site {
    name: String,
    /// Owns the task that stops it.
    tasks: TaskTracker,
    /// There until this is dropped.
    held: Option<(Environment, Slot)>,
    /// What the environment's files are, where they are an image's.
    root: Option<Root>,
    /// Keeps them, where they are a stack's.
    stack: Option<Hold>,
    /// What the environment was started over, if it was.
    cache: Option<CacheFolder>,
    source: Option<TakenSource>,
}

impl Site {
    pub(super) fn new(name: String, tasks: &TaskTracker, environment: Environment, slot: impl Into<Slot>) -> Self {
        let held = Some((environment, slot.into()));
        Self { name, tasks: tasks.clone(), held, root: None, stack: None, cache: None, source: None }
    }

    /// Keeps an image's files until the environment is gone.
    pub(super) fn with_root(mut self, root: Root) -> Self {
        self.root = Some(root);
        self
    }

    /// Keeps a stack's files until the environment is gone.
    pub(super) fn with_stack(mut self, stack: Hold) -> Self {
        self.stack = Some(stack);
        self
    }

    /// Keeps an unpacked build cache, and an exported source, until the environment is gone.
    pub(super) fn with_groundwork(mut self, cache: Option<CacheFolder>, source: Option<TakenSource>) -> Self {
        (self.cache, self.source) = (cache, source);
        self
    }

    pub(super) fn cache(&self) -> Option<&CacheFolder> {
        self.cache.as_ref()
    }

    pub(super) fn environment(&self) -> &Environment {
        let (environment, _) = self.held.as_ref().expect("taken only when this is dropped");
        environment
    }
}

impl From<Builder> for Slot {
    fn from(builder: Builder) -> Self {
        Self::Build(builder)
    }
}

impl From<OwnedSemaphorePermit> for Slot {
    fn from(permit: OwnedSemaphorePermit) -> Self {
        Self::Command(permit)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let Some((environment, slot)) = self.held.take() else { return };
        let (name, kept) = (std::mem::take(&mut self.name), (self.root.take(), self.stack.take()));
        let (cache, source) = (self.cache.take(), self.source.take());
        // The release does not wait for it: there may be many files to remove.
        self.tasks.spawn(async move {
            let mut stopping = std::pin::pin!(environment.stop());
            let mut slot = Some(slot);
            let stopped = if let Ok(stopped) = tokio::time::timeout(STOP_TIME, &mut stopping).await {
                stopped
            } else {
                tracing::error!(environment = name, "an environment is not gone after {STOP_TIME:?}");
                drop(slot.take());
                // What it stands on stays until it is.
                stopping.await
            };
            if let Err(error) = stopped {
                tracing::error!(environment = name, %error, "an environment left something behind");
            }
            drop((slot, kept));
            if let Some(cache) = cache {
                cache.release().await;
            }
            if let Some(source) = source {
                source.release().await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::engine::{Engine, Kind, Settings, Spec};

    fn settings(work_dir: &std::path::Path) -> Settings {
        Settings {
            kind: Kind::Local,
            helper: "/nowhere".into(),
            work_dir: work_dir.to_owned(),
            ca_bundle: None,
            allow_networks: Vec::new(),
        }
    }

    fn spec() -> Spec {
        let name = "build".to_owned();
        Spec { root: "/nowhere".into(), name, memory_bytes: 0, pids: 0, cpus: 0, disk_bytes: 0, network: false }
    }

    fn many_files() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for number in 0..5000 {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o644);
            tar.append_data(&mut header, number.to_string(), std::io::empty()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[tokio::test]
    async fn the_slot_is_free_when_the_environment_is_gone() {
        let work_dir = tempfile::tempdir().unwrap();
        let environment = Engine::open(settings(work_dir.path())).await.unwrap().start(spec()).await.unwrap();
        environment.put_in("/app", many_files().as_slice()).await.unwrap();
        let slots = Arc::new(Semaphore::new(1));
        let slot = Arc::clone(&slots).try_acquire_owned().unwrap();

        drop(Site::new("build".to_owned(), &TaskTracker::new(), environment, slot));
        let _next = slots.acquire().await.unwrap();
        assert_eq!(std::fs::read_dir(work_dir.path()).unwrap().count(), 0);
    }
}
