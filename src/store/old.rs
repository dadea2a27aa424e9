//! Blobs that nobody has written, or written again, for long: what garbage collection may look at.

use std::io;
use std::time::SystemTime;

use super::{Store, blocking};
use crate::model::Digest;

/// How many folders blobs stand in, by the first byte of their digests.
pub const FOLDERS: u8 = u8::MAX;

impl Store {
    /// The blobs in one of the folders that were last written before a time. Other files there are left alone.
    pub async fn old_blobs(&self, folder: u8, before: SystemTime) -> io::Result<Vec<Digest>> {
        let dir = self.dir.join(format!("sha256/{folder:02x}"));
        blocking(move || {
            let mut old = Vec::new();
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                let name = entry.file_name();
                let Some(digest) = name.to_str().and_then(|hex| format!("sha256:{hex}").parse().ok()) else { continue };
                match entry.metadata().and_then(|metadata| metadata.modified()) {
                    Ok(modified) if modified < before => old.push(digest),
                    Ok(_) => {}
                    // Removed meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(old)
        })
        .await
    }

    /// Removes a blob that was last written before a time, and returns its size in bytes; nothing if it is not there, or was
    /// written again meanwhile. The caller holds what keeps everybody from referring to it.
    ///
    /// It is put aside first, and looked at only then: who writes the same bytes now either has made it young before, and it
    /// goes back, or finds no blob and puts their own in its place.
    pub async fn remove_old(&self, digest: &Digest, before: SystemTime) -> io::Result<Option<u64>> {
        let (path, aside) = (self.path(digest), self.tmp().join(format!("removed-{}", digest.hex())));
        blocking(move || {
            match std::fs::rename(&path, &aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                result => result?,
            }
            let metadata = std::fs::metadata(&aside)?;
            if metadata.modified()? >= before {
                std::fs::rename(&aside, &path)?;
                return Ok(None);
            }
            std::fs::remove_file(&aside)?;
            Ok(Some(metadata.len()))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    async fn old_blob() -> (tempfile::TempDir, Store, Digest) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (digest, _) = store.put(&b"old"[..]).await.unwrap();
        age(&store, &digest);
        (dir, store, digest)
    }

    fn age(store: &Store, digest: &Digest) {
        File::open(store.path(digest)).unwrap().set_modified(an_hour_ago() - HOUR).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "files have the time of the kernel")]
    fn an_hour_ago() -> SystemTime {
        SystemTime::now() - HOUR
    }

    async fn old(store: &Store) -> Vec<Digest> {
        let mut old = Vec::new();
        for folder in 0..=FOLDERS {
            old.extend(store.old_blobs(folder, an_hour_ago()).await.unwrap());
        }
        old
    }

    #[tokio::test]
    async fn old_blobs_are_found_and_removed() {
        let (_dir, store, digest) = old_blob().await;
        store.put(&b"young"[..]).await.unwrap();
        std::fs::write(store.folder(&digest).join("something else"), "").unwrap();
        assert_eq!(old(&store).await, [digest]);
        assert_eq!(store.remove_old(&digest, an_hour_ago()).await.unwrap(), Some(3));
        assert_eq!(store.remove_old(&digest, an_hour_ago()).await.unwrap(), None, "it is gone already");
        assert!(!store.contains(&digest).await.unwrap());
    }

    #[tokio::test]
    async fn a_blob_that_was_written_again_is_young() {
        let (_dir, store, digest) = old_blob().await;
        store.put(&b"old"[..]).await.unwrap();
        assert_eq!(store.remove_old(&digest, an_hour_ago()).await.unwrap(), None);
        assert!(store.contains(&digest).await.unwrap());
        assert!(old(&store).await.is_empty());
    }

    /// Whoever has written a blob finds it there, whatever was removed meanwhile.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_writes_while_it_is_removed_has_it() {
        let (_dir, store, digest) = old_blob().await;
        for _ in 0..100 {
            age(&store, &digest);
            let remover = store.clone();
            let removal = tokio::spawn(async move { remover.remove_old(&digest, an_hour_ago()).await });
            store.put(&b"old"[..]).await.unwrap();
            removal.await.unwrap().unwrap();
            assert!(store.contains(&digest).await.unwrap());
        }
    }
}
