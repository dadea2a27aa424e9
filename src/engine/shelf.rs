//! Folders of unpacked files, each made once and kept while it is of use.
//!
//! ```text
//! DIR/<name>/files       what was unpacked, and beside it what is noted of it; the folder's time is when it was last held
//!     incoming-<random>  one that is being made, was taken down or is being removed; swept at start
//! ```

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use uuid::Uuid;

use super::{Engine, make_yard};

const INCOMING: &str = "incoming-";
const FILES: &str = "files";

/// Such folders, all in one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shelf(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    engine: Engine,
    /// How many hold which.
    held: Mutex<HashMap<String, usize>>,
}

/// A folder that is there, or will be: nobody takes it down as long as this is held.
#[derive(Debug)]
pub struct Kept {
    shelf: Shelf,
    name: String,
}

impl Shelf {
    /// Opens the folder, making it if need be, and removes what was being made or removed, or was taken down, when an earlier
    /// daemon ended.
    pub async fn open(dir: PathBuf, engine: Engine) -> io::Result<Self> {
        make_yard(&dir)?;
        let shelf = Self(Arc::new(Shared { dir, engine, held: Mutex::default() }));
        for entry in fs::read_dir(&shelf.0.dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(INCOMING) || !entry.path().join(FILES).exists() {
                shelf.remove(&entry.path()).await;
            }
        }
        Ok(shelf)
    }

    /// Holds a folder, whether it is there or not.
    #[must_use]
    pub fn hold(&self, name: &str) -> Kept {
        *self.held().entry(name.to_owned()).or_default() += 1;
        Kept { shelf: self.clone(), name: name.to_owned() }
    }

    /// Puts a folder on the shelf once `unpack`, which is given an empty one, has made `files` in it: what has to outlive the
    /// host's own end, it has also [flushed](flush). If somebody else has been faster, theirs stays. Dropped midway, this leaves
    /// what the next start sweeps.
    pub async fn fill<E: From<io::Error>>(&self, name: &str, unpack: impl AsyncFnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
        let incoming = self.incoming();
        let made = async {
            fs::create_dir(&incoming)?;
            unpack(&incoming).await?;
            Ok(self.place(&incoming, name).await?)
        };
        let made = made.await;
        if made.is_err() {
            self.remove(&incoming).await;
        }
        made
    }

    async fn place(&self, incoming: &Path, name: &str) -> io::Result<()> {
        let place = self.dir_of(name);
        match fs::rename(incoming, &place) {
            Err(_) if place.is_dir() => self.remove(incoming).await,
            placed => placed?,
        }
        Ok(())
    }

    /// Takes a folder that nobody holds off the shelf, and says where it is now: to be [removed](Self::remove) in the end.
    #[must_use]
    pub fn take_down(&self, name: &str) -> Option<PathBuf> {
        let incoming = self.incoming();
        // Out of its place at once: nobody may find a half of it there.
        let held = self.held();
        (!held.contains_key(name) && fs::rename(self.dir_of(name), &incoming).is_ok()).then_some(incoming)
    }

    /// Takes a folder that nobody holds off the shelf and removes it.
    pub async fn drop_folder(&self, name: &str) {
        if let Some(taken) = self.take_down(name) {
            self.remove(&taken).await;
        }
    }

    /// Removes what was taken down; if that fails, the next start does it.
    pub async fn remove(&self, taken: &Path) {
        if let Err(error) = self.try_remove(taken).await {
            tracing::warn!(error, folder = %taken.display(), "a folder of unpacked files can't be removed; the next start does it");
        }
    }

    async fn try_remove(&self, taken: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let entries = match fs::read_dir(taken) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.0.engine.remove_root(&entry.path()).await?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(fs::remove_dir(taken)?)
    }

    /// All folders by the time of their last use.
    pub fn newest_first(&self) -> io::Result<Vec<String>> {
        let mut all: Vec<(SystemTime, String)> = Vec::new();
        for entry in fs::read_dir(&self.0.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // One that was taken down meanwhile is of no interest.
            if let (false, Ok(metadata)) = (name.starts_with(INCOMING), entry.metadata()) {
                all.push((metadata.modified()?, name));
            }
        }
        all.sort_unstable_by(|left, right| right.cmp(left));
        Ok(all.into_iter().map(|(_, name)| name).collect())
    }

    /// Where a folder is, if it is there.
    #[must_use]
    pub fn dir_of(&self, name: &str) -> PathBuf {
        self.0.dir.join(name)
    }

    fn incoming(&self) -> PathBuf {
        self.0.dir.join(format!("{INCOMING}{}", Uuid::new_v4()))
    }

    // Held for a look-up and a rename only, never across an await.
    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.held.lock().expect("no holder panics")
    }
}

/// Flushes all that was unpacked somewhere to the disk.
pub async fn flush(dir: &Path) -> io::Result<()> {
    let dir = dir.to_owned();
    // Tens of thousands of files: one sync of the whole file system is far cheaper than one each.
    let flushed = tokio::task::spawn_blocking(move || Ok(rustix::fs::syncfs(File::open(dir)?)?));
    flushed.await.map_err(io::Error::other)?
}

impl Kept {
    /// Notes that the folder is used now, and tells whether it is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let now = rustix::fs::Timestamps { last_access: now, last_modification: now };
        let folder = self.shelf.dir_of(&self.name);
        rustix::fs::utimensat(rustix::fs::CWD, &folder, &now, rustix::fs::AtFlags::empty()).is_ok()
    }

    /// Where the files are.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.shelf.dir_of(&self.name).join(FILES)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut held = self.shelf.held();
        if let Some(count) = held.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::{Kind, Settings};

    /// One of an engine that needs nothing.
    pub(crate) async fn shelf_below(dir: &Path) -> Shelf {
        let settings = Settings {
            kind: Kind::Local,
            helper: "/nowhere".into(),
            work_dir: dir.join("work"),
            ca_bundle: None,
            allow_networks: Vec::new(),
        };
        Shelf::open(dir.join("shelf"), Engine::open(settings).await.unwrap()).await.unwrap()
    }

    async fn fill(shelf: &Shelf, name: &str, text: &str) {
        let made = shelf.fill(name, async |incoming: &Path| {
            fs::create_dir(incoming.join(FILES))?;
            fs::write(incoming.join(FILES).join("a"), text)
        });
        made.await.unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir.join("shelf")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_folder_stays_while_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf_below(dir.path()).await;
        let kept = shelf.hold("one");
        assert!(!kept.is_there());
        fill(&shelf, "one", "first").await;
        fill(&shelf, "one", "second").await;
        assert!(kept.is_there());
        assert_eq!(fs::read_to_string(kept.files().join("a")).unwrap(), "first");
        shelf.drop_folder("one").await;
        assert_eq!(names(dir.path()), ["one"]);
        drop(kept);
        shelf.drop_folder("one").await;
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_failed_leaves_nothing_and_what_was_cut_off_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let first = shelf_below(dir.path()).await;
        let failed = first.fill("one", async |incoming: &Path| {
            fs::create_dir(incoming.join(FILES))?;
            Err(io::Error::other("broken"))
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "broken");
        assert_eq!(names(dir.path()), Vec::<String>::new());

        fill(&first, "two", "").await;
        let taken = first.take_down("two").unwrap();
        fs::write(taken.join("note"), "").unwrap();
        fill(&first, "three", "").await;
        fs::create_dir(dir.path().join("shelf/of-another-kind")).unwrap();
        let second = shelf_below(dir.path()).await;
        assert_eq!(names(dir.path()), ["three"]);
        assert_eq!(second.newest_first().unwrap(), ["three"]);
    }

    #[tokio::test]
    async fn the_one_used_last_is_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf_below(dir.path()).await;
        for (name, seconds) in [("old", 1), ("older", 0), ("new", 2)] {
            fill(&shelf, name, "").await;
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::open(shelf.dir_of(name)).unwrap().set_modified(time).unwrap();
        }
        assert_eq!(shelf.newest_first().unwrap(), ["new", "old", "older"]);
        assert!(shelf.hold("older").is_there());
        assert_eq!(shelf.newest_first().unwrap(), ["older", "new", "old"]);
    }
}
