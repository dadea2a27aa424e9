//! Gzip on several threads, as one member that any reader takes.
//!
//! The input is cut into blocks of a fixed size. Each is deflated on its own, with the end of the block before as its
//! dictionary and up to a byte boundary, so that the pieces can be put one after another; the checksums are combined.
//! Where the cuts are depends on the input alone: the output is the same for any number of threads.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use flate2::{Compress, Compression, FlushCompress, Status};

const BLOCK_BYTES: usize = 1024 * 1024;

/// Deflate looks back this far.
const WINDOW_BYTES: usize = 32 * 1024;

/// Blocks take turns, two of five at the lower level: by themselves, level 5 is 3 % larger than zlib's own level 6 and
/// level 4 is 7 % larger, in an eighth less time. Five is prime to any likely number of threads, so all have some of both.
const LEVELS: [u32; 5] = [5, 4, 5, 4, 5];

/// Blocks that may be with one thread: one in work and one waiting.
const BLOCKS_PER_THREAD: usize = 2;

/// No flags, no name, no time, unknown system: nothing in it depends on where it is written (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Compresses what is written to it on threads of `scope`. Memory: about 4 MiB per thread.
pub(super) struct Gzip<'scope, 'env, W> {
    scope: &'scope Scope<'scope, 'env>,
    threads: NonZero<usize>,
    lanes: Vec<Lane>,
    output: W,
    filling: Block,
    /// Blocks that came back, to be filled again.
    spare: Vec<Block>,
    submitted: usize,
    collected: usize,
    checksum: crc32fast::Hasher,
    /// Modulo 2^32, as the trailer has it (ISIZE, RFC 1952, 2.3.1).
    input_bytes: u32,
}

/// A thread, which takes and gives back blocks in the same order. It ends when its lane is dropped.
struct Lane {
    to_do: SyncSender<Block>,
    done: Receiver<io::Result<Block>>,
}

/// A piece of the input on its way through a thread and back.
struct Block {
    /// The dictionary, then the content.
    input: Vec<u8>,
    dictionary_bytes: usize,
    level: Compression,
    flush: FlushCompress,
    /// The content, deflated.
    output: Vec<u8>,
    checksum: crc32fast::Hasher,
}

impl<'scope, 'env, W: Write> Gzip<'scope, 'env, W> {
    /// Starts a member. Threads start as there is work for them.
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, threads: NonZero<usize>, mut output: W) -> io::Result<Self> {
        output.write_all(&HEADER)?;
        Ok(Self {
            scope,
            threads,
            lanes: Vec::new(),
            output,
            filling: Block::new(),
            spare: Vec::new(),
            submitted: 0,
            collected: 0,
            checksum: crc32fast::Hasher::new(),
            input_bytes: 0,
        })
    }

    /// Compresses the rest, ends the member and returns what it was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.filling.flush = FlushCompress::Finish;
        self.submit()?;
        while self.collected < self.submitted {
            self.collect()?;
        }
        self.output.write_all(&self.checksum.finalize().to_le_bytes())?;
        self.output.write_all(&self.input_bytes.to_le_bytes())?;
        Ok(self.output)
    }

    /// Hands the filled block to the next thread in turn and begins another.
    fn submit(&mut self) -> io::Result<()> {
        if self.submitted - self.collected == self.threads.get() * BLOCKS_PER_THREAD {
            self.collect()?;
        }
        let mut next = self.spare.pop().unwrap_or_else(Block::new);
        next.start_after(&self.filling);
        let mut block = std::mem::replace(&mut self.filling, next);
        block.level = Compression::new(LEVELS[self.submitted % LEVELS.len()]);
        let block_bytes = u32::try_from(block.content().len()).expect("a block is small");
        self.input_bytes = self.input_bytes.wrapping_add(block_bytes);

        let lane = self.submitted % self.threads;
        if lane == self.lanes.len() {
            self.lanes.push(Lane::start(self.scope));
        }
        self.lanes[lane].to_do.send(block).map_err(|_| thread_gone())?;
        self.submitted += 1;
        Ok(())
    }

    /// Waits for the oldest block and writes it out.
    fn collect(&mut self) -> io::Result<()> {
        let lane = &self.lanes[self.collected % self.threads];
        let block = lane.done.recv().map_err(|_| thread_gone())??;
        self.collected += 1;
        self.checksum.combine(&block.checksum);
        self.output.write_all(&block.output)?;
        self.spare.push(block);
        Ok(())
    }
}

impl<W: Write> Write for Gzip<'_, '_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filling.room() == 0 {
            self.submit()?;
        }
        let length = bytes.len().min(self.filling.room());
        self.filling.input.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    /// Does nothing: blocks are never cut short, as that would show in the output.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lane {
    fn start<'scope>(scope: &'scope Scope<'scope, '_>) -> Self {
        let (to_do, blocks) = sync_channel::<Block>(BLOCKS_PER_THREAD);
        let (results, done) = sync_channel(BLOCKS_PER_THREAD);
        scope.spawn(move || {
            let mut compress = Compress::new(Compression::default(), false);
            for mut block in blocks {
                let result = block.deflate(&mut compress).map(|()| block);
                if results.send(result).is_err() {
                    return;
                }
            }
        });
        Self { to_do, done }
    }
}

impl Block {
    fn new() -> Self {
        Self {
            input: Vec::with_capacity(WINDOW_BYTES + BLOCK_BYTES),
            dictionary_bytes: 0,
            level: Compression::default(),
            flush: FlushCompress::Sync,
            output: Vec::new(),
            checksum: crc32fast::Hasher::new(),
        }
    }

    fn start_after(&mut self, before: &Self) {
        let window = before.input.len().saturating_sub(WINDOW_BYTES);
        self.input.clear();
        self.input.extend_from_slice(&before.input[window..]);
        self.dictionary_bytes = self.input.len();
    }

    fn content(&self) -> &[u8] {
        &self.input[self.dictionary_bytes..]
    }

    fn room(&self) -> usize {
        BLOCK_BYTES - self.content().len()
    }

    fn deflate(&mut self, compress: &mut Compress) -> io::Result<()> {
        self.checksum.reset();
        self.checksum.update(&self.input[self.dictionary_bytes..]);
        self.output.clear();
        compress.reset();
        compress.set_level(self.level)?;
        if self.dictionary_bytes > 0 {
            compress.set_dictionary(&self.input[..self.dictionary_bytes])?;
        }
        loop {
            // Once round is the rule: this is more than even content without any pattern needs.
            self.output.reserve(BLOCK_BYTES + BLOCK_BYTES / 8);
            let taken = usize::try_from(compress.total_in()).expect("at most a block");
            let content = &self.input[self.dictionary_bytes + taken..];
            let status = compress.compress_vec(content, &mut self.output, self.flush)?;
            // A flush is complete when it left room (zlib.h, `deflate`).
            if status == Status::StreamEnd || (self.flush == FlushCompress::Sync && self.output.len() < self.output.capacity()) {
                return Ok(());
            }
        }
    }
}

/// Said when a thread panicked; the scope then panics as well, with the thread's own message.
fn thread_gone() -> io::Error {
    io::Error::other("a compressing thread has gone")
}

#[cfg(test)]
mod tests;
