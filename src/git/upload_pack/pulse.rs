//! How the thread that walks through a repository and the task that waits for it hear of one another.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Counts what has been walked over, and stops the walk.
#[derive(Debug, Clone, Default)]
pub(in crate::git) struct Pulse(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    objects: AtomicU32,
    is_over: AtomicBool,
}

/// Stops the walk when it is dropped: nobody waits for it any more.
pub(in crate::git) struct Stop(Pulse);

impl Pulse {
    /// Another object has been found; fails when nobody waits for the walk any more.
    pub(super) fn beat(&self) -> io::Result<()> {
        self.0.objects.fetch_add(1, Ordering::Relaxed);
        if self.0.is_over.load(Ordering::Relaxed) { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }

    pub(super) fn objects(&self) -> u32 {
        self.0.objects.load(Ordering::Relaxed)
    }

    pub(in crate::git) fn stop_on_drop(&self) -> Stop {
        Stop(self.clone())
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.0.is_over.store(true, Ordering::Relaxed);
    }
}
