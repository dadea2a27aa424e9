//! `CACHE_DIR`: kept from one good build of an app to the next, as a tar in the blob store.

use super::{Build, BuildError, CACHE_DIR};
use crate::model::Digest;
use crate::store::Store;

/// The tar of an empty folder is not longer: its own entry and the end mark.
const EMPTY_TAR: u64 = 10 * 1024;

/// Unpacks the cache of the last good build, or makes an empty one. A cache that is gone from the store is no reason
/// to fail: the build is only slower.
pub async fn restore_cache(build: &Build<'_>, store: &Store, cache: Option<&Digest>) -> Result<(), BuildError> {
    let Some(digest) = cache else {
        return Ok(build.environment.put_in(CACHE_DIR, tokio::io::empty()).await?);
    };
    match store.open_blob(digest).await {
        Ok(file) => Ok(build.environment.put_in(CACHE_DIR, file).await?),
        Err(error) => {
            tracing::warn!(%error, %digest, "a build cache is missing");
            Ok(build.environment.put_in(CACHE_DIR, tokio::io::empty()).await?)
        }
    }
}

/// Stores what a good build left in its cache; `None` when that is nothing.
pub async fn save_cache(build: &Build<'_>, store: &Store) -> Result<Option<Digest>, BuildError> {
    let tar = build.environment.take_out(CACHE_DIR).await?;
    let failed = |source| BuildError::Io { what: "the build cache can't be stored", source };
    let (digest, bytes) = store.put(tar).await.map_err(failed)?;
    if bytes > EMPTY_TAR {
        return Ok(Some(digest));
    }
    store.remove(&digest).await.map_err(failed)?;
    Ok(None)
}
