//! Build caches as folders, unpacked before they are needed, over which builds start: a shelf of them, by the digest of the
//! cache.
//!
//! The blob is the cache; a folder is a copy that saves unpacking it. There is none where the engine has no layers, and none
//! is used whose blob is gone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::CACHE_DIR;
use crate::engine::{Engine, EngineError, Kept, Shelf, flush};
use crate::model::{Digest, Limits};
use crate::store::Store;

/// How long unpacking one may take.
const UNPACK_TIME: Duration = Duration::from_mins(15);

/// The unpacked caches of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CacheFolders(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shelf: Shelf,
    engine: Engine,
    store: Store,
    /// All folders together, counted as their blobs.
    max_bytes: u64,
}

/// An unpacked cache, which stays as long as this is held.
#[derive(Debug)]
pub struct CacheFolder {
    folders: CacheFolders,
    cache: Digest,
    kept: Kept,
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
    pub async fn open(dir: PathBuf, engine: Engine, store: Store, limits: &Limits) -> io::Result<Self> {
        let shelf = Shelf::open(dir, engine.clone()).await?;
        Ok(Self(Arc::new(Shared { shelf, engine, store, max_bytes: limits.unpacked_cache_bytes })))
    }

    /// Gives the folder of a cache, if it is there and the cache still is one.
    pub async fn get(&self, cache: &Digest) -> Option<CacheFolder> {
        let kept = self.0.shelf.hold(&cache.hex());
        let is_there = kept.is_there() && matches!(self.0.store.contains(cache).await, Ok(true));
        is_there.then(|| CacheFolder { folders: self.clone(), cache: *cache, kept })
    }

    /// Unpacks a cache for the builds to come, unless somebody has; what stands in the way is only said. Dropped midway, this
    /// leaves what the next start sweeps.
    pub async fn prepare(&self, cache: &Digest) {
        let Shared { shelf, engine, store, max_bytes } = &*self.0;
        let fits = matches!(store.size(cache).await, Ok(bytes) if bytes <= *max_bytes);
        if !fits || !engine.has_layers() || shelf.dir_of(&cache.hex()).exists() {
            return;
        }
        let unpack = async |incoming: &Path| {
            let tar = store.open_blob(cache).await?;
            tokio::time::timeout(UNPACK_TIME, engine.unpack_layer(tar, &incoming.join("files"), CACHE_DIR)).await??;
            Ok::<_, UnpackError>(flush(incoming).await?)
        };
        if let Err(error) = shelf.fill(&cache.hex(), unpack).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, %cache, "a build cache can't be unpacked in advance");
        }
    }

    /// Removes the folders of caches that are gone, and those that were not used for the longest time until the others fit,
    /// but none that is used.
    pub async fn tidy(&self) {
        let Shared { shelf, store, max_bytes, .. } = &*self.0;
        let mut left_bytes = *max_bytes;
        match shelf.newest_first() {
            Ok(all) => {
                for name in all {
                    let size_bytes = match format!("sha256:{name}").parse() {
                        Ok(cache) => store.size(&cache).await.ok(),
                        Err(_) => None,
                    };
                    match size_bytes.and_then(|size_bytes| left_bytes.checked_sub(size_bytes)) {
                        Some(left) => left_bytes = left,
                        None => shelf.drop_folder(&name).await,
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the unpacked build caches can't be listed"),
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
        let Self { folders, kept, .. } = self;
        drop(kept);
        folders.tidy().await;
    }

    /// Where the files are.
    pub(super) fn path(&self) -> PathBuf {
        self.kept.files()
    }
}
