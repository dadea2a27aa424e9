//! A pack that was received, but is not among the repository's yet.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tempfile::TempDir;

use crate::model::{CommitId, Invalid};

/// Quarantines are folders of this prefix in the repository's; so is what is fetched.
pub(super) const PREFIX: &str = "incoming-";

/// A pack is there once its index is.
pub(super) const INDEX: &str = "idx";
const PACK: &str = "pack";

/// Extensions of a pack's files, in the order in which they come.
const FILES: [&str; 4] = ["rev", "roots", PACK, INDEX];

/// The name of a pack, without extension: `pack-` and the checksum of its content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackName(String);

impl PackName {
    pub(super) fn new(name: String) -> Self {
        Self(name)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file of the pack in a folder that has this extension.
    pub(super) fn file(&self, dir: &Path, extension: &str) -> PathBuf {
        dir.join(format!("{}.{extension}", self.0))
    }

    /// Removes the pack from a folder, as far as it is there: the index first, without which it is none.
    pub(super) fn remove(&self, dir: &Path) -> io::Result<()> {
        for extension in FILES.iter().rev() {
            match fs::remove_file(self.file(dir, extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl FromStr for PackName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let checksum = text.strip_prefix("pack-").and_then(|checksum| checksum.parse::<CommitId>().ok());
        checksum.map(|_| Self(text.to_owned())).ok_or_else(|| Invalid(format!("'{}' is not a pack's name", text.escape_debug())))
    }
}

/// What a quarantine holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Objects in the pack, those included that were added to complete it.
    pub objects: usize,
    /// Size of the pack.
    pub bytes: u64,
    pub pack: PackName,
}

/// A checked and indexed pack in a folder of its own, which is removed on drop.
#[derive(Debug)]
pub struct Quarantine {
    dir: TempDir,
    /// The folder of the repository's packs.
    main: PathBuf,
    stats: Stats,
}

impl Quarantine {
    /// Makes an empty one in a repository's folder.
    pub(super) fn create(repo: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(repo)?;
        fs::create_dir(dir.path().join("pack"))?;
        Ok(Self { dir, main: super::repo::pack_dir(repo), stats: Stats { objects: 0, bytes: 0, pack: PackName(String::new()) } })
    }

    /// Notes what the indexer has put in.
    pub(super) fn fill(&mut self, stats: Stats) {
        self.stats = stats;
    }

    pub(super) fn pack_dir(&self) -> PathBuf {
        self.dir.path().join("pack")
    }

    /// What it holds.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Brings the pack to the disk, so that [`Quarantine::publish`] need not.
    pub(super) async fn sync(&self) -> io::Result<()> {
        let (dir, pack) = (self.pack_dir(), self.stats.pack.clone());
        tokio::task::spawn_blocking(move || sync(&dir, &pack)).await.map_err(io::Error::other)?
    }

    /// Moves the pack into the repository, where it survives a crash of the machine from then on. May be repeated.
    ///
    /// A pack there that no ref leads to does no harm.
    pub async fn publish(&self) -> io::Result<PackName> {
        let from = self.pack_dir();
        let to = self.main.clone();
        let pack = self.stats.pack.clone();
        tokio::task::spawn_blocking(move || move_pack(&from, &to, &pack).map(|()| pack)).await.map_err(io::Error::other)?
    }
}

fn move_pack(from: &Path, to: &Path, pack: &PackName) -> io::Result<()> {
    sync(from, pack)?;
    for extension in FILES.into_iter().filter(|file| pack.file(from, file).exists()) {
        fs::rename(pack.file(from, extension), pack.file(to, extension))?;
    }
    // They may have been moved before, all or some.
    for extension in [PACK, INDEX] {
        fs::metadata(pack.file(to, extension))?;
    }
    File::open(to)?.sync_all()
}

/// Brings those of a pack's files to the disk that are there.
fn sync(dir: &Path, pack: &PackName) -> io::Result<()> {
    for path in FILES.into_iter().map(|file| pack.file(dir, file)).filter(|path| path.exists()) {
        fs::set_permissions(&path, Permissions::from_mode(0o444))?;
        File::open(&path)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_that_was_half_moved_is_moved_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("incoming"), dir.path().join("pack"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let pack = PackName::new(format!("pack-{}", "0".repeat(40)));
        for extension in FILES {
            fs::write(pack.file(&from, extension), extension).unwrap();
        }
        fs::rename(pack.file(&from, PACK), pack.file(&to, PACK)).unwrap();
        // The second time there is nothing left to move.
        for _ in 0..2 {
            move_pack(&from, &to, &pack).unwrap();
            for extension in FILES {
                assert_eq!(fs::read_to_string(pack.file(&to, extension)).unwrap(), extension);
            }
        }
        fs::remove_file(pack.file(&to, INDEX)).unwrap();
        assert_eq!(move_pack(&from, &to, &pack).unwrap_err().kind(), io::ErrorKind::NotFound, "a pack without index is none");
    }
}
