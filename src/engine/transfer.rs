//! Moves tars between the caller's asynchronous streams and whoever reads or writes them blockingly at the other
//! end of a pipe.

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use rustix::pipe::fcntl_setpipe_size;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Chain};
use tokio::net::unix::pipe::{Receiver, Sender, pipe};

use tokio_util::io::StreamReader;

use super::sandbox::limits::out_of_turn;
use super::sandbox::protocol::Reply;
use super::{EngineError, tree};

/// Bytes copied at a time, and asked for as a pipe's size: the most that ordinary users get.
const PIPE_BYTES: usize = 1024 * 1024;

/// A pipe with room for a lot.
pub fn wide_pipe() -> Result<(Sender, Receiver), EngineError> {
    let (sender, receiver) = pipe().map_err(|error| EngineError::io("cannot make a pipe", error))?;
    // A user with many pipes open is refused the larger size, which costs nothing but speed.
    let _ = fcntl_setpipe_size(&sender, PIPE_BYTES);
    Ok((sender, receiver))
}

/// Copies `tar` into `pipe`, which ends with it.
pub(super) async fn copy_into(tar: impl AsyncRead + Send + Unpin, mut pipe: Sender) -> io::Result<()> {
    tokio::io::copy_buf(&mut BufReader::with_capacity(PIPE_BYTES, tar), &mut pipe).await?;
    pipe.shutdown().await
}

/// What the reply to a request for a tar says of it.
pub(super) fn verdict_of(reply: Reply) -> io::Result<()> {
    match reply {
        Reply::Done => Ok(()),
        Reply::Refused(why) => Err(io::Error::new(tree::UNFIT, why)),
        reply => Err(io::Error::other(out_of_turn(&reply))),
    }
}

/// A pipe, and then nothing or an error.
pub(super) type TarStream = Chain<Receiver, StreamReader<Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>, Bytes>>;

/// Reads `pipe` to its end and then fails if the verdict does.
pub(super) fn with_verdict(pipe: Receiver, verdict: impl Future<Output = io::Result<()>> + Send + 'static) -> TarStream {
    let verdict = futures_util::stream::once(async { verdict.await.map(|()| Bytes::new()) });
    pipe.chain(StreamReader::new(Box::pin(verdict)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(verdict: io::Result<()>) -> io::Result<Vec<u8>> {
        let (mut sender, receiver) = wide_pipe().unwrap();
        sender.write_all(b"tar").await.unwrap();
        drop(sender);
        let mut bytes = Vec::new();
        with_verdict(receiver, async { verdict }).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    #[tokio::test]
    async fn the_end_is_clean_only_if_the_writer_says_so() {
        assert_eq!(read(Ok(())).await.unwrap(), b"tar");
        assert_eq!(read(Err(io::Error::other("broken"))).await.unwrap_err().to_string(), "broken");
    }
}
