//! Hands a stream of async code to a thread that blocks, until whoever wants what becomes of it gives up.

use std::io::{self, BufRead, BufReader, Read};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes read at a time: more than a processor keeps close by would come back from afar.
const BUFFER_BYTES: usize = 256 * 1024;

/// The stream for a thread, which fails once the guard is dropped, even while it waits.
pub(super) fn to_thread(stream: impl AsyncRead + Send + Unpin + 'static) -> (DropGuard, impl BufRead + Send + 'static) {
    let unwanted = CancellationToken::new();
    let feed = Feed { stream, unwanted: unwanted.clone(), runtime: Handle::current(), ended: None };
    (unwanted.drop_guard(), BufReader::with_capacity(BUFFER_BYTES, feed))
}

struct Feed<R> {
    stream: R,
    unwanted: CancellationToken,
    runtime: Handle,
    /// How it has ended. Not every stream can be asked again, and after a failure some say that they are at their end.
    ended: Option<Ended>,
}

#[derive(Clone, Copy)]
enum Ended {
    Well,
    Failed,
}

impl<R: AsyncRead + Unpin> Read for Feed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.ended {
            Some(Ended::Well) => return Ok(0),
            Some(Ended::Failed) => return Err(io::Error::other("the stream has failed")),
            None => {}
        }
        let read = self.runtime.block_on(self.unwanted.run_until_cancelled(self.stream.read(bytes)));
        let read = read.unwrap_or_else(|| Err(io::Error::other("the stream was given up")));
        self.ended = match read {
            Ok(0) => Some(Ended::Well),
            Ok(_) => None,
            Err(_) => Some(Ended::Failed),
        };
        read
    }
}
