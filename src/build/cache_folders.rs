//! Build caches as folders, unpacked before they are needed, over which builds start.
//!
//! ```text
//! DIR/<digest>/files     what the cache of this digest holds, never changed; the folder's time is when it was last used
//!     incoming-<random>  one that is being made or removed; swept at start
//! ```
//!
//! The blob is the cache; a folder is a copy that saves unpacking it. There is none where the engine has no layers, and none
//! is used whose blob is gone.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::CACHE_DIR;
use crate::engine::{Engine, EngineError, make_yard};
use crate::model::{Digest, Limits};
use crate::store::Store;

/// How long unpacking one may take.
const UNPACK_TIME: Duration = Duration::from_mins(15);

const INCOMING: &str = "incoming-";

/// The unpacked caches of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CacheFolders(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    engine: Engine,
    store: Store,
    /// All folders together, counted as their blobs.
    max_bytes: u64,
    /// How many environments were started over which.
    used: Mutex<HashMap<Digest, usize>>,
}

/// An unpacked cache, which stays as long as this is held.
#[derive(Debug)]
pub struct CacheFolder {
    folders: CacheFolders,
    cache: Digest,
}

/// Why a cache could not be unpacked. The next build unpacks it then.
#[derive(Debug, thiserror::Error)]
enum UnpackError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the unpacked build caches can't be kept")]
    Io(#[from] io::Error),
    #[error("unpacking it takes longer than {UNPACK_TIME:?}")]
    Late(#[from] tokio::time::error::Elapsed),
}

impl CacheFolders {
    /// Opens the folder, and removes what was being made or removed when an earlier daemon ended.
    pub async fn open(dir: PathBuf, engine: Engine, store: Store, limits: &Limits) -> Result<Self, EngineError> {
        let cannot = |source| EngineError { what: format!("cannot prepare {}", dir.display()), source: Some(source) };
        make_yard(&dir).map_err(cannot)?;
        let folders = Self(Arc::new(Shared {
            dir: dir.clone(),
            engine,
            store,
            max_bytes: limits.unpacked_cache_bytes,
            used: Mutex::default(),
        }));
        for entry in fs::read_dir(&dir).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            if entry.file_name().to_string_lossy().starts_with(INCOMING) {
                folders.remove(&entry.path()).await;
            }
        }
        Ok(folders)
    }

    /// Gives the folder of a cache, if it is there and the cache still is one.
    pub async fn get(&self, cache: &Digest) -> Option<CacheFolder> {
        let folder = self.hold(*cache);
        (touch(&self.dir_of(cache)) && matches!(self.0.store.contains(cache).await, Ok(true))).then_some(folder)
    }

    /// Unpacks a cache for the builds to come, unless somebody has; what stands in the way is only said. Dropped midway, this
    /// leaves what the next start sweeps.
    pub async fn prepare(&self, cache: &Digest) {
        let fits = matches!(self.0.store.size(cache).await, Ok(bytes) if bytes <= self.0.max_bytes);
        if !fits || !self.0.engine.has_layers() || self.dir_of(cache).exists() {
            return;
        }
        let incoming = self.incoming();
        if let Err(error) = self.make(cache, &incoming).await {
            say(&error, cache);
            self.remove(&incoming).await;
        }
    }

    /// Removes the folders of caches that are gone, and those that were not used for the longest time until the others fit,
    /// but none that is used.
    pub async fn tidy(&self) {
        self.tidy_to(self.0.max_bytes).await;
    }

    async fn make(&self, cache: &Digest, incoming: &Path) -> Result<(), UnpackError> {
        fs::create_dir(incoming)?;
        let tar = self.0.store.open_blob(cache).await?;
        tokio::time::timeout(UNPACK_TIME, self.0.engine.unpack_layer(tar, &incoming.join("files"), CACHE_DIR)).await??;
        let dest = self.dir_of(cache);
        let (from, to) = (incoming.to_owned(), dest.clone());
        let place = move || -> io::Result<()> {
            // Tens of thousands of files: one sync of the whole file system is far cheaper than one each.
            rustix::fs::syncfs(File::open(&from)?)?;
            fs::rename(&from, &to)
        };
        match tokio::task::spawn_blocking(place).await.map_err(io::Error::other)? {
            // Somebody else was faster, with the same files.
            Err(_) if dest.is_dir() => self.remove(incoming).await,
            placed => placed?,
        }
        Ok(())
    }

    async fn tidy_to(&self, most_bytes: u64) {
        let mut left_bytes = most_bytes;
        match self.newest_first() {
            Ok(all) => {
                for (_, cache) in all {
                    let size_bytes = self.0.store.size(&cache).await.ok();
                    let left = size_bytes.and_then(|size_bytes| left_bytes.checked_sub(size_bytes));
                    match left {
                        Some(left) => left_bytes = left,
                        None => self.drop_folder(&cache).await,
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the unpacked build caches can't be listed"),
        }
    }

    async fn drop_folder(&self, cache: &Digest) {
        let incoming = self.incoming();
        // Out of its place at once: nobody may find a half of it there.
        let is_out = { !self.used().contains_key(cache) && fs::rename(self.dir_of(cache), &incoming).is_ok() };
        if is_out {
            self.remove(&incoming).await;
        }
    }

    fn newest_first(&self) -> io::Result<Vec<(SystemTime, Digest)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.0.dir)? {
            let entry = entry?;
            if let Ok(cache) = format!("sha256:{}", entry.file_name().to_string_lossy()).parse() {
                all.push((entry.metadata()?.modified()?, cache));
            }
        }
        all.sort_unstable_by(|left, right| right.cmp(left));
        Ok(all)
    }

    fn hold(&self, cache: Digest) -> CacheFolder {
        *self.used().entry(cache).or_default() += 1;
        CacheFolder { folders: self.clone(), cache }
    }

    // Held for a look-up and a rename only, never across an await.
    fn used(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.0.used.lock().expect("no holder panics")
    }

    fn dir_of(&self, cache: &Digest) -> PathBuf {
        self.0.dir.join(cache.hex())
    }

    fn incoming(&self) -> PathBuf {
        self.0.dir.join(format!("{INCOMING}{}", Uuid::new_v4()))
    }

    async fn remove(&self, incoming: &Path) {
        let removed = self.0.engine.remove_root(&incoming.join("files")).await;
        let removed = removed.map_err(UnpackError::from).and_then(|()| match fs::remove_dir(incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        });
        if let Err(error) = removed {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "an unpacked build cache can't be removed; the next start does it");
        }
    }
}

impl CacheFolder {
    /// The size of the cache's tar.
    pub async fn tar_bytes(&self) -> Option<u64> {
        self.folders.0.store.size(&self.cache).await.ok()
    }

    /// Lets go of it, and removes what nobody needs then.
    pub async fn release(self) {
        let folders = self.folders.clone();
        drop(self);
        folders.tidy().await;
    }

    /// Where the files are.
    pub(super) fn path(&self) -> PathBuf {
        self.folders.dir_of(&self.cache).join("files")
    }
}

impl Drop for CacheFolder {
    fn drop(&mut self) {
        let mut used = self.folders.used();
        if let Some(count) = used.get_mut(&self.cache) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.cache);
            }
        }
    }
}

fn say(error: &UnpackError, cache: &Digest) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, %cache, "a build cache can't be unpacked in advance");
}

/// Notes that a folder is used now, and tells whether it is there.
fn touch(folder: &Path) -> bool {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let now = rustix::fs::Timestamps { last_access: now, last_modification: now };
    rustix::fs::utimensat(rustix::fs::CWD, folder, &now, rustix::fs::AtFlags::empty()).is_ok()
}
