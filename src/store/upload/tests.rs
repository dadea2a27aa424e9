use futures_util::stream;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use super::super::tests::{files_below, store};
use super::*;

/// SHA-256 of `hello`.
const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_mins(1);
const MOST: u64 = 1 << 30;

fn body<const N: usize>(pieces: [&'static str; N]) -> impl Stream<Item = io::Result<Bytes>> {
    stream::iter(pieces.map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
}

async fn begun() -> (TempDir, Store, BlobUploadId) {
    let (dir, store) = store();
    let id = BlobUploadId::new();
    store.begin_upload(id).await.unwrap();
    (dir, store, id)
}

/// Sends some of it in a request of its own.
async fn send(store: &Store, id: BlobUploadId, text: &'static str) -> Upload {
    store.resume_upload(id).await.unwrap().receive(body([text]), MOST, LATER).await.unwrap()
}

async fn assert_has(store: &Store, digest: &str, text: &str) {
    let mut content = String::new();
    store.open_blob(&digest.parse().unwrap()).await.unwrap().read_to_string(&mut content).await.unwrap();
    assert_eq!(content, text);
}

#[tokio::test]
async fn a_blob_comes_in_pieces() {
    let (dir, store, id) = begun().await;
    drop(send(&store, id, "he").await);
    assert_eq!(store.upload_size(id).await.unwrap(), 2);
    let upload = send(&store, id, "llo").await;
    assert_eq!(upload.size_bytes(), 5);
    assert_eq!(upload.finish(HELLO.parse().unwrap()).await.unwrap(), 5);
    assert_has(&store, HELLO, "hello").await;
    assert_eq!(files_below(dir.path()), 1);
    let gone = store.resume_upload(id).await.unwrap_err();
    assert!(matches!(gone, UploadError::Io(error) if error.kind() == io::ErrorKind::NotFound));
}

#[tokio::test]
async fn an_upload_outlives_its_process() {
    let (dir, store, id) = begun().await;
    drop(send(&store, id, "he").await);
    let store = Store::open(dir.path()).unwrap();
    let upload = send(&store, id, "llo").await;
    upload.finish(HELLO.parse().unwrap()).await.unwrap();
    assert_has(&store, HELLO, "hello").await;
}

#[tokio::test]
async fn another_digest_leaves_nothing() {
    let (dir, store, id) = begun().await;
    let error = send(&store, id, "hallo").await.finish(HELLO.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, UploadError::OtherDigest(found) if found.to_string() != HELLO));
    assert_eq!(files_below(dir.path()), 0);
}

#[tokio::test]
async fn a_blob_that_is_there_already_becomes_young() {
    let (dir, store, id) = begun().await;
    store.put(&b"hello"[..]).await.unwrap();
    let path = store.path(&HELLO.parse().unwrap());
    let old = SystemTime::UNIX_EPOCH + LATER;
    File::open(&path).unwrap().set_modified(old).unwrap();
    send(&store, id, "hello").await.finish(HELLO.parse().unwrap()).await.unwrap();
    assert!(path.metadata().unwrap().modified().unwrap() > old);
    assert_eq!(files_below(dir.path()), 1);
}

#[tokio::test]
async fn what_came_before_a_cut_stays() {
    let (_dir, store, id) = begun().await;
    let broken = stream::iter([Ok(Bytes::from_static(b"he")), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
    let error = store.resume_upload(id).await.unwrap().receive(broken, MOST, LATER).await.unwrap_err();
    assert!(matches!(error, UploadError::Cut(_)), "{error}");
    send(&store, id, "llo").await.finish(HELLO.parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn many_batches_are_written_in_order() {
    let (_dir, store, id) = begun().await;
    let pieces: Vec<Bytes> = (0..500_u32).map(|number| vec![number.to_le_bytes()[0]; 10_007].into()).collect();
    let content = pieces.concat();
    let (digest, _) = store.put(&content[..]).await.unwrap();
    store.remove(&digest).await.unwrap();
    let sent = stream::iter(pieces.into_iter().map(Ok::<_, io::Error>));
    let upload = store.resume_upload(id).await.unwrap().receive(sent, MOST, LATER).await.unwrap();
    assert_eq!(upload.finish(digest).await.unwrap(), content.len() as u64);
}

#[tokio::test]
async fn size_and_silence_are_bounded() {
    let (_dir, store, id) = begun().await;
    let upload = send(&store, id, "he").await;
    let error = upload.receive(body(["l", "lo"]), 4, LATER).await.unwrap_err();
    assert!(matches!(error, UploadError::TooLarge { limit_bytes: 4 }), "{error}");
    assert_eq!(store.upload_size(id).await.unwrap(), 3, "with what was allowed");
    let silent = body(["l"]).chain(stream::pending());
    let error = store.resume_upload(id).await.unwrap().receive(silent, MOST, SOON).await.unwrap_err();
    assert!(matches!(error, UploadError::Stalled(_)), "{error}");
    assert_eq!(store.upload_size(id).await.unwrap(), 4);
}

#[tokio::test]
async fn who_comes_later_goes_on() {
    let (_dir, store, id) = begun().await;
    let first = store.resume_upload(id).await.unwrap();
    let stuck = first.receive(body(["he"]).chain(stream::pending()), MOST, LATER);
    let (first, second) = tokio::join!(stuck, store.resume_upload(id));
    assert!(matches!(first.unwrap_err(), UploadError::TakenOver));
    let second = second.unwrap();
    assert_eq!(second.size_bytes(), 2);
    let second = second.receive(body(["llo"]), MOST, LATER).await.unwrap();
    second.finish(HELLO.parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn uploads_are_stale_once_nothing_comes() {
    let (dir, store, id) = begun().await;
    let past = SystemTime::now() - LATER;
    assert_eq!(store.stale_uploads(past).await.unwrap(), []);
    assert_eq!(store.stale_uploads(SystemTime::now() + LATER).await.unwrap(), [id]);
    store.remove_upload(id).await.unwrap();
    store.remove_upload(id).await.unwrap();
    assert_eq!(files_below(dir.path()), 0);
}
