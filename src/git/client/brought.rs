//! What a tree only refers to, and is there all the same: for the export.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;

use gix_hash::ObjectId;

use super::pointer::{MAX_POINTER, parse_pointer};
use crate::model::LfsObject;

/// Commits of submodules, and files of Git LFS.
#[derive(Debug, Default)]
pub(in crate::git) struct Brought {
    submodules: HashSet<ObjectId>,
    /// Where each is.
    lfs: HashMap<LfsObject, PathBuf>,
}

impl Brought {
    pub(super) fn new(submodules: HashSet<ObjectId>, lfs: HashMap<LfsObject, PathBuf>) -> Self {
        Self { submodules, lfs }
    }

    /// With more files of Git LFS. Given is where each is.
    pub(in crate::git) fn with_lfs(mut self, lfs: HashMap<LfsObject, PathBuf>) -> Self {
        self.lfs.extend(lfs);
        self
    }

    pub(in crate::git) fn has_commit(&self, id: &ObjectId) -> bool {
        self.submodules.contains(id)
    }

    /// A file's size and content: the blob's, or what the blob is a pointer to.
    pub(in crate::git) fn content<B: Read>(&self, size: u64, mut blob: B) -> io::Result<(u64, Content<B>)> {
        if self.lfs.is_empty() || size >= MAX_POINTER {
            return Ok((size, Content::Blob(blob)));
        }
        let mut bytes = Vec::new();
        blob.read_to_end(&mut bytes)?;
        match parse_pointer(&bytes).and_then(|object| self.lfs.get_key_value(&object)) {
            Some((object, path)) => Ok((object.size_bytes, Content::Lfs(File::open(path)?.take(object.size_bytes)))),
            None => Ok((size, Content::Small(Cursor::new(bytes)))),
        }
    }
}

/// A file's content.
pub(in crate::git) enum Content<B> {
    Blob(B),
    /// Of a blob that was read because it might have been a pointer.
    Small(Cursor<Vec<u8>>),
    Lfs(io::Take<File>),
}

impl<B: Read> Read for Content<B> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Blob(blob) => blob.read(out),
            Self::Small(bytes) => bytes.read(out),
            Self::Lfs(file) => file.read(out),
        }
    }
}
