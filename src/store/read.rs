//! A blob on its way out of the store.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use super::{Store, blocking};
use crate::model::Digest;

/// How much is read at a time, by a thread that is free again until its reader has taken that.
const CHUNK_BYTES: u64 = 512 * 1024;
/// Chunks that are read before they are asked for.
const AHEAD: usize = 2;

impl Store {
    /// Reads some of a blob; `NotFound` when there is none of this digest.
    pub async fn read(&self, digest: &Digest, range: Range<u64>) -> io::Result<impl Stream<Item = io::Result<Bytes>> + use<>> {
        let path = self.path(digest);
        Ok(read_range(blocking(move || File::open(path)).await?, range))
    }
}

/// Reads some of a file.
pub fn read_range(file: File, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> {
    let file = Arc::new(file);
    let starts = std::iter::successors(Some(range.start), |start| Some(start + CHUNK_BYTES));
    let chunks = starts.take_while(move |start| *start < range.end).map(move |start| {
        let len = usize::try_from((range.end - start).min(CHUNK_BYTES)).expect("a chunk fits into memory");
        let file = Arc::clone(&file);
        blocking(move || {
            let mut chunk = vec![0; len];
            file.read_exact_at(&mut chunk, start)?;
            Ok(Bytes::from(chunk))
        })
    });
    stream::iter(chunks).buffered(AHEAD)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::super::tests::store;
    use super::*;

    #[tokio::test]
    async fn any_part_of_a_blob_can_be_read() {
        let (_dir, store) = store();
        let content: Vec<u8> = (0..3 * CHUNK_BYTES + 7).map(|at| (at / 1000).to_le_bytes()[0]).collect();
        let (digest, size) = store.put(&content[..]).await.unwrap();
        for range in [0..size, 0..0, 5..6, CHUNK_BYTES - 1..CHUNK_BYTES + 1, size - 1..size] {
            let read: Vec<Bytes> = store.read(&digest, range.clone()).await.unwrap().try_collect().await.unwrap();
            let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
            assert!(read.concat() == content[start..end], "{range:?}");
        }
        store.remove(&digest).await.unwrap();
        assert!(store.read(&digest, 0..1).await.is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
    }
}
