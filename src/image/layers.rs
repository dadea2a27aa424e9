//! An image's layers as one stream of plain tars, one behind the other, each checked against the digest by which the
//! image's config knows it. So the config's digest stands for all that comes of it, whoever pushed it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::read::ImageError;
use crate::model::Digest;

const CHUNK_BYTES: usize = 256 * 1024;
/// How many chunks may wait for their reader.
pub(super) const CHUNKS_WAITING: usize = 4;

/// What ends a tar. Some tools leave it out, and then a layer would go on in the next one.
const TAR_END: [u8; 1024] = [0; 1024];

/// zstd's largest window, as its own command line has it: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// A layer's blob, and what it is to be when it is unpacked.
pub(super) struct Layer {
    pub(super) blob: File,
    pub(super) diff_id: Digest,
}

/// Writes every layer to `chunks`, at most `most_bytes` in all. Ends early, and well, when nobody reads any more. Blocks.
pub(super) fn stream(layers: Vec<Layer>, most_bytes: u64, chunks: &mpsc::Sender<io::Result<Bytes>>) -> Result<(), ImageError> {
    let mut left = most_bytes;
    for (index, Layer { blob, diff_id }) in layers.into_iter().enumerate() {
        let unfit = |why: String| ImageError::unfit(format!("layer {}: {why}", index + 1));
        let broken = |error: io::Error| unfit(format!("it can't be decompressed: {error}"));
        let mut layer = decoder(blob).map_err(|source| ImageError::Io { what: "a layer can't be read", source })?;
        let mut hash = Sha256::new();
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let length = layer.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map_err(broken)? as u64;
            if length == 0 {
                break;
            }
            let too_large = || ImageError::unfit(format!("unpacked, it is larger than {} MiB", most_bytes >> 20));
            left = left.checked_sub(length).ok_or_else(too_large)?;
            hash.update(&chunk);
            if chunks.blocking_send(Ok(chunk.into())).is_err() {
                return Ok(());
            }
        }
        let found = Digest::from_bytes(hash.finalize().into());
        if found != diff_id {
            return Err(unfit(format!("the image's config says that it is {diff_id}, and it is {found}")));
        }
        if chunks.blocking_send(Ok(Bytes::from_static(&TAR_END))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Whatever the manifest calls it, the first bytes say how a layer is compressed, and the digest what is to come of it.
fn decoder(blob: File) -> io::Result<Box<dyn Read>> {
    let mut blob = BufReader::with_capacity(CHUNK_BYTES, blob);
    Ok(match blob.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(blob)),
        // A frame, or one that decoders pass over (RFC 8878, section 3.1).
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(blob)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        _ => Box::new(blob),
    })
}
