//! Brings a commit, and everything that its tree refers to.

use super::submodule::{Above, MAX_DEPTH, MAX_SUBMODULES, SubmoduleAccess, locate};
use super::way::converse;
use super::{RemoteError, Tell, lfs};
use crate::fetch;
use crate::git::{ClientError, Fetched, Repo, Submodule, Want};
use crate::model::RemoteCommit;

/// How everything is fetched, and who hears of it.
pub(super) struct Means<'a> {
    pub bounds: &'a fetch::Bounds,
    pub access: &'a SubmoduleAccess,
    /// The lines are those of `git submodule update --init --recursive`.
    pub tell: &'a Tell<'a>,
}

/// Fetches a commit with its submodules and files of Git LFS.
pub(super) async fn fetch(repo: &Repo, commit: &RemoteCommit, means: &Means<'_>) -> Result<Fetched, RemoteError> {
    complete(Fetched::create(repo)?, commit, means).await
}

/// Adds a commit, unless it is there, with its submodules and files of Git LFS.
pub(super) async fn complete(mut fetched: Fetched, commit: &RemoteCommit, means: &Means<'_>) -> Result<Fetched, RemoteError> {
    let submodules = fetch_part(&mut fetched, commit, means).await?;
    let mut round = Round { fetched, means, parts: Vec::new(), count: 0 };
    round.add(&Place { above: Above::fetched(commit), path: "", depth: 0 }, &submodules)?;
    round.fetch_all().await
}

/// Fetches the submodules of a commit that has been pushed to `repo`.
pub(super) async fn fetch_submodules(repo: &Repo, submodules: &[Submodule], means: &Means<'_>) -> Result<Fetched, RemoteError> {
    let mut round = Round { fetched: Fetched::create(repo)?, means, parts: Vec::new(), count: 0 };
    round.add(&Place { above: Above::pushed(means.access), path: "", depth: 0 }, submodules)?;
    round.fetch_all().await
}

/// A submodule that has a place in the tree.
struct Part {
    commit: RemoteCommit,
    path: String,
    depth: usize,
}

/// Whose submodules these are: the whole's, which has no path, or another one's.
struct Place<'a> {
    above: Above,
    path: &'a str,
    depth: usize,
}

/// What there is, and what is still to come.
struct Round<'a> {
    fetched: Fetched,
    means: &'a Means<'a>,
    /// The next one last.
    parts: Vec<Part>,
    /// Of all submodules so far.
    count: usize,
}

impl Round<'_> {
    /// Finds out where submodules are.
    fn add(&mut self, place: &Place<'_>, submodules: &[Submodule]) -> Result<(), RemoteError> {
        self.count += submodules.len();
        if self.count > MAX_SUBMODULES || (place.depth == MAX_DEPTH && !submodules.is_empty()) {
            return Err(RemoteError::TooManySubmodules);
        }
        let mut parts = Vec::new();
        for submodule in submodules {
            // Fit for a log: git takes almost any name.
            let name = submodule.path.escape_debug();
            let path = if place.path.is_empty() { name.to_string() } else { format!("{}/{name}", place.path) };
            if submodule.is_skipped {
                (self.means.tell)(&format!("Skipping submodule '{path}'"));
                continue;
            }
            let commit = locate(&place.above, submodule, self.means.access).map_err(|error| error.at(&path, None))?;
            let (name, url) = (submodule.name.escape_debug(), &commit.remote.url);
            (self.means.tell)(&format!("Submodule '{name}' ({url}) registered for path '{path}'"));
            parts.push(Part { commit, path, depth: place.depth + 1 });
        }
        self.parts.extend(parts.into_iter().rev());
        Ok(())
    }

    async fn fetch_all(mut self) -> Result<Fetched, RemoteError> {
        while let Some(Part { commit, path, depth }) = self.parts.pop() {
            let submodules = if self.fetched.has(&commit.id) {
                Vec::new()
            } else {
                let fetching = fetch_part(&mut self.fetched, &commit, self.means).await;
                fetching.map_err(|error| error.at(&path, Some(&commit.remote.url)))?
            };
            (self.means.tell)(&format!("Submodule path '{path}': checked out '{}'", commit.id));
            self.add(&Place { above: Above::fetched(&commit), path: &path, depth }, &submodules)?;
        }
        Ok(self.fetched)
    }
}

/// Fetches one repository's commit; returns the submodules in it.
async fn fetch_part(fetched: &mut Fetched, commit: &RemoteCommit, means: &Means<'_>) -> Result<Vec<Submodule>, RemoteError> {
    if !fetched.has(&commit.id) {
        fetch_commit(fetched, commit, means.bounds).await?;
    }
    let survey = fetched.survey(&commit.id).await?;
    let lfs = lfs::Wanted { objects: survey.lfs.into_keys().collect(), url: survey.lfs_url };
    lfs::fetch(fetched, commit, lfs, means.bounds, means.tell).await?;
    Ok(survey.submodules)
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
