//! Brings a commit, and everything that its tree refers to.

use super::submodule::{MAX_DEPTH, MAX_SUBMODULES, locate};
use super::way::converse;
use super::{RemoteError, Tell, lfs};
use crate::fetch;
use crate::git::{ClientError, Fetched, Repo, Want};
use crate::model::RemoteCommit;

/// A repository that has a place in the tree.
struct Part {
    commit: RemoteCommit,
    /// Empty for the tree's own.
    path: String,
    depth: usize,
}

/// Fetches a commit with its submodules and files of Git LFS.
pub(super) async fn fetch(
    repo: &Repo,
    commit: &RemoteCommit,
    bounds: &fetch::Bounds,
    tell: &Tell<'_>,
) -> Result<Fetched, RemoteError> {
    let mut fetched = Fetched::create(repo)?;
    let mut parts = vec![Part { commit: commit.clone(), path: String::new(), depth: 0 }];
    let mut count = 0;
    while let Some(part) = parts.pop() {
        if fetched.has(&part.commit.id) {
            continue;
        }
        if !part.path.is_empty() {
            tell(&format!("Submodule {}: {} from {}", part.path, part.commit.id.short(), part.commit.remote.url));
        }
        let more = fetch_part(&mut fetched, &part, bounds, tell).await.map_err(|error| error.at(&part.path))?;
        count += more.len();
        if count > MAX_SUBMODULES || (part.depth == MAX_DEPTH && !more.is_empty()) {
            return Err(RemoteError::TooManySubmodules);
        }
        parts.extend(more);
    }
    Ok(fetched)
}

/// Fetches one repository's commit; returns the submodules in it.
async fn fetch_part(
    fetched: &mut Fetched,
    part: &Part,
    bounds: &fetch::Bounds,
    tell: &Tell<'_>,
) -> Result<Vec<Part>, RemoteError> {
    fetch_commit(fetched, &part.commit, bounds).await?;
    let survey = fetched.survey(&part.commit.id).await?;
    let lfs = lfs::Wanted { objects: survey.lfs.into_keys().collect(), url: survey.lfs_url };
    lfs::fetch(fetched, &part.commit, lfs, bounds, tell).await?;
    let below = |submodule| {
        let commit = locate(&part.commit, submodule).map_err(|error| error.at(&submodule.path))?;
        let path = if part.path.is_empty() { submodule.path.clone() } else { format!("{}/{}", part.path, submodule.path) };
        Ok(Part { commit, path, depth: part.depth + 1 })
    };
    survey.submodules.iter().map(below).collect()
}

/// Asks for the commit itself and, where that is not given out, for the newest ones of the branch that has it.
async fn fetch_commit(fetched: &mut Fetched, commit: &RemoteCommit, bounds: &fetch::Bounds) -> Result<(), RemoteError> {
    let RemoteCommit { remote, id, on, .. } = commit;
    let alone = converse(remote, bounds, async |connection| fetched.fetch(connection, &Want::Commit(id)).await).await;
    match (alone, on) {
        (Err(RemoteError::Git(ClientError::Unadvertised(_))), Some(name)) => {
            converse(remote, bounds, async |connection| fetched.fetch(connection, &Want::On(id, name)).await).await
        }
        (alone, _) => alone,
    }
}
