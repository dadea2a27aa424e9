//! The folder of one stack: one process at a time changes it, and what that leaves half done is swept.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pulled::{LAYERS, RECORD};
use super::{StackError, io_error};
use crate::engine::Engine;
use crate::model::{Digest, StackName};

/// Longer than a stack takes to be made: waiting for another process's is cheaper than making the same stack again.
const LOCK_TIMEOUT: Duration = Duration::from_mins(65);
const LOCK_POLL: Duration = Duration::from_millis(250);

/// The parts of a stack that strangers' users own, and only the engine removes.
pub(super) const ROOTS: [&str; 2] = ["run", "build"];

/// A stack's folder, held until this goes.
pub(super) struct Home {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Home {
    /// Takes a stack's folder, made if missing, as soon as nobody else has it.
    pub(super) async fn take(stacks_dir: &Path, name: &StackName) -> Result<Self, StackError> {
        Self::lock(stacks_dir.join(name.as_str()), LOCK_TIMEOUT).await
    }

    /// Takes a folder, unless somebody else has it.
    pub(super) async fn try_take(path: PathBuf) -> Result<Option<Self>, StackError> {
        match Self::lock(path, Duration::ZERO).await {
            Err(StackError::Busy { .. }) => Ok(None),
            taken => taken.map(Some),
        }
    }

    /// The lock ends with the file handle.
    async fn lock(home: PathBuf, timeout: Duration) -> Result<Self, StackError> {
        let path = home.join("lock");
        let take = async {
            loop {
                fs::create_dir_all(&home)?;
                let file = match File::options().create(true).append(true).open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    file => file?,
                };
                match file.try_lock() {
                    Ok(()) if is_at(&file, &path) => return Ok(file),
                    // Who had it has removed the whole folder: this is nobody's lock any more.
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
        };
        match tokio::time::timeout(timeout, take).await {
            Ok(taken) => {
                let lock = taken.map_err(io_error(format!("lock {}", path.display())))?;
                Ok(Self { path: home, _lock: lock })
            }
            Err(_) => Err(StackError::Busy { lock: path, waited: timeout }),
        }
    }

    /// Removes the folder, in which there are no roots any more, and the lock last: from then on it may be somebody else's.
    pub(super) fn remove(self) -> Result<(), StackError> {
        let lock = self.path.join("lock");
        let remove = || -> io::Result<()> {
            for entry in fs::read_dir(&self.path)? {
                let path = entry?.path();
                if path.is_dir() {
                    fs::remove_dir_all(path)?;
                } else if path != lock {
                    fs::remove_file(path)?;
                }
            }
            fs::remove_file(&lock)?;
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                removed => removed,
            }
        };
        remove().map_err(io_error(format!("remove {}", self.path.display())))
    }

    /// Where a stack is made, and where one goes that is removed.
    pub(super) fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    /// Removes what is in the work folder, also what somebody left there who was killed.
    pub(super) async fn sweep(&self, engine: &Engine) -> Result<(), StackError> {
        let incoming = self.incoming();
        for root in ROOTS.map(|root| incoming.join("roots").join(root)) {
            if root.exists() {
                engine.remove_root(&root).await?;
            }
        }
        match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error(format!("remove {}", incoming.display()))(error))
            }
            _ => Ok(()),
        }
    }

    /// Puts a stack that was made in `incoming/roots` into the folder of its digest. Roots that are there already stay: they are
    /// the same, and may be in use.
    pub(super) async fn place(&self, digest: &Digest) -> Result<(), StackError> {
        let (roots, dest) = (self.incoming().join("roots"), self.path.join(digest.hex()));
        let place = move || -> io::Result<()> {
            // 50,000 files: one sync of the whole file system is far cheaper than one each.
            rustix::fs::syncfs(File::open(&roots)?)?;
            if dest.is_dir() { fill(&roots, &dest) } else { fs::rename(&roots, &dest) }
        };
        tokio::task::spawn_blocking(place).await.expect("renaming does not panic").map_err(io_error("put the stack in place"))
    }
}

/// Whether a file is still the one at a path.
fn is_at(file: &File, path: &Path) -> bool {
    let [here, there] = [file.metadata(), fs::metadata(path)];
    matches!((here, there), (Ok(here), Ok(there)) if (here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Moves what the one folder has and the other lacks. Records and layers take the place of what is there, which may be damaged.
/// The roots come last: once they are there, so is the rest.
fn fill(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort_by_key(|name| ROOTS.iter().any(|root| name == root));
    for name in names {
        let (entry, there) = (from.join(&name), to.join(&name));
        if name == LAYERS && there.is_dir() {
            for layer in fs::read_dir(&entry)? {
                let layer = layer?;
                fs::rename(layer.path(), there.join(layer.file_name()))?;
            }
        } else if fs::symlink_metadata(&there).is_err() || name == RECORD {
            fs::rename(&entry, &there)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_builder_waits_and_then_says_who_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let take = || Home::lock(dir.path().to_owned(), Duration::ZERO);
        let held = take().await.unwrap();
        assert!(matches!(take().await, Err(StackError::Busy { .. })));
        assert!(Home::try_take(dir.path().to_owned()).await.unwrap().is_none());
        drop(held);
        take().await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_that_was_removed_keeps_nobody_out_and_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let take = || Home::lock(dir.path().join("mine"), Duration::ZERO);
        let waiting = {
            let held = take().await.unwrap();
            let waiting = File::open(held.path.join("lock")).unwrap();
            held.remove().unwrap();
            waiting
        };
        waiting.try_lock().unwrap();
        let held = take().await.unwrap();
        assert!(!is_at(&waiting, &held.path.join("lock")));
        assert!(matches!(take().await, Err(StackError::Busy { .. })));
    }

    #[tokio::test]
    async fn what_has_gone_of_a_stack_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::lock(dir.path().to_owned(), Duration::ZERO).await.unwrap();
        let digest = Digest::from_bytes([1; 32]);
        let stack = dir.path().join(digest.hex());
        for file in ["run/new", "layers/a", "layers/b", "image.json"] {
            let path = home.incoming().join("roots").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "new").unwrap();
        }
        for file in ["run/new", "layers/a", "image.json"] {
            let path = stack.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "old").unwrap();
        }
        home.place(&digest).await.unwrap();
        let read = |file: &str| fs::read_to_string(stack.join(file)).unwrap();
        assert_eq!(["run/new", "layers/a", "layers/b", "image.json"].map(read), ["old", "new", "new", "new"]);
    }
}
