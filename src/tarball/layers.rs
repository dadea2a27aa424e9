//! An image's layers as one stream of plain tars, one behind the other, each checked against the digest by which the
//! image's config knows it. So the config's digest stands for all that comes of it, whoever pushed it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;

use crate::model::{Digest, Invalid, Packing};

const CHUNK_BYTES: usize = 256 * 1024;
/// How many chunks may wait for their reader.
const CHUNKS_WAITING: usize = 4;

/// What ends a tar. Some tools leave it out, and then a layer would go on in the next one.
const TAR_END: [u8; 1024] = [0; 1024];

/// zstd's largest window, as its own command line has it: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// A layer's blob, and what it is to be when it is unpacked.
#[derive(Debug)]
pub struct Layer {
    pub blob: File,
    pub diff_id: Digest,
}

/// Why layers can't be read to their end.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Whoever made the image is to mend it.
    #[error("{0}")]
    Wrong(Invalid),
    #[error("a layer can't be read")]
    Io(#[source] io::Error),
}

/// Reads the layers, at most `most_bytes` in all, on a thread for blocking work; what that returns is how many bytes it was.
/// Where it fails, so does the stream, with words of no meaning. Ends early, and well, when nobody reads the stream any more.
#[must_use]
pub fn read(layers: Vec<Layer>, most_bytes: u64) -> (impl AsyncRead + Send + Unpin, JoinHandle<Result<u64, LayerError>>) {
    let (chunks, mut received) = mpsc::channel::<io::Result<Bytes>>(CHUNKS_WAITING);
    let reading = tokio::task::spawn_blocking(move || {
        let read = stream(layers, most_bytes, &chunks);
        if read.is_err() {
            // A tar that just ended might be taken for a whole one. If nobody reads any more, nobody takes it for anything.
            let _ = chunks.blocking_send(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        read
    });
    (StreamReader::new(futures_util::stream::poll_fn(move |context| received.poll_recv(context))), reading)
}

fn stream(layers: Vec<Layer>, most_bytes: u64, chunks: &mpsc::Sender<io::Result<Bytes>>) -> Result<u64, LayerError> {
    let mut left = most_bytes;
    for (index, Layer { blob, diff_id }) in layers.into_iter().enumerate() {
        let unfit = |why: String| LayerError::Wrong(Invalid(format!("layer {}: {why}", index + 1)));
        let broken = |error: io::Error| unfit(format!("it can't be decompressed: {error}"));
        let mut layer = decoder(blob).map_err(LayerError::Io)?;
        let mut hash = Sha256::new();
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let length = layer.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map_err(broken)? as u64;
            if length == 0 {
                break;
            }
            let too_large = || LayerError::Wrong(Invalid(format!("unpacked, it is larger than {} MiB", most_bytes >> 20)));
            left = left.checked_sub(length).ok_or_else(too_large)?;
            hash.update(&chunk);
            if chunks.blocking_send(Ok(chunk.into())).is_err() {
                return Ok(most_bytes - left);
            }
        }
        let found = Digest::from_bytes(hash.finalize().into());
        if found != diff_id {
            return Err(unfit(format!("the image's config says that it is {diff_id}, and it is {found}")));
        }
        if chunks.blocking_send(Ok(Bytes::from_static(&TAR_END))).is_err() {
            return Ok(most_bytes - left);
        }
    }
    Ok(most_bytes - left)
}

/// Whatever the manifest calls it, the first bytes say how a layer is compressed, and the digest what is to come of it.
fn decoder(blob: File) -> io::Result<Box<dyn Read>> {
    let mut blob = BufReader::with_capacity(CHUNK_BYTES, blob);
    Ok(match Packing::of(blob.fill_buf()?) {
        Packing::Gzip => Box::new(MultiGzDecoder::new(blob)),
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(blob)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Packing::Plain => Box::new(blob),
    })
}
