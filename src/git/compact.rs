//! Many packs become one, and what nothing leads to goes.
//!
//! A compaction is a clone of oneself: the objects' bytes are copied as they are, and the helper that checks what is pushed
//! checks and indexes the copy. What it replaces is removed when the caller has recorded that, by whoever has the repository
//! [`Alone`].

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use super::index::{IndexError, index_own};
use super::lease::Lease;
use super::quarantine::{INDEX, PackName, Quarantine};
use super::repo::Repo;
use super::upload_pack::{Chosen, Pulse};
use crate::model::CommitId;

/// Bytes of a copy on their way to the helper.
const PIPE_BYTES: usize = 1024 * 1024;

/// Why packs could not be made into one. They are as they were.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    #[error("the packs can't be copied")]
    Store(#[from] io::Error),
    #[error("the copy was not taken")]
    Index(#[from] IndexError),
}

/// A checked pack that is to take the place of others.
#[derive(Debug)]
pub struct Compacted {
    /// `None`: there was nothing to keep.
    pub quarantine: Option<Quarantine>,
    pub replaces: Vec<PackName>,
}

/// What of a repository can be reached.
#[derive(Debug)]
pub struct Reached {
    chosen: Arc<Chosen>,
    /// Of all packs.
    pub bytes: u64,
    /// Of those objects alone that can be reached.
    pub reachable_bytes: u64,
}

impl Reached {
    /// Whether nothing would be left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.chosen.is_everything()
    }
}

/// The right to take packs away, as long as it lives.
#[derive(Debug)]
pub struct Alone {
    repo: Repo,
    _lease: Lease,
}

impl Repo {
    /// Lists the packs with their sizes in bytes.
    pub fn packs(&self) -> io::Result<Vec<(PackName, u64)>> {
        let mut packs = Vec::new();
        for entry in fs::read_dir(self.pack_dir())? {
            let path = entry?.path();
            let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            if path.extension().is_none_or(|extension| extension != INDEX) {
                continue;
            }
            match fs::metadata(path.with_extension("pack")) {
                Ok(pack) => packs.push((PackName::new(name.to_owned()), pack.len())),
                // It has just been taken away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        packs.sort();
        Ok(packs)
    }

    /// Makes one pack of several, with all that is in them.
    pub async fn fold(&self, packs: Vec<PackName>) -> Result<Compacted, CompactError> {
        self.copy(Arc::new(Chosen::all_of(packs))).await
    }

    /// Finds out what can be reached from `roots`, which must be there.
    pub async fn reachable_from(&self, roots: Vec<CommitId>) -> io::Result<Reached> {
        let (dir, pulse) = (self.pack_dir(), Pulse::default());
        let _stop = pulse.stop_on_drop();
        let survey = spawn_blocking(move || {
            let chosen = Chosen::reachable(&dir, &roots, &pulse)?;
            let (bytes, reachable_bytes) = if chosen.is_everything() { (0, 0) } else { chosen.bytes(&dir)? };
            Ok(Reached { chosen: Arc::new(chosen), bytes, reachable_bytes })
        });
        survey.await.map_err(io::Error::other)?
    }

    /// Makes one pack of what can be reached.
    pub async fn keep_reachable(&self, reached: &Reached) -> Result<Compacted, CompactError> {
        self.copy(Arc::clone(&reached.chosen)).await
    }

    async fn copy(&self, chosen: Arc<Chosen>) -> Result<Compacted, CompactError> {
        let (reader, writer) = tokio::io::duplex(PIPE_BYTES);
        let (copied, dir) = (Arc::clone(&chosen), self.pack_dir());
        let write = spawn_blocking(move || {
            let mut out = SyncIoBridge::new(writer);
            copied.write(&dir, &mut out)?;
            out.shutdown()
        });
        let mut reader = BufReader::with_capacity(PIPE_BYTES, reader);
        let indexed = index_own(&mut reader, self).await;
        // Without a reader the thread finds its pipe broken.
        drop(reader);
        match write.await.map_err(io::Error::other)? {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            written => {
                let quarantine = indexed?;
                written?;
                self.check_copy(&chosen, quarantine.as_ref()).await?;
                Ok(Compacted { quarantine, replaces: chosen.packs().to_vec() })
            }
        }
    }

    /// The helper finds out what an object is called. One that was damaged on this disk has another name than before.
    async fn check_copy(&self, chosen: &Arc<Chosen>, quarantine: Option<&Quarantine>) -> io::Result<()> {
        let Some(quarantine) = quarantine else { return Ok(()) };
        quarantine.sync().await?;
        let (chosen, dir, copy) = (Arc::clone(chosen), self.pack_dir(), quarantine.pack_dir());
        spawn_blocking(move || chosen.check_copy(&dir, &copy)).await.map_err(io::Error::other)?
    }

    /// Waits until nobody relies on what there is; `None` when somebody did all the time.
    pub async fn alone(&self, patience: Duration) -> io::Result<Option<Alone>> {
        let lease = Lease::take(&self.objects_dir(), patience).await?;
        Ok(lease.map(|lease| Alone { repo: self.clone(), _lease: lease }))
    }
}

impl Alone {
    /// The names of the packs that there are.
    pub fn packs(&self) -> io::Result<Vec<PackName>> {
        Ok(self.repo.packs()?.into_iter().map(|(name, _)| name).collect())
    }

    /// Removes packs, as far as they are there.
    pub async fn remove(&self, packs: Vec<PackName>) -> io::Result<()> {
        let dir: PathBuf = self.repo.pack_dir();
        let remove = move || {
            packs.iter().try_for_each(|pack| pack.remove(&dir))?;
            fs::File::open(&dir)?.sync_all()
        };
        spawn_blocking(remove).await.map_err(io::Error::other)?
    }
}
