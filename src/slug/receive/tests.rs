use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::store::tests::{files_below, store};

/// What GNU tar makes of a folder: its order is that of the disk.
fn tar_of(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (kind, path, text) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name(text).unwrap();
        }
        let content = if *kind == EntryType::Regular { text.as_bytes() } else { b"" };
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

const GOOD: &[(EntryType, &str, &str)] = &[
    (EntryType::Directory, "./app/", ""),
    (EntryType::Regular, "./app/z", "z"),
    (EntryType::Symlink, "./app/b", "/etc"),
    (EntryType::Link, "./app/y", "./app/z"),
    (EntryType::Directory, "./app/a/", ""),
    (EntryType::Regular, "./app/a/x", "x"),
];

async fn receive_into(store: &Store, archive: Vec<u8>, expected: Option<Digest>) -> Result<Received, ReceiveError> {
    receive(io::Cursor::new(archive), expected, store, &Limits::default()).await
}

async fn refusal(archive: Vec<u8>) -> String {
    let (dir, store): (TempDir, Store) = store();
    let error = receive_into(&store, archive, None).await.unwrap_err();
    assert_eq!(files_below(dir.path()), 0, "{error} and something is left");
    error.to_string()
}

#[tokio::test]
async fn an_archive_is_kept_byte_for_byte() {
    let (_dir, store) = store();
    let tar = tar_of(GOOD);
    let archive = gzip(&tar);
    let digest = |bytes: &[u8]| Digest::from_bytes(Sha256::digest(bytes).into());
    let received = receive_into(&store, archive.clone(), Some(digest(&archive))).await.unwrap();
    let expected = Received { digest: digest(&archive), content_digest: digest(&tar), size_bytes: archive.len() as u64 };
    assert_eq!(received, expected);
    let mut kept = Vec::new();
    let mut blob = store.open_blob(&received.digest).await.unwrap();
    tokio::io::AsyncReadExt::read_to_end(&mut blob, &mut kept).await.unwrap();
    assert!(kept == archive);
}

#[tokio::test]
async fn another_checksum_is_refused_and_keeps_what_was_there() {
    let (dir, store) = store();
    let archive = gzip(&tar_of(GOOD));
    receive_into(&store, archive.clone(), None).await.unwrap();
    let wrong = Digest::from_bytes([7; 32]);
    assert!(matches!(receive_into(&store, archive, Some(wrong)).await, Err(ReceiveError::Checksum { .. })));
    assert_eq!(files_below(dir.path()), 1);
}

#[tokio::test]
async fn what_has_no_place_in_a_slug_is_refused() {
    use EntryType::{Directory, Fifo, Link, Regular, Symlink};
    for (entries, why) in [
        (&[(Regular, "etc/passwd", "")][..], "etc/passwd: a slug holds nothing outside of ./app"),
        (&[(Regular, "./application", "")], "./application: a slug holds nothing outside of ./app"),
        (&[(Regular, "./app/../etc/passwd", "")], "./app/../etc/passwd: the path has an empty, `.` or `..` part"),
        (&[(Regular, "/app/x", "")], "/app/x: the path is absolute"),
        (
            &[(Symlink, "app/x", "/etc"), (Regular, "app/x/passwd", "")],
            "app/x/passwd: the path leads through something that is no folder",
        ),
        (
            &[(Symlink, "app", "/etc"), (Regular, "app/passwd", "")],
            "app/passwd: the path leads through something that is no folder",
        ),
        (&[(Regular, "app/x", ""), (Symlink, "app/x", "y")], "app/x: the path comes twice"),
        (&[(Directory, "app/x/", ""), (Symlink, "./app/x", "/etc")], "./app/x: the path comes twice"),
        (&[(Link, "app/x", "etc/shadow")], "app/x: a slug holds nothing outside of ./app"),
        (&[(Link, "app/x", "app/y")], "app/x: a hard link to what is no file before it"),
        (&[(Fifo, "app/x", "")], "app/x: a device or a pipe"),
        (&[(Regular, "app/.wh.x", "")], "app/.wh.x: names that start with `.wh.` are reserved by container images"),
    ] {
        assert_eq!(refusal(gzip(&tar_of(entries))).await, why);
    }
}

#[tokio::test]
async fn half_an_archive_or_none_is_refused() {
    let archive = gzip(&tar_of(GOOD));
    let no_archive = "the archive is not a whole gzip-compressed tar";
    assert_eq!(refusal(Vec::new()).await, no_archive);
    assert_eq!(refusal(b"hello".to_vec()).await, no_archive);
    assert_eq!(refusal(tar_of(GOOD)).await, no_archive, "it is not compressed");
    assert_eq!(refusal(gzip(b"hello")).await, no_archive);
    assert_eq!(refusal(archive[..archive.len() - 9].to_vec()).await, no_archive);
    assert_eq!(refusal([archive.clone(), archive].concat()).await, no_archive, "two in one");
}

#[tokio::test]
async fn limits_hold_while_the_archive_comes() {
    let (dir, store) = store();
    let big = gzip(&tar_of(&[(EntryType::Regular, "app/x", &"x".repeat(1 << 20))]));
    let limits = Limits { slug_bytes: 100, ..Limits::default() };
    let error = receive(io::Cursor::new(big.clone()), None, &store, &limits).await.unwrap_err();
    assert!(matches!(error, ReceiveError::TooLarge { limit_bytes: 100 }), "{error}");
    let limits = Limits { build_disk_bytes: 1 << 19, ..Limits::default() };
    let error = receive(io::Cursor::new(big), None, &store, &limits).await.unwrap_err();
    assert!(matches!(error, ReceiveError::ContentTooLarge { .. }), "{error}");
    assert_eq!(files_below(dir.path()), 0);
}

#[tokio::test]
async fn a_sender_who_goes_away_is_told_apart() {
    let (dir, store) = store();
    let half = gzip(&tar_of(GOOD))[..40].to_vec();
    let broken = tokio_util::io::StreamReader::new(futures_util::stream::iter([
        Ok(bytes::Bytes::from(half)),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]));
    let error = receive(broken, None, &store, &Limits::default()).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Read(_)), "{error}");
    assert_eq!(files_below(dir.path()), 0);
}
