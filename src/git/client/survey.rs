//! What a commit's tree only refers to: submodules, and files that Git LFS keeps.

use std::collections::BTreeMap;
use std::io::Read as _;

use gix_hash::ObjectId;
use gix_object::Kind;
use gix_object::tree::EntryKind;

use super::gitmodules::{self, parse_gitmodules};
use super::lfsconfig::parse_lfsconfig;
use super::pointer::{MAX_POINTER, parse_pointer};
use crate::git::export::{Entry, read_file, read_tree, tree_of};
use crate::git::objects::{Objects, ReadError};
use crate::model::{CommitId, LfsObject, RefName};

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
    /// Each once, with one of the paths at which its pointer is.
    pub lfs: BTreeMap<LfsObject, String>,
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
    let (mut submodules, mut uses_lfs) = (Vec::new(), false);
    walk(objects, root, max_files, |objects, path, entry| {
        match entry.kind {
            EntryKind::Commit => submodules.push((path(), entry.id)),
            kind if is_file(kind) && !uses_lfs => uses_lfs = says_lfs(objects, entry)?,
            _ => {}
        }
        Ok(())
    })?;
    let lfs = if uses_lfs { pointers(objects, root, max_files)? } else { BTreeMap::new() };
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

/// Has `visit` see every entry of a tree but folders, each with what tells its path.
fn walk(
    objects: &mut Objects,
    root: ObjectId,
    max_files: u64,
    mut visit: impl FnMut(&mut Objects, &dyn Fn() -> String, &Entry) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut left_files = max_files;
    let mut open = vec![(String::new(), root)];
    while let Some((folder, tree)) = open.pop() {
        for entry in read_tree(objects, tree)? {
            left_files = left_files.checked_sub(1).ok_or(ReadError::TooManyFiles { limit: max_files })?;
            let path = || format!("{folder}{}", String::from_utf8_lossy(&entry.name));
            if entry.kind == EntryKind::Tree {
                open.push((path() + "/", entry.id));
            } else {
                visit(objects, &path, &entry)?;
            }
        }
    }
    Ok(())
}

/// Whether this is a `.gitattributes` that gives files to Git LFS.
fn says_lfs(objects: &mut Objects, entry: &Entry) -> Result<bool, ReadError> {
    if entry.name != b".gitattributes" {
        return Ok(false);
    }
    let attributes = read_small(objects, &entry.id, MAX_GITATTRIBUTES)?;
    Ok(attributes.is_some_and(|text| text.windows(10).any(|part| part == b"filter=lfs")))
}

/// The files that pointers stand for, wherever one is: `git lfs checkout`, too, asks no further which attributes a path has.
fn pointers(objects: &mut Objects, root: ObjectId, max_files: u64) -> Result<BTreeMap<LfsObject, String>, ReadError> {
    let mut found = BTreeMap::new();
    walk(objects, root, max_files, |objects, path, entry| {
        if is_file(entry.kind)
            && let Some(bytes) = read_small(objects, &entry.id, MAX_POINTER)?
            && let Some(object) = parse_pointer(&bytes)
        {
            found.entry(object).or_insert_with(path);
        }
        Ok(())
    })?;
    Ok(found)
}

fn is_file(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Blob | EntryKind::BlobExecutable)
}

/// A blob's bytes, if there are fewer than `max`; `None` of anything else.
pub(in crate::git) fn read_small(objects: &mut Objects, id: &ObjectId, max: u64) -> Result<Option<Vec<u8>>, ReadError> {
    if !objects.header(id)?.is_some_and(|(kind, size)| kind == Kind::Blob && size < max) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    if let Some((_, mut blob)) = objects.blob(id)? {
        blob.read_to_end(&mut bytes)?;
    }
    Ok(Some(bytes))
}
