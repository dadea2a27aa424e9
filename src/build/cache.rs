//! `CACHE_DIR`: kept from one good build of an app to the next, as a tar in the blob store.

use tokio::io::AsyncReadExt as _;

use super::{Build, BuildError, CACHE_DIR};
use crate::model::Digest;
use crate::store::Store;

/// The tar of an empty folder is not longer: its own entry and the end mark.
const EMPTY_TAR: u64 = 10 * 1024;

/// Unpacks the cache of the last good build, or makes an empty one. A cache that is gone from the store is no reason
/// to fail: the build is only slower. Returns its size in bytes, if there is one.
pub async fn restore_cache(build: &Build<'_>, store: &Store, cache: Option<&Digest>) -> Result<Option<u64>, BuildError> {
    if let Some(digest) = cache {
        match store.open_blob(digest).await {
            Ok(file) => {
                let size_bytes = file.metadata().await.ok().map(|metadata| metadata.len());
                build.environment.put_in(CACHE_DIR, file).await?;
                return Ok(size_bytes);
            }
            Err(error) => tracing::warn!(%error, %digest, "a build cache is missing"),
        }
    }
    build.environment.put_in(CACHE_DIR, tokio::io::empty()).await?;
    Ok(None)
}

/// Stores what a good build left in its cache, and tells its size in bytes; `None` when that is nothing.
pub async fn save_cache(build: &Build<'_>, store: &Store) -> Result<Option<(Digest, u64)>, BuildError> {
    let failed = |source| BuildError::Io { what: "the build cache can't be stored", source };
    let mut tar = build.environment.take_out(CACHE_DIR).await?;
    let mut start = Vec::new();
    (&mut tar).take(EMPTY_TAR + 1).read_to_end(&mut start).await.map_err(failed)?;
    if start.len() as u64 <= EMPTY_TAR {
        return Ok(None);
    }
    Ok(Some(store.put(start.as_slice().chain(tar)).await.map_err(failed)?))
}
