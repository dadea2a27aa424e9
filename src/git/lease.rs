//! Who has to be waited for before packs are taken away.
//!
//! What is pushed is checked against the packs that there are: what it refers to must be among them. From then until the
//! pusher's refs have moved none of them may go, so each push holds the repository with many others, and whoever takes packs
//! away has it alone for a moment. A build keeps its push's hold, because it opens packs again and again; a fetch holds nothing:
//! what it has opened stays readable.
//!
//! It is a lock of the kernel's upon a file, because `hoist admin` is another process; it ends with whoever has it, however
//! that ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a push waits for whoever has the repository alone, who does little with it.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// A hold upon a repository, which ends when it is dropped.
#[derive(Debug)]
pub(super) struct Lease(#[expect(dead_code, reason = "held, not read")] File);

impl Lease {
    /// Holds a repository with others.
    pub(super) async fn share(objects: &Path) -> io::Result<Self> {
        let shared = wait(PATIENCE, || lock(objects, File::try_lock_shared)).await?;
        shared.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "the repository is being compacted for too long"))
    }

    /// Waits until nobody holds the repository, and holds it alone; `None` when others held it all the time.
    pub(super) async fn take(objects: &Path, patience: Duration) -> io::Result<Option<Self>> {
        wait(patience, || lock(objects, File::try_lock)).await
    }

    /// Holds the repository alone, unless somebody holds it.
    pub(super) fn try_take(objects: &Path) -> io::Result<Option<Self>> {
        lock(objects, File::try_lock)
    }
}

async fn wait(patience: Duration, mut lock: impl FnMut() -> io::Result<Option<Lease>>) -> io::Result<Option<Lease>> {
    let until = Instant::now() + patience;
    loop {
        match lock()? {
            Some(lease) => return Ok(Some(lease)),
            None if Instant::now() < until => sleep(POLL).await,
            None => return Ok(None),
        }
    }
}

fn lock(objects: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> io::Result<Option<Lease>> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(objects.join("lease"))?;
    match lock(&file) {
        Ok(()) => Ok(Some(Lease(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_hold_it_or_one() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Lease::share(dir.path()).await.unwrap(), Lease::share(dir.path()).await.unwrap());
        assert!(Lease::try_take(dir.path()).unwrap().is_none());
        drop(one);
        assert!(Lease::take(dir.path(), Duration::ZERO).await.unwrap().is_none());
        drop(other);
        let alone = Lease::take(dir.path(), Duration::ZERO).await.unwrap().unwrap();
        assert!(Lease::try_take(dir.path()).unwrap().is_none());
        let (next, ()) = tokio::join!(Lease::share(dir.path()), async { drop(alone) });
        next.unwrap();
    }
}
