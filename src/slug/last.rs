//! Each app's last slug, of which the next one may take runs over.
//!
//! ```text
//! DIR/<app's id>     the runs of that slug (`runs`)
//!     .tmp<random>   one that is being written; swept at start
//! ```
//!
//! It is written without being flushed: whatever is missing, damaged, which its own checksum tells, or of a slug that is
//! gone costs only time. The oldest go when there is more than enough.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::runs::{Earlier, Note, decode, encode};
use crate::model::{AppId, Digest};
use crate::store::Store;

/// All notes together. A slug of 300 MB unpacked has one of 650 KiB.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What is noted of apps' last slugs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LastSlugs(Arc<Path>);

/// What is noted of one app's last slug, if there is anything.
#[derive(Debug, Clone)]
pub struct LastSlug {
    slugs: LastSlugs,
    path: PathBuf,
}

impl LastSlugs {
    /// Opens the folder, making it if need be, and removes what an earlier process left half-written. Blocks.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        fs::create_dir_all(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".tmp") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self(dir.into()))
    }

    /// The last slug of an app.
    #[must_use]
    pub fn of(&self, app: AppId) -> LastSlug {
        LastSlug { path: self.0.join(app.to_string()), slugs: self.clone() }
    }

    /// Removes the oldest notes until the others fit.
    fn prune(&self, most_bytes: u64) -> io::Result<()> {
        let mut notes = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            // One that was replaced or removed meanwhile is of no interest.
            if let Ok(metadata) = entry.metadata() {
                notes.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        notes.sort_unstable();
        let mut bytes: u64 = notes.iter().map(|(_, bytes, _): &(SystemTime, u64, PathBuf)| bytes).sum();
        for (_, size_bytes, path) in notes {
            if bytes <= most_bytes {
                break;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => bytes -= size_bytes,
            }
        }
        Ok(())
    }
}

impl LastSlug {
    /// Opens the slug; `None` if it, or what is noted of it, is missing or of no use. Blocks.
    pub(super) fn open(&self, store: &Store) -> Option<Earlier> {
        let (digest, notes) = decode(&fs::read(&self.path).ok()?)?;
        let slug = File::open(store.path_of(&digest)).ok()?;
        Some(Earlier::new(digest, slug, notes))
    }

    /// Notes a slug as the last one. Blocks.
    pub(super) fn note(&self, slug: &Digest, notes: &[Note]) {
        let noted = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.slugs.0)?;
            file.write_all(&encode(slug, notes))?;
            file.persist(&self.path).map_err(|failed| failed.error)?;
            self.slugs.prune(MAX_BYTES)
        };
        if let Err(error) = noted() {
            tracing::warn!(%error, "it can't be noted what a slug is made of: the next one will take longer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_written_notes_are_swept_and_old_ones_make_room() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".tmpX"), "half").unwrap();
        let slugs = LastSlugs::open(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        let (older, newer) = (slugs.of(AppId::new()), slugs.of(AppId::new()));
        let slug = Digest::from_bytes([7; 32]);
        older.note(&slug, &[]);
        newer.note(&slug, &[]);
        File::options().write(true).open(&older.path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let bytes = fs::metadata(&newer.path).unwrap().len();
        slugs.prune(2 * bytes).unwrap();
        assert!(older.path.exists() && newer.path.exists());
        slugs.prune(2 * bytes - 1).unwrap();
        assert!(!older.path.exists() && newer.path.exists());
    }
}
