//! A commit of 20,000 files put into an environment, against `git archive | tar x`: an app's first one, and a later one in which
//! one package in a hundred has changed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hoist::engine::{Engine, Environment, Groundwork, Spec, make_yard, wide_pipe};
use hoist::git::{Additions, Base, Exported, Repo};
use hoist::model::{CommitId, Limits};
use ignore::gitignore::Gitignore;
use tokio::net::unix::pipe::Receiver;
use tokio::runtime::Runtime;

use crate::harness::{HOIST, WorkTree, stacks_dir};
use crate::measure::{in_turns, time};
use crate::peers::Peers;
use crate::sandbox_start::open_engine;
use crate::{slug_tree, table};

const ROUNDS: usize = 7;

/// Of 30 files each.
const PACKAGES: u64 = 667;

/// Where a build has its source.
const DIR: &str = "/tmp/build_bench";

pub(crate) fn measure(_: &Peers) {
    let tree = WorkTree::new();
    slug_tree::generate_packages(tree.path(), PACKAGES).expect("the files can be written");
    let first: CommitId = tree.commit("first").parse().expect("git names commits");
    slug_tree::change_one_percent(tree.path(), 0).expect("the files can be written");
    let next: CommitId = tree.commit("next").parse().expect("git names commits");
    tree.git(&["repack", "-adq"]);
    // Side by side: both write to the same file system, and neither where the other, or itself, has just removed a tree.
    let work = tempfile::tempdir().expect("a temporary folder can be made");
    make_yard(work.path()).expect("it is there");
    let peer = |round| work.path().join(format!("peer-{round}"));
    (0..=2 * ROUNDS + 1).for_each(|round| std::fs::create_dir(peer(round)).expect("a folder can be made"));
    let repo = repo_of(&tree, &work.path().join("repo"));
    let runtime = Runtime::new().expect("a runtime can be started");
    let engine = runtime.block_on(open_engine(&work.path().join("engine")));
    let hoist = |_| runtime.block_on(export_all(&engine, &repo, &next));
    let medians = in_turns(ROUNDS, hoist, |round| archive(tree.path(), &peer(round)));
    table::compare("source export of 20,000 files, the first", medians.hoist, medians.peer, 0.6);
    let own = |round| work.path().join(format!("own-{round}"));
    let hoist = |round| runtime.block_on(export_changes(&engine, &repo, (&first, &next), &own(round)));
    let medians = in_turns(ROUNDS, hoist, |round| archive(tree.path(), &peer(ROUNDS + 1 + round)));
    table::compare("source export of 20,000 files, 1 % changed", medians.hoist, medians.peer, 0.6);
}

/// A repository of hoist's with the work tree's packs.
fn repo_of(tree: &WorkTree, dir: &Path) -> Repo {
    let repo = Repo::open(dir, &PathBuf::from(HOIST), &Limits::default()).expect("it is a new one");
    for entry in std::fs::read_dir(tree.path().join(".git/objects/pack")).expect("git has packed") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().expect("it is a file");
        std::fs::copy(&path, dir.join("objects/pack").join(name)).expect("it can be copied");
    }
    repo
}

/// From the wish for the files until they are there. Starting the environment is measured elsewhere.
async fn export_all(engine: &Engine, repo: &Repo, commit: &CommitId) -> Duration {
    let environment = engine.start(spec()).await.expect("an environment starts");
    let start = Instant::now();
    let exported = put(repo, commit, async |tar| environment.put_in_piped(DIR, tar).await.expect("it can be unpacked")).await;
    stop(environment, start, &exported).await
}

/// Likewise, where the files of an earlier commit have been put in advance.
async fn export_changes(engine: &Engine, repo: &Repo, (first, next): (&CommitId, &CommitId), own: &Path) -> Duration {
    let unpack = async |tar| engine.unpack_for_one(tar, own, DIR).await.expect("it can be unpacked");
    let exported = put(repo, first, unpack).await;
    let base = Base { commit: first.clone(), root: None, exported };
    let groundwork = Groundwork { layer: None, own: Some(own) };
    let environment = engine.start_over(spec(), groundwork).await.expect("an environment starts");
    let start = Instant::now();
    let changes = repo.changes(None, &base, next, None, &Gitignore::empty()).await.expect("it can be read");
    let changes = changes.expect("they are few");
    environment.remove_in(DIR, changes.removed.as_slice()).await.expect("it can be removed");
    let (writer, reader) = wide_pipe().expect("a pipe can be made");
    let (exported, put) = tokio::join!(repo.export_changes(None, changes, writer), environment.put_in_piped(DIR, reader));
    put.expect("it can be unpacked");
    stop(environment, start, &exported.expect("it can be read")).await
}

/// Has a commit's files taken as a tar.
async fn put(repo: &Repo, commit: &CommitId, take: impl AsyncFnOnce(Receiver)) -> Exported {
    let (writer, reader) = wide_pipe().expect("a pipe can be made");
    let ignore = Gitignore::empty();
    let export = repo.export(None, commit, None, Additions::default(), &ignore, writer);
    let (exported, ()) = tokio::join!(export, take(reader));
    exported.expect("it can be read")
}

async fn stop(environment: Environment, start: Instant, exported: &Exported) -> Duration {
    let time = start.elapsed();
    assert_eq!(exported.files, PACKAGES * 30);
    environment.stop().await.expect("the environment stops");
    time
}

fn spec() -> Spec {
    let stack = hoist::stack::find(&stacks_dir(), &"debian-12".parse().expect("it is a stack's name")).expect("it is built");
    let limits = Limits::default();
    Spec {
        root: stack.build_root,
        name: "bench".into(),
        memory_bytes: limits.build_memory_bytes,
        pids: limits.build_pids,
        cpus: limits.build_cpus,
        disk_bytes: limits.build_disk_bytes,
        network: false,
    }
}

fn archive(tree: &Path, dest: &Path) -> Duration {
    let script = r#"git -C "$1" archive HEAD | tar -x -C "$2""#;
    let taken = time(Command::new("sh").args(["-c", script, "sh"]).arg(tree).arg(dest));
    std::fs::remove_dir_all(dest).expect("it can be removed");
    taken
}
