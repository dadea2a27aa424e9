use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::task::{Context, Poll};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, ReadBuf};

use super::*;
use crate::model::AppId;
use crate::slug::{LastSlugs, open_tar};
use crate::store::tests::{files_below, store};

/// A tree out of a seed: folders, files of many sizes, links, odd names.
fn grow_tree(dir: &Path, seed: u64) {
    let mut random = random_below(seed);
    let mut folders = vec![dir.to_owned()];
    for number in 0..random(60) {
        let folder = folders[random(folders.len())].clone();
        let name = ["a", "a-b", "a.b", "ä b", "x".repeat(120).as_str(), "new\nline"][random(6)].to_owned() + &number.to_string();
        let path = folder.join(name);
        match random(6) {
            0 | 1 => {
                std::fs::create_dir(&path).unwrap();
                folders.push(path);
            }
            2 => std::os::unix::fs::symlink("t".repeat(1 + random(150)), path).unwrap(),
            _ => {
                let size = [0, 1, 511, 512, 513, 5000, 300_000][random(7)];
                std::fs::write(&path, (0..size).map(|at| (at / 7 + number).to_le_bytes()[0]).collect::<Vec<_>>()).unwrap();
                let mode = [0o644, 0o755, 0o600, 0o711, 0o4755][random(5)];
                std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
            }
        }
    }
}

/// Numbers below the limit asked for, the same for the same seed.
fn random_below(mut state: u64) -> impl FnMut(usize) -> usize {
    move |limit| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    }
}

/// Runs a program in `dir` and returns what it printed.
#[expect(clippy::disallowed_methods, reason = "other people's tar is the referee")]
fn run(dir: &Path, script: &str) -> Vec<u8> {
    let output = Command::new("sh").args(["-ec", script]).current_dir(dir).env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn tar_of(tree: &Path, options: &str) -> Vec<u8> {
    run(tree, &format!("tar -c --sort=name {options} ."))
}

async fn pack_bytes(tar: Vec<u8>, store: &Store) -> Result<Packed, PackError> {
    packed(pack(io::Cursor::new(tar), store, &no_last_slug(), &Limits::default(), ()).await)
}

fn packed(done: Result<(Packed, ()), PackError>) -> Result<Packed, PackError> {
    done.map(|(packed, ())| packed)
}

/// Of an app that has none, in a folder that is gone.
fn no_last_slug() -> LastSlug {
    LastSlugs::open(TempDir::new().unwrap().path()).unwrap().of(AppId::new())
}

#[tokio::test]
async fn gnu_tar_unpacks_what_was_packed() {
    let (dir, store) = store();
    for seed in 0..6 {
        let work = TempDir::new().unwrap();
        let (tree, out) = (work.path().join("tree"), work.path().join("out"));
        std::fs::create_dir(&tree).unwrap();
        std::fs::create_dir(&out).unwrap();
        grow_tree(&tree, seed);
        let packed = pack_bytes(tar_of(&tree, ""), &store).await.unwrap();

        let hex = packed.digest.hex();
        let blob = dir.path().join("sha256").join(&hex[..2]).join(&hex);
        let blob = blob.to_str().unwrap();
        run(&out, &format!("gzip -t {blob}; tar -xzf {blob}; diff -r --no-dereference ../tree app"));
        let odd_modes = run(&out, "find app -type f ! -perm 644 ! -perm 755; find app -type d ! -perm 755");
        assert_eq!(odd_modes, b"", "seed {seed}");
        let files = run(&tree, "find . ! -type d -printf x").len() as u64;
        assert_eq!((packed.files, packed.size_bytes), (files, blob_size(blob)));
    }
}

fn blob_size(path: &str) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

#[tokio::test]
async fn equal_trees_make_equal_slugs() {
    let (work, (dir, store)) = (TempDir::new().unwrap(), store());
    grow_tree(work.path(), 5);
    std::fs::write(work.path().join("zz-large"), vec![7; 3_000_000]).unwrap();
    let first = pack_bytes(tar_of(work.path(), "--owner=1 --group=2"), &store).await.unwrap();
    for options in ["--mtime=@99 --owner=root --group=root", "--format=pax --mtime=@1.5", "--format=gnu -b 1"] {
        let tar = tar_of(work.path(), options);
        for threads in 1..=4 {
            let threads = NonZero::new(threads).unwrap();
            let tar = io::Cursor::new(tar.clone());
            let again = pack_on(threads, tar, &store, &no_last_slug(), &Limits::default(), ()).await;
            assert_eq!(packed(again).unwrap(), first, "{options}, {threads} threads");
        }
    }
    assert_eq!(files_below(dir.path()), 1);
}

#[tokio::test]
async fn the_plain_tar_comes_back_under_the_content_digest() {
    let (work, (_dir, store)) = (TempDir::new().unwrap(), store());
    grow_tree(work.path(), 3);
    let packed = pack_bytes(tar_of(work.path(), ""), &store).await.unwrap();
    let mut tar = Vec::new();
    open_tar(&store, &packed.digest).await.unwrap().read_to_end(&mut tar).await.unwrap();
    assert_eq!(tar.len() as u64, packed.content_bytes);
    assert_eq!(Digest::from_bytes(Sha256::digest(&tar).into()), packed.content_digest);
}

#[tokio::test]
async fn a_damaged_slug_does_not_read_as_a_whole_one() {
    let (_dir, store) = store();
    let (digest, _) = store.put(&b"\x1f\x8b\x08\x00 cut off"[..]).await.unwrap();
    assert!(open_tar(&store, &digest).await.unwrap().read_to_end(&mut Vec::new()).await.is_err());
    let missing = Digest::from_bytes([0; 32]);
    assert_eq!(open_tar(&store, &missing).await.err().unwrap().kind(), io::ErrorKind::NotFound);
}

/// A tar of one file that never ends, and counts what is taken of it.
struct Endless {
    header: Option<tar::Header>,
    state: u64,
    taken: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Endless {
    fn new() -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_path("noise").unwrap();
        header.set_size(1 << 50);
        header.set_mode(0o644);
        header.set_cksum();
        Self { header: Some(header), state: 1, taken: std::sync::Arc::default() }
    }
}

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(header) = self.header.take() {
            buffer.put_slice(header.as_bytes());
        }
        while buffer.remaining() >= 8 {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            buffer.put_slice(&self.state.to_le_bytes());
        }
        self.taken.fetch_add(buffer.filled().len() as u64, std::sync::atomic::Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn too_large_a_slug_stops_while_it_is_written() {
    let (dir, store) = store();
    let limits = Limits { slug_bytes: 3_000_000, ..Limits::default() };
    let endless = Endless::new();
    let taken = endless.taken.clone();
    match pack_on(NonZero::new(2).unwrap(), endless, &store, &no_last_slug(), &limits, ()).await {
        Err(PackError::TooLarge { size_bytes: 3_000_001..5_000_000, limit_bytes: 3_000_000 }) => {}
        other => panic!("{other:?}"),
    }
    assert!(taken.load(std::sync::atomic::Ordering::Relaxed) < 15_000_000, "{taken:?}");
    assert_eq!(files_below(dir.path()), 0);
}

#[tokio::test]
async fn too_much_content_stops_however_well_it_compresses() {
    let (dir, store) = store();
    let mut tar = tar_of(TempDir::new().unwrap().path(), "");
    tar.resize(tar.len() + 20_000_000, 0);
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(20_000_000);
    header.set_mode(0o644);
    header.set_cksum();
    tar[512..1024].copy_from_slice(header.as_bytes());
    let limits = Limits { build_disk_bytes: 10_000_000, ..Limits::default() };
    let error = pack(io::Cursor::new(tar), &store, &no_last_slug(), &limits, ()).await.unwrap_err();
    assert!(matches!(error, PackError::ContentTooLarge { limit_bytes: 10_000_000 }), "{error:?}");
    assert_eq!(files_below(dir.path()), 0);
}

#[tokio::test]
async fn faults_are_told_apart_and_leave_nothing() {
    let (dir, store) = store();
    let cut_off = pack_bytes(b"x".to_vec(), &store).await.unwrap_err();
    assert!(matches!(&cut_off, PackError::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof), "{cut_off:?}");

    let broken = tokio_util::io::StreamReader::new(futures_util::stream::iter([
        Ok(bytes::Bytes::from(vec![0; 1024])),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]));
    let verdict = pack(broken, &store, &no_last_slug(), &Limits::default(), ()).await.unwrap_err();
    assert!(matches!(&verdict, PackError::Read(error) if error.kind() == io::ErrorKind::ConnectionReset), "{verdict:?}");

    let work = TempDir::new().unwrap();
    std::fs::write(work.path().join(".wh.x"), "").unwrap();
    let bad = pack_bytes(tar_of(work.path(), ""), &store).await.unwrap_err();
    assert_eq!(bad.to_string(), "./.wh.x: names that start with `.wh.` are reserved by container images");
    assert_eq!(files_below(dir.path()), 0);

    std::fs::remove_dir_all(dir.path().join("tmp")).unwrap();
    let unwritable = pack_bytes(vec![0; 1024], &store).await.unwrap_err();
    assert!(matches!(unwritable, PackError::Store(_)), "{unwritable:?}");
}

#[tokio::test]
async fn a_pack_dropped_midway_leaves_nothing() {
    let (dir, store) = store();
    let (reader, mut writer) = tokio::io::duplex(1024);
    let limits = Limits::default();
    let last = no_last_slug();
    let mut packing = Box::pin(pack(reader, &store, &last, &limits, ()));
    tokio::select! {
        _ = &mut packing => panic!("the tar has not ended"),
        written = tokio::io::AsyncWriteExt::write_all(&mut writer, &[b'x'; 2000]) => written.unwrap(),
    }
    drop(packing);
    // The packing thread still has to notice: the tar goes on.
    while files_below(dir.path()) > 0 {
        tokio::task::yield_now().await;
    }
    drop(writer);
}

mod reuse;
