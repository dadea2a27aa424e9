//! Objects read from packs.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;
use gix_hash::{Kind as Hash, ObjectId, Prefix, oid};
use gix_object::Kind;
use gix_pack::Bundle;

pub(super) use builder::{Builder, apply, base_of, entry_at};

mod builder;
mod delta_bases;

/// Blobs from this size on are inflated piece by piece where they are no deltas.
const BIG_BLOB: u64 = 1024 * 1024;

/// Largest object that may be held in memory whole, which deltas and their bases must be. git itself makes no deltas
/// of files above this size (`core.bigFileThreshold`).
pub(super) const MAX_DELTIFIED: u64 = 512 * 1024 * 1024;

/// Bytes of instructions in one chain of deltas: many programs unfold all of them at once to build its last object.
pub(super) const MAX_INSTRUCTIONS: u64 = MAX_DELTIFIED;

/// Longest chain of deltas: git's own bound for what it writes.
pub(super) const MAX_CHAIN: usize = 4095;

/// Bytes that building one object may take: base, result and instructions.
const MAX_BUILD: u64 = 2 * MAX_DELTIFIED + MAX_INSTRUCTIONS;

/// Most annotated tags that are about one another, the last one about something else: each is read wherever a ref names the
/// first.
pub(super) const MAX_NESTED_TAGS: usize = 32;

/// How often packs are listed anew when some have come or gone meanwhile.
const ATTEMPTS: usize = 20;

/// Why something could not be read from a repository.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The pusher's fault: all files together are too large.
    #[error("the source is larger than the {limit} bytes that are allowed")]
    SourceTooLarge { limit: u64 },
    /// The pusher's fault.
    #[error("the source has more than the {limit} files and folders that are allowed")]
    TooManyFiles { limit: u64 },
    /// The pusher's fault.
    #[error("{path} is larger than the {limit} bytes that are allowed")]
    FileTooLarge { path: String, limit: u64 },
    /// The pusher's fault: git can hold this path, a file system cannot.
    #[error("{path}: {why}")]
    Unusable { path: String, why: &'static str },
    /// The pusher's fault, or that of whoever has named the folder.
    #[error("there is no folder {0}")]
    NoFolder(String),
    /// hoist's fault: what was checked when it came is there no more.
    #[error("{kind} {id} is missing")]
    Missing { kind: &'static str, id: String },
    /// hoist's fault.
    #[error("cannot read packs")]
    Store(#[from] io::Error),
    /// The reader of the export went away.
    #[error("cannot write the export")]
    Output(#[source] io::Error),
}

impl ReadError {
    /// Tells whether it is the pusher who can do something about it.
    #[must_use]
    pub fn is_pushers_fault(&self) -> bool {
        matches!(
            self,
            Self::SourceTooLarge { .. }
                | Self::TooManyFiles { .. }
                | Self::FileTooLarge { .. }
                | Self::Unusable { .. }
                | Self::NoFolder(_)
        )
    }
}

/// The objects of all packs in some folders. Opened at first use: an empty push needs none of them.
pub(super) struct Objects {
    dirs: Vec<PathBuf>,
    packs: Option<Vec<Bundle>>,
    builder: Builder,
}

impl Objects {
    /// The packs in `dirs`, as they are at first use.
    pub(super) fn in_dirs(dirs: Vec<PathBuf>) -> Self {
        Self { dirs, packs: None, builder: Builder::default() }
    }

    /// What kind of object it is, if it is there.
    pub(super) fn kind(&mut self, id: &oid) -> io::Result<Option<Kind>> {
        Ok(self.header(id)?.map(|(kind, _)| kind))
    }

    /// An object's kind and size, if it is there. Does not build it.
    pub(super) fn header(&mut self, id: &oid) -> io::Result<Option<(Kind, u64)>> {
        let Some((pack, offset, builder)) = self.locate(id)? else { return Ok(None) };
        builder.header(pack, offset).map(Some)
    }

    /// Builds an object in `out`, if it is there.
    pub(super) fn find(&mut self, id: &oid, out: &mut Vec<u8>) -> io::Result<Option<Kind>> {
        let Some((pack, offset, builder)) = self.locate(id)? else { return Ok(None) };
        builder.build(pack, offset, out).map(Some)
    }

    /// Whether so many annotated tags are about one another that nobody is to read them all.
    pub(super) fn is_nested_too_deeply(&mut self, id: &oid) -> io::Result<bool> {
        let (mut at, mut bytes) = (id.to_owned(), Vec::new());
        for _ in 0..=MAX_NESTED_TAGS {
            if self.kind(&at)? != Some(Kind::Tag) {
                return Ok(false);
            }
            self.find(&at, &mut bytes)?;
            at = tag_target(&bytes)?;
        }
        Ok(true)
    }

    /// The commits whose ids begin so.
    pub(super) fn commits_of(&mut self, prefix: Prefix) -> io::Result<Vec<ObjectId>> {
        let mut ids = BTreeSet::new();
        for pack in self.opened()? {
            let mut found = 0..0;
            pack.index.lookup_prefix(prefix, Some(&mut found));
            ids.extend(found.map(|at| pack.index.oid_at_index(at).to_owned()));
        }
        let mut commits = Vec::new();
        for id in ids {
            if self.kind(&id)? == Some(Kind::Commit) {
                commits.push(id);
            }
        }
        Ok(commits)
    }

    /// Opens a blob with its size, if it is there. Memory does not depend on the size unless it is kept as a delta,
    /// which git does not do with really big ones.
    pub(super) fn blob(&mut self, id: &ObjectId) -> io::Result<Option<(u64, impl Read + use<'_>)>> {
        let Some((pack, offset, builder)) = self.locate(id)? else { return Ok(None) };
        let entry = entry_at(pack, offset)?;
        let size = entry.decompressed_size;
        if entry.header.as_kind() == Some(Kind::Blob) && size >= BIG_BLOB {
            let end = pack.pack.pack_end() as u64;
            let compressed = pack.pack.entry_slice(entry.data_offset..end).expect("the entry is in the pack");
            return Ok(Some((size, Blob::Stream(ZlibDecoder::new(compressed)))));
        }
        let mut bytes = Vec::new();
        match builder.build(pack, offset, &mut bytes)? {
            Kind::Blob => Ok(Some((bytes.len() as u64, Blob::Whole(Cursor::new(bytes))))),
            _ => Ok(None),
        }
    }

    fn opened(&mut self) -> io::Result<&[Bundle]> {
        if self.packs.is_none() {
            self.packs = Some(open_packs(&self.dirs)?);
        }
        Ok(self.packs.as_deref().unwrap_or_default())
    }

    fn locate(&mut self, id: &oid) -> io::Result<Option<(&Bundle, u64, &mut Builder)>> {
        self.opened()?;
        let mut packs = self.packs.iter().flatten();
        let found = packs.find_map(|pack| pack.index.lookup(id).map(|at| (pack, pack.index.pack_offset_at_index(at))));
        Ok(found.map(|(pack, offset)| (pack, offset, &mut self.builder)))
    }
}

/// The content of a blob.
enum Blob<'a> {
    Stream(ZlibDecoder<&'a [u8]>),
    Whole(Cursor<Vec<u8>>),
}

impl Read for Blob<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.read(out),
            Self::Whole(whole) => whole.read(out),
        }
    }
}

/// Opens the packs of some folders, as they were at one moment: between the listing and the opening some may have been
/// made into another one. A listing alone could have missed both.
pub(super) fn open_packs(dirs: &[PathBuf]) -> io::Result<Vec<Bundle>> {
    let mut attempt = 1;
    loop {
        let indices = list_indices(dirs)?;
        // By its number an object's pack is known among the bases.
        let numbered = |(id, index): (u32, &PathBuf)| {
            let mut bundle = open_pack(index)?;
            bundle.pack.id = id;
            Ok(bundle)
        };
        let opened: io::Result<Vec<_>> = (0..).zip(&indices).map(numbered).collect();
        if list_indices(dirs)? == indices {
            return opened;
        }
        if attempt == ATTEMPTS {
            return Err(io::Error::other("packs come and go all the time"));
        }
        attempt += 1;
    }
}

fn list_indices(dirs: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut indices = Vec::new();
    for dir in dirs {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension() == Some(OsStr::new("idx")) {
                indices.push(path);
            }
        }
    }
    indices.sort_unstable();
    Ok(indices)
}

fn open_pack(index: &Path) -> io::Result<Bundle> {
    let Bundle { pack, index } =
        Bundle::at(index, Hash::Sha1).map_err(|error| io::Error::other(format!("{}: {error}", index.display())))?;
    // A net: the indexer has let in nothing that needs more.
    Ok(Bundle { pack: pack.with_alloc_limit_bytes(usize::try_from(MAX_BUILD).ok()), index })
}

/// What an annotated tag is about.
pub(super) fn tag_target(bytes: &[u8]) -> io::Result<ObjectId> {
    let target = gix_object::TagRefIter::from_bytes(bytes, Hash::Sha1).target_id();
    target.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

pub(super) fn corrupt(pack: &Bundle, error: &impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", pack.pack.path().display()))
}
