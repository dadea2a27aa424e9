//! Which files differ between two slugs.
//!
//! Both archives are read as streams. What is remembered of a file is one hash of its path and one of what it is, so that
//! memory grows with the number of files alone, which is bounded; slugs that were made elsewhere are in any order, so the
//! two can't simply be read side by side.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead, BufReader, Read as _};
use std::time::Duration;

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::entry_path::EntryPath;
use crate::model::Digest;
use crate::store::Store;
use crate::tarball::{BLOCK_BYTES, Kind, read_entry};

/// Most files of one slug that are compared.
const MAX_FILES: usize = 1_000_000;

/// An answer that comes later than a client waits is none: the Heroku CLI gives up after 60 s.
const MAX_TIME: Duration = Duration::from_secs(45);

/// Comparisons at once. Each takes a core and up to some 50 MiB.
static PLACES: Semaphore = Semaphore::const_new(2);

const BUFFER_BYTES: usize = 64 * 1024;

/// Files below the app's folder that differ, each list in the order of its archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileChanges {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
    /// How many more there are.
    pub left_out: u64,
}

/// Why two slugs were not compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    #[error("the archive {0} is no longer kept")]
    Gone(Digest),
    #[error("one of the slugs has more than {MAX_FILES} files")]
    TooManyFiles,
    #[error("comparing the slugs takes longer than {} s", MAX_TIME.as_secs())]
    TooSlow,
    #[error("a slug can't be read")]
    Read(#[from] io::Error),
}

/// Compares the archives of two slugs and names at most `most` files. Folders are not compared: git has none either.
pub async fn diff(store: &Store, from: Option<Digest>, to: Option<Digest>, most: usize) -> Result<FileChanges, DiffError> {
    if from == to {
        return Ok(FileChanges::default());
    }
    let work = async {
        let place = PLACES.acquire().await.expect("it is never closed");
        let (old, old_again, new) = (open(store, from).await?, open(store, from).await?, open(store, to).await?);
        let given_up = CancellationToken::new();
        let guard = given_up.clone().drop_guard();
        let compared = spawn_blocking(move || {
            // Kept until the thread ends, which may be later than anybody waits.
            let _place = place;
            let mut comparison = Comparison { most, given_up, ..Comparison::default() };
            comparison.compare(old, new, old_again)?;
            Ok(comparison.changes)
        });
        let compared = compared.await.unwrap_or_else(|panicked| Err(DiffError::Read(io::Error::other(panicked))));
        drop(guard);
        compared
    };
    timeout(MAX_TIME, work).await.unwrap_or(Err(DiffError::TooSlow))
}

/// A slug that is not there is one without files.
async fn open(store: &Store, digest: Option<Digest>) -> Result<Option<File>, DiffError> {
    let Some(digest) = digest else { return Ok(None) };
    match store.open_blob(&digest).await {
        Ok(blob) => Ok(Some(blob.into_std().await)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(DiffError::Gone(digest)),
        Err(error) => Err(error.into()),
    }
}

/// What a file is: the first half of a SHA-256 over its kind and content.
type Mark = [u8; 16];

#[derive(Default)]
struct Comparison {
    /// The old slug's files, less those that the new one has.
    old: HashMap<u64, Mark>,
    hasher: RandomState,
    changes: FileChanges,
    most: usize,
    given_up: CancellationToken,
}

impl Comparison {
    fn compare(&mut self, old: Option<File>, new: Option<File>, old_again: Option<File>) -> Result<(), DiffError> {
        self.each_file(old, |this, path, mark| {
            this.old.insert(this.hasher.hash_one(path), mark);
        })?;
        self.each_file(new, |this, path, mark| match this.old.remove(&this.hasher.hash_one(path)) {
            Some(old) if old == mark => {}
            Some(_) => this.name(path, |changes| &mut changes.changed),
            None => this.name(path, |changes| &mut changes.added),
        })?;
        if self.old.is_empty() {
            return Ok(());
        }
        self.each_file(old_again, |this, path, _| {
            if this.old.contains_key(&this.hasher.hash_one(path)) {
                this.name(path, |changes| &mut changes.removed);
            }
        })
    }

    /// Reads an archive to its end and shows each file and link in it.
    fn each_file(&mut self, archive: Option<File>, mut see: impl FnMut(&mut Self, &[u8], Mark)) -> Result<(), DiffError> {
        let Some(archive) = archive else { return Ok(()) };
        let archive = GzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, archive));
        let mut tar = BufReader::with_capacity(BUFFER_BYTES, archive);
        let mut files = 0;
        while let Some(entry) = read_entry(&mut tar)? {
            if self.given_up.is_cancelled() {
                return Err(DiffError::TooSlow);
            }
            let Some(mark) = mark(&entry.kind, &mut tar)? else { continue };
            files += 1;
            if files > MAX_FILES {
                return Err(DiffError::TooManyFiles);
            }
            let path = EntryPath::parse(&entry.path).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
            let path = path.as_bytes();
            see(self, path.strip_prefix(b"app/").unwrap_or(path), mark);
        }
        Ok(())
    }

    /// Puts a file into one of the lists while there is room in it.
    fn name(&mut self, path: &[u8], list: impl FnOnce(&mut FileChanges) -> &mut Vec<String>) {
        let list = list(&mut self.changes);
        if list.len() < self.most {
            list.push(String::from_utf8_lossy(path).into_owned());
        } else {
            self.changes.left_out += 1;
        }
    }
}

/// Reads what an entry is, with its content and the padding behind that; `None` for what is no file.
fn mark(kind: &Kind, tar: &mut impl BufRead) -> io::Result<Option<Mark>> {
    let mut hasher = Sha256::new();
    match kind {
        Kind::Folder | Kind::Special => return Ok(None),
        Kind::File { size_bytes, executable } => {
            hasher.update([b'f', u8::from(*executable)]);
            hash_content(tar, *size_bytes, &mut hasher)?;
        }
        Kind::Symlink { target } => {
            hasher.update(b"l");
            hasher.update(target);
        }
        // By its name: what it shares the content with is compared itself.
        Kind::HardLink { target, .. } => {
            hasher.update(b"h");
            hasher.update(target);
        }
    }
    let mut mark = Mark::default();
    mark.copy_from_slice(&hasher.finalize()[..16]);
    Ok(Some(mark))
}

fn hash_content(tar: &mut impl BufRead, size_bytes: u64, hasher: &mut Sha256) -> io::Result<()> {
    let mut left = size_bytes;
    while left > 0 {
        let available = tar.fill_buf()?;
        if available.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::try_from(left).map_or(available.len(), |left| left.min(available.len()));
        hasher.update(&available[..length]);
        tar.consume(length);
        left -= length as u64;
    }
    let padding = size_bytes.next_multiple_of(BLOCK_BYTES as u64) - size_bytes;
    let skipped = io::copy(&mut tar.take(padding), &mut io::sink())?;
    if skipped == padding { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::store::tests::store;

    /// Stores an archive of files; the mode is that of all of them.
    async fn slug(store: &Store, mode: u32, files: &[(&str, &str)]) -> Digest {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(mode);
            if let Some(target) = content.strip_prefix("-> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, format!("./app/{path}"), target).unwrap();
            } else {
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, format!("./app/{path}"), content.as_bytes()).unwrap();
            }
        }
        let mut gzip = tar.into_inner().unwrap();
        gzip.flush().unwrap();
        store.put(&gzip.finish().unwrap()[..]).await.unwrap().0
    }

    fn changes(added: &[&str], removed: &[&str], changed: &[&str], left_out: u64) -> FileChanges {
        let list = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect();
        FileChanges { added: list(added), removed: list(removed), changed: list(changed), left_out }
    }

    #[tokio::test]
    async fn what_differs_is_named_whatever_the_order() {
        let (_dir, store) = store();
        let long = "x".repeat(200_000);
        let old = slug(&store, 0o644, &[("same", &long), ("old", "1"), ("b", "1"), ("link", "-> a"), ("kind", "a")]).await;
        let new = slug(&store, 0o644, &[("kind", "-> a"), ("link", "-> c"), ("a/b", ""), ("b", "2"), ("same", &long)]).await;
        let found = diff(&store, Some(old), Some(new), 10).await.unwrap();
        assert_eq!(found, changes(&["a/b"], &["old"], &["kind", "link", "b"], 0));
        let back = diff(&store, Some(new), Some(old), 10).await.unwrap();
        assert_eq!(back, changes(&["old"], &["a/b"], &["b", "link", "kind"], 0));
        let executable = slug(&store, 0o755, &[("b", "2")]).await;
        let plain = slug(&store, 0o644, &[("b", "2")]).await;
        assert_eq!(diff(&store, Some(plain), Some(executable), 10).await.unwrap(), changes(&[], &[], &["b"], 0));
    }

    #[tokio::test]
    async fn the_lists_are_short_and_count_the_rest() {
        let (_dir, store) = store();
        let old = slug(&store, 0o644, &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]).await;
        let new = slug(&store, 0o644, &[("a", "2"), ("e", ""), ("f", "")]).await;
        assert_eq!(diff(&store, Some(old), Some(new), 1).await.unwrap(), changes(&["e"], &["b"], &["a"], 3));
    }

    #[tokio::test]
    async fn no_slug_has_no_files() {
        let (_dir, store) = store();
        let one = slug(&store, 0o644, &[("a", "1")]).await;
        assert_eq!(diff(&store, None, Some(one), 10).await.unwrap(), changes(&["a"], &[], &[], 0));
        assert_eq!(diff(&store, Some(one), None, 10).await.unwrap(), changes(&[], &["a"], &[], 0));
        let gone = Digest::from_bytes([9; 32]);
        assert_eq!(diff(&store, Some(gone), Some(gone), 10).await.unwrap(), FileChanges::default(), "without a look");
        assert!(matches!(diff(&store, Some(one), Some(gone), 10).await, Err(DiffError::Gone(digest)) if digest == gone));
    }
}
