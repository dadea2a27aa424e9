//! Sources as folders, exported before they are needed: a shelf of them, by the app's id.
//!
//! An app's next build takes what was exported of its last source, and only what has changed since is written to it. It is that
//! build's own then, and another is made for the one after. Small sources are not worth it; and there is none where the engine
//! starts no environment over anything, nor of a source with submodules or files of Git LFS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::source::{GitSource, MAX_SLUGIGNORE, PIPE_BYTES, Source, read_slugignore};
use super::{BuildError, dir_of};
use crate::engine::{Engine, EngineError, Shelf};
use crate::git::{Additions, Base, Changes, ReadError, Repo};
use crate::model::{AppId, CommitId, Digest, Limits, SourceRoot};

/// What is noted beside a folder's files.
const NOTE: &str = "source.json";

/// How long exporting one may take.
const EXPORT_TIME: Duration = Duration::from_mins(15);

/// Fewer files, links and folders are exported in no time.
const MIN_ENTRIES: u64 = 1000;

/// What a file or folder takes of a disk at least, about.
const ENTRY_BYTES: u64 = 4096;

/// The exported sources of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SourceFolders(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shelf: Shelf,
    engine: Engine,
    /// All folders together.
    max_bytes: u64,
    /// One at a time is exported: builds need the disk more.
    turn: Semaphore,
}

/// An exported source that is a build's own.
#[derive(Debug)]
pub struct TakenSource {
    folders: SourceFolders,
    dir: PathBuf,
    base: Base,
    changes: Option<Changes>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    base: Base,
    /// Of the `.slugignore` that decided what was left out.
    slugignore: Option<Digest>,
}

impl Note {
    fn bytes(&self) -> u64 {
        self.base.exported.bytes + self.base.exported.entries * ENTRY_BYTES
    }
}

/// Why a source could not be exported. The next build exports all of it then.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Slugignore(BuildError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the exported sources can't be kept")]
    Io(#[from] io::Error),
    #[error("exporting it takes longer than {EXPORT_TIME:?}")]
    Late(#[from] tokio::time::error::Elapsed),
}

impl SourceFolders {
    /// Opens the folder, and removes what was being made, used or removed when an earlier daemon ended.
    pub async fn open(dir: PathBuf, engine: Engine, limits: &Limits) -> io::Result<Self> {
        let shelf = Shelf::open(dir, engine.clone()).await?;
        Ok(Self(Arc::new(Shared { shelf, engine, max_bytes: limits.unpacked_source_bytes, turn: Semaphore::new(1) })))
    }

    /// Gives what was exported of an app's last source, if little makes the next one of it.
    pub async fn take(&self, app: AppId, source: &Source, root: Option<&SourceRoot>) -> Option<TakenSource> {
        let Source::Git(git) = source else { return None };
        let name = app.to_string();
        let note = read_note(&self.0.shelf.dir_of(&name)).await?;
        let changes = match changes_since(&note, git, root).await {
            Ok(changes) => changes?,
            Err(error) => {
                // Whoever exports all of it says what is wrong, if it is the source's fault.
                tracing::debug!(%error, app.id = %app, "the last source can't be compared with the next one");
                return None;
            }
        };
        let dir = self.0.shelf.take_down(&name)?;
        Some(TakenSource { folders: self.clone(), dir, base: note.base, changes: Some(changes) })
    }

    /// Exports what an app's last build was made of, for the next one, if it has enough `entries` for that; what stands in the
    /// way is only said. Dropped midway, this leaves what the next start sweeps.
    pub async fn prepare(&self, app: AppId, repo: &Repo, commit: &CommitId, root: Option<&SourceRoot>, entries: u64) {
        let Shared { shelf, engine, max_bytes, turn } = &*self.0;
        if *max_bytes == 0 || !engine.has_layers() || entries < MIN_ENTRIES {
            return;
        }
        let Ok(_turn) = turn.acquire().await else { return };
        shelf.drop_folder(&app.to_string()).await;
        let export = async |incoming: &Path| self.export(app, repo, commit, root, incoming).await;
        if let Err(error) = shelf.fill(&app.to_string(), export).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, app.id = %app, "a source can't be exported in advance");
        }
        self.tidy().await;
    }

    /// Removes what there is of an app.
    pub async fn forget(&self, app: AppId) {
        self.0.shelf.drop_folder(&app.to_string()).await;
    }

    async fn export(
        &self,
        app: AppId,
        repo: &Repo,
        commit: &CommitId,
        root: Option<&SourceRoot>,
        incoming: &Path,
    ) -> Result<(), ExportError> {
        let path = root.map_or_else(|| ".slugignore".to_owned(), |root| root.join(".slugignore"));
        let text = repo.read_file(None, commit, &path, MAX_SLUGIGNORE).await?;
        let ignore = read_slugignore(text.as_deref()).map_err(ExportError::Slugignore)?;
        let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
        let (files, at) = (incoming.join("files"), dir_of(app));
        let work = async {
            tokio::join!(
                repo.export(None, commit, root, Additions::default(), &ignore, writer),
                self.0.engine.unpack_for_one(reader, &files, &at)
            )
        };
        let (exported, unpacked) = tokio::time::timeout(EXPORT_TIME, work).await?;
        unpacked?;
        let base = Base { commit: commit.clone(), root: root.cloned(), exported: exported? };
        let note = Note { base, slugignore: digest_of(text.as_deref()) };
        Ok(tokio::fs::write(incoming.join(NOTE), serde_json::to_vec(&note).map_err(io::Error::from)?).await?)
    }

    /// Removes those that were made the longest time ago until the others fit.
    async fn tidy(&self) {
        let Shared { shelf, max_bytes, .. } = &*self.0;
        let mut left_bytes = *max_bytes;
        match shelf.newest_first() {
            Ok(all) => {
                for name in all {
                    let note = read_note(&shelf.dir_of(&name)).await;
                    match note.and_then(|note| left_bytes.checked_sub(note.bytes())) {
                        Some(left) => left_bytes = left,
                        None => shelf.drop_folder(&name).await,
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the exported sources can't be listed"),
        }
    }
}

impl TakenSource {
    /// What makes the build's source of it: once.
    pub fn changes(&mut self) -> Option<Changes> {
        self.changes.take()
    }

    /// What it was exported of.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Removes what is left of it, once the environment that was started over it has ended.
    pub async fn release(self) {
        self.folders.0.shelf.remove(&self.dir).await;
    }

    /// Where the files are.
    pub(super) fn path(&self) -> PathBuf {
        self.dir.join("files")
    }
}

async fn read_note(dir: &Path) -> Option<Note> {
    serde_json::from_slice(&tokio::fs::read(dir.join(NOTE)).await.ok()?).ok()
}

/// What makes a build's source of what was noted; `None` if all of it has to be exported.
async fn changes_since(note: &Note, git: &GitSource, root: Option<&SourceRoot>) -> Result<Option<Changes>, BuildError> {
    let quarantine = git.quarantine.as_deref();
    let path = root.map_or_else(|| ".slugignore".to_owned(), |root| root.join(".slugignore"));
    let text = git.repo.read_file(quarantine, &git.commit, &path, MAX_SLUGIGNORE).await?;
    if !git.lfs.is_empty() || !note.base.exported.submodules.is_empty() || digest_of(text.as_deref()) != note.slugignore {
        return Ok(None);
    }
    let ignore = read_slugignore(text.as_deref())?;
    Ok(git.repo.changes(quarantine, &note.base, &git.commit, root, &ignore).await?)
}

fn digest_of(slugignore: Option<&[u8]>) -> Option<Digest> {
    slugignore.map(|text| Digest::from_bytes(Sha256::digest(text).into()))
}
