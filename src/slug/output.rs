//! A slug on its way into the store.
//!
//! As long as it is, from its first run on, what the app's last slug was, nothing is hashed or written: it may well come out
//! as the same. Where it differs, what they have in common is copied.

use std::io::{self, Write as _};

use sha2::{Digest as _, Sha256};

use super::chunk::Chunk;
use super::gzip::{HEADER, Sink, TRAILER_BYTES};
use super::pack::PackError;
use super::runs::{Earlier, Note, Run};
use crate::model::Digest;
use crate::store::{Store, Writer};

/// Of a slug with more runs none is noted: it has 5 GB, or was made to have many. A note takes 200 bytes of memory.
const MAX_NOTES: usize = 65_536;

/// What a slug may have at the most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) slug_bytes: u64,
    pub(super) content_bytes: u64,
}

/// Takes a slug's runs.
pub(super) struct Output<'a> {
    store: &'a Store,
    bounds: Bounds,
    earlier: Option<&'a Earlier>,
    state: State<'a>,
    runs: usize,
    notes: Vec<Note>,
    /// What stands behind the runs is counted from the beginning.
    size_bytes: u64,
    content_bytes: u64,
}

enum State<'a> {
    /// All runs so far are the first ones of this slug, each in its place.
    Same(&'a Earlier),
    Own(Box<Own>),
}

/// A slug's own bytes.
struct Own {
    writer: Writer,
    /// Of the archive before compression.
    content: Sha256,
}

/// A slug that is in the store.
pub(super) struct Stored {
    pub(super) digest: Digest,
    pub(super) content_digest: Digest,
    pub(super) size_bytes: u64,
    pub(super) content_bytes: u64,
    pub(super) notes: Vec<Note>,
}

impl<'a> Output<'a> {
    /// Begins a slug. Blocks, as does all of this.
    pub(super) fn new(store: &'a Store, earlier: Option<&'a Earlier>, bounds: Bounds) -> io::Result<Self> {
        let state = match earlier {
            Some(earlier) => State::Same(earlier),
            None => State::Own(Box::new(Own::new(store)?)),
        };
        let size_bytes = (HEADER.len() + TRAILER_BYTES) as u64;
        Ok(Self { store, bounds, earlier, state, runs: 0, notes: Vec::new(), size_bytes, content_bytes: 0 })
    }

    /// Ends the slug with what stands behind its runs, and makes it durable.
    pub(super) fn finish(self, end: &[u8; TRAILER_BYTES]) -> io::Result<Stored> {
        let Self { store, earlier, state, runs, notes, size_bytes, content_bytes, .. } = self;
        let (digest, content) = match state {
            State::Own(own) => own.finish(end, earlier)?,
            State::Same(same) if same.notes().len() == runs && same.is_whole(end)? && store.keep(&same.digest())? => {
                (same.digest(), hash_after(&notes))
            }
            State::Same(same) => Own::beginning_as(store, same, &notes)?.finish(end, earlier)?,
        };
        let content_digest = Digest::from_bytes(content.finalize().into());
        Ok(Stored { digest, content_digest, size_bytes, content_bytes, notes })
    }

    /// Notes a run, unless there are too many.
    fn note(&mut self, note: Note) {
        self.runs += 1;
        if self.runs <= MAX_NOTES {
            self.notes.push(note);
        } else {
            self.notes = Vec::new();
        }
    }

    /// Counts a run, within the bounds.
    fn count(&mut self, chunk: &Chunk) -> io::Result<()> {
        let Bounds { slug_bytes, content_bytes } = self.bounds;
        self.content_bytes += chunk.content().len() as u64;
        if self.content_bytes > content_bytes {
            return Err(io::Error::other(PackError::ContentTooLarge { limit_bytes: content_bytes }));
        }
        self.size_bytes += chunk.run().len() as u64;
        if self.size_bytes > slug_bytes {
            return Err(io::Error::other(PackError::TooLarge { size_bytes: self.size_bytes, limit_bytes: slug_bytes }));
        }
        Ok(())
    }
}

impl Sink for Output<'_> {
    fn take(&mut self, chunk: &Chunk, run: Run) -> io::Result<()> {
        self.count(chunk)?;
        if let State::Same(earlier) = self.state {
            if chunk.is_in_its_place() {
                self.note(earlier.notes()[self.runs].clone());
                return Ok(());
            }
            self.state = State::Own(Box::new(Own::beginning_as(self.store, earlier, &self.notes)?));
        }
        if let State::Own(own) = &mut self.state {
            own.writer.write_all(chunk.run())?;
            own.content.update(chunk.content());
            let note = Note { run, content: own.content.clone() };
            self.note(note);
        }
        Ok(())
    }
}

impl Own {
    fn new(store: &Store) -> io::Result<Self> {
        let mut writer = store.writer()?;
        writer.write_all(&HEADER)?;
        Ok(Self { writer, content: Sha256::new() })
    }

    /// Begins as another slug does, up to the last of these notes.
    fn beginning_as(store: &Store, earlier: &Earlier, notes: &[Note]) -> io::Result<Self> {
        let mut own = Self { content: hash_after(notes), ..Self::new(store)? };
        earlier.copy_to(&mut own.writer, notes.len())?;
        Ok(own)
    }

    /// Gives the digest of all, and the hash of the content.
    fn finish(mut self, end: &[u8], earlier: Option<&Earlier>) -> io::Result<(Digest, Sha256)> {
        self.writer.write_all(end)?;
        // What was not the same, and has its digest, stands damaged in the store.
        let is_damaged = earlier.is_some_and(|earlier| earlier.digest() == self.writer.digest());
        let (digest, _) = if is_damaged { self.writer.replace()? } else { self.writer.finish()? };
        Ok((digest, self.content))
    }
}

/// The hash of the content up to the last of these notes.
fn hash_after(notes: &[Note]) -> Sha256 {
    notes.last().map_or_else(Sha256::new, |note| note.content.clone())
}

#[cfg(test)]
mod tests;
