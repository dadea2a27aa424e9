//! A piece of a slug's archive, cut where its content says so and compressed by itself.
//!
//! What a chunk becomes, its run, depends on nothing but its content and what it has for a dictionary: the end of the chunk
//! before. A change in a folder changes the chunk that it is in and sometimes the next one; all others are cut where they
//! were cut before, and their runs are the same bytes. So the runs of an earlier slug can be taken over.

use std::io;

use flate2::{Compress, Compression, FlushCompress};

use super::runs::{Earlier, Key, Run};
use crate::tarball::BLOCK_BYTES;

/// What compresses. A slug is the same whether or not runs of an earlier one are in it, so these must have been made by the
/// same program; a test holds this to Cargo.lock.
pub(super) const COMPRESSOR: &str = "zlib-rs 0.6.8";

/// No chunk is smaller, but the last.
const MIN_BYTES: usize = 16 * 1024;

/// No chunk is larger.
pub(super) const MAX_BYTES: usize = 512 * 1024;

/// One block of 512 ends a chunk: these are 230 KiB in the mean. Each costs its dictionary as well, which is looked through and
/// hashed with it; and a change costs the chunk that it is in.
const CUT_MASK: u32 = 511;

/// Deflate looks back this far.
const WINDOW_BYTES: usize = 32 * 1024;

/// Each of half of all chunks. Level 5 alone is 3 % larger than zlib's own level 6 and level 4 is 7 % larger, in an eighth
/// less time.
const LEVELS: [u32; 2] = [4, 5];

/// A chunk on its way through a thread and back.
pub(super) struct Chunk {
    /// The dictionary, then the content.
    input: Vec<u8>,
    dictionary_bytes: usize,
    /// The content, deflated up to a byte boundary; more can follow.
    run: Vec<u8>,
    /// What the run depends on, hashed.
    key: Key,
    /// Which chunk of its archive this is, from 0.
    number: usize,
    /// Which run of the earlier slug this one is, if it was taken over.
    earlier: Option<usize>,
}

impl Chunk {
    pub(super) fn new() -> Self {
        Self {
            input: Vec::with_capacity(WINDOW_BYTES + MAX_BYTES),
            dictionary_bytes: 0,
            run: Vec::new(),
            key: Key::from_bytes([0; 32]),
            number: 0,
            earlier: None,
        }
    }

    /// Begins anew, behind another chunk.
    pub(super) fn start_after(&mut self, before: &Self) {
        let window = before.input.len().saturating_sub(WINDOW_BYTES);
        self.input.clear();
        self.input.extend_from_slice(&before.input[window..]);
        self.dictionary_bytes = self.input.len();
        self.number = before.number + 1;
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.input[self.dictionary_bytes..]
    }

    pub(super) fn run(&self) -> &[u8] {
        &self.run
    }

    /// Whether the run is the one that stands in the same place in the earlier slug.
    pub(super) fn is_in_its_place(&self) -> bool {
        self.earlier == Some(self.number)
    }

    /// Takes content until the chunk ends: how much, and whether it has ended.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> (usize, bool) {
        let before = self.content().len();
        let length = bytes.len().min(MAX_BYTES - before);
        self.input.extend_from_slice(&bytes[..length]);
        match find_end(self.content(), before) {
            Some(end) => {
                self.input.truncate(self.dictionary_bytes + end);
                (end - before, true)
            }
            None => (length, false),
        }
    }

    /// Makes the run, or takes it over from an earlier slug, and tells what to remember of it.
    pub(super) fn compress(&mut self, earlier: Option<&Earlier>) -> io::Result<Run> {
        self.key = self.hash_input();
        self.earlier = earlier.and_then(|earlier| earlier.take_over(&self.key, self.number, &mut self.run));
        if let Some((earlier, number)) = earlier.zip(self.earlier) {
            return Ok(earlier.run(number).clone());
        }
        self.deflate()?;
        Ok(Run::of(self.key, &self.run, crc32fast::hash(self.content())))
    }

    fn hash_input(&self) -> Key {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.dictionary_bytes.to_le_bytes());
        hasher.update(&self.input);
        hasher.finalize()
    }

    fn deflate(&mut self) -> io::Result<()> {
        let (dictionary, content) = self.input.split_at(self.dictionary_bytes);
        // By the content, as everything: not by how many chunks there are before.
        let level = LEVELS[usize::from(self.key.as_bytes()[0]) % LEVELS.len()];
        // A new one each time: one that is reset still has some of what it has compressed behind the end of its window, and
        // looks at that when it weighs matches, so that the same input would not always give the same bytes.
        let mut compress = Compress::new(Compression::new(level), false);
        if !dictionary.is_empty() {
            compress.set_dictionary(dictionary)?;
        }
        self.run.clear();
        loop {
            // Once round is the rule: this is more than even content without any pattern needs.
            self.run.reserve(MAX_BYTES + MAX_BYTES / 8);
            let taken = usize::try_from(compress.total_in()).expect("at most a chunk");
            compress.compress_vec(&content[taken..], &mut self.run, FlushCompress::Sync)?;
            // A flush is complete when it left room (zlib.h, `deflate`).
            if self.run.len() < self.run.capacity() {
                return Ok(());
            }
        }
    }
}

/// Where a chunk ends of which the first `seen_bytes` hold no end.
///
/// Only whole blocks of a tar are looked at: files begin and end with one, so that blocks stay the same wherever they move.
fn find_end(content: &[u8], seen_bytes: usize) -> Option<usize> {
    let next = (seen_bytes / BLOCK_BYTES + 1) * BLOCK_BYTES;
    let mut ends = (next.max(MIN_BYTES)..=content.len()).step_by(BLOCK_BYTES);
    ends.find(|end| *end == MAX_BYTES || crc32fast::hash(&content[end - BLOCK_BYTES..*end]) & CUT_MASK == 0)
}

#[cfg(test)]
mod tests;
