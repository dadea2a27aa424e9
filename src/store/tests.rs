use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::*;

/// SHA-256 of `hello`.
const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

pub(crate) fn store() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

pub(crate) fn files_below(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_blob_comes_back_under_its_digest() {
    let (dir, store) = store();
    let (digest, size) = store.put(&b"hello"[..]).await.unwrap();
    assert_eq!((digest.to_string().as_str(), size), (HELLO, 5));

    let mut content = String::new();
    store.open_blob(&digest).await.unwrap().read_to_string(&mut content).await.unwrap();
    assert_eq!(content, "hello");
    assert_eq!(store.size(&digest).await.unwrap(), 5);
    assert!(store.contains(&digest).await.unwrap());

    let path = dir.path().join("sha256/2c").join(digest.hex());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o444);
}

#[tokio::test]
async fn content_of_many_chunks_is_stored_in_order() {
    let (_dir, store) = store();
    let content: Vec<u8> = (0..3 * PUT_CHUNK_BYTES + 7).map(|i| (i / 1000).to_le_bytes()[0]).collect();
    let (digest, size) = store.put(&content[..]).await.unwrap();
    assert_eq!(size, content.len() as u64);
    let mut back = Vec::new();
    store.open_blob(&digest).await.unwrap().read_to_end(&mut back).await.unwrap();
    assert!(back == content);
}

#[tokio::test]
async fn the_same_blob_is_stored_once() {
    let (dir, store) = store();
    let first = store.put(&b"hello"[..]).await.unwrap();
    assert_eq!(store.put(&b"hello"[..]).await.unwrap(), first);
    assert_eq!(files_below(dir.path()), 1);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (_dir, store) = store();
    let digest = HELLO.parse().unwrap();
    assert_eq!(store.open_blob(&digest).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(store.size(&digest).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(!store.contains(&digest).await.unwrap());
    store.remove(&digest).await.unwrap();
}

#[tokio::test]
async fn a_removed_blob_is_gone_and_can_come_again() {
    let (dir, store) = store();
    let (digest, _) = store.put(&b"hello"[..]).await.unwrap();
    store.remove(&digest).await.unwrap();
    assert_eq!(files_below(dir.path()), 0);
    store.put(&b"hello"[..]).await.unwrap();
    assert!(store.contains(&digest).await.unwrap());
}

#[test]
fn an_unfinished_blob_leaves_nothing() {
    let (dir, store) = store();
    let mut writer = store.writer().unwrap();
    writer.write_all(b"half").unwrap();
    assert_eq!(files_below(dir.path()), 1);
    drop(writer);
    assert_eq!(files_below(dir.path()), 0);
}

#[tokio::test]
async fn a_put_dropped_midway_leaves_nothing() {
    let (dir, store) = store();
    let (reader, mut other_end) = tokio::io::duplex(2);
    let mut put = Box::pin(store.put(reader));
    // The pipe holds two bytes: all four are in only once the store has begun to read.
    tokio::select! {
        _ = &mut put => panic!("the content has not ended"),
        written = tokio::io::AsyncWriteExt::write_all(&mut other_end, b"half") => written.unwrap(),
    }
    assert_eq!(files_below(dir.path()), 1);
    drop(put);
    assert_eq!(files_below(dir.path()), 0);
}

#[tokio::test]
async fn a_failing_source_leaves_nothing() {
    let (dir, store) = store();
    let broken = tokio_util::io::StreamReader::new(futures_util::stream::iter([
        Ok(bytes::Bytes::from_static(b"half")),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]));
    assert_eq!(store.put(broken).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(files_below(dir.path()), 0);
}

#[tokio::test]
async fn opening_sweeps_what_a_crash_left() {
    let (dir, store) = store();
    let (digest, _) = store.put(&b"hello"[..]).await.unwrap();
    let mut writer = store.writer().unwrap();
    writer.write_all(b"half").unwrap();
    std::mem::forget(writer); // as `kill -9` would

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(files_below(dir.path()), 1);
    assert!(store.contains(&digest).await.unwrap());
}

#[test]
fn writers_of_the_same_bytes_at_once_agree() {
    let (dir, store) = store();
    let mut writers: Vec<_> = (0..3).map(|_| store.writer().unwrap()).collect();
    for writer in &mut writers {
        writer.write_all(b"hello").unwrap();
    }
    let finished: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = writers.into_iter().map(|writer| scope.spawn(|| writer.finish().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(finished.iter().all(|(digest, size)| digest.to_string() == HELLO && *size == 5));
    assert_eq!(files_below(dir.path()), 1);
}

#[tokio::test]
async fn a_blob_can_be_counted_on_again_or_replaced() {
    let (_dir, store) = store();
    let (digest, _) = store.put(&b"hello"[..]).await.unwrap();
    let path = store.path_of(&digest);
    File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(store.keep(&digest).unwrap());
    assert!(path.metadata().unwrap().modified().unwrap() > std::time::SystemTime::UNIX_EPOCH);
    store.remove(&digest).await.unwrap();
    assert!(!store.keep(&digest).unwrap());

    std::fs::write(&path, "damaged").unwrap();
    let written = || {
        let mut writer = store.writer().unwrap();
        writer.write_all(b"hello").unwrap();
        writer
    };
    written().finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"damaged");
    assert_eq!(written().replace().unwrap(), (digest, 5));
    assert_eq!(std::fs::read(&path).unwrap(), b"hello");
}
