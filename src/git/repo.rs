//! An app's packs.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::Gitignore;
use tokio::io::AsyncWrite;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use super::client::{Brought, Fetched, Survey, survey};
use super::export::{self, Base, Bounds, Changes, Exported};
use super::lease::Lease;
use super::objects::{Objects, ReadError};
use super::pointers::pointers_in;
use super::quarantine::{PREFIX, Quarantine};
use crate::model::{CommitId, LfsObject, Limits, SourceRoot};

/// Bytes of an export that are handed over at a time: each time wakes somebody.
const BUFFER_BYTES: usize = 256 * 1024;

/// The objects of one app: a folder `DIR/objects/pack` of packs, and of quarantines beside it. Cheap to clone.
///
/// Packs are opened for each operation, so that new ones are seen and merged ones let go.
#[derive(Debug, Clone)]
pub struct Repo(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    helper: PathBuf,
    limits: Limits,
    /// Keeps packs from being taken away, where it matters.
    _lease: Option<Lease>,
}

/// What is added to a commit's tree, which only refers to it.
#[derive(Debug, Default)]
pub struct Additions<'a> {
    /// Submodules that have been fetched.
    pub fetched: Option<&'a Fetched>,
    /// Where each file of Git LFS is.
    pub lfs: HashMap<LfsObject, PathBuf>,
}

impl Repo {
    /// Opens the repository in `dir`, which is made if missing. `helper` is the hoist executable, which is run as
    /// `hoist index-pack` for each pack received.
    pub fn open(dir: &Path, helper: &Path, limits: &Limits) -> io::Result<Self> {
        fs::create_dir_all(pack_dir(dir))?;
        // Helpers are started in another folder.
        let dir = dir.canonicalize()?;
        Ok(Self(Arc::new(Inner { dir, helper: helper.to_owned(), limits: limits.clone(), _lease: None })))
    }

    /// The same one, from which nothing is taken away as long as this or a clone of it lives: for what is pushed, which is
    /// checked against what there is.
    pub async fn hold(&self) -> io::Result<Self> {
        let Inner { dir, helper, limits, .. } = &*self.0;
        let lease = Lease::share(&objects_dir(dir)).await?;
        Ok(Self(Arc::new(Inner { dir: dir.clone(), helper: helper.clone(), limits: limits.clone(), _lease: Some(lease) })))
    }

    /// The same one, from which anything may be taken away: whoever reads then finds it, or nothing.
    #[must_use]
    pub fn let_go(&self) -> Self {
        self.with_pack_limit(self.0.limits.pack_bytes)
    }

    /// The same one, taking packs of at most as many bytes.
    pub(super) fn with_pack_limit(&self, pack_bytes: u64) -> Self {
        let Inner { dir, helper, limits, .. } = &*self.0;
        let limits = Limits { pack_bytes, ..limits.clone() };
        Self(Arc::new(Inner { dir: dir.clone(), helper: helper.clone(), limits, _lease: None }))
    }

    /// Removes quarantines that a crash has left. To be called before the first push only: it cannot tell whether
    /// anybody still fills them, unless that is `hoist admin`, which holds the repository.
    pub fn sweep(&self) -> io::Result<()> {
        let Some(_alone) = Lease::try_take(&self.objects_dir())? else { return Ok(()) };
        for entry in fs::read_dir(&self.0.dir)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes a commit's tree to `out` as a tar: entries sorted, folders before what is in them, modes 644 and 755,
    /// owner 0, a fixed time, symbolic links kept. Folders of submodules are there, empty but for what is added; files of
    /// Git LFS stand in the place of their pointers if they are. What `ignore` matches is left out. Whoever gives this up
    /// drops the other end of `out`, too: that ends the work.
    pub async fn export(
        &self,
        quarantine: Option<&Quarantine>,
        commit: &CommitId,
        root: Option<&SourceRoot>,
        additions: Additions<'_>,
        ignore: &Gitignore,
        out: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Exported, ReadError> {
        let bounds = self.bounds();
        let fetched_dirs = additions.fetched.map(Fetched::packs).unwrap_or_default().iter().cloned();
        let objects = Objects::in_dirs(self.pack_dirs(quarantine).chain(fetched_dirs).collect());
        let brought = additions.fetched.map_or_else(Brought::default, Fetched::brought).with_lfs(additions.lfs);
        export_objects(objects, brought, (commit, root), ignore, bounds, out).await
    }

    /// What makes of a tree that was exported without the same files the tree of a commit; `None` if a new export is as good, or
    /// has more to it than the files of a tree.
    pub async fn changes(
        &self,
        quarantine: Option<&Quarantine>,
        base: &Base,
        commit: &CommitId,
        root: Option<&SourceRoot>,
        ignore: &Gitignore,
    ) -> Result<Option<Changes>, ReadError> {
        let (mut objects, bounds) = (self.objects(quarantine), self.bounds());
        let (base, commit, root, ignore) = (base.clone(), commit.clone(), root.cloned(), ignore.clone());
        let read = spawn_blocking(move || export::changes(&mut objects, &base, (&commit, root.as_ref()), &ignore, &bounds));
        read.await.map_err(|panic| ReadError::Store(io::Error::other(panic)))?
    }

    /// Writes to `out` what is new after all that has been removed, as [`export`](Self::export) writes all.
    pub async fn export_changes(
        &self,
        quarantine: Option<&Quarantine>,
        changes: Changes,
        out: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Exported, ReadError> {
        let (mut objects, bounds) = (self.objects(quarantine), self.bounds());
        write_blocking(out, move |out| {
            export::export_changes(&mut objects, &changes, &bounds, out)?;
            Ok(changes.exported)
        })
        .await
    }

    /// The object id of a commit's folder, or of all its tree. Fails with [`ReadError::NoFolder`] if it has none.
    pub async fn folder_id(
        &self,
        quarantine: Option<&Quarantine>,
        commit: &CommitId,
        root: Option<&SourceRoot>,
    ) -> Result<String, ReadError> {
        let (mut objects, commit, root) = (self.objects(quarantine), commit.clone(), root.cloned());
        let read = spawn_blocking(move || export::folder(&mut objects, &commit, root.as_ref()));
        Ok(read.await.map_err(|panic| ReadError::Store(io::Error::other(panic)))??.to_string())
    }

    /// What a commit's tree only refers to: submodules, and files of Git LFS.
    pub async fn survey(&self, quarantine: Option<&Quarantine>, commit: &CommitId) -> Result<Survey, ReadError> {
        let (mut objects, commit, max_files) = (self.objects(quarantine), commit.clone(), self.0.limits.source_files);
        let read = spawn_blocking(move || survey(&mut objects, &commit, max_files));
        read.await.map_err(|panic| ReadError::Store(io::Error::other(panic)))?
    }

    /// Reads one file of a commit, such as the `Procfile`; `None` when there is no regular file at this path.
    pub async fn read_file(
        &self,
        quarantine: Option<&Quarantine>,
        commit: &CommitId,
        path: &str,
        max_bytes: u64,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let (mut objects, commit, path) = (self.objects(quarantine), commit.clone(), path.to_owned());
        let read = spawn_blocking(move || export::read_file(&mut objects, &commit, &path, max_bytes));
        read.await.map_err(|panic| ReadError::Store(io::Error::other(panic)))?
    }

    /// Every file of Git LFS to which anything in the app's packs is a pointer, of whichever commit.
    pub async fn lfs_objects(&self) -> Result<HashSet<LfsObject>, ReadError> {
        let dir = self.pack_dir();
        let read = spawn_blocking(move || pointers_in(&dir));
        read.await.map_err(|panic| ReadError::Store(io::Error::other(panic)))?
    }

    /// Reads the first line of a commit's message, at most 200 characters of it.
    pub async fn commit_subject(&self, quarantine: Option<&Quarantine>, commit: &CommitId) -> Result<String, ReadError> {
        let (mut objects, commit) = (self.objects(quarantine), commit.clone());
        let read = spawn_blocking(move || export::commit_subject(&mut objects, &commit));
        read.await.map_err(|panic| ReadError::Store(io::Error::other(panic)))?
    }

    fn bounds(&self) -> Bounds {
        Bounds { bytes: self.0.limits.source_bytes, files: self.0.limits.source_files }
    }

    pub(super) fn objects(&self, quarantine: Option<&Quarantine>) -> Objects {
        Objects::in_dirs(self.pack_dirs(quarantine).collect())
    }

    fn pack_dirs(&self, quarantine: Option<&Quarantine>) -> impl Iterator<Item = PathBuf> + use<> {
        quarantine.map(Quarantine::pack_dir).into_iter().chain([self.pack_dir()])
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0.dir
    }

    pub(super) fn objects_dir(&self) -> PathBuf {
        objects_dir(&self.0.dir)
    }

    pub(super) fn pack_dir(&self) -> PathBuf {
        pack_dir(&self.0.dir)
    }

    pub(super) fn helper(&self) -> &Path {
        &self.0.helper
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

fn objects_dir(repo: &Path) -> PathBuf {
    repo.join("objects")
}

/// Where a repository's packs are.
pub(super) fn pack_dir(repo: &Path) -> PathBuf {
    objects_dir(repo).join("pack")
}

/// Has a thread export a commit, and copies what it gives to `out`.
pub(super) async fn export_objects(
    mut objects: Objects,
    brought: Brought,
    (commit, root): (&CommitId, Option<&SourceRoot>),
    ignore: &Gitignore,
    bounds: Bounds,
    out: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<Exported, ReadError> {
    let (commit, root, ignore) = (commit.clone(), root.cloned(), ignore.clone());
    write_blocking(out, move |out| export::export(&mut objects, &brought, &commit, root.as_ref(), &ignore, &bounds, out)).await
}

/// Has a thread write something to `out`, which ends with it.
async fn write_blocking<T: Send + 'static>(
    out: impl AsyncWrite + Send + Unpin + 'static,
    write: impl FnOnce(&mut dyn io::Write) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let writing = spawn_blocking(move || {
        let mut out = io::BufWriter::with_capacity(BUFFER_BYTES, SyncIoBridge::new(out));
        let written = write(&mut out)?;
        out.into_inner().map_err(|error| ReadError::Output(error.into_error()))?.shutdown().map_err(ReadError::Output)?;
        Ok(written)
    });
    writing.await.map_err(|panic| ReadError::Store(io::Error::other(panic)))?
}
