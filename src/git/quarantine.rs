//! A pack that was received, but is not among the repository's yet.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Quarantines are folders of this prefix in the repository's; so is what is fetched.
pub(super) const PREFIX: &str = "incoming-";

/// The name of a pack, without extension: `pack-` and the checksum of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    // A pack is there once its index is: the index goes last.
    let files = ["pack", "idx"].map(|extension| format!("{}.{extension}", pack.0));
    let beside = ["rev", "roots"].map(|extension| format!("{}.{extension}", pack.0));
    let beside: Vec<_> = beside.into_iter().filter(|file| from.join(file).exists()).collect();
    if files.iter().all(|file| !from.join(file).exists() && to.join(file).exists()) {
        return Ok(());
    }
    for file in beside.iter().chain(&files) {
        let path = from.join(file);
        fs::set_permissions(&path, Permissions::from_mode(0o444))?;
        File::open(&path)?.sync_all()?;
    }
    for file in beside.iter().chain(&files) {
        fs::rename(from.join(file), to.join(file))?;
    }
    File::open(to)?.sync_all()
}
