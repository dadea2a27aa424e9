//! What a commit's tree only refers to: submodules, and files that Git LFS keeps.

use std::collections::BTreeSet;
use std::io::Read as _;

use gix_hash::ObjectId;
use gix_object::tree::EntryKind;

use super::gitmodules::{self, parse_gitmodules};
use super::lfsconfig::parse_lfsconfig;
use super::pointer::{LfsObject, MAX_POINTER, parse_pointer};
use crate::git::export::{Entry, read_file, read_tree, tree_of};
use crate::git::objects::{Objects, ReadError};
use crate::model::{CommitId, RefName};

/// A `.gitmodules` of thousands of submodules.
pub const MAX_GITMODULES: u64 = 1024 * 1024;
/// A `.gitattributes` as git reads it is at most 100 MB; those of people are small.
const MAX_GITATTRIBUTES: u64 = 1024 * 1024;
/// A `.lfsconfig` of some lines.
const MAX_LFSCONFIG: u64 = 64 * 1024;

/// What else is to be brought for a commit.
#[derive(Debug, Default)]
pub struct Survey {
    /// In the order of their paths.
    pub submodules: Vec<Submodule>,
    /// Each once.
    pub lfs: BTreeSet<LfsObject>,
    /// Where `.lfsconfig` says that they are; `None` when it does not say.
    pub lfs_url: Option<String>,
}

/// A commit of another repository that has a place in this one's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submodule {
    pub path: String,
    pub commit: CommitId,
    /// What `.gitmodules` calls it; empty when it does not say.
    pub name: String,
    /// As `.gitmodules` has it; `None` when it does not say.
    pub url: Option<String>,
    /// The branch that `.gitmodules` names.
    pub branch: Option<RefName>,
    /// Whether its folder is to stay empty, as `.gitmodules` says.
    pub is_skipped: bool,
}

/// Walks a commit's tree of at most `max_files` files and folders.
pub(in crate::git) fn survey(objects: &mut Objects, commit: &CommitId, max_files: u64) -> Result<Survey, ReadError> {
    let root = tree_of(objects, commit)?;
    let mut walk = Walk { objects, left_files: max_files, max_files, submodules: Vec::new(), blobs: Vec::new(), uses_lfs: false };
    walk.all(root)?;
    let Walk { submodules, blobs, uses_lfs, .. } = walk;
    let lfs = if uses_lfs { pointers(objects, &blobs)? } else { BTreeSet::new() };
    let lfsconfig = if lfs.is_empty() { None } else { read_file(objects, commit, ".lfsconfig", MAX_LFSCONFIG)? };
    let lfs_url = lfsconfig.as_deref().and_then(parse_lfsconfig);
    let gitmodules = if submodules.is_empty() { None } else { read_file(objects, commit, ".gitmodules", MAX_GITMODULES)? };
    let mut said = gitmodules.as_deref().map(parse_gitmodules).unwrap_or_default();
    let submodules = submodules.into_iter().map(|(path, id)| {
        let gitmodules::Entry { name, url, branch, is_skipped } = said.remove(&path).unwrap_or_default();
        Submodule { path, commit: id.to_string().parse().expect("an object id in hex"), name, url, branch, is_skipped }
    });
    let mut submodules: Vec<_> = submodules.collect();
    submodules.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Survey { submodules, lfs, lfs_url })
}

struct Walk<'a> {
    objects: &'a mut Objects,
    left_files: u64,
    max_files: u64,
    submodules: Vec<(String, ObjectId)>,
    blobs: Vec<ObjectId>,
    uses_lfs: bool,
}

impl Walk<'_> {
    fn all(&mut self, root: ObjectId) -> Result<(), ReadError> {
        let mut open = vec![(String::new(), root)];
        while let Some((folder, tree)) = open.pop() {
            for entry in read_tree(self.objects, tree)? {
                self.left_files = self.left_files.checked_sub(1).ok_or(ReadError::TooManyFiles { limit: self.max_files })?;
                let path = || format!("{folder}{}", String::from_utf8_lossy(&entry.name));
                match entry.kind {
                    EntryKind::Tree => open.push((path() + "/", entry.id)),
                    EntryKind::Commit => self.submodules.push((path(), entry.id)),
                    EntryKind::Link => {}
                    EntryKind::Blob | EntryKind::BlobExecutable => self.file(&entry)?,
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: &Entry) -> Result<(), ReadError> {
        self.blobs.push(entry.id);
        if entry.name == b".gitattributes" && !self.uses_lfs {
            let attributes = read_small(self.objects, &entry.id, MAX_GITATTRIBUTES)?;
            self.uses_lfs = attributes.is_some_and(|text| text.windows(10).any(|part| part == b"filter=lfs"));
        }
        Ok(())
    }
}

/// The files that pointers stand for, wherever one is: `git lfs checkout`, too, asks no further which attributes a path has.
fn pointers(objects: &mut Objects, blobs: &[ObjectId]) -> Result<BTreeSet<LfsObject>, ReadError> {
    let mut found = BTreeSet::new();
    for id in blobs {
        if let Some(bytes) = read_small(objects, id, MAX_POINTER)? {
            found.extend(parse_pointer(&bytes));
        }
    }
    Ok(found)
}

/// A blob's bytes, if there are fewer than `max`.
fn read_small(objects: &mut Objects, id: &ObjectId, max: u64) -> Result<Option<Vec<u8>>, ReadError> {
    if objects.header(id)?.is_none_or(|(_, size)| size >= max) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    if let Some((_, mut blob)) = objects.blob(id)? {
        blob.read_to_end(&mut bytes)?;
    }
    Ok(Some(bytes))
}
