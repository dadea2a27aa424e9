//! A buildpack that is another server's repository.

use tokio::net::unix::pipe::Receiver;

use super::super::source::{LeaveOut, Means};
use super::{BuildError, RemoteError, export_fetched, tree, way};
use crate::git::{ClientError, Fetched, FoundRevision, Repo, Want, find_revision};
use crate::model::{CommitId, Credentials, Digest, RemoteCommit, RemoteUrl, Revision, Writer};

/// A buildpack's repository.
#[derive(Debug, Clone, Copy)]
pub struct PackRepository<'a> {
    /// Beside whose packs it is while it is fetched.
    pub repo: &'a Repo,
    pub url: &'a RemoteUrl,
    /// Its default branch, if nothing is said.
    pub at: Option<&'a Revision>,
}

/// Asks the server which commit it is. How long that may take is for the caller to say, as in [`keep_pack`].
pub async fn find_pack(pack: PackRepository<'_>, means: &Means<'_>) -> Result<FoundRevision, RemoteError> {
    let remote = means.submodules.remote(pack.url)?;
    way::converse(&remote, &means.bounds, async |connection| find_revision(connection, pack.at).await).await
}

/// Fetches that commit with its submodules and keeps its files as a tar; returns the commit and the tar's digest.
pub async fn keep_pack(
    pack: PackRepository<'_>,
    found: &FoundRevision,
    means: &Means<'_>,
) -> Result<(CommitId, Digest), BuildError> {
    let (fetched, commit) = fetch(pack, found, means).await?;
    let mut digest = None;
    let unkept = |source| BuildError::Io { what: "the buildpack can't be kept", source };
    let keep = async |tar: Receiver| {
        digest = Some(means.store.put(tar).await.map_err(unkept)?.0);
        Ok(())
    };
    export_fetched(&fetched, &commit, means, LeaveOut::Nothing, keep).await?;
    let digest = digest.ok_or_else(|| unkept(std::io::ErrorKind::UnexpectedEof.into()))?;
    Ok((commit, digest))
}

async fn fetch(pack: PackRepository<'_>, found: &FoundRevision, means: &Means<'_>) -> Result<(Fetched, CommitId), RemoteError> {
    let remote = means.submodules.remote(pack.url)?;
    let mut fetched = Fetched::create(pack.repo)?;
    let id = match (found, pack.at) {
        (FoundRevision::Commit(commit), _) => commit.clone(),
        (FoundRevision::Behind { head, digits }, at) => {
            let want = Want::History(head);
            way::converse(&remote, &means.bounds, async |connection| fetched.fetch(connection, &want).await).await?;
            let missing = || at.map_or(ClientError::NoDefaultBranch, |at| ClientError::NoRevision(at.clone()));
            fetched.find_abbreviated(digits).await?.ok_or_else(|| RemoteError::Git(missing()))?
        }
    };
    // What everybody may read is a stranger's: what that names is fetched without the app's credentials.
    let writer = if matches!(remote.credentials, Credentials::None) { Writer::Stranger } else { Writer::Member };
    let commit = RemoteCommit { remote, id: id.clone(), on: None, writer };
    let means = tree::Means { bounds: &means.bounds, access: &means.submodules, tell: &|_| () };
    Ok((tree::complete(fetched, &commit, &means).await?, id))
}
