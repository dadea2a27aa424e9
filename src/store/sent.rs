//! A blob that comes in one request, with the digest and size that its sender has told.

use std::io::Write as _;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio_util::sync::CancellationToken;

use super::upload::{Batch, Incoming};
use super::{Store, UploadError, blocking};
use crate::model::Digest;

impl Store {
    /// Takes all of `body`, of which something has to come every `silence`, and makes a blob of it if it is what was told.
    /// Otherwise nothing is left; so it is when the future is dropped, or the process ends. Each batch is written and hashed
    /// while the next one comes.
    pub async fn receive<E>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>>,
        (told, size_bytes): (Digest, u64),
        silence: Duration,
    ) -> Result<(), UploadError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let give_way = CancellationToken::new();
        let mut incoming = Incoming { body: pin!(body), size_bytes: 0, limit_bytes: size_bytes, silence, give_way };
        let store = self.clone();
        let (writer, mut batch) = tokio::join!(blocking(move || store.writer()), incoming.batch());
        let mut writer = writer?;
        loop {
            let Batch { pieces, end } = batch;
            let write = blocking(move || pieces.iter().try_for_each(|piece| writer.write_all(piece)).map(|()| writer));
            if let Some(end) = end {
                writer = write.await?;
                end?;
                break;
            }
            let (written, next) = tokio::join!(write, incoming.batch());
            (writer, batch) = (written?, next);
        }
        if incoming.size_bytes < size_bytes {
            return Err(UploadError::TooShort { size_bytes: incoming.size_bytes });
        }
        let found = writer.digest();
        if found != told {
            return Err(UploadError::OtherDigest(found));
        }
        blocking(move || writer.finish()).await?;
        Ok(())
    }

    /// Where a blob is, for a thread that opens it when it comes to it.
    #[must_use]
    pub fn path_of(&self, digest: &Digest) -> PathBuf {
        self.path(digest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;
    use sha2::{Digest as _, Sha256};

    use super::super::tests::store;
    use super::*;

    const SILENCE: Duration = Duration::from_mins(1);

    fn digest(content: &[u8]) -> Digest {
        Digest::from_bytes(Sha256::digest(content).into())
    }

    /// What is being written.
    fn unfinished(store: &Store) -> usize {
        std::fs::read_dir(store.tmp()).unwrap().count()
    }

    #[tokio::test]
    async fn what_is_as_told_is_kept_and_nothing_else() {
        let (_dir, store) = store();
        let send = async |content: &[u8], told: &[u8], size: u64| {
            let pieces: Vec<_> = content.chunks(1000).map(|piece| io::Result::Ok(Bytes::copy_from_slice(piece))).collect();
            store.receive(stream::iter(pieces), (digest(told), size), SILENCE).await
        };
        let content = vec![7; 3_000_000];
        send(&content, &content, 3_000_000).await.unwrap();
        send(&content, &content, 3_000_000).await.unwrap();
        assert_eq!(store.size(&digest(&content)).await.unwrap(), 3_000_000);
        let other = send(b"evil", b"good", 4).await.unwrap_err();
        assert!(matches!(other, UploadError::OtherDigest(found) if found == digest(b"evil")), "{other}");
        let long = send(b"long", b"long", 3).await.unwrap_err();
        assert!(matches!(long, UploadError::TooLarge { limit_bytes: 3 }), "{long}");
        let short = send(b"short", b"short", 6).await.unwrap_err();
        assert!(matches!(short, UploadError::TooShort { size_bytes: 5 }), "{short}");
        for content in [&b"evil"[..], b"good", b"long", b"short"] {
            assert!(!store.contains(&digest(content)).await.unwrap());
        }
        assert_eq!(unfinished(&store), 0);
    }

    #[tokio::test]
    async fn a_sender_who_stops_leaves_nothing() {
        let (_dir, store) = store();
        let begun = stream::iter([io::Result::Ok(Bytes::from_static(b"be"))]);
        let silent = futures_util::StreamExt::chain(begun, stream::pending());
        let stalled = store.receive(silent, (digest(b"begun"), 5), Duration::from_millis(1)).await.unwrap_err();
        assert!(matches!(stalled, UploadError::Stalled(_)), "{stalled}");
        let cut = stream::iter([Ok(Bytes::from_static(b"be")), Err(io::Error::from(io::ErrorKind::UnexpectedEof))]);
        let cut = store.receive(cut, (digest(b"begun"), 5), SILENCE).await.unwrap_err();
        assert!(matches!(cut, UploadError::Cut(_)), "{cut}");
        assert_eq!(unfinished(&store), 0);
    }
}
