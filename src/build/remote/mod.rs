//! A commit of another git server's repository as a build's source: fetched when its build's turn comes, with its
//! submodules and the files that Git LFS keeps; and the submodules of a commit that was pushed.
//!
//! `way` is how a server is reached and asked; `tree` brings a commit and everything that its tree refers to; `submodule` says
//! where submodules are and who may know what there; `lfs` brings large files. `keep` makes an archive of it, `pack` keeps a
//! buildpack. `error` is what can be wrong with all that.

mod error;
mod keep;
mod lfs;
mod pack;
mod submodule;
mod tree;
mod way;

use ignore::gitignore::Gitignore;
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

use super::BuildError;
use super::source::{LeaveOut, MAX_SLUGIGNORE, Means, export_tree};
use crate::fetch;
use crate::git::{Exported, Fetched, Repo, Submodule, find_ref};
use crate::model::{CommitId, RefName, Remote, RemoteCommit};
use crate::transcript::Transcript;
pub use error::{LfsError, RemoteError, SubmoduleError};
pub use keep::keep_remote;
pub use pack::{PackRepository, find_pack, keep_pack};
pub use submodule::SubmoduleAccess;
pub(super) use way::basic;

/// A commit to be fetched and built.
#[derive(Debug, Clone)]
pub struct RemoteSource {
    pub commit: RemoteCommit,
    /// The app's repository: what is fetched stays beside its packs until the build has ended, and never becomes part of it.
    pub repo: Repo,
}

/// Takes lines for whoever waits.
type Tell<'a> = dyn Fn(&str) + Sync + 'a;

/// Asks a git server which commit a ref leads to.
pub async fn find_remote_ref(remote: &Remote, name: &RefName, bounds: &fetch::Bounds) -> Result<CommitId, RemoteError> {
    let asking = way::converse(remote, bounds, async |connection| find_ref(connection, name).await);
    timeout(bounds.time, asking).await.unwrap_or(Err(RemoteError::TooSlow))
}

/// Has `put` take the commit's tree as a tar; returns what is known of it.
pub(super) async fn export_remote(
    source: &RemoteSource,
    means: &Means<'_>,
    transcript: &Transcript,
    leave_out: LeaveOut,
    put: impl AsyncFnOnce(Receiver) -> Result<(), BuildError>,
) -> Result<Exported, BuildError> {
    let RemoteCommit { id, remote, .. } = &source.commit;
    transcript.section(&format!("Fetching {} from {}", id.short(), remote.url));
    let fetched = fetch(source, means, &|line| transcript.detail(line)).await?;
    export_fetched(&fetched, id, means, leave_out, put).await
}

/// Fetches the commit and everything that belongs to it, and tells what in the order of its coming.
async fn fetch(source: &RemoteSource, means: &Means<'_>, tell: &Tell<'_>) -> Result<Fetched, RemoteError> {
    let means = tree::Means { bounds: &means.bounds, access: &means.submodules, tell };
    let fetching = tree::fetch(&source.repo, &source.commit, &means);
    timeout(means.bounds.time, fetching).await.unwrap_or(Err(RemoteError::TooSlow))
}

/// Fetches the submodules of a commit that was pushed to `repo`, as Heroku does (conventions 3.3).
pub(super) async fn fetch_submodules(
    repo: &Repo,
    submodules: &[Submodule],
    means: &Means<'_>,
    transcript: &Transcript,
) -> Result<Fetched, RemoteError> {
    transcript.section("Git submodules detected, installing:");
    let means = tree::Means { bounds: &means.bounds, access: &means.submodules, tell: &|line| transcript.detail(line) };
    let fetching = tree::fetch_submodules(repo, submodules, &means);
    timeout(means.bounds.time, fetching).await.unwrap_or(Err(RemoteError::TooSlow))
}

async fn export_fetched(
    fetched: &Fetched,
    id: &CommitId,
    means: &Means<'_>,
    leave_out: LeaveOut,
    put: impl AsyncFnOnce(Receiver) -> Result<(), BuildError>,
) -> Result<Exported, BuildError> {
    let slugignore = match leave_out {
        LeaveOut::Slugignored => fetched.read_file(id, &means.path(".slugignore"), MAX_SLUGIGNORE).await?,
        LeaveOut::Nothing => None,
    };
    let export = async |ignore: &Gitignore, writer| fetched.export(id, means.root.as_ref(), ignore, writer).await;
    export_tree(slugignore.as_deref(), export, put).await
}
