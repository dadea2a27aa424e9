//! A commit of 20,000 files put into an environment, against `git archive | tar x`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hoist::engine::{Engine, Spec, make_yard};
use hoist::git::{Additions, Repo};
use hoist::model::{CommitId, Limits};
use ignore::gitignore::Gitignore;
use tokio::runtime::Runtime;

use crate::harness::{HOIST, WorkTree, stacks_dir};
use crate::measure::{in_turns, time};
use crate::peers::Peers;
use crate::sandbox_start::open_engine;
use crate::{slug_tree, table};

const ROUNDS: usize = 7;

/// Of 30 files each.
const PACKAGES: u64 = 667;

/// What may wait between the two, as in a build.
const PIPE_BYTES: usize = 1024 * 1024;

pub(crate) fn measure(_: &Peers) {
    let tree = WorkTree::new();
    slug_tree::generate_packages(tree.path(), PACKAGES).expect("the files can be written");
    let commit: CommitId = tree.commit("first").parse().expect("git names commits");
    tree.git(&["repack", "-adq"]);
    // Side by side: both write to the same file system, and neither where the other, or itself, has just removed a tree.
    let work = tempfile::tempdir().expect("a temporary folder can be made");
    make_yard(work.path()).expect("it is there");
    let peer = |round| work.path().join(format!("peer-{round}"));
    (0..=ROUNDS).for_each(|round| std::fs::create_dir(peer(round)).expect("a folder can be made"));
    let repo = repo_of(&tree, &work.path().join("repo"));
    let runtime = Runtime::new().expect("a runtime can be started");
    let engine = runtime.block_on(open_engine(&work.path().join("engine")));
    let hoist = |_| runtime.block_on(export(&engine, &repo, &commit));
    let medians = in_turns(ROUNDS, hoist, |round| archive(tree.path(), &peer(round)));
    table::compare("source export of 20,000 files", medians.hoist, medians.peer, 0.6);
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
async fn export(engine: &Engine, repo: &Repo, commit: &CommitId) -> Duration {
    let stack = hoist::stack::find(&stacks_dir(), &"debian-12".parse().expect("it is a stack's name")).expect("it is built");
    let limits = Limits::default();
    let spec = Spec {
        root: stack.build_root,
        name: "bench".into(),
        memory_bytes: limits.build_memory_bytes,
        pids: limits.build_pids,
        cpus: limits.build_cpus,
        disk_bytes: limits.build_disk_bytes,
        network: false,
    };
    let environment = engine.start(spec).await.expect("an environment starts");
    let start = Instant::now();
    let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let ignore = Gitignore::empty();
    let (exported, put) = tokio::join!(
        repo.export(None, commit, None, Additions::default(), &ignore, writer),
        environment.put_in("/tmp/build_bench", reader)
    );
    let time = start.elapsed();
    assert_eq!(exported.expect("it can be read").files, PACKAGES * 30);
    put.expect("it can be unpacked");
    environment.stop().await.expect("the environment stops");
    time
}

fn archive(tree: &Path, dest: &Path) -> Duration {
    let script = r#"git -C "$1" archive HEAD | tar -x -C "$2""#;
    let taken = time(Command::new("sh").args(["-c", script, "sh"]).arg(tree).arg(dest));
    std::fs::remove_dir_all(dest).expect("it can be removed");
    taken
}
