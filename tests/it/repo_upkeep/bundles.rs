//! `hoist admin repo:export` and `repo:import`: bundles that git reads and has written.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::{Yard, hoist, sorted, text};
use crate::harness::{Daemon, WorkTree, run};

/// What was said, which was an error.
#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    // As it was before it was broken into lines.
    text(&output.stderr).lines().map(|line| line.trim_start_matches([' ', '›'])).collect::<Vec<_>>().join(" ")
}

/// A bundle of some revisions of a work tree.
fn bundle(tree: &WorkTree, revisions: &[&str]) -> PathBuf {
    let file = tree.path().join(".git/made.bundle");
    tree.git(&[&["bundle", "create", "-q", file.to_str().unwrap()], revisions].concat());
    file
}

fn import(yard: &Yard, file: &std::path::Path, more: &[&str]) -> Output {
    yard.hoist(&[&["admin", "repo:import", "shop", file.to_str().unwrap()], more].concat())
}

#[track_caller]
fn imported(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr)
}

async fn with_history() -> Yard {
    let yard = Yard::with_pushes().await;
    yard.tree.git(&["tag", "-a", "-m", "one", "v1", "main~3"]);
    yard.push("refs/tags/v1").await;
    yard.push_big_branch(100_000).await;
    yard
}

#[tokio::test]
async fn git_clones_what_is_exported() {
    let yard = with_history().await;
    yard.set_ref("refs/heads/big", None).await;
    let file = yard.dir.path().join("shop.bundle");
    let output = yard.hoist(&["admin", "repo:export", "shop", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let verified = yard.tree.git(&["bundle", "verify", file.to_str().unwrap()]);
    assert!(verified.contains("The bundle records a complete history."), "{verified}");
    let piped = yard.hoist(&["admin", "repo:export", "shop", "-"]);
    assert!(piped.stdout == std::fs::read(&file).unwrap(), "what goes to standard output is the same");

    let clone = tempfile::tempdir().unwrap();
    run(Command::new("git").args(["clone", "-q"]).arg(&file).arg(clone.path()));
    let git = |args: &[&str]| run(Command::new("git").arg("-C").arg(clone.path()).args(args));
    git(&["fsck", "--strict", "--full"]);
    assert_eq!(git(&["rev-parse", "--abbrev-ref", "HEAD"]), "main\n");
    assert_eq!(git(&["rev-parse", "HEAD", "v1"]), yard.tree.git(&["rev-parse", "main", "v1"]));
    let objects = sorted(&git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]));
    assert_eq!(objects, yard.objects_of(&["main", "v1"]), "the deleted branch is not among it");
}

#[tokio::test]
async fn what_is_exported_is_imported_elsewhere() {
    let (yard, other) = (with_history().await, Yard::new().await);
    let file = yard.dir.path().join("shop.bundle");
    assert!(yard.hoist(&["admin", "repo:export", "shop", file.to_str().unwrap()]).status.success());
    let said = imported(&import(&other, &file, &[]));
    assert!(said.contains("Imported into shop: 3 refs have moved. Nothing was built"), "{said}");
    assert_eq!(other.refs().await, yard.refs().await);
    assert_eq!(other.fsck().await, yard.fsck().await);
    let said = imported(&import(&other, &file, &[]));
    assert!(said.contains("0 refs have moved"), "{said}");
}

/// Beside a daemon that serves the app; it is in the trail of what was done.
#[test]
fn a_daemon_serves_what_is_imported() {
    let daemon = Daemon::start_with("engine = \"local\"\n");
    let alice = daemon.user("alice@example.com");
    daemon.client(&alice, &["apps:create", "shop"]);
    let tree = WorkTree::new();
    tree.write("file", "content\n");
    let commit = tree.commit("first");
    let mut import = hoist(daemon.data_dir(), &["admin", "repo:import", "shop", "-"]);
    let file = std::fs::File::open(bundle(&tree, &["main"])).unwrap();
    let output = import.stdin(Stdio::from(file)).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));

    let url = format!("http://_:{}@{}/shop.git", alice.token, daemon.http);
    assert_eq!(tree.git(&["ls-remote", &url, "main"]), format!("{commit}\trefs/heads/main\n"));
    let clone = tempfile::tempdir().unwrap();
    run(Command::new("git").args(["clone", "-q", &url]).arg(clone.path()));
    assert_eq!(std::fs::read_to_string(clone.path().join("file")).unwrap(), "content\n");
    assert_eq!(daemon.releases(&alice, "shop").len(), 1, "nothing but the first release of every app");
    let events = daemon.get(&alice, "/apps/shop/audit-events");
    let event = events.as_array().unwrap().iter().find(|event| event["type"] == "refs").expect("the import is in the trail");
    assert!(event["data"]["refs"]["refs/heads/main"] == *commit, "{event}");
}

#[tokio::test]
async fn nothing_is_lost_without_force() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    yard.push_change(1).await;
    yard.tree.git(&["tag", "v1"]);
    yard.set_ref("refs/tags/v1", Some(&yard.id("main"))).await;
    let before = yard.refs().await;

    yard.tree.git(&["reset", "-q", "--hard", "HEAD~1"]);
    yard.tree.commit("another");
    let said = refused(&import(&yard, &bundle(&yard.tree, &["main", "v1"]), &[]));
    assert!(said.contains("refs of shop would lose commits, or are tags that would move: refs/heads/main."), "{said}");
    yard.tree.git(&["tag", "-f", "v1", "main"]);
    let said = refused(&import(&yard, &bundle(&yard.tree, &["v1"]), &[]));
    assert!(said.contains("refs/tags/v1."), "{said}");
    yard.tree.git(&["checkout", "-q", "-b", "other"]);
    let said = refused(&import(&yard, &bundle(&yard.tree, &["other"]), &[]));
    assert!(said.contains("are not in the bundle, so that it may be another app's: refs/heads/main, refs/tags/v1."), "{said}");
    assert_eq!((yard.refs().await, yard.packs()), (before, yard.recorded().await), "nothing has come of it");

    imported(&import(&yard, &bundle(&yard.tree, &["main", "other", "v1"]), &["--force"]));
    let (id, refs) = (yard.id("main"), yard.refs().await);
    assert!(refs.len() == 3 && refs.iter().all(|(_, at)| *at == id), "{refs:?}");
    yard.fsck().await;
}

/// What comes after what is there is no loss.
#[tokio::test]
async fn history_goes_on() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    yard.tree.write("file", "next\n");
    yard.tree.commit("next");
    imported(&import(&yard, &bundle(&yard.tree, &["main", "^main~1"]), &[]));
    assert_eq!(yard.refs().await, [("refs/heads/main".parse().unwrap(), yard.id("main"))]);
    assert_eq!(yard.fsck().await, yard.objects_of(&["main"]));
}

#[tokio::test]
async fn what_cannot_be_imported() {
    let (yard, other) = (Yard::new().await, Yard::new().await);
    yard.push_change(0).await;
    yard.push_change(1).await;
    let said = refused(&import(&other, &bundle(&yard.tree, &["main", "^main~1"]), &[]));
    assert!(said.contains(&format!("it builds upon commit {}, which is not here", yard.id("main~1"))), "{said}");

    let whole = std::fs::read(bundle(&yard.tree, &["main"])).unwrap();
    let file = yard.dir.path().join("bad.bundle");
    let try_import = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        refused(&import(&other, &file, &[]))
    };
    assert!(try_import(b"PACK").contains("it is not a git bundle"));
    assert!(try_import(&whole[..40]).contains("it ends in its header"));
    assert!(try_import(&whole[..whole.len() - 30]).contains("the pack ends early"));
    let mut broken = whole.clone();
    let middle = whole.len() - 60;
    broken[middle] ^= 1;
    assert!(try_import(&broken).contains("the pack is corrupt"));
    let main = yard.id("main").to_string();
    let absent = "0123456789".repeat(4);
    let at = whole.windows(40).position(|bytes| bytes == main.as_bytes()).unwrap();
    let mut wrong = whole.clone();
    wrong[at..at + 40].copy_from_slice(absent.as_bytes());
    let said = try_import(&wrong);
    assert!(said.contains(&format!("refs/heads/main cannot be: object {absent} is missing")), "{said}");
    assert!(refused(&import(&other, &yard.dir.path().join("none"), &[])).contains("can't read"));
    assert_eq!((other.refs().await, other.packs()), (vec![], vec![]));
    let said = refused(&other.hoist(&["admin", "repo:export", "shop", "-"]));
    assert!(said.contains("There is nothing to export: shop has no refs yet."), "{said}");
}

/// A ref that git has for itself alone is left out.
#[tokio::test]
async fn a_stash_is_left_out() {
    let (yard, other) = (Yard::new().await, Yard::new().await);
    yard.push_change(0).await;
    yard.tree.write("file", "not committed\n");
    yard.tree.git(&["stash", "-q"]);
    let said = imported(&import(&other, &bundle(&yard.tree, &["--all"]), &[]));
    assert!(said.contains("refs/stash is left out"), "{said}");
    assert_eq!(other.refs().await, yard.refs().await);
}

/// What is missing comes back with a bundle of a clone, although all refs are as they were.
#[tokio::test]
async fn an_import_gives_back_what_was_lost() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    let lost = yard.packs().remove(0);
    yard.push_change(1).await;
    for extension in ["pack", "idx", "rev", "roots"] {
        std::fs::remove_file(yard.pack_dir().join(format!("{lost}.{extension}"))).unwrap();
    }
    assert_eq!(yard.hoist(&["admin", "repo:check", "shop"]).status.code(), Some(1));
    imported(&import(&yard, &bundle(&yard.tree, &["main"]), &[]));
    let output = yard.hoist(&["admin", "repo:check", "shop"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
}
