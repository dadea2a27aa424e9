//! Packs that no git writes, but that are good all the same, or look so.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::hostile::push_pack;
use super::push::noise;
use super::server::{Git, Server};

const COMMIT: u8 = 1;
const TREE: u8 = 2;
const BLOB: u8 = 3;
const OFFSET_DELTA: u8 = 6;
const ID_DELTA: u8 = 7;

/// Builds packs byte by byte (gitformat-pack(5)).
struct Pack {
    bytes: Vec<u8>,
    count: u32,
}

impl Pack {
    /// A pack that begins with an empty commit, whose id it gives too.
    fn new() -> (Self, String) {
        let git = Git::new();
        let commit = git.commit("empty");
        let mut pack = Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 };
        pack.entry(TREE, &[], b"");
        pack.entry(COMMIT, &[], &git.pipe(&["cat-file", "commit", "HEAD"], b""));
        (pack, commit)
    }

    /// Adds an entry and gives its offset.
    fn entry(&mut self, kind: u8, base: &[u8], data: &[u8]) -> usize {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(data).unwrap();
        self.raw_entry(kind, base, data.len(), &zlib.finish().unwrap())
    }

    fn raw_entry(&mut self, kind: u8, base: &[u8], size: usize, compressed: &[u8]) -> usize {
        let offset = self.bytes.len();
        let mut rest = size >> 4;
        self.bytes.push((kind << 4) | u8::try_from(size & 15).unwrap() | if rest > 0 { 0x80 } else { 0 });
        if rest > 0 {
            varint(&mut rest, &mut self.bytes);
        }
        self.bytes.extend_from_slice(base);
        self.bytes.extend_from_slice(compressed);
        self.count += 1;
        offset
    }

    /// Adds a delta that copies a base of `size` bytes and appends `tail`.
    fn append(&mut self, base: usize, size: usize, tail: &[u8]) -> usize {
        let distance = self.bytes.len() - base;
        self.entry(OFFSET_DELTA, &offset_bytes(distance), &appending(size, tail))
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.count.to_be_bytes());
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(&self.bytes);
        self.bytes.extend_from_slice(hasher.try_finalize().unwrap().as_slice());
        self.bytes
    }
}

/// A number in groups of seven bits, the lowest first.
fn varint(number: &mut usize, out: &mut Vec<u8>) {
    loop {
        let byte = u8::try_from(*number & 127).unwrap();
        *number >>= 7;
        out.push(byte | if *number > 0 { 0x80 } else { 0 });
        if *number == 0 {
            return;
        }
    }
}

fn offset_bytes(mut distance: usize) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(distance & 127).unwrap()];
    while distance > 127 {
        distance = (distance >> 7) - 1;
        bytes.insert(0, u8::try_from(distance & 127).unwrap() | 0x80);
    }
    bytes
}

/// Delta instructions: all of a base of `size` bytes, then `tail`.
fn appending(size: usize, tail: &[u8]) -> Vec<u8> {
    let mut delta = Vec::new();
    varint(&mut { size }, &mut delta);
    varint(&mut { size + tail.len() }, &mut delta);
    for start in (0..size).step_by(0xff_ffff) {
        let count = (size - start).min(0xff_ffff);
        delta.push(0b1111_1111);
        delta.extend_from_slice(&u32::try_from(start).unwrap().to_le_bytes());
        delta.extend_from_slice(&u32::try_from(count).unwrap().to_le_bytes()[..3]);
    }
    delta.push(u8::try_from(tail.len()).unwrap());
    delta.extend_from_slice(tail);
    delta
}

#[test]
fn bases_of_branching_deltas_are_built_again() {
    // Six generations of 12 MB, each the base of the next and of a leaf that comes after all the others.
    let size = 12_000_000;
    let (mut pack, commit) = Pack::new();
    let mut generations = vec![pack.entry(BLOB, &[], &vec![b'z'; size])];
    for age in 0..6 {
        let base = *generations.last().unwrap();
        generations.push(pack.append(base, size + age, b"+"));
    }
    for (age, base) in generations.into_iter().enumerate() {
        pack.append(base, size + age, format!("leaf {age}").as_bytes());
    }
    let server = Server::start();
    assert!(push_pack(&server, &commit, &pack.finish()).contains("ok refs/heads/main"));
    server.fsck();
}

#[test]
fn bases_by_id_may_come_later() {
    let git = Git::new();
    let base = noise(1, 2000);
    let id = String::from_utf8(git.pipe(&["hash-object", "--stdin"], &base)).unwrap();
    let id: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect();
    let (mut pack, commit) = Pack::new();
    let first = pack.entry(ID_DELTA, &id, &appending(2000, b"a"));
    pack.append(first, 2001, b"b");
    pack.entry(BLOB, &[], &base);
    pack.entry(ID_DELTA, &id, &appending(2000, b"c"));
    let server = Server::start();
    assert!(push_pack(&server, &commit, &pack.finish()).contains("ok refs/heads/main"));
    server.fsck();
}

#[test]
fn what_is_twice_in_a_pack_is_refused() {
    let server = Server::start();
    let (mut pack, commit) = Pack::new();
    pack.entry(BLOB, &[], b"twice");
    pack.entry(BLOB, &[], b"twice");
    let report = push_pack(&server, &commit, &pack.finish());
    assert!(report.contains("appears twice in the pack"), "{report}");
    // Whoever finds the second one by its id would go round in a circle.
    let id = Git::new().hash_object("blob", b"base");
    let id: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect();
    let (mut pack, commit) = Pack::new();
    pack.entry(BLOB, &[], b"base");
    let delta = pack.entry(ID_DELTA, &id, &appending(4, b"!"));
    let distance = offset_bytes(pack.bytes.len() - delta);
    pack.entry(OFFSET_DELTA, &distance, b"\x05\x04\x90\x04");
    let report = push_pack(&server, &commit, &pack.finish());
    assert!(report.contains("appears twice in the pack"), "{report}");
    assert!(server.packs().is_empty() && !server.has_leftovers());
}

#[test]
fn what_would_be_read_again_and_again_is_bounded() {
    let (server, git) = (Server::start(), Git::new());
    let tree = git.hash_object("tree", b"");
    let parent = git.commit("parent");
    let merge = |parents: usize| {
        let parents = format!("parent {parent}\n").repeat(parents);
        let people = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000";
        git.hash_object("commit", format!("tree {tree}\n{parents}{people}\n\nm\n").as_bytes())
    };
    let (done, said) = git.push(&server, &[&format!("{}:refs/heads/main", merge(1025))]);
    assert!(!done && said.contains("tooManyParents: has more than 1024 parents"), "{said}");
    git.push_ok(&server, &[&format!("{}:refs/heads/main", merge(1024))]);

    let mut tags = vec![(parent.clone(), "commit")];
    for _ in 0..33 {
        let (about, kind) = tags.last().unwrap();
        let text = format!("object {about}\ntype {kind}\ntag t\ntagger A <a@b> 1 +0000\n\nm\n");
        tags.push((git.hash_object("tag", text.as_bytes()), "tag"));
    }
    git.push_ok(&server, &[&format!("{}:refs/tags/deep", tags[32].0)]);
    let (done, said) = git.push(&server, &[&format!("{}:refs/tags/deeper", tags[33].0), &format!("{parent}:refs/heads/x")]);
    assert!(!done && said.contains("more than 32 annotated tags are about one another"), "{said}");
    let (done, said) = git.push(&server, &[&format!("{}:refs/tags/deeper", tags[33].0)]);
    assert!(!done && said.contains("more than 32 annotated tags are about one another"), "it is here already: {said}");
    server.fsck();
}

#[test]
fn deltas_without_a_beginning_are_refused() {
    let server = Server::start();
    let check = |pack: Pack, commit: &str, wanted: &str| {
        let report = push_pack(&server, commit, &pack.finish());
        assert!(report.contains(wanted), "{wanted}: {report}");
    };
    let (mut pack, commit) = Pack::new();
    pack.entry(ID_DELTA, &[7; 20], &appending(3, b"a"));
    check(pack, &commit, "object 0707070707070707070707070707070707070707 is missing, which a delta builds upon");
    let (mut pack, commit) = Pack::new();
    pack.entry(OFFSET_DELTA, &offset_bytes(5), &appending(3, b"a"));
    check(pack, &commit, "has no base");
    let (mut pack, commit) = Pack::new();
    let base = pack.entry(BLOB, &[], b"abc");
    pack.append(base, 4, b"a");
    check(pack, &commit, "delta base size does not match");
    let (mut pack, commit) = Pack::new();
    let base = pack.entry(BLOB, &[], b"abc");
    let distance = offset_bytes(pack.bytes.len() - base);
    pack.entry(OFFSET_DELTA, &distance, b"\x03\xff\xff\xff\xff\xff\xff\x01\x01a");
    check(pack, &commit, "the pack is corrupt");
    assert!(server.packs().is_empty() && !server.has_leftovers());
}

#[test]
fn bombs_are_defused() {
    let server = Server::start();
    // A blob that says to be small and never ends.
    let (mut pack, commit) = Pack::new();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&vec![0; 50_000_000]).unwrap();
    pack.raw_entry(BLOB, &[], 1000, &zlib.finish().unwrap());
    let report = push_pack(&server, &commit, &pack.finish());
    assert!(report.contains("an entry is not as long as it says"), "{report}");

    // A chain of deltas without end.
    let (mut pack, commit) = Pack::new();
    let mut base = pack.entry(BLOB, &[], b"");
    for length in 0..4200 {
        base = pack.append(base, length, b"x");
    }
    let report = push_pack(&server, &commit, &pack.finish());
    assert!(report.contains("a chain of deltas is longer than 4095"), "{report}");

    // Deltas that whoever wants the last of them unfolds all at once: each copies single bytes.
    let size = 8_000_000;
    let mut delta = Vec::new();
    varint(&mut { size }, &mut delta);
    varint(&mut { size }, &mut delta);
    delta.extend(b"\xff\0\0\0\0\x01\0\0".repeat(size));
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&delta).unwrap();
    let compressed = zlib.finish().unwrap();
    let (mut pack, commit) = Pack::new();
    let mut base = pack.entry(BLOB, &[], &vec![0; size]);
    for _ in 0..9 {
        let distance = offset_bytes(pack.bytes.len() - base);
        base = pack.raw_entry(OFFSET_DELTA, &distance, delta.len(), &compressed);
    }
    let report = push_pack(&server, &commit, &pack.finish());
    assert!(report.contains("a chain of deltas has more than 512 MiB of instructions"), "{report}");

    // More objects than there can be.
    let (mut pack, commit) = Pack::new();
    pack.count = 4_000_000_000;
    let report = push_pack(&server, &commit, &pack.finish());
    assert!(report.contains("the pack has 4000000000 objects, at most 10000000 are allowed"), "{report}");
    assert!(server.packs().is_empty() && !server.has_leftovers());
}
