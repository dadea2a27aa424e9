//! What has been brought of another server's repository: a commit, its submodules, its files of Git LFS.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use gix_hash::{ObjectId, Prefix};
use ignore::gitignore::Gitignore;
use tempfile::TempDir;
use tokio::io::{AsyncWrite, BufReader};
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use super::brought::Brought;
use super::budget::Budget;
use super::connection::{self, Connection, Http};
use super::session::{self, At, Tip, Trouble};
use super::survey::survey;
use super::{ClientError, Survey};
use crate::git::export::{Bounds, Exported, read_file};
use crate::git::index::{IndexError, index_foreign};
use crate::git::objects::{Objects, ReadError};
use crate::git::quarantine::PREFIX;
use crate::git::repo::{Repo, export_objects};
use crate::model::{CommitId, LfsObject, RefName, SourceRoot};

/// Bytes of a pack on their way to the indexer.
const PIPE_BYTES: usize = 256 * 1024;

const LFS_DIR: &str = "lfs";

/// How far behind a ref's value a commit is looked for, with a server that gives out nothing but what refs lead to.
const FALLBACK_DEPTH: usize = 50;

/// How far behind a commit another one is looked for of which only the first digits are known: further than most histories go.
const HISTORY_DEPTH: usize = 10_000;

/// What is to be fetched.
#[derive(Debug, Clone)]
pub enum Want<'a> {
    /// A commit alone.
    Commit(&'a CommitId),
    /// A commit among the newest of a ref: for servers that don't give it out by its id.
    On(&'a CommitId, &'a RefName),
    /// A commit and those behind it.
    History(&'a CommitId),
}

impl Want<'_> {
    fn commit(&self) -> &CommitId {
        match self {
            Self::Commit(commit) | Self::On(commit, _) | Self::History(commit) => commit,
        }
    }
}

/// Commits of other servers' repositories, in a folder of an app's repository that is removed on drop.
///
/// They never become part of that repository: they have come without their history, and its every link must lead
/// somewhere.
#[derive(Debug)]
pub struct Fetched {
    dir: TempDir,
    /// Its limit of a pack's size is what is left of that of all packs together.
    repo: Repo,
    /// Folders of one pack each: what an attempt that failed has left is in another.
    packs: Vec<PathBuf>,
    attempts: usize,
    commits: HashSet<CommitId>,
    lfs: HashSet<LfsObject>,
}

impl Fetched {
    /// Makes an empty one. What a crash leaves of it goes with the quarantines, see [`Repo::sweep`].
    pub fn create(repo: &Repo) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(repo.dir())?;
        fs::create_dir(dir.path().join(LFS_DIR))?;
        Ok(Self { dir, repo: repo.clone(), packs: Vec::new(), attempts: 0, commits: HashSet::new(), lfs: HashSet::new() })
    }

    /// Fetches a commit and checks its pack as a push's is, save for its history, which stays away.
    ///
    /// Whoever made the connection bounds its waits. Dropping the future ends the work once the connection gives way.
    pub async fn fetch(&mut self, connection: Connection, want: &Want<'_>) -> Result<(), ClientError> {
        self.attempts += 1;
        let pack = self.dir.path().join(format!("pack-{}", self.attempts));
        fs::create_dir(&pack)?;
        let (reader, writer) = tokio::io::duplex(PIPE_BYTES);
        let asked = Asked::new(want);
        let conversation = spawn_blocking(move || asked.fetch(connection, SyncIoBridge::new(writer)));
        let mut reader = BufReader::with_capacity(PIPE_BYTES, reader);
        let indexed = index_foreign(&mut reader, &self.repo, &pack, want.commit()).await;
        // A thread that has more to say finds its pipe broken.
        drop(reader);
        let said = conversation.await.unwrap_or_else(|panic| Err(Trouble::Failed(panic.to_string())));
        match (said, indexed) {
            (Ok(()) | Err(Trouble::Unread), Ok(None)) => {
                let left = self.repo.limits().pack_bytes.saturating_sub(bytes_in(&pack)?);
                self.repo = self.repo.with_pack_limit(left);
                self.packs.push(pack);
                self.commits.insert(want.commit().clone());
                Ok(())
            }
            (Ok(()) | Err(Trouble::Unread), Ok(Some(_))) => Err(match want {
                Want::Commit(commit) | Want::History(commit) => ClientError::OtherObjects((*commit).clone()),
                Want::On(commit, _) => ClientError::Unadvertised((*commit).clone()),
            }),
            (Ok(()) | Err(Trouble::Unread), Err(IndexError::Io(error))) => Err(ClientError::Io(error)),
            (Ok(()) | Err(Trouble::Unread), Err(error)) => Err(ClientError::Pack(error)),
            (Err(trouble), _) => Err(explain(trouble, want)),
        }
    }

    /// Whether a commit has been fetched.
    #[must_use]
    pub fn has(&self, commit: &CommitId) -> bool {
        self.commits.contains(commit)
    }

    /// Finds the one commit whose id begins with these digits among all that have come, whether it was asked for or not; from then
    /// on it counts as fetched.
    pub async fn find_abbreviated(&mut self, digits: &str) -> Result<Option<CommitId>, ReadError> {
        let Ok(prefix) = Prefix::from_hex(digits) else { return Ok(None) };
        let found = self.read(move |objects| Ok(objects.commits_of(prefix)?)).await?;
        let [id] = found.as_slice() else { return Ok(None) };
        let commit: CommitId = id.to_string().parse().expect("an object id in hex");
        self.commits.insert(commit.clone());
        Ok(Some(commit))
    }

    /// What else a fetched commit needs.
    pub async fn survey(&self, commit: &CommitId) -> Result<Survey, ReadError> {
        let (commit, max_files) = (commit.clone(), self.repo.limits().source_files);
        self.read(move |objects| survey(objects, &commit, max_files)).await
    }

    /// Reads one file of a fetched commit; `None` when there is no regular file at this path.
    pub async fn read_file(&self, commit: &CommitId, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let (commit, path) = (commit.clone(), path.to_owned());
        self.read(move |objects| read_file(objects, &commit, &path, max_bytes)).await
    }

    /// A new file for the bytes of an object that Git LFS keeps. It counts once [`Self::add_lfs`] says that it is whole.
    pub fn lfs_file(&self, object: &LfsObject) -> io::Result<File> {
        File::create(self.lfs_path(object))
    }

    /// Notes that objects of Git LFS are there.
    pub fn add_lfs(&mut self, objects: &[LfsObject]) {
        self.lfs.extend(objects);
    }

    /// The size of all objects of Git LFS together.
    #[must_use]
    pub fn lfs_bytes(&self) -> u64 {
        self.lfs.iter().fold(0, |sum, object| sum.saturating_add(object.size_bytes))
    }

    /// Whether an object of Git LFS is there.
    #[must_use]
    pub fn has_lfs(&self, object: &LfsObject) -> bool {
        self.lfs.contains(object)
    }

    /// Writes a commit's tree to `out` as [`Repo::export`] does, with the trees of submodules in their folders and the files
    /// of Git LFS in the place of their pointers, as far as they have been fetched.
    pub async fn export(
        &self,
        commit: &CommitId,
        root: Option<&SourceRoot>,
        ignore: &Gitignore,
        out: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Exported, ReadError> {
        let bounds = Bounds { bytes: self.repo.limits().source_bytes, files: self.repo.limits().source_files };
        export_objects(self.objects(), self.brought(), (commit, root), ignore, bounds, out).await
    }

    /// What takes its place in a tree that refers to it.
    pub(in crate::git) fn brought(&self) -> Brought {
        let submodules = self.commits.iter().map(object_id).collect();
        let lfs = self.lfs.iter().map(|object| (*object, self.lfs_path(object))).collect();
        Brought::new(submodules, lfs)
    }

    /// The folders of what has been fetched.
    pub(in crate::git) fn packs(&self) -> &[PathBuf] {
        &self.packs
    }

    fn lfs_path(&self, object: &LfsObject) -> PathBuf {
        self.dir.path().join(LFS_DIR).join(object.digest.hex())
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Objects) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let mut objects = self.objects();
        let reading = spawn_blocking(move || read(&mut objects));
        reading.await.map_err(|panic| ReadError::Store(io::Error::other(panic)))?
    }

    fn objects(&self) -> Objects {
        Objects::in_dirs(self.packs.clone())
    }
}

fn bytes_in(dir: &Path) -> io::Result<u64> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

fn object_id(commit: &CommitId) -> ObjectId {
    ObjectId::from_hex(commit.as_str().as_bytes()).expect("a CommitId is an object id")
}

/// What a thread is to ask for.
struct Asked {
    id: ObjectId,
    on: Option<RefName>,
    depth: usize,
}

impl Asked {
    fn new(want: &Want<'_>) -> Self {
        let (on, depth) = match want {
            Want::Commit(_) => (None, 1),
            Want::On(_, name) => (Some((*name).clone()), FALLBACK_DEPTH),
            Want::History(_) => (None, HISTORY_DEPTH),
        };
        Self { id: object_id(want.commit()), on, depth }
    }

    fn fetch(&self, connection: Connection, mut out: impl io::Write) -> Result<(), Trouble> {
        let tip = Tip { at: self.on.as_ref().map_or(At::Commit(&self.id), At::Ref), depth: self.depth };
        let budget = Budget::new();
        match connection {
            Connection::Http(carrier) => session::fetch_pack(Http::new(carrier, budget.clone()), tip, &budget, &mut out),
            Connection::Stream { input, output } => {
                session::fetch_pack(connection::stream(input, output, &budget), tip, &budget, &mut out)
            }
        }
    }
}

fn explain(trouble: Trouble, want: &Want<'_>) -> ClientError {
    match (trouble, want) {
        (Trouble::NoRef, Want::On(_, name)) => ClientError::NoRef((*name).clone()),
        (Trouble::Unadvertised | Trouble::NoRef | Trouble::Unread, want) => ClientError::Unadvertised(want.commit().clone()),
        (Trouble::ObjectFormat(format), _) => ClientError::ObjectFormat(format),
        (Trouble::Refused(words), _) => ClientError::Refused(words),
        (Trouble::Failed(why), _) => ClientError::Protocol(why),
    }
}
