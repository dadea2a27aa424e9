//! Hands a command's two outputs on while it runs, and its input to it.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe;

use super::{EngineError, Stream};

/// Bytes read from one output at a time: what a pipe holds.
const PIECE_BYTES: usize = 64 * 1024;

/// How long the rest of the output may take once the command and its tree are dead. Only a process of another
/// command that was handed the pipe can use this time up.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits for `ending` and meanwhile hands the outputs on; then hands on what is still in the pipes.
pub(super) async fn stream_until<T>(
    ending: impl Future<Output = T>,
    stdout: impl AsyncRead + Unpin,
    stderr: impl AsyncRead + Unpin,
    output: impl FnMut(Stream, &[u8]),
) -> T {
    let mut ending = pin!(ending);
    let mut pump = pin!(pump(stdout, stderr, output));
    let mut pumping = true;
    let ended = loop {
        tokio::select! {
            ended = &mut ending => break ended,
            () = &mut pump, if pumping => pumping = false,
        }
    };
    if pumping {
        // Running into the timeout is the case that the constant describes: the output ends there.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, pump).await;
    }
    ended
}

/// How long the rest of an attached command's output may take: whoever reads it may be slow.
const ATTACHED_DRAIN_TIMEOUT: Duration = Duration::from_mins(1);

/// A command's pipes, as the engine holds them. Both outputs are one, so that they come in the order of their writing.
pub(super) struct Pipes<I, O> {
    pub(super) stdin: I,
    pub(super) output: O,
}

/// The reading end of a pipe, and the end for the command, which blocks as programs expect.
pub(super) fn output_pipe() -> Result<(pipe::Receiver, OwnedFd), EngineError> {
    let pipe = pipe::pipe().and_then(|(sender, receiver)| Ok((receiver, sender.into_blocking_fd()?)));
    pipe.map_err(|error| EngineError::io("cannot make a pipe", error))
}

/// Waits for `ending` and meanwhile feeds `input` to the command and hands its output on to `output`; `None` when that
/// can't be written any more.
pub(super) async fn attach_until<T>(
    ending: impl Future<Output = T>,
    pipes: Pipes<impl AsyncWrite + Unpin, impl AsyncRead + Unpin>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Option<T> {
    let mut ending = pin!(ending);
    let mut feed = pin!(feed(input, pipes.stdin));
    let mut copy = pin!(copy(pipes.output, output));
    let (mut feeding, mut copying) = (true, true);
    let ended = loop {
        tokio::select! {
            ended = &mut ending => break ended,
            () = &mut feed, if feeding => feeding = false,
            copied = &mut copy, if copying => {
                copied.ok()?;
                copying = false;
            }
        }
    };
    if copying {
        // Whoever is too slow has the beginning, and the command's end is what it is.
        let _ = tokio::time::timeout(ATTACHED_DRAIN_TIMEOUT, copy).await;
    }
    Some(ended)
}

/// Copies the input to its end, which the command sees too. A command that does not want it ends the copying.
async fn feed(mut input: impl AsyncRead + Unpin, mut stdin: impl AsyncWrite + Unpin) {
    let _ = tokio::io::copy(&mut input, &mut stdin).await;
}

/// Copies the output to its end, each piece at once. A pipe that cannot be read any more counts as ended.
async fn copy(mut from: impl AsyncRead + Unpin, mut output: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = from.read(&mut piece).await.unwrap_or(0);
        if length == 0 {
            return Ok(());
        }
        output.write_all(&piece[..length]).await?;
        output.flush().await?;
    }
}

/// Reads both outputs to their ends. A pipe that cannot be read any more counts as ended.
async fn pump(mut stdout: impl AsyncRead + Unpin, mut stderr: impl AsyncRead + Unpin, mut output: impl FnMut(Stream, &[u8])) {
    let mut pieces = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut open = (true, true);
    while open.0 || open.1 {
        tokio::select! {
            read = stdout.read(&mut pieces.0), if open.0 => match read {
                Ok(0) | Err(_) => open.0 = false,
                Ok(length) => output(Stream::Stdout, &pieces.0[..length]),
            },
            read = stderr.read(&mut pieces.1), if open.1 => match read {
                Ok(0) | Err(_) => open.1 = false,
                Ok(length) => output(Stream::Stderr, &pieces.1[..length]),
            },
        }
    }
}

/// The exit code and the line on standard error of a command that cannot be started, as from a shell.
pub(super) fn cannot_start(argv: &[String], cwd: &str, error: &io::Error) -> (i32, String) {
    let program = argv.first().map_or("", String::as_str);
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    (code, format!("cannot start {program} in {cwd}: {error}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hands_on_what_was_written_before_the_end() {
        let mut seen = Vec::new();
        let ended =
            stream_until(async { 7 }, &b"out"[..], &b"err"[..], |stream, piece| seen.push((stream, piece.to_vec()))).await;
        seen.sort_by_key(|(stream, _)| *stream == Stream::Stderr);
        assert_eq!(ended, 7);
        assert_eq!(seen, [(Stream::Stdout, b"out".to_vec()), (Stream::Stderr, b"err".to_vec())]);
    }
}
