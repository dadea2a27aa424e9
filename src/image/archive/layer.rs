//! A layer on its way from an Engine's archive into the store.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write as _};

use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use crate::model::Digest;
use crate::store::Store;
use crate::tarball::BLOCK_BYTES;

const PIECE_BYTES: usize = 256 * 1024;
/// Of a tar's first header, where `ustar` stands (POSIX, pax).
const MAGIC_AT: usize = 257;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// As of slugs: a little larger than the slowest makes it, in a fraction of the time.
const LEVEL: Compression = Compression::new(5);

/// A layer in the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer {
    /// Of what it unpacks to.
    pub(super) diff_id: Digest,
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
}

/// Tells by its beginning whether a file is a tar, as a layer is, and not one of the texts. It stays unread.
pub(super) fn is_layer(content: &mut impl BufRead) -> io::Result<bool> {
    let start = content.fill_buf()?;
    let is_tar = start.get(MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar"));
    // An empty tar is nothing but zeros.
    Ok(is_tar || start.starts_with(&GZIP) || start.first() == Some(&0))
}

/// Stores a layer, always the same bytes for the same content, whether the Engine keeps it compressed or not.
pub(super) fn keep_layer(content: &mut impl BufRead, store: &Store) -> io::Result<Layer> {
    if content.fill_buf()?.starts_with(&GZIP) {
        let layer = compress(&mut MultiGzDecoder::new(&mut *content), store)?;
        io::copy(content, &mut io::sink())?;
        return Ok(layer);
    }
    compress(content, store)
}

fn compress(content: &mut impl Read, store: &Store) -> io::Result<Layer> {
    // No time and no name, so that nothing in it depends on when it is written.
    let mut gzip = GzBuilder::new().write(BufWriter::with_capacity(PIECE_BYTES, store.writer()?), LEVEL);
    let (mut hasher, mut piece) = (Sha256::new(), Vec::with_capacity(PIECE_BYTES));
    // In whole pieces, however the content comes: where its input is cut shows in what the compressor gives.
    while content.take(PIECE_BYTES as u64).read_to_end(&mut piece)? > 0 {
        hasher.update(&piece);
        gzip.write_all(&piece)?;
        piece.clear();
    }
    let writer = gzip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    let (digest, size_bytes) = writer.finish()?;
    Ok(Layer { diff_id: Digest::from_bytes(hasher.finalize().into()), digest, size_bytes })
}

/// Reads past what fills a file's last block up.
pub(super) fn skip_padding(tar: &mut BufReader<impl Read>, size_bytes: u64) -> io::Result<()> {
    let padding = size_bytes.next_multiple_of(BLOCK_BYTES as u64) - size_bytes;
    io::copy(&mut tar.take(padding), &mut io::sink()).map(drop)
}

/// An input that may give so many bytes, and fails with `FileTooLarge` when it has more.
pub(super) struct Counted<R> {
    pub(super) input: R,
    pub(super) left_bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(bytes)?;
        let left = self.left_bytes.checked_sub(read as u64);
        self.left_bytes = left.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}
