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
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::source::{GitSource, PIPE_BYTES, Source, read_slugignore, slugignore_of};
use super::{BuildError, dir_of};
use crate::engine::{Engine, EngineError, Shelf};
use crate::git::{Additions, Base, Changes, Exported, MAX_GITMODULES, ReadError, Repo};
use crate::model::{AppId, Digest, Limits, SourceRoot};

/// What is noted beside a folder's files.
const NOTE: &str = "source.json";

/// How long exporting one may take.
const EXPORT_TIME: Duration = Duration::from_mins(15);

/// How long comparing two may take: more than a full export does, as a rule.
const COMPARE_TIME: Duration = Duration::from_secs(10);

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

/// An exported source that is a build's own. Dropped, it is removed.
#[derive(Debug)]
pub struct TakenSource {
    shelf: Shelf,
    /// There until it is let go of.
    dir: Option<PathBuf>,
    base: Base,
    changes: Option<Changes>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    base: Base,
    /// Under which start of the host it was exported: the files are not flushed to the disk, nor is what becomes of them.
    boot: String,
    /// Of the `.slugignore` that decided what was left out.
    slugignore: Option<Digest>,
}

/// What a tree takes of a disk, about.
fn bytes_of(exported: &Exported) -> u64 {
    exported.bytes.saturating_add(exported.entries.saturating_mul(ENTRY_BYTES))
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
        let changes = match tokio::time::timeout(COMPARE_TIME, changes_since(&note, git, root)).await.ok()? {
            Ok(changes) => changes?,
            Err(error) => {
                // Whoever exports all of it says what is wrong, if it is the source's fault.
                tracing::debug!(%error, app.id = %app, "the last source can't be compared with the next one");
                return None;
            }
        };
        let dir = take_down(&self.0.shelf, &name, &note).await?;
        Some(TakenSource { shelf: self.0.shelf.clone(), dir: Some(dir), base: note.base, changes: Some(changes) })
    }

    /// Exports a tree that one of an app's builds was made of, for the next one, if it is large enough for that; what stands in
    /// the way is only said. Dropped midway, this leaves what the next start sweeps.
    pub async fn prepare(&self, app: AppId, repo: &Repo, base: &Base) {
        let Shared { shelf, engine, max_bytes, turn } = &*self.0;
        let Ok(_turn) = turn.acquire().await else { return };
        self.forget(app).await;
        let is_worth_it = base.exported.entries >= MIN_ENTRIES && bytes_of(&base.exported) <= *max_bytes;
        if !is_worth_it || !engine.has_layers() || has_submodules(repo, base).await {
            return;
        }
        let export = async |incoming: &Path| self.export(app, repo, base, incoming).await;
        if let Err(error) = shelf.fill(&app.to_string(), export).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, app.id = %app, "a source can't be exported in advance");
        }
        self.tidy().await;
    }

    /// The apps of which there is something.
    pub fn apps(&self) -> io::Result<Vec<AppId>> {
        Ok(self.0.shelf.newest_first()?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Removes what there is of an app.
    pub async fn forget(&self, app: AppId) {
        self.0.shelf.drop_folder(&app.to_string()).await;
    }

    async fn export(&self, app: AppId, repo: &Repo, base: &Base, incoming: &Path) -> Result<(), ExportError> {
        let Base { commit, root, .. } = base;
        let root = root.as_ref();
        let text = slugignore_of(repo, None, commit, root).await?;
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
        let note = Note { base, boot: boot().await?, slugignore: digest_of(text.as_deref()) };
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
                    match note.and_then(|note| left_bytes.checked_sub(bytes_of(&note.base.exported))) {
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
    pub async fn release(mut self) {
        if let Some(dir) = self.dir.take() {
            self.shelf.remove(&dir).await;
        }
    }

    /// Where the files are.
    pub(super) fn path(&self) -> PathBuf {
        self.dir.as_ref().expect("taken only when this is let go of").join("files")
    }
}

impl Drop for TakenSource {
    fn drop(&mut self) {
        if let (Some(dir), Ok(runtime)) = (self.dir.take(), Handle::try_current()) {
            let shelf = self.shelf.clone();
            runtime.spawn(async move { shelf.remove(&dir).await });
        }
    }
}

/// Where it can't be told, exporting it tells what is wrong.
async fn has_submodules(repo: &Repo, base: &Base) -> bool {
    matches!(repo.read_file(None, &base.commit, ".gitmodules", MAX_GITMODULES).await, Ok(Some(_)))
}

/// Takes a folder if it is still the one that this was noted of: it may have been replaced since.
async fn take_down(shelf: &Shelf, name: &str, note: &Note) -> Option<PathBuf> {
    let dir = shelf.take_down(name)?;
    if read_note(&dir).await.as_ref() == Some(note) && boot().await.is_ok_and(|boot| boot == note.boot) {
        return Some(dir);
    }
    shelf.remove(&dir).await;
    None
}

async fn boot() -> io::Result<String> {
    tokio::fs::read_to_string("/proc/sys/kernel/random/boot_id").await
}

async fn read_note(dir: &Path) -> Option<Note> {
    serde_json::from_slice(&tokio::fs::read(dir.join(NOTE)).await.ok()?).ok()
}

/// What makes a build's source of what was noted; `None` if all of it has to be exported.
async fn changes_since(note: &Note, git: &GitSource, root: Option<&SourceRoot>) -> Result<Option<Changes>, BuildError> {
    let quarantine = git.quarantine.as_deref();
    let text = slugignore_of(&git.repo, quarantine, &git.commit, root).await?;
    if !git.lfs.is_empty() || !note.base.exported.submodules.is_empty() || digest_of(text.as_deref()) != note.slugignore {
        return Ok(None);
    }
    let ignore = read_slugignore(text.as_deref())?;
    Ok(git.repo.changes(quarantine, &note.base, &git.commit, root, &ignore).await?)
}

fn digest_of(slugignore: Option<&[u8]>) -> Option<Digest> {
    slugignore.map(|text| Digest::from_bytes(Sha256::digest(text).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::shelf_below;

    async fn note(commit: u8) -> Note {
        let commit = commit.to_string().repeat(40).parse().unwrap();
        let base = Base { commit, root: None, exported: Exported::default() };
        Note { base, boot: boot().await.unwrap(), slugignore: None }
    }

    async fn fill(shelf: &Shelf, note: &Note) {
        let made = shelf.fill("app", async |incoming: &Path| {
            std::fs::create_dir(incoming.join("files"))?;
            std::fs::write(incoming.join(NOTE), serde_json::to_vec(note)?)
        });
        made.await.unwrap();
    }

    #[tokio::test]
    async fn a_source_that_was_replaced_since_it_was_compared_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf_below(dir.path()).await;
        let (compared, newer) = (note(1).await, note(2).await);
        fill(&shelf, &newer).await;
        assert_eq!(take_down(&shelf, "app", &compared).await, None);
        assert_eq!(std::fs::read_dir(dir.path().join("shelf")).unwrap().count(), 0, "nor is it kept");
        fill(&shelf, &compared).await;
        assert!(take_down(&shelf, "app", &compared).await.unwrap().join("files").exists());
        assert_eq!(take_down(&shelf, "app", &compared).await, None, "it is one build's");
    }

    #[tokio::test]
    async fn a_source_from_before_the_host_was_started_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf_below(dir.path()).await;
        let old = Note { boot: "another".to_owned(), ..note(1).await };
        fill(&shelf, &old).await;
        assert_eq!(take_down(&shelf, "app", &old).await, None);
    }
}
