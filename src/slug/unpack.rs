//! A slug's tar, read back from the store.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::GzDecoder;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::io::StreamReader;

use crate::model::Digest;
use crate::store::Store;

const CHUNK_BYTES: usize = 256 * 1024;
const CHUNKS_WAITING: usize = 4;

/// Opens a slug and streams its plain tar, to be put into `/` of an environment. `NotFound` when the store does not
/// have it; a blob that is damaged fails while it is read. Dropping the reader ends the work.
pub async fn open_tar(store: &Store, digest: &Digest) -> io::Result<impl AsyncRead + Send + Unpin + use<>> {
    let blob = store.open_blob(digest).await?.into_std().await;
    let (chunks, mut received) = mpsc::channel(CHUNKS_WAITING);
    // Ends by itself: with the blob, or when the receiver is dropped.
    spawn_blocking(move || decompress(GzDecoder::new(io::BufReader::with_capacity(CHUNK_BYTES, blob)), &chunks));
    Ok(StreamReader::new(futures_util::stream::poll_fn(move |context| received.poll_recv(context))))
}

fn decompress(mut tar: impl Read, chunks: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let result = tar.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
        let is_last = !matches!(result, Ok(1..));
        let sent = match result {
            Ok(0) => return,
            result => chunks.blocking_send(result.map(|_| chunk.into())),
        };
        if sent.is_err() || is_last {
            return;
        }
    }
}
