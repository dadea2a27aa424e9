//! Where a command makes or removes a stack: an engine in a work folder that no other process uses meanwhile.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::config::Config;
use crate::engine::Engine;
use crate::server;

/// Opens the engine. It sweeps its work folder, which is not the daemon's; the folder is to be kept for as long as the engine.
pub(super) async fn open_engine(config: &Config) -> anyhow::Result<(WorkFolder, Engine)> {
    let folder = WorkFolder::take(&config.data_dir).context("can't take a work folder")?;
    let engine = Engine::open(server::engine_settings(config, &folder.path)?).await?;
    Ok((folder, engine))
}

/// A work folder that is this process's alone. It stays behind, for the next command.
#[derive(Debug)]
pub(super) struct WorkFolder {
    path: PathBuf,
    /// The folder itself: a file in it would be swept.
    _lock: File,
}

impl WorkFolder {
    /// Takes the first one that nobody has; there are as many as commands have ever run at once.
    fn take(data_dir: &Path) -> io::Result<Self> {
        let mut path = data_dir.join("stack-work");
        let mut others = 0;
        loop {
            fs::create_dir_all(&path)?;
            let lock = File::open(&path)?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path, _lock: lock }),
                Err(TryLockError::WouldBlock) => others += 1,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            path = data_dir.join(format!("stack-work-{others}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_have_the_same_folder_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let take = || WorkFolder::take(dir.path()).unwrap();
        let (first, second) = (take(), take());
        assert_ne!(first.path, second.path);
        let paths = [first.path.clone(), second.path.clone()];
        drop((first, second));
        let again = [take(), take()];
        assert_eq!(again.each_ref().map(|folder| folder.path.clone()), paths);
    }
}
