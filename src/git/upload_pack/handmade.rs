//! Packs for tests, entry by entry, indexed by git.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix_hash::ObjectId;
use gix_object::Kind;
use gix_pack::data::entry::Header;

/// An object before it is packed.
pub(in crate::git) struct Object {
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

pub(in crate::git) fn blob(text: &str) -> Object {
    Object { kind: Kind::Blob, bytes: text.into() }
}

pub(in crate::git) fn commit(tree: &ObjectId, parents: &[ObjectId], date: i64) -> Object {
    let parents = parents.iter().fold(String::new(), |lines, id| lines + &format!("parent {id}\n"));
    let who = format!("A <a@example.com> {date} +0000");
    Object { kind: Kind::Commit, bytes: format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\nx\n").into() }
}

impl Object {
    pub(in crate::git) fn id(&self) -> ObjectId {
        gix_object::compute_hash(gix_hash::Kind::Sha1, self.kind, &self.bytes).unwrap()
    }
}

/// A pack that is being made.
#[derive(Default)]
pub(in crate::git) struct Handmade {
    /// All but the head.
    entries: Vec<u8>,
    count: u32,
}

const HEAD_BYTES: u64 = 12;

impl Handmade {
    /// Where the next entry begins.
    pub(in crate::git) fn offset(&self) -> u64 {
        HEAD_BYTES + self.entries.len() as u64
    }

    /// Adds an object as it is.
    pub(in crate::git) fn whole(&mut self, object: &Object) -> ObjectId {
        let header = match object.kind {
            Kind::Commit => Header::Commit,
            Kind::Tree => Header::Tree,
            Kind::Blob => Header::Blob,
            Kind::Tag => Header::Tag,
        };
        self.entry(header, &object.bytes);
        object.id()
    }

    /// Adds a folder of files.
    pub(in crate::git) fn tree(&mut self, files: &[(&str, ObjectId)]) -> ObjectId {
        let mut bytes = Vec::new();
        for (name, id) in files {
            bytes.extend_from_slice(format!("100644 {name}\0").as_bytes());
            bytes.extend_from_slice(id.as_slice());
        }
        self.whole(&Object { kind: Kind::Tree, bytes })
    }

    /// Adds an object as a delta upon the entry at an offset, which is `base`. Both are small.
    pub(in crate::git) fn delta(&mut self, object: &Object, base: &Object, at: u64) -> ObjectId {
        let mut delta = Vec::new();
        for size in [base.bytes.len(), object.bytes.len()] {
            delta.extend_from_slice(&[u8::try_from(size & 127).unwrap() | 0x80, u8::try_from(size >> 7).unwrap()]);
        }
        for piece in object.bytes.chunks(127) {
            delta.push(u8::try_from(piece.len()).unwrap());
            delta.extend_from_slice(piece);
        }
        self.entry(Header::OfsDelta { base_distance: self.offset() - at }, &delta);
        object.id()
    }

    fn entry(&mut self, header: Header, data: &[u8]) {
        header.write_to(data.len() as u64, &mut self.entries).unwrap();
        let mut zlib = ZlibEncoder::new(&mut self.entries, Compression::default());
        zlib.write_all(data).unwrap();
        zlib.finish().unwrap();
        self.count += 1;
    }

    /// Puts the pack and its index into a folder.
    pub(in crate::git) fn save(self, dir: &Path) {
        let mut bytes = b"PACK\0\0\0\x02".to_vec();
        bytes.extend(self.count.to_be_bytes());
        bytes.extend(self.entries);
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(&bytes);
        let checksum = hasher.try_finalize().unwrap();
        bytes.extend_from_slice(checksum.as_slice());
        let path = dir.join(format!("pack-{checksum}.pack"));
        std::fs::write(&path, bytes).unwrap();
        index(&path);
    }
}

/// Has git index a pack, which must be good.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "git checks what the tests make")]
pub(in crate::git) fn index(pack: &Path) {
    let mut git = Command::new("git");
    git.arg("index-pack").arg(pack).current_dir(pack.parent().unwrap());
    assert!(git.stdout(Stdio::null()).status().unwrap().success(), "git does not take {}", pack.display());
}
