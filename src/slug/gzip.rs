//! Gzip on several threads, as one member that any reader takes.
//!
//! The input is cut into chunks, each of which becomes a run of its own; the runs are put one behind another, and the
//! checksums are combined. Where the cuts are depends on the input alone: the output is the same for any number of threads,
//! and with or without an earlier slug to take runs from.

use std::io;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::chunk::Chunk;
use super::runs::{Earlier, Run};

/// Chunks that may be with one thread: runs that are taken over come at once, and others not.
const CHUNKS_PER_THREAD: usize = 8;

/// No flags, no name, no time, unknown system: nothing in it depends on where it is written (RFC 1952, 2.3).
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty block that says to be the last one (RFC 1951, 3.2.6): so no run needs to be.
const END: [u8; 2] = [3, 0];

/// What stands behind the runs.
pub(super) const TRAILER_BYTES: usize = END.len() + 8;

/// Takes the member's runs, one behind the other. What comes before them is [`HEADER`].
pub(super) trait Sink {
    fn take(&mut self, chunk: &Chunk, run: Run) -> io::Result<()>;
}

/// Compresses what is written to it on threads of `scope`. Memory: about 8 MiB per thread.
pub(super) struct Gzip<'scope, 'env, S> {
    scope: &'scope Scope<'scope, 'env>,
    threads: NonZero<usize>,
    earlier: Option<&'env Earlier>,
    lanes: Vec<Lane>,
    sink: S,
    filling: Chunk,
    /// Chunks that came back, to be filled again.
    spare: Vec<Chunk>,
    submitted: usize,
    collected: usize,
    checksum: crc32fast::Hasher,
    /// Modulo 2^32, as the trailer has it (ISIZE, RFC 1952, 2.3.1).
    input_bytes: u32,
}

/// A thread, which takes and gives back chunks in the same order. It ends when its lane is dropped.
struct Lane {
    to_do: SyncSender<Chunk>,
    done: Receiver<io::Result<Done>>,
}

/// A chunk that has become a run.
struct Done {
    chunk: Chunk,
    run: Run,
}

impl<'scope, 'env, S: Sink> Gzip<'scope, 'env, S> {
    /// Starts a member. Threads start as there is work for them.
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        threads: NonZero<usize>,
        earlier: Option<&'env Earlier>,
        sink: S,
    ) -> Self {
        Self {
            scope,
            threads,
            earlier,
            lanes: Vec::new(),
            sink,
            filling: Chunk::new(),
            spare: Vec::new(),
            submitted: 0,
            collected: 0,
            checksum: crc32fast::Hasher::new(),
            input_bytes: 0,
        }
    }

    /// Compresses the rest, and returns what has taken the runs and what ends the member.
    pub(super) fn finish(mut self) -> io::Result<(S, [u8; TRAILER_BYTES])> {
        if !self.filling.content().is_empty() {
            self.submit()?;
        }
        while self.collected < self.submitted {
            self.collect()?;
        }
        let mut trailer = [0; TRAILER_BYTES];
        trailer[..END.len()].copy_from_slice(&END);
        trailer[END.len()..][..4].copy_from_slice(&self.checksum.finalize().to_le_bytes());
        trailer[END.len() + 4..].copy_from_slice(&self.input_bytes.to_le_bytes());
        Ok((self.sink, trailer))
    }

    /// Hands the filled chunk to the next thread in turn and begins another.
    fn submit(&mut self) -> io::Result<()> {
        if self.submitted - self.collected == self.threads.get() * CHUNKS_PER_THREAD {
            self.collect()?;
        }
        let mut next = self.spare.pop().unwrap_or_else(Chunk::new);
        next.start_after(&self.filling);
        let chunk = std::mem::replace(&mut self.filling, next);
        let chunk_bytes = u32::try_from(chunk.content().len()).expect("a chunk is small");
        self.input_bytes = self.input_bytes.wrapping_add(chunk_bytes);

        let lane = self.submitted % self.threads;
        if lane == self.lanes.len() {
            self.lanes.push(Lane::start(self.scope, self.earlier));
        }
        self.lanes[lane].to_do.send(chunk).map_err(|_| thread_gone())?;
        self.submitted += 1;
        Ok(())
    }

    /// Waits for the oldest chunk and hands its run on.
    fn collect(&mut self) -> io::Result<()> {
        let lane = &self.lanes[self.collected % self.threads];
        let done = lane.done.recv().map_err(|_| thread_gone())??;
        self.collected += 1;
        let bytes = done.chunk.content().len() as u64;
        self.checksum.combine(&crc32fast::Hasher::new_with_initial_len(done.run.checksum(), bytes));
        self.sink.take(&done.chunk, done.run)?;
        self.spare.push(done.chunk);
        Ok(())
    }
}

impl<S: Sink> io::Write for Gzip<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (taken, is_full) = self.filling.fill(bytes);
        if is_full {
            self.submit()?;
        }
        Ok(taken)
    }

    /// Does nothing: chunks are never cut short, as that would show in the output.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lane {
    fn start<'scope>(scope: &'scope Scope<'scope, '_>, earlier: Option<&'scope Earlier>) -> Self {
        let (to_do, chunks) = sync_channel(CHUNKS_PER_THREAD);
        let (results, done) = sync_channel(CHUNKS_PER_THREAD);
        scope.spawn(move || {
            for chunk in chunks {
                if results.send(work_on(chunk, earlier)).is_err() {
                    return;
                }
            }
        });
        Self { to_do, done }
    }
}

fn work_on(mut chunk: Chunk, earlier: Option<&Earlier>) -> io::Result<Done> {
    let run = chunk.compress(earlier)?;
    Ok(Done { chunk, run })
}

/// Said when a thread panicked; the scope then panics as well, with the thread's own message.
fn thread_gone() -> io::Error {
    io::Error::other("a compressing thread has gone")
}

#[cfg(test)]
mod tests;
