//! The source tree, put into the environment without what `.slugignore` names: exported from git, or unpacked.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::archive::{ArchiveSource, export_archive};
use super::remote::{RemoteSource, SubmoduleAccess, export_remote, fetch_submodules};
use super::{Build, BuildError, RemoteError};
use crate::engine::wide_pipe;
use crate::fetch;
use crate::git::{Additions, Changes, Exported, Fetched, MAX_GITMODULES, Quarantine, ReadError, Repo};
use crate::model::{CommitId, LfsObject, PushCertificate, SourceBlob, SourceRoot, SourceVersion};
use crate::store::Store;
use crate::transcript::{Transcript, size};

/// The largest `.slugignore` that is read, in bytes.
pub(super) const MAX_SLUGIGNORE: u64 = 64 * 1024;
/// How long it may take with the last of a source, once all is written.
const PUT_TIME: Duration = Duration::from_mins(2);
/// What may wait on its way from one to the other, in bytes, where that is no pipe of the kernel's.
pub(super) const PIPE_BYTES: usize = 1024 * 1024;

/// What is built.
#[derive(Debug, Clone)]
pub enum Source {
    Git(GitSource),
    Remote(RemoteSource),
    Archive(ArchiveSource),
}

/// A commit, in an app's repository or still in quarantine.
#[derive(Debug, Clone)]
pub struct GitSource {
    pub repo: Repo,
    pub quarantine: Option<Arc<Quarantine>>,
    pub commit: CommitId,
    /// The files of Git LFS that its tree needs. The app has them all.
    pub lfs: Vec<LfsObject>,
    /// What the push was signed with that brought it.
    pub certificate: Option<PushCertificate>,
    /// How long the push took to come in.
    pub received_in: Duration,
}

/// Where archives and submodules come from and what they may hold, and what of a source is the app's.
#[derive(Debug)]
pub struct Means<'a> {
    pub store: &'a Store,
    /// Of an archive that is fetched; unpacked, it may be as large as that, too.
    pub bounds: fetch::Bounds,
    pub max_files: u64,
    pub submodules: SubmoduleAccess,
    /// `None` for all of it.
    pub root: Option<SourceRoot>,
}

impl Means<'_> {
    /// The path in the source of what has this path in the app.
    pub(super) fn path(&self, path: &str) -> String {
        self.root.as_ref().map_or_else(|| path.to_owned(), |root| root.join(path))
    }
}

impl Source {
    /// The commit, if the source is one or its author says so.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        match self {
            Self::Git(git) => Some(git.commit.clone()),
            Self::Remote(remote) => Some(remote.commit.id.clone()),
            Self::Archive(archive) => archive.blob.version.as_ref()?.commit(),
        }
    }

    /// `SOURCE_VERSION` (conventions 3.5).
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Git(git) => Some(git.commit.as_str()),
            Self::Remote(remote) => Some(remote.commit.id.as_str()),
            Self::Archive(archive) => archive.blob.version.as_ref().map(SourceVersion::as_str),
        }
    }

    /// What arrived with the push and is not among the app's packs yet.
    #[must_use]
    pub fn quarantine(&self) -> Option<&Quarantine> {
        match self {
            Self::Git(git) => git.quarantine.as_deref(),
            Self::Remote(_) | Self::Archive(_) => None,
        }
    }

    /// What the push was signed with that brought it, if it was signed.
    #[must_use]
    pub fn certificate(&self) -> Option<&PushCertificate> {
        match self {
            Self::Git(git) => git.certificate.as_ref(),
            Self::Remote(_) | Self::Archive(_) => None,
        }
    }

    /// How long it took to come in, if it was pushed.
    #[must_use]
    pub fn received_in(&self) -> Option<Duration> {
        match self {
            Self::Git(git) => Some(git.received_in),
            Self::Remote(_) | Self::Archive(_) => None,
        }
    }

    /// The archive as its author describes it.
    #[must_use]
    pub fn blob(&self) -> Option<&SourceBlob> {
        match self {
            Self::Git(_) | Self::Remote(_) => None,
            Self::Archive(archive) => Some(&archive.blob),
        }
    }
}

/// Which of a source's files are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaveOut {
    /// What `.slugignore` names.
    Slugignored,
    Nothing,
}

/// Puts the source into `BUILD_DIR`, or what makes it of the one that is there. `.slugignore` applies before any pack runs
/// (conventions 3.7). Returns what is known of it.
pub async fn put_source(
    build: &Build<'_>,
    source: &Source,
    means: &Means<'_>,
    changes: Option<Changes>,
) -> Result<Exported, BuildError> {
    let put = async |tar| Ok(build.environment.put_in_piped(&build.dir, tar).await?);
    let exported = match (source, changes) {
        (Source::Git(git), Some(changes)) => {
            tell_root(means, build.transcript);
            put_changes(build, git, changes).await?
        }
        _ => export_source(source, means, build.transcript, LeaveOut::Slugignored, put).await?,
    };
    let ignored_files = exported.ignored_files;
    if ignored_files > 0 {
        build.transcript.section(&format!("Deleting {ignored_files} files matching .slugignore patterns."));
    }
    Ok(exported)
}

async fn put_changes(build: &Build<'_>, source: &GitSource, changes: Changes) -> Result<Exported, BuildError> {
    build.environment.remove_in(&build.dir, changes.removed.as_slice()).await?;
    // What is left out is no change.
    let export = async |_: &Gitignore, writer| source.repo.export_changes(source.quarantine.as_deref(), changes, writer).await;
    export_tree(None, export, async |tar| Ok(build.environment.put_in_piped(&build.dir, tar).await?)).await
}

fn tell_root(means: &Means<'_>, transcript: &Transcript) {
    if let Some(root) = &means.root {
        transcript.section(&format!("Using the folder {root} of the source"));
    }
}

/// Has `put` take the source's tree as a tar; returns what is known of it.
pub(super) async fn export_source(
    source: &Source,
    means: &Means<'_>,
    transcript: &Transcript,
    leave_out: LeaveOut,
    put: impl AsyncFnOnce(Receiver) -> Result<(), BuildError>,
) -> Result<Exported, BuildError> {
    tell_root(means, transcript);
    match source {
        Source::Git(git) => export_commit(git, means, transcript, leave_out, put).await,
        Source::Remote(remote) => export_remote(remote, means, transcript, leave_out, put).await,
        Source::Archive(archive) => {
            let ignored_files = export_archive(archive, means, transcript, leave_out, put).await?;
            Ok(Exported { ignored_files, ..Exported::default() })
        }
    }
}

async fn export_commit(
    source: &GitSource,
    means: &Means<'_>,
    transcript: &Transcript,
    leave_out: LeaveOut,
    put: impl AsyncFnOnce(Receiver) -> Result<(), BuildError>,
) -> Result<Exported, BuildError> {
    let quarantine = source.quarantine.as_deref();
    let slugignore = match leave_out {
        LeaveOut::Slugignored => slugignore_of(&source.repo, quarantine, &source.commit, means.root.as_ref()).await?,
        LeaveOut::Nothing => None,
    };
    let fetched = fetch_submodules_of(source, means, transcript).await?;
    if !source.lfs.is_empty() {
        let bytes = source.lfs.iter().map(|object| object.size_bytes).sum();
        transcript.section(&format!("Git LFS: {} files of {}", source.lfs.len(), size(bytes)));
    }
    let lfs = source.lfs.iter().map(|object| (*object, means.store.path_of(&object.digest))).collect();
    let additions = Additions { fetched: fetched.as_ref(), lfs };
    let root = means.root.as_ref();
    let export =
        async |ignore: &Gitignore, writer| source.repo.export(quarantine, &source.commit, root, additions, ignore, writer).await;
    let exported = export_tree(slugignore.as_deref(), export, put).await?;
    match exported.submodules.first().filter(|_| fetched.is_none()) {
        Some(path) => Err(BuildError::Submodules(RemoteError::NoSubmoduleUrl.at(path, None))),
        None => Ok(exported),
    }
}

/// Fetches the submodules of a pushed commit; none if it has no `.gitmodules`, which would have to say where they are.
async fn fetch_submodules_of(
    source: &GitSource,
    means: &Means<'_>,
    transcript: &Transcript,
) -> Result<Option<Fetched>, BuildError> {
    let GitSource { repo, quarantine, commit, .. } = source;
    let quarantine = quarantine.as_deref();
    if repo.read_file(quarantine, commit, ".gitmodules", MAX_GITMODULES).await?.is_none() {
        return Ok(None);
    }
    let mut submodules = repo.survey(quarantine, commit).await?.submodules;
    submodules.retain(|submodule| means.root.as_ref().is_none_or(|root| root.contains(&submodule.path)));
    if submodules.is_empty() {
        return Ok(None);
    }
    fetch_submodules(repo, &submodules, means, transcript).await.map(Some).map_err(BuildError::Submodules)
}

/// Has `put` take what `export` writes, without what is ignored. Says what that was.
pub(super) async fn export_tree(
    slugignore: Option<&[u8]>,
    export: impl AsyncFnOnce(&Gitignore, Sender) -> Result<Exported, ReadError>,
    put: impl AsyncFnOnce(Receiver) -> Result<(), BuildError>,
) -> Result<Exported, BuildError> {
    let ignore = read_slugignore(slugignore)?;
    let (writer, reader) = wide_pipe()?;
    let (exported, put) = write_and_put(export(&ignore, writer), put(reader)).await;
    match (exported, put) {
        // A reader that takes no more breaks the pipe: its own reason comes first.
        (Err(ReadError::Output(broken)), Err(reason)) if broken.kind() == io::ErrorKind::BrokenPipe => Err(reason),
        (exported, put) => {
            let exported = exported?;
            put?;
            Ok(exported)
        }
    }
}

/// Waits for both who writes a pipe and who reads it. Whoever reads it ends soon after.
pub(super) async fn write_and_put<T>(
    write: impl Future<Output = T>,
    put: impl Future<Output = Result<(), BuildError>>,
) -> (T, Result<(), BuildError>) {
    let (mut write, mut put) = (pin!(write), pin!(put));
    tokio::select! {
        written = &mut write => {
            let late = |late: Elapsed| Err(BuildError::Io { what: "the source can't be put where it is built", source: late.into() });
            (written, timeout(PUT_TIME, put).await.unwrap_or_else(late))
        }
        // Its end of the pipe is closed, so there is no one to write for.
        put = &mut put => (write.await, put),
    }
}

/// The `.slugignore` of a commit's folder, or of all of it, if there is one.
pub(super) async fn slugignore_of(
    repo: &Repo,
    quarantine: Option<&Quarantine>,
    commit: &CommitId,
    root: Option<&SourceRoot>,
) -> Result<Option<Vec<u8>>, ReadError> {
    let path = root.map_or_else(|| ".slugignore".to_owned(), |root| root.join(".slugignore"));
    repo.read_file(quarantine, commit, &path, MAX_SLUGIGNORE).await
}

/// Reads the `.slugignore` that is there, if there is one.
pub(super) fn read_slugignore(text: Option<&[u8]>) -> Result<Gitignore, BuildError> {
    text.map_or_else(|| Ok(Gitignore::empty()), parse_slugignore)
}

/// Reads `.slugignore`: gitignore's patterns, except that `!` has no meaning (conventions 3.7).
pub(super) fn parse_slugignore(text: &[u8]) -> Result<Gitignore, BuildError> {
    let text = std::str::from_utf8(text).map_err(|_| BuildError::Slugignore("it is not UTF-8 text".into()))?;
    let mut builder = GitignoreBuilder::new("");
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.starts_with('!')) {
        builder.add_line(None, line).map_err(|error| BuildError::Slugignore(format!("line {number}: {error}")))?;
    }
    builder.build().map_err(|error| BuildError::Slugignore(error.to_string()))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn who_takes_no_more_says_why_and_who_writes_no_more_as_well() {
        let full = |kind: io::ErrorKind| BuildError::Io { what: "it is full", source: kind.into() };
        let endless = async |_: &Gitignore, mut writer: Sender| loop {
            writer.write_all(&[0; 4096]).await.map_err(ReadError::Output)?;
        };
        let refuse = async |tar| {
            drop(tar);
            Err(full(io::ErrorKind::StorageFull))
        };
        let refused = export_tree(None, endless, refuse).await.unwrap_err();
        assert!(matches!(&refused, BuildError::Io { what: "it is full", .. }), "{refused:?}");

        let cut_off = async |_: &Gitignore, writer| {
            drop::<Sender>(writer);
            Err(ReadError::Output(io::ErrorKind::InvalidData.into()))
        };
        let incomplete = async |_| Err(full(io::ErrorKind::UnexpectedEof));
        let failed = export_tree(None, cut_off, incomplete).await.unwrap_err();
        assert!(matches!(&failed, BuildError::Export(ReadError::Output(_))), "{failed:?}");
    }

    #[test]
    fn slugignore_is_gitignore_without_exceptions() {
        let ignore = parse_slugignore(b"*.psd\n# note\n/test\n!keep.psd\n").unwrap();
        let ignored = |path: &str, is_dir| ignore.matched(path, is_dir).is_ignore();
        assert!(ignored("a/b.psd", false) && ignored("keep.psd", false) && ignored("test", true));
        assert!(!ignored("a/test", true) && !ignored("app.js", false));
        assert!(parse_slugignore(b"\xff").is_err());
    }
}
