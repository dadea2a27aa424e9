//! What goes to the client while the server works: texts on side-band 2, and a sign of life when there are none.

use std::time::Duration;

use bytes::Bytes;
use gix_packetline::Channel;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::pkt_line::{KEEP_ALIVE, encode_band};

/// Silence after which a sign of life is sent: git's own `receive.keepAlive`.
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(5);

/// Texts that may wait to be sent. Then the writer waits.
const QUEUE: usize = 32;

/// Longest text in the queue: longer ones are cut, so that the queue is bounded in bytes as well.
const MAX_CHUNK: usize = super::pkt_line::MAX_BAND;

/// The client is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pusher has gone away")]
pub struct Gone;

/// The way to the user's screen. Cheap to clone; of no effect once the work is over.
#[derive(Debug, Clone)]
pub struct Progress {
    chunks: mpsc::Sender<Bytes>,
    gone: CancellationToken,
}

impl Progress {
    /// Shows a text, as it is. Waits while the connection is slow. A client whose git does not know side-bands sees
    /// nothing.
    pub async fn write(&self, text: &[u8]) -> Result<(), Gone> {
        for chunk in text.chunks(MAX_CHUNK) {
            tokio::select! {
                biased;
                () = self.gone.cancelled() => return Err(Gone),
                sent = self.chunks.send(Bytes::copy_from_slice(chunk)) => sent.map_err(|_| Gone)?,
            }
        }
        Ok(())
    }

    /// Waits until the client has gone away: a write has failed or stalled, or the connection has broken. A sign of
    /// life is written every few seconds, so that this is known soon. The mere end of the client's input means
    /// nothing: git closes its side after the pack when it goes over SSH.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Notes that the client has gone away.
    pub(super) fn set_gone(&self) {
        self.gone.cancel();
    }
}

/// The connection's outgoing side.
pub(super) struct Output<W> {
    writer: W,
    side_band: bool,
    /// Longest time that one write may take.
    idle: Duration,
    /// Silence after which a sign of life is sent.
    keep_alive: Duration,
    gone: CancellationToken,
}

impl<W: AsyncWrite + Unpin> Output<W> {
    pub(super) fn new(writer: W, side_band: bool, idle: Duration) -> Self {
        Self { writer, side_band, idle, keep_alive: KEEP_ALIVE_TIME, gone: CancellationToken::new() }
    }

    /// From now on things go on side-bands.
    pub(super) fn begin_side_band(&mut self) {
        self.side_band = true;
    }

    /// From now on things go as they are.
    pub(super) fn end_side_band(&mut self) {
        self.side_band = false;
    }

    pub(super) fn has_side_band(&self) -> bool {
        self.side_band
    }

    /// Does `work` while what it writes, and signs of life, go to the client. Work goes on when the client has gone.
    pub(super) async fn attend<T>(&mut self, work: impl AsyncFnOnce(Progress) -> T) -> T {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let progress = Progress { chunks: sender, gone: self.gone.clone() };
        let over = CancellationToken::new();
        let work = async {
            let result = work(progress.clone()).await;
            over.cancel();
            result
        };
        // Both live in one task: what is slow to be sent does not hold up the work.
        tokio::join!(work, self.pump(receiver, &over)).0
    }

    /// Sends what is in the queue until work is over and the queue is empty.
    async fn pump(&mut self, mut chunks: mpsc::Receiver<Bytes>, over: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                chunk = chunks.recv() => match chunk {
                    Some(chunk) => self.send(Channel::Progress, &chunk).await,
                    None => return,
                },
                () = over.cancelled(), if !chunks.is_closed() => chunks.close(),
                () = sleep(self.keep_alive), if self.side_band => self.put(KEEP_ALIVE).await,
            }
        }
    }

    /// Sends data on a side-band; to a client without them only what is for the program, not for people.
    pub(super) async fn send(&mut self, band: Channel, data: &[u8]) {
        let mut packets = Vec::with_capacity(data.len() + 16);
        match (self.side_band, band) {
            (true, band) => encode_band(&mut packets, band, data),
            (false, Channel::Data) => packets.extend_from_slice(data),
            (false, _) => return,
        }
        self.put(&packets).await;
    }

    /// Writes bytes as they are, unless the client has gone.
    pub(super) async fn put(&mut self, bytes: &[u8]) {
        if self.gone.is_cancelled() {
            return;
        }
        let write = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        if !matches!(timeout(self.idle, write).await, Ok(Ok(()))) {
            self.gone.cancel();
        }
    }

    /// Whether everything could be sent up to now.
    pub(super) fn is_open(&self) -> bool {
        !self.gone.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn texts_arrive_in_order_and_whole() {
        let mut sent = Vec::new();
        let mut output = Output::new(&mut sent, true, IDLE);
        let result = output
            .attend(async |progress: Progress| {
                for _ in 0..2 * QUEUE {
                    progress.write(b"ab").await?;
                }
                Ok::<_, Gone>(7)
            })
            .await;
        assert_eq!(result, Ok(7));
        assert_eq!(sent, b"0007\x02ab".repeat(2 * QUEUE));
    }

    #[tokio::test]
    async fn without_side_bands_nothing_is_said() {
        let mut sent = Vec::new();
        let mut output = Output::new(&mut sent, false, IDLE);
        assert_eq!(output.attend(async |progress: Progress| progress.write(b"ab").await).await, Ok(()));
        assert!(sent.is_empty());
    }

    #[tokio::test]
    async fn silence_is_broken_again_and_again() {
        let (mut reader, writer) = tokio::io::duplex(64);
        let mut output = Output { keep_alive: Duration::from_millis(1), ..Output::new(writer, true, IDLE) };
        let mut heard = [0; 3 * KEEP_ALIVE.len()];
        output.attend(async |_| reader.read_exact(&mut heard).await.map(drop)).await.expect("the writer is there");
        assert_eq!(heard[..], KEEP_ALIVE.repeat(3));
    }

    #[tokio::test]
    async fn a_broken_connection_does_not_stop_the_work() {
        let (reader, writer) = tokio::io::duplex(64);
        drop(reader);
        let mut output = Output { keep_alive: Duration::from_millis(1), ..Output::new(writer, true, IDLE) };
        let after = output
            .attend(async |progress: Progress| {
                progress.gone().await;
                progress.write(b"x").await
            })
            .await;
        assert_eq!(after, Err(Gone));
        assert!(!output.is_open());
    }

    #[tokio::test]
    async fn a_pusher_who_does_not_read_is_gone_after_a_while() {
        let (_reader, writer) = tokio::io::duplex(1);
        let short = Duration::from_millis(1);
        let mut output = Output { keep_alive: short, ..Output::new(writer, true, short) };
        output.attend(async |progress: Progress| progress.gone().await).await;
        assert!(!output.is_open());
    }
}
