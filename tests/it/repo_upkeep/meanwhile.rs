//! Packs become fewer while others push and fetch.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use hoist::db::{self, Db};
use hoist::git::{Fetches, Terms, UploadPack, Version};
use hoist::model::{AccountId, RefName};
use hoist::repos::{self, UpkeepError};
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Yard, fsck, open_repo, sorted};
use crate::harness::{Daemon, WorkTree, run, until};

/// For a copy of little.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// What is pushed may build upon anything that there is: until it is over nothing goes.
#[tokio::test]
async fn nothing_goes_while_somebody_pushes() {
    let yard = Yard::with_pushes().await;
    let before = yard.packs();
    let push = yard.repo.hold().await.unwrap();
    let (db, repo, app, now) = (yard.db.clone(), yard.repo.clone(), yard.app.id, yard.start);
    let folding = tokio::spawn(async move { repos::fold(&db, &repo, app, now).await });
    copy_is_ready(&yard).await;
    assert_eq!(yard.packs(), before);
    drop(push);
    assert_eq!(folding.await.unwrap().unwrap().unwrap().packs, 12);
    assert_eq!(yard.fsck().await, yard.objects_of(&["main"]));
}

/// A ref that comes back to what nothing has led to for two weeks, while that is about to go.
#[tokio::test]
async fn what_is_led_to_again_stays() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    yard.push_big_branch(300_000).await;
    yard.set_ref("refs/heads/big", None).await;
    let push = yard.repo.hold().await.unwrap();
    let (db, repo, app, later) = (yard.db.clone(), yard.repo.clone(), yard.app.id, yard.start + Duration::days(15));
    let dropping = tokio::spawn(async move { repos::drop_unreachable(&db, &repo, app, later).await });
    copy_is_ready(&yard).await;
    yard.set_ref("refs/heads/back", Some(&yard.id("big"))).await;
    drop(push);
    let dropped = dropping.await.unwrap();
    assert!(matches!(dropped, Err(UpkeepError::Busy)), "{dropped:?}");
    assert_eq!(yard.fsck().await, yard.objects_of(&["main", "big"]));
    assert_eq!(repos::due_to_drop(&yard.db, later).await.unwrap(), [yard.app.id], "it is looked at again");
}

/// Likewise a pack that has come meanwhile: its objects may refer to any others.
#[tokio::test]
async fn what_comes_meanwhile_stays() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    yard.push_big_branch(300_000).await;
    yard.set_ref("refs/heads/big", None).await;
    let push = yard.repo.hold().await.unwrap();
    let (db, repo, app, later) = (yard.db.clone(), yard.repo.clone(), yard.app.id, yard.start + Duration::days(15));
    let dropping = tokio::spawn(async move { repos::drop_unreachable(&db, &repo, app, later).await });
    copy_is_ready(&yard).await;
    yard.push_change(1).await;
    drop(push);
    let dropped = dropping.await.unwrap();
    assert!(matches!(dropped, Err(UpkeepError::Busy)), "{dropped:?}");
    assert_eq!(yard.fsck().await, yard.objects_of(&["main"]));
}

/// Waits until a new pack is checked and has only to take its place.
async fn copy_is_ready(yard: &Yard) {
    let repo = yard.pack_dir().parent().unwrap().parent().unwrap().to_owned();
    let ready = async {
        while !repo.read_dir().unwrap().any(|entry| is_ready(&entry.unwrap().path())) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("no copy is made");
}

/// Whether a folder is a quarantine that has a pack of its final name.
fn is_ready(folder: &Path) -> bool {
    let begins = |path: &Path, with: &str| path.file_name().unwrap().as_encoded_bytes().starts_with(with.as_bytes());
    let Ok(files) = folder.join("pack").read_dir() else { return false };
    let is_pack = |path: &Path| begins(path, "pack-") && path.extension().is_some_and(|extension| extension == "pack");
    begins(folder, "incoming-") && files.flatten().any(|file| is_pack(&file.path()))
}

/// A slow client: the packs that it is being sent go while half of them is on its way.
#[tokio::test]
async fn a_fetch_that_is_held_half_way_ends_well() {
    let yard = Yard::new().await;
    for number in 0..10 {
        yard.tree.write("note", &format!("{number}"));
        std::fs::write(yard.tree.path().join(format!("big{number}")), super::random(400_000 + number)).unwrap();
        yard.tree.commit("big");
        yard.push("refs/heads/main").await;
    }
    let refs = yard.refs().await;
    let head: RefName = "refs/heads/main".parse().unwrap();
    let fetches = Fetches::new(2);
    let upload_pack = UploadPack::new(&yard.repo, &refs, &head, &fetches, AccountId::new());
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let (reader, writer) = tokio::io::split(server);
    let terms = Terms { version: Version::V0, is_stateless: false };
    let serving = tokio::spawn(async move { upload_pack.serve(reader, writer, terms).await.map(|served| served.objects) });
    let want = format!("want {} ofs-delta\n", refs[0].1);
    client.write_all(format!("{:04x}{want}00000009done\n", want.len() + 4).as_bytes()).await.unwrap();
    let mut answer = vec![0; 500_000];
    client.read_exact(&mut answer).await.unwrap();

    let old = yard.packs();
    repos::fold(&yard.db, &yard.repo, yard.app.id, yard.start).await.unwrap().unwrap();
    assert!(yard.packs().len() == 1 && !old.contains(&yard.packs()[0]), "the packs that are being sent are gone");

    client.read_to_end(&mut answer).await.unwrap();
    let objects = yard.objects_of(&["main"]);
    assert_eq!(serving.await.unwrap().unwrap(), objects.len() as u64);
    let pack = answer.strip_prefix(b"0008NAK\n").unwrap();
    let clone = WorkTree::new();
    let mut git = Command::new("git");
    git.arg("-C").arg(clone.path()).args(["index-pack", "--stdin", "--strict", "--check-self-contained-and-connected"]);
    let mut git = git.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    git.stdin.take().unwrap().write_all(pack).unwrap();
    assert!(git.wait().unwrap().success());
    assert_eq!(sorted(&clone.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"])), objects);
}

/// Pushes and clones over a daemon, while another process than the daemon makes packs fewer without pause, and the daemon
/// itself at times.
#[test]
fn pushes_and_clones_go_on() {
    let daemon = Daemon::start_with("engine = \"local\"\n");
    let alice = daemon.user("alice@example.com");
    daemon.client(&alice, &["apps:create", "shop"]);
    let url = format!("http://_:{}@{}/shop.git", alice.token, daemon.http);
    let tree = WorkTree::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let db = runtime.block_on(Db::open(daemon.data_dir())).unwrap();
    let find = async { db::apps::by_name(&mut db.read().await.unwrap(), &"shop".parse().unwrap()).await.unwrap().unwrap().id };
    let app = runtime.block_on(find);
    let repo = open_repo(daemon.data_dir(), app);
    let is_over = AtomicBool::new(false);
    let (folded, cloned) = std::thread::scope(|scope| {
        let fold = scope.spawn(|| {
            let mut folded = 0;
            while !is_over.load(Ordering::Relaxed) {
                let done = runtime.block_on(repos::fold(&db, &repo, app, OffsetDateTime::now_utc()));
                // The daemon may have been quicker.
                folded += usize::from(done.is_ok_and(|done| done.is_some()));
            }
            folded
        });
        let clone = scope.spawn(|| {
            let mut cloned = 0;
            while !is_over.load(Ordering::Relaxed) {
                let clone = tempfile::tempdir().unwrap();
                run(Command::new("git").args(["clone", "-q", "--mirror", &url]).arg(clone.path()));
                run(Command::new("git").arg("-C").arg(clone.path()).args(["fsck", "--strict", "--full"]));
                cloned += 1;
            }
            cloned
        });
        for number in 0..40 {
            tree.write("file", &format!("{}\nversion {number}\n", "some text that stays as it is\n".repeat(30)));
            tree.write(&format!("src/file{number}"), &format!("{number}\n"));
            tree.commit(&format!("change {number}"));
            tree.git(&["push", "-q", &url, &format!("HEAD:refs/heads/branch{}", number % 3)]);
        }
        until(|| repo.packs().unwrap().len() < 10);
        is_over.store(true, Ordering::Relaxed);
        (fold.join().unwrap(), clone.join().unwrap())
    });
    assert!(folded > 0 && cloned > 0, "folded {folded} times, cloned {cloned} times");
    let list = async { db::refs::list(&mut db.read().await.unwrap(), app).await.unwrap() };
    let refs = runtime.block_on(list);
    assert_eq!(refs.len(), 3);
    assert_eq!(fsck(daemon.data_dir(), app, &refs), sorted(&tree.git(&["rev-list", "--objects", "--no-object-names", "HEAD"])));
}

/// The daemon does it by itself, and says so.
#[test]
fn the_daemon_sees_to_it() {
    let daemon = Daemon::start_with("engine = \"local\"\n");
    let alice = daemon.user("alice@example.com");
    daemon.client(&alice, &["apps:create", "shop"]);
    let tree = WorkTree::new();
    for number in 0..12 {
        tree.write("file", &format!("version {number}\n"));
        tree.commit(&format!("change {number}"));
        assert!(tree.push_http_to(&daemon, &alice, "shop", "HEAD:refs/heads/side").ok);
    }
    until(|| daemon.log().contains("have become one"));
    let metrics = ureq::get(format!("http://{}/metrics", daemon.http)).call().unwrap().body_mut().read_to_string().unwrap();
    let counted = metrics.lines().find_map(|line| line.strip_prefix("hoist_packs_folded_total ")).unwrap();
    assert!(counted.parse::<u32>().unwrap() >= 10, "{counted}");
}
