//! Where a command makes or removes a stack: an engine in a work folder that no other process uses meanwhile.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::output;
use crate::config::Config;
use crate::engine::Engine;
use crate::server;

/// What a folder's name begins with.
const NAME: &str = "stack-work";

/// Opens the engine. It sweeps its work folder, which is not the daemon's; the folder is to be kept for as long as the engine.
pub(super) async fn open_engine(config: &Config) -> anyhow::Result<(WorkFolder, Engine)> {
    let folder = WorkFolder::take(&config.data_dir).context("can't take a work folder")?;
    let engine = open_in(config, &folder).await?;
    // What was left there costs space, but is in nobody's way.
    if let Err(error) = sweep_others(config).await {
        output::note(&format!("What earlier commands have left can't be removed: {error:#}"));
    }
    Ok((folder, engine))
}

async fn open_in(config: &Config, folder: &WorkFolder) -> anyhow::Result<Engine> {
    Ok(Engine::open(server::engine_settings(config, &folder.path)?).await?)
}

/// Removes the folders of commands that have ended, with what those that were killed have left, also in a Docker Engine.
async fn sweep_others(config: &Config) -> anyhow::Result<()> {
    for folder in WorkFolder::others(&config.data_dir)? {
        open_in(config, &folder).await?;
        fs::remove_dir(&folder.path).with_context(|| folder.path.display().to_string())?;
    }
    Ok(())
}

/// A work folder that is this process's alone. It stays behind, for the next command, which removes what it doesn't take.
#[derive(Debug)]
pub(super) struct WorkFolder {
    path: PathBuf,
    /// The folder itself: a file in it would be swept.
    _lock: File,
}

impl WorkFolder {
    /// Takes the first one that nobody has.
    fn take(data_dir: &Path) -> io::Result<Self> {
        let mut path = data_dir.join(NAME);
        let mut others = 0;
        loop {
            fs::create_dir_all(&path)?;
            if let Some(folder) = Self::lock(path)? {
                return Ok(folder);
            }
            others += 1;
            path = data_dir.join(format!("{NAME}-{others}"));
        }
    }

    /// Takes all that nobody has.
    fn others(data_dir: &Path) -> io::Result<Vec<Self>> {
        let mut others = Vec::new();
        for entry in fs::read_dir(data_dir)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(NAME.as_bytes()) {
                others.extend(Self::lock(entry.path())?);
            }
        }
        Ok(others)
    }

    /// `None` if another process has it, or has just removed it.
    fn lock(path: PathBuf) -> io::Result<Option<Self>> {
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let inode = lock.metadata()?.ino();
        let is_there = fs::metadata(&path).is_ok_and(|found| found.ino() == inode);
        Ok(is_there.then_some(Self { path, _lock: lock }))
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

    #[test]
    fn the_others_are_those_that_nobody_has() {
        let dir = tempfile::tempdir().unwrap();
        let take = || WorkFolder::take(dir.path()).unwrap();
        let [first, second, third] = [take(), take(), take()];
        let left = second.path.clone();
        drop(second);
        let paths = || WorkFolder::others(dir.path()).unwrap().into_iter().map(|folder| folder.path).collect::<Vec<_>>();
        assert_eq!(paths(), std::slice::from_ref(&left));
        fs::remove_dir(left).unwrap();
        assert_eq!(paths(), [""; 0].map(PathBuf::from));
        drop((first, third));
    }
}
