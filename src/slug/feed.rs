//! Hands a stream from async code to a thread that blocks.
//!
//! Unlike a bridge that blocks on the stream itself, the thread learns when the async side has given up.

use std::io::{self, BufRead, Read};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;

/// How much is handed over at a time, and how many such pieces may wait.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNKS_WAITING: usize = 4;

/// Makes the two ends.
pub(super) fn channel() -> (Feeder, Chunks) {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    (Feeder { sender }, Chunks { receiver, current: Bytes::new(), ended: false })
}

/// The async end. An empty piece is the stream's end: a channel that closes without one was given up.
pub(super) struct Feeder {
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Feeder {
    /// Hands over the stream until its end, its failure, or until the other end is dropped.
    pub(super) async fn feed(self, mut stream: impl AsyncRead + Unpin) {
        loop {
            let chunk = read_chunk(&mut stream).await;
            let is_last = chunk.as_ref().map_or(true, Bytes::is_empty);
            if self.sender.send(chunk).await.is_err() || is_last {
                return;
            }
        }
    }
}

/// Reads a full piece, or what is left; empty at the end.
async fn read_chunk(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
    while chunk.len() < CHUNK_BYTES && stream.read_buf(&mut chunk).await? > 0 {}
    Ok(chunk.freeze())
}

/// The blocking end.
pub(super) struct Chunks {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    ended: bool,
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.is_empty() && !self.ended {
            let given_up = || Err(io::Error::other("the stream was given up"));
            self.current = self.receiver.blocking_recv().unwrap_or_else(given_up)?;
            self.ended = self.current.is_empty();
        }
        Ok(&self.current)
    }

    fn consume(&mut self, length: usize) {
        self.current.advance(length);
    }
}

impl Read for Chunks {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(bytes.len());
        bytes[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}
