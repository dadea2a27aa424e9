//! `CACHE_DIR`: kept from one good build of an app to the next, as a tar in the blob store.
//!
//! Unpacked beside it (`cache_folders`), it is there when the next build starts: that costs nothing, nor does keeping it
//! then, as long as the build changes nothing in it.

use tokio::io::AsyncReadExt as _;

use super::{Build, BuildError, CACHE_DIR};
use crate::model::{CacheChange, Digest};
use crate::store::Store;
use crate::transcript::size;

/// A tar is made of these.
const BLOCK_BYTES: usize = 512;

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

/// Stores what a good build left in its cache, unless it has changed nothing there; returns how many bytes were stored, too. The
/// cache is emptied when it is larger than the limit: what is there when a build starts is not counted as its disk, and builds that
/// only add to it would let it grow for ever.
pub async fn save_cache(build: &Build<'_>, store: &Store, limit_bytes: u64) -> Result<(CacheChange, Option<u64>), BuildError> {
    if !build.environment.has_written(CACHE_DIR).await? {
        return Ok((CacheChange::Unchanged, None));
    }
    let mut tar = build.environment.take_out(CACHE_DIR).await?;
    let stored = async {
        let mut start = Vec::new();
        (&mut tar).take(2 * BLOCK_BYTES as u64).read_to_end(&mut start).await?;
        if is_of_nothing(&start) {
            return Ok(None);
        }
        store.put(start.as_slice().chain(tar).take(limit_bytes + 1)).await.map(Some)
    };
    let (digest, size_bytes) = match stored.await {
        Ok(Some(stored)) => stored,
        Ok(None) => return Ok((CacheChange::To(None), None)),
        // A pack may have removed the folder, or put something into its place. The build is good without.
        Err(error) => {
            tracing::warn!(build.id = build.request_id, %error, "a build's cache can't be stored");
            build.transcript.warning("The build cache could not be kept: the next build starts with an empty one.");
            return Ok((CacheChange::To(None), None));
        }
    };
    if size_bytes > limit_bytes {
        let failed = |source| BuildError::Io { what: "the build cache can't be removed", source };
        store.remove(&digest).await.map_err(failed)?;
        let limit = size(limit_bytes);
        build.transcript.warning(&format!("The build cache is larger than {limit}: the next build starts with an empty one."));
        return Ok((CacheChange::To(None), None));
    }
    Ok((CacheChange::To(Some(digest)), Some(size_bytes)))
}

/// Tells from its first two blocks whether a tar holds nothing but the folder itself: its end mark follows at once.
fn is_of_nothing(start: &[u8]) -> bool {
    start.get(BLOCK_BYTES..).unwrap_or_default().iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_empty_only_without_any_entry() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        tar.append_data(&mut header, "./", std::io::empty()).unwrap();
        let empty = tar.get_ref().clone();
        assert!(is_of_nothing(&[&empty[..], &[0; 512]].concat()) && is_of_nothing(&empty) && is_of_nothing(&[]));
        tar.append_data(&mut header, "./a/", std::io::empty()).unwrap();
        assert!(!is_of_nothing(&tar.get_ref()[..1024]));
    }
}
