//! The runs of a slug, as they are noted beside it: what each was made of, and where it stands.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;

use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
use sha2::{Digest as _, Sha256};

use super::chunk::{COMPRESSOR, MAX_BYTES};
use super::gzip::HEADER;
use crate::model::Digest;

/// Raised when runs are made or noted in another way.
const FORMAT: &str = "runs 4";

/// Bytes copied at a time.
const COPY_BYTES: usize = 256 * 1024;

/// Digest of what a run is made of, or of a run.
pub(super) type Key = blake3::Hash;

/// A chunk's compressed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Digest of all that it depends on.
    key: Key,
    /// Digest of the run itself.
    digest: Key,
    size_bytes: u32,
    /// CRC-32 of the chunk's content.
    checksum: u32,
}

impl Run {
    pub(super) fn of(key: Key, run: &[u8], checksum: u32) -> Self {
        let size_bytes = u32::try_from(run.len()).expect("a run is small");
        Self { key, digest: blake3::hash(run), size_bytes, checksum }
    }

    /// CRC-32 of the content that it is made of.
    pub(super) fn checksum(&self) -> u32 {
        self.checksum
    }
}

#[cfg(test)]
impl Run {
    pub(super) fn key(&self) -> Key {
        self.key
    }
}

/// What is noted of a run.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) run: Run,
    /// The hash of the archive's content up to the end of this run.
    pub(super) content: Sha256,
}

/// Two digests, a size, a checksum, and a hash's state.
const NOTE_BYTES: usize = 32 + 32 + 4 + 4 + size_of::<SerializedState<Sha256>>();

impl Note {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.run.key.as_bytes());
        bytes.extend_from_slice(self.run.digest.as_bytes());
        bytes.extend_from_slice(&self.run.size_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.run.checksum.to_le_bytes());
        bytes.extend_from_slice(&self.content.serialize());
    }

    fn decode(bytes: &[u8; NOTE_BYTES]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk().expect("it is longer");
        let (digest, rest) = rest.split_first_chunk().expect("it is longer");
        let (size_bytes, rest) = rest.split_first_chunk().expect("it is longer");
        let (checksum, content) = rest.split_first_chunk().expect("it is longer");
        let run = Run {
            key: Key::from_bytes(*key),
            digest: Key::from_bytes(*digest),
            size_bytes: u32::from_le_bytes(*size_bytes),
            checksum: u32::from_le_bytes(*checksum),
        };
        Some(Self { run, content: Sha256::deserialize(content.try_into().ok()?).ok()? })
    }
}

/// Writes down a slug's runs, in the order in which they stand there.
pub(super) fn encode(slug: &Digest, notes: &[Note]) -> Vec<u8> {
    let mut bytes = head();
    bytes.reserve_exact((notes.len() + 1) * NOTE_BYTES);
    bytes.extend_from_slice(slug.as_bytes());
    for note in notes {
        note.encode(&mut bytes);
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// Reads what [`encode`] wrote; `None` if it is damaged or was noted by another program.
pub(super) fn decode(bytes: &[u8]) -> Option<(Digest, Vec<Note>)> {
    let (noted, digest) = bytes.split_last_chunk::<32>()?;
    let (slug, notes) = noted.strip_prefix(&*head())?.split_first_chunk::<32>()?;
    let (notes, []) = notes.as_chunks::<NOTE_BYTES>() else { return None };
    if *digest != *Sha256::digest(noted) {
        return None;
    }
    Some((Digest::from_bytes(*slug), notes.iter().map(Note::decode).collect::<Option<_>>()?))
}

fn head() -> Vec<u8> {
    // Whoever lays out a hash's state in another way has another one here.
    let state = Sha256::new_with_prefix([7; 100]).serialize();
    [format!("{FORMAT}, {COMPRESSOR}\n").as_bytes(), &state].concat()
}

/// A slug whose runs are known.
#[derive(Debug)]
pub(super) struct Earlier {
    digest: Digest,
    slug: File,
    notes: Vec<Note>,
    /// Where each run begins, and where the last one ends.
    offsets: Vec<u64>,
    numbers: HashMap<Key, usize>,
}

impl Earlier {
    /// Takes a slug with what is noted of it.
    pub(super) fn new(digest: Digest, slug: File, notes: Vec<Note>) -> Self {
        let mut offsets = vec![HEADER.len() as u64];
        let mut numbers = HashMap::with_capacity(notes.len());
        for (number, Note { run, .. }) in notes.iter().enumerate() {
            offsets.push(offsets[number] + u64::from(run.size_bytes));
            numbers.insert(run.key, number);
        }
        Self { digest, slug, notes, offsets, numbers }
    }

    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// What is noted of its runs, in their order.
    pub(super) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Whether it has nothing before its runs, and behind them, but what belongs there. Blocks.
    pub(super) fn is_whole(&self, end: &[u8]) -> io::Result<bool> {
        let ends_at = self.offsets[self.notes.len()];
        if self.slug.metadata()?.len() != ends_at + end.len() as u64 {
            return Ok(false);
        }
        let (mut found_header, mut found_end) = (HEADER, vec![0; end.len()]);
        self.slug.read_exact_at(&mut found_header, 0)?;
        self.slug.read_exact_at(&mut found_end, ends_at)?;
        Ok(found_header == HEADER && found_end == end)
    }

    /// One of its runs.
    pub(super) fn run(&self, number: usize) -> &Run {
        &self.notes[number].run
    }

    /// Reads a run that is there, whole and undamaged, and tells which it is: this one, where there are several of one key.
    /// Blocks.
    pub(super) fn take_over(&self, key: &Key, number: usize, run: &mut Vec<u8>) -> Option<usize> {
        let is_there = self.notes.get(number).is_some_and(|note| note.run.key == *key);
        let number = if is_there { number } else { *self.numbers.get(key)? };
        self.read(number, run).then_some(number)
    }

    fn read(&self, number: usize, bytes: &mut Vec<u8>) -> bool {
        let run = self.run(number);
        let size_bytes = run.size_bytes as usize;
        // No run is much larger than its chunk, whatever the note says.
        if size_bytes > 2 * MAX_BYTES {
            return false;
        }
        bytes.resize(size_bytes, 0);
        self.slug.read_exact_at(bytes, self.offsets[number]).is_ok() && run.digest == blake3::hash(bytes)
    }

    /// Copies its first runs, so many of them. Blocks.
    pub(super) fn copy_to(&self, output: &mut impl Write, runs: usize) -> io::Result<()> {
        let (mut slug, length_bytes) = (&self.slug, self.offsets[runs] - self.offsets[0]);
        slug.seek(SeekFrom::Start(self.offsets[0]))?;
        let mut first = BufReader::with_capacity(COPY_BYTES, slug.take(length_bytes));
        if io::copy(&mut first, output)? != length_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
