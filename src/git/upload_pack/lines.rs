//! Reads what a client sends, line by line and within bounds.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncReadExt};
use tokio::time::timeout;

use super::FetchError;
use crate::git::drain::drain;
use crate::git::pkt_line::{Prefix, decode_prefix};

/// Most bytes of one request: some more than the most objects take that may be named.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Flush,
    Delimiter,
    /// Without the end of line.
    Data(Vec<u8>),
}

/// The incoming side of a connection.
pub(super) struct Lines<R> {
    input: R,
    /// Longest time that nothing may come.
    idle: Duration,
    /// What may still come of this request.
    left: u64,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(input: R, idle: Duration) -> Self {
        Self { input, idle, left: MAX_BYTES }
    }

    /// Another request begins, with bounds of its own.
    pub(super) fn begin(&mut self) {
        self.left = MAX_BYTES;
    }

    /// Reads on for a while and forgets it: the client has been refused, and is to read why.
    pub(super) async fn drain(&mut self) {
        drain(&mut self.input).await;
    }

    /// The next packet; `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, FetchError> {
        let mut digits = [0; 4];
        if self.read_digits(&mut digits).await.map_err(FetchError::Connection)? == 0 {
            return Ok(None);
        }
        let size = match decode_prefix(digits)? {
            Prefix::Flush => return Ok(Some(Line::Flush)),
            Prefix::Delimiter => return Ok(Some(Line::Delimiter)),
            Prefix::Data(size) => size,
        };
        let left = self.left.checked_sub(size as u64 + 4);
        self.left = left.ok_or_else(|| FetchError::Request("the request is too long".into()))?;
        let mut line = vec![0; size];
        timeout(self.idle, self.input.read_exact(&mut line))
            .await
            .map_err(io::Error::from)
            .flatten()
            .map_err(FetchError::Connection)?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(Some(Line::Data(line)))
    }

    /// Reads all four digits, or finds the connection ended before the first.
    async fn read_digits(&mut self, digits: &mut [u8; 4]) -> io::Result<usize> {
        let first = timeout(self.idle, self.input.read(&mut digits[..1])).await??;
        if first == 1 {
            timeout(self.idle, self.input.read_exact(&mut digits[1..])).await??;
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Result<Vec<Line>, FetchError> {
        let mut input = Lines::new(&mut bytes, Duration::from_secs(5));
        let mut lines = Vec::new();
        while let Some(line) = input.next().await? {
            lines.push(line);
        }
        Ok(lines)
    }

    #[tokio::test]
    async fn packets_of_every_sort() {
        let lines = read(b"0009want\n00010008want0000").await.unwrap();
        assert_eq!(lines, [Line::Data(b"want".into()), Line::Delimiter, Line::Data(b"want".into()), Line::Flush]);
        assert_eq!(read(b"").await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_cut_off_is_an_error() {
        let whole = b"0009want\n0000";
        for end in [1, 2, 3, 4, 5, 8, 10, 12] {
            assert!(matches!(read(&whole[..end]).await, Err(FetchError::Connection(_))), "{end}");
        }
        assert!(matches!(read(b"0002").await, Err(FetchError::Protocol(_))));
    }

    #[tokio::test]
    async fn floods_are_stopped() {
        let mut line = b"fff0".to_vec();
        line.resize(0xfff0, b'x');
        let flood = line.repeat(2100);
        assert!(matches!(read(&flood).await, Err(FetchError::Request(_))));
    }
}
