//! A commit's tree as a tar, and its single files.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gix_hash::{Kind as Hash, ObjectId};
use gix_object::tree::EntryKind;
use gix_object::{CommitRefIter, Kind, TreeRefIter};
use ignore::gitignore::Gitignore;
use serde::{Deserialize, Serialize};
use tar::{EntryType, Header};

use super::client::{Brought, Content};
use super::objects::{Objects, ReadError};
use crate::model::{CommitId, SourceRoot};

pub use changes::{Base, Changes};
pub(super) use changes::{changes, export_changes};

mod changes;

/// The time of all files: 1980-01-01T12:00Z, the first day that a zip archive can tell, whatever the time zone.
/// Builds that zip their files fail with the epoch's.
const MTIME: u64 = 315_576_000;

/// `PATH_MAX` and `NAME_MAX` of Linux.
const MAX_PATH: usize = 4095;
const MAX_NAME: usize = 255;

/// Bounds of an export.
#[derive(Debug)]
pub(super) struct Bounds {
    pub bytes: u64,
    pub files: u64,
}

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Files and symbolic links.
    pub files: u64,
    /// All files' sizes together.
    pub bytes: u64,
    /// Files that were left out because they are ignored.
    pub ignored_files: u64,
    /// Files, links and folders, those that were left out as well: a small pack can hold a tree of endless folders.
    pub entries: u64,
    /// Paths of submodules that have not been fetched, whose folders are empty.
    pub submodules: Vec<String>,
}

/// See [`super::Repo::export`].
pub(super) fn export(
    objects: &mut Objects,
    brought: &Brought,
    commit: &CommitId,
    root: Option<&SourceRoot>,
    ignore: &Gitignore,
    bounds: &Bounds,
    out: impl Write,
) -> Result<Exported, ReadError> {
    let root = folder(objects, commit, root)?;
    let root = read_tree(objects, root)?;
    let mut export = Export::new(objects, brought, bounds, out);
    // Trees may be nested deeper than a stack is long.
    let mut open = vec![Level { path_bytes: 0, ignored: false, rest: root.into_iter() }];
    let mut path = Vec::new();
    while let Some(level) = open.last_mut() {
        path.truncate(level.path_bytes);
        let Some(entry) = level.rest.next() else {
            open.pop();
            continue;
        };
        append_name(&mut path, &entry.name)?;
        let ignored = level.ignored || is_ignored(ignore, &path, entry.kind);
        if entry.kind == EntryKind::Tree {
            export.add_folder(&path, ignored)?;
            let rest = read_tree(export.objects, entry.id)?.into_iter();
            open.push(Level { path_bytes: path.len(), ignored, rest });
        } else if entry.kind == EntryKind::Commit && brought.has_commit(&entry.id) {
            export.add_folder(&path, ignored)?;
            let tree = tree_of_commit(export.objects, entry.id)?;
            let rest = read_tree(export.objects, tree)?.into_iter();
            open.push(Level { path_bytes: path.len(), ignored, rest });
        } else {
            export.add(&path, &entry, ignored)?;
        }
    }
    export.tar.finish().map_err(ReadError::Output)?;
    Ok(export.done)
}

/// The tree of a commit's folder, or of all of it.
pub(super) fn folder(objects: &mut Objects, commit: &CommitId, root: Option<&SourceRoot>) -> Result<ObjectId, ReadError> {
    let mut id = tree_of(objects, commit)?;
    let Some(root) = root else { return Ok(id) };
    for name in root.as_str().split('/') {
        let below = read_tree(objects, id)?.into_iter().find(|entry| entry.name == name.as_bytes());
        let below = below.filter(|entry| entry.kind == EntryKind::Tree);
        id = below.ok_or_else(|| ReadError::NoFolder(root.to_string()))?.id;
    }
    Ok(id)
}

/// See [`super::Repo::read_file`].
pub(super) fn read_file(
    objects: &mut Objects,
    commit: &CommitId,
    path: &str,
    max_bytes: u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut id = tree_of(objects, commit)?;
    let mut kind = EntryKind::Tree;
    for name in path.split('/') {
        if kind != EntryKind::Tree {
            return Ok(None);
        }
        let Some(entry) = read_tree(objects, id)?.into_iter().find(|entry| entry.name == name.as_bytes()) else {
            return Ok(None);
        };
        (id, kind) = (entry.id, entry.kind);
    }
    if !matches!(kind, EntryKind::Blob | EntryKind::BlobExecutable) {
        return Ok(None);
    }
    let (_, size) = objects.header(&id)?.ok_or_else(|| missing("blob", id))?;
    if size > max_bytes {
        return Err(ReadError::FileTooLarge { path: path.to_owned(), limit: max_bytes });
    }
    let (_, mut blob) = objects.blob(&id)?.ok_or_else(|| missing("blob", id))?;
    let mut bytes = Vec::new();
    blob.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// See [`super::Repo::commit_subject`].
pub(super) fn commit_subject(objects: &mut Objects, commit: &CommitId) -> Result<String, ReadError> {
    const MAX_CHARS: usize = 200;
    let bytes = read_commit(objects, object_id(commit))?;
    // The message begins after the first empty line; it may lack, and so may the line's end.
    let message = bytes.windows(2).position(|pair| pair == b"\n\n").map_or(&[][..], |end| &bytes[end + 2..]);
    let line = message.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim_end().chars().take(MAX_CHARS).collect())
}

/// A folder that is being exported.
struct Level {
    path_bytes: usize,
    ignored: bool,
    rest: std::vec::IntoIter<Entry>,
}

/// An entry of a tree.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: Vec<u8>,
    pub kind: EntryKind,
    pub id: ObjectId,
}

struct Export<'a, W: Write> {
    objects: &'a mut Objects,
    brought: &'a Brought,
    bounds: &'a Bounds,
    tar: tar::Builder<W>,
    done: Exported,
}

fn is_ignored(ignore: &Gitignore, path: &[u8], kind: EntryKind) -> bool {
    let is_folder = matches!(kind, EntryKind::Tree | EntryKind::Commit);
    ignore.matched(to_path(path), is_folder).is_ignore()
}

impl<'a, W: Write> Export<'a, W> {
    fn new(objects: &'a mut Objects, brought: &'a Brought, bounds: &'a Bounds, out: W) -> Self {
        Self { objects, brought, bounds, tar: tar::Builder::new(out), done: Exported::default() }
    }

    fn add_folder(&mut self, path: &[u8], ignored: bool) -> Result<(), ReadError> {
        self.count_entry()?;
        if ignored {
            return Ok(());
        }
        let mut header = header(EntryType::Directory, 0o755, 0);
        let name = [path, b"/"].concat();
        self.tar.append_data(&mut header, to_path(&name), io::empty()).map_err(ReadError::Output)
    }

    fn add(&mut self, path: &[u8], entry: &Entry, ignored: bool) -> Result<(), ReadError> {
        if entry.kind == EntryKind::Commit {
            self.done.submodules.push(String::from_utf8_lossy(path).into_owned());
            return self.add_folder(path, ignored);
        }
        self.count_entry()?;
        if ignored {
            self.done.ignored_files += 1;
            return Ok(());
        }
        let (size, blob) = self.objects.blob(&entry.id)?.ok_or_else(|| missing("blob", entry.id))?;
        let (size, blob) =
            if entry.kind == EntryKind::Link { (size, Content::Blob(blob)) } else { self.brought.content(size, blob)? };
        self.done.files += 1;
        self.done.bytes += size;
        if self.done.bytes > self.bounds.bytes {
            return Err(ReadError::SourceTooLarge { limit: self.bounds.bytes });
        }
        match entry.kind {
            EntryKind::Link => add_link(&mut self.tar, path, size, blob),
            kind => {
                let mode = if kind == EntryKind::BlobExecutable { 0o755 } else { 0o644 };
                let mut header = header(EntryType::Regular, mode, size);
                self.tar.append_data(&mut header, to_path(path), blob).map_err(ReadError::Output)
            }
        }
    }

    fn count_entry(&mut self) -> Result<(), ReadError> {
        self.done.entries += 1;
        if self.done.entries > self.bounds.files {
            return Err(ReadError::TooManyFiles { limit: self.bounds.files });
        }
        Ok(())
    }
}

fn add_link(tar: &mut tar::Builder<impl Write>, path: &[u8], size: u64, mut blob: impl Read) -> Result<(), ReadError> {
    let unusable = |why| Err(ReadError::Unusable { path: String::from_utf8_lossy(path).into_owned(), why });
    if size == 0 || size > MAX_PATH as u64 {
        return unusable("the symbolic link is empty or too long");
    }
    let mut target = Vec::new();
    blob.read_to_end(&mut target)?;
    if target.contains(&0) {
        return unusable("the symbolic link has a NUL in it");
    }
    let mut header = header(EntryType::Symlink, 0o777, 0);
    // A short target goes in as it is; the way for long ones tidies it up (`./a//b`).
    if header.set_link_name_literal(&target).is_ok() {
        tar.append_data(&mut header, to_path(path), io::empty()).map_err(ReadError::Output)
    } else {
        tar.append_link(&mut header, to_path(path), to_path(&target)).map_err(ReadError::Output)
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn append_name(path: &mut Vec<u8>, name: &[u8]) -> Result<(), ReadError> {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    if name.len() > MAX_NAME || path.len() > MAX_PATH {
        let path = String::from_utf8_lossy(path).chars().take(MAX_NAME).collect();
        return Err(ReadError::Unusable { path, why: "the name is too long for a file system" });
    }
    Ok(())
}

fn to_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

pub(super) fn tree_of(objects: &mut Objects, commit: &CommitId) -> Result<ObjectId, ReadError> {
    tree_of_commit(objects, object_id(commit))
}

fn tree_of_commit(objects: &mut Objects, commit: ObjectId) -> Result<ObjectId, ReadError> {
    let bytes = read_commit(objects, commit)?;
    CommitRefIter::from_bytes(&bytes, Hash::Sha1).tree_id().map_err(|error| ReadError::Store(io::Error::other(error.to_string())))
}

fn object_id(commit: &CommitId) -> ObjectId {
    ObjectId::from_hex(commit.as_str().as_bytes()).expect("a CommitId is an object id")
}

fn read_commit(objects: &mut Objects, id: ObjectId) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    match objects.find(&id, &mut bytes)? {
        Some(Kind::Commit) => Ok(bytes),
        _ => Err(missing("commit", id)),
    }
}

pub(super) fn read_tree(objects: &mut Objects, id: ObjectId) -> Result<Vec<Entry>, ReadError> {
    let mut bytes = Vec::new();
    if objects.find(&id, &mut bytes)? != Some(Kind::Tree) {
        return Err(missing("tree", id));
    }
    let entries = TreeRefIter::from_bytes(&bytes, Hash::Sha1).map(|entry| {
        let entry = entry.map_err(|error| ReadError::Store(io::Error::other(error.to_string())))?;
        Ok(Entry { name: entry.filename.to_vec(), kind: entry.mode.kind(), id: entry.oid.to_owned() })
    });
    entries.collect()
}

fn missing(kind: &'static str, id: ObjectId) -> ReadError {
    ReadError::Missing { kind, id: id.to_string() }
}
