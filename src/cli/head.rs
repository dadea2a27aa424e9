//! Where the user's git repository stands: its branch and commit. Read without git.

use std::io::Read as _;
use std::path::Path;

use flate2::read::ZlibDecoder;
use gix_hash::{Kind as Hash, ObjectId};
use gix_object::CommitRefIter;
use gix_ref::Target;
use gix_ref::file::Store;

use super::checkout::GitDirs;
use super::error::CliError;

/// A commit of which more would be read than this has no title to show.
const MOST_COMMIT: u64 = 1024 * 1024;

/// What `HEAD` names.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) branch: String,
    pub(super) commit: String,
    /// The first line of the commit's message; empty if the commit is in a pack, where it is not looked for.
    pub(super) title: String,
}

impl Head {
    /// Of the repository of the current folder.
    pub(super) fn here() -> Result<Self, CliError> {
        let outside = || CliError::User("You can't run this outside of your app's git repository.".into());
        let GitDirs { git_dir, common_dir } = GitDirs::here()?.ok_or_else(outside)?;
        let objects = common_dir.as_ref().unwrap_or(&git_dir).join("objects");
        let store = match common_dir {
            Some(common_dir) => Store::for_linked_worktree(git_dir, common_dir, Hash::Sha1),
            None => Store::at(git_dir, Hash::Sha1),
        };
        let head = find(&store, "HEAD")?;
        let Target::Symbolic(branch) = head else {
            return Err(CliError::User("HEAD is on no branch. Check one out with git switch BRANCH, and run this again.".into()));
        };
        let Target::Object(commit) = find(&store, &branch.to_string())? else {
            return Err(CliError::User(format!("{branch} names no commit")));
        };
        let branch = branch.shorten().to_string();
        Ok(Self { branch, commit: commit.to_string(), title: title(&objects, &commit).unwrap_or_default() })
    }
}

fn find(store: &Store, name: &str) -> Result<Target, CliError> {
    let found = store.find(name).map_err(|error| CliError::User(format!("git's {name} can't be read: {error}")))?;
    Ok(found.target)
}

/// The title of a commit that is an object of its own.
fn title(objects: &Path, commit: &ObjectId) -> Option<String> {
    let hex = commit.to_string();
    let file = std::fs::File::open(objects.join(&hex[..2]).join(&hex[2..])).ok()?;
    let mut object = Vec::new();
    ZlibDecoder::new(file).take(MOST_COMMIT).read_to_end(&mut object).ok()?;
    let header = object.iter().position(|byte| *byte == 0)?;
    let message = CommitRefIter::from_bytes(&object[header + 1..], Hash::Sha1).message().ok()?;
    Some(message.to_string().lines().next().unwrap_or_default().to_owned())
}
