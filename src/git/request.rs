//! Reads the sections of a push from the connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncReadExt};
use tokio::time::timeout;

use super::ProtocolError;
use super::commands::{MAX_COMMANDS, MAX_OPTIONS, Request, parse_options, parse_request};
use super::pkt_line::{Prefix, decode_prefix};

/// Most bytes of all commands together: 10,000 with names of usual length, or fewer with longer ones.
const MAX_SECTION_BYTES: usize = 4 * 1024 * 1024;

/// Why no request came.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the commands and, if they are announced, the push options. `None`: the client has nothing to push.
pub(super) async fn read_request(
    input: &mut (impl AsyncBufRead + Unpin),
    idle: Duration,
) -> Result<Option<(Request, Vec<String>)>, RequestError> {
    // One line more than allowed, so that the parser sees that there are too many; and one for each shallow commit.
    let Some(lines) = read_section(input, 2 * MAX_COMMANDS, idle).await? else { return Ok(None) };
    let request = parse_request(lines.iter().map(Vec::as_slice))?;
    if request.commands.is_empty() {
        return Ok(None);
    }
    let mut options = Vec::new();
    if request.capabilities.push_options {
        let lines = read_section(input, MAX_OPTIONS + 1, idle).await?;
        let lines = lines.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        options = parse_options(lines.iter().map(Vec::as_slice))?;
    }
    Ok(Some((request, options)))
}

/// Reads lines up to a flush; `None` when the connection ends before the first one.
async fn read_section(
    input: &mut (impl AsyncBufRead + Unpin),
    max_lines: usize,
    idle: Duration,
) -> Result<Option<Vec<Vec<u8>>>, RequestError> {
    let mut lines = Vec::new();
    let mut bytes = 0;
    loop {
        let mut digits = [0; 4];
        match timeout(idle, input.read_exact(&mut digits)).await.map_err(io::Error::from)? {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && lines.is_empty() && digits[0] == 0 => return Ok(None),
            other => other?,
        };
        let size = match decode_prefix(digits)? {
            Prefix::Flush => return Ok(Some(lines)),
            // It belongs to protocol v2, which a push does not speak.
            Prefix::Delimiter => return Err(ProtocolError::PktLine("0001".to_owned()).into()),
            Prefix::Data(size) => size,
        };
        bytes += size;
        if lines.len() == max_lines || bytes > MAX_SECTION_BYTES {
            return Err(ProtocolError::TooManyCommands.into());
        }
        let mut line = vec![0; size];
        timeout(idle, input.read_exact(&mut line)).await.map_err(io::Error::from)??;
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";

    async fn read(bytes: &[u8]) -> Result<Option<(Request, Vec<String>)>, RequestError> {
        read_request(&mut &*bytes, Duration::from_secs(5)).await
    }

    fn line(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    #[tokio::test]
    async fn nothing_to_push() {
        assert!(matches!(read(b"").await, Ok(None)));
        assert!(matches!(read(b"0000").await, Ok(None)));
    }

    #[tokio::test]
    async fn options_follow_if_announced() {
        let command = line(&format!("{A} {A} refs/heads/x\0push-options"));
        let whole = format!("{command}0000{}{}0000PACK", line("a=b"), line("c"));
        let (request, options) = read(whole.as_bytes()).await.expect("good").expect("a request");
        assert_eq!((request.commands.len(), options), (1, vec!["a=b".to_owned(), "c".to_owned()]));
    }

    #[tokio::test]
    async fn every_truncation_is_an_error() {
        let whole = format!("{}0000{}0000", line(&format!("{A} {A} refs/heads/x\0push-options")), line("a=b"));
        for end in 1..whole.len() {
            assert!(read(&whole.as_bytes()[..end]).await.is_err(), "{end}");
        }
    }

    #[tokio::test]
    async fn floods_are_stopped() {
        let flood = line(&"x".repeat(60_000)).repeat(100);
        assert!(matches!(read(flood.as_bytes()).await, Err(RequestError::Protocol(ProtocolError::TooManyCommands))));
    }
}
