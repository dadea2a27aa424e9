//! A stream that fails once nothing has moved for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes after which a peer has shown that it speaks HTTP: the length of HTTP/2's preface.
const OPENING_LEN: usize = 24;

/// Closes silent connections: `opening` is the time for the first bytes, `silence` any later pause. A byte in either
/// direction ends a pause, so a build of which only keep-alives are heard is not silent.
pub(super) struct Idle<S> {
    stream: S,
    opening: usize,
    silence: Duration,
    timer: Pin<Box<Sleep>>,
}

impl<S> Idle<S> {
    pub(super) fn new(stream: S, opening: Duration, silence: Duration) -> Self {
        Self { stream, opening: OPENING_LEN, silence, timer: Box::pin(tokio::time::sleep(opening)) }
    }

    /// Allows for longer pauses from now on.
    pub(super) fn set_silence(&mut self, silence: Duration) {
        self.silence = silence;
        self.has_written();
    }

    fn has_read(&mut self, bytes: usize) {
        self.opening = self.opening.saturating_sub(bytes);
        if self.opening == 0 {
            self.timer.as_mut().reset(Instant::now() + self.silence);
        }
    }

    fn has_written(&mut self) {
        self.opening = 0;
        self.timer.as_mut().reset(Instant::now() + self.silence);
    }

    /// What a stream that has nothing to give answers: not yet, or never.
    fn pending<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.timer
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the connection was silent for too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buf) else { return self.pending(cx) };
        self.has_read(buf.filled().len() - before);
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Poll::Ready(result) = Pin::new(&mut self.stream).poll_write(cx, buf) else { return self.pending(cx) };
        self.has_written();
        Poll::Ready(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Poll::Ready(result) = Pin::new(&mut self.stream).poll_flush(cx) else { return self.pending(cx) };
        Poll::Ready(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Poll::Ready(result) = Pin::new(&mut self.stream).poll_shutdown(cx) else { return self.pending(cx) };
        Poll::Ready(result)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let Poll::Ready(result) = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) else { return self.pending(cx) };
        self.has_written();
        Poll::Ready(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const NEVER: Duration = Duration::from_hours(1);

    fn pair(opening: Duration, silence: Duration) -> (DuplexStream, Idle<DuplexStream>) {
        let (peer, ours) = tokio::io::duplex(64);
        (peer, Idle::new(ours, opening, silence))
    }

    async fn assert_fails(mut stream: Idle<DuplexStream>) {
        let result = timeout(Duration::from_mins(1), stream.read_u8()).await.unwrap();
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_never_says_what_it_wants_gets_the_shorter_time() {
        let (mut peer, mut ours) = pair(SOON, NEVER);
        peer.write_all(b"P").await.unwrap();
        assert_eq!(ours.read_u8().await.unwrap(), b'P');
        assert_fails(ours).await;
    }

    #[tokio::test]
    async fn a_byte_in_either_direction_starts_the_longer_time() {
        let (mut peer, mut ours) = pair(NEVER, SOON);
        peer.write_all(&[b'x'; OPENING_LEN]).await.unwrap();
        ours.read_exact(&mut [0; OPENING_LEN]).await.unwrap();
        assert_fails(ours).await;

        let (_peer, mut ours) = pair(NEVER, SOON);
        ours.write_all(b"keep-alive").await.unwrap();
        assert_fails(ours).await;
    }
}
