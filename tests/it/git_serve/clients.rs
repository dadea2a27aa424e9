//! Other clients than git: libgit2 and dulwich, which have protocols of their own making.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{HTTP_2, World};
use crate::harness::run;

/// The Python that has them; `None`, with the reason printed, where pip can't be used (see `scripts/install-git-clients`).
fn python() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".hoist/git-clients").into();
    let folder = PathBuf::from(std::env::var_os("HOIST_GIT_CLIENTS_DIR").unwrap_or_else(default));
    if let Ok(reason) = std::fs::read_to_string(folder.join("skipped")) {
        eprintln!("skipped: {}", reason.trim());
        return None;
    }
    let python = folder.join("bin/python");
    assert!(python.exists(), "no git clients in {}: run the tests with `make test`", folder.display());
    Some(python)
}

/// Clones, fetches what is new, and compares both with what git gets.
fn check(client: &str) {
    let Some(python) = python() else { return };
    let world = World::with_history();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/git-clients/fetch.py");
    let folder = world.dir.path().join("clone.git");
    let fetch = || {
        let mut command = Command::new(&python);
        command.arg(&script).arg(client).arg(world.url(HTTP_2)).arg(&folder).env("HOME", world.dir.path());
        let told: serde_json::Value = serde_json::from_str(&run(&mut command)).unwrap();
        let main = world.tree.git(&["rev-parse", "main"]);
        assert_eq!((told["HEAD"].as_str(), told["refs/heads/main"].as_str()), (Some(main.trim()), Some(main.trim())), "{told}");
        let there = |args: &[&str]| run(Command::new("git").arg("--git-dir").arg(&folder).args(args));
        there(&["fsck", "--strict", "--full"]);
        let theirs = there(&["rev-list", "--objects", "--no-object-names", "refs/heads/main", "refs/heads/side", "--tags"]);
        let ours =
            world.tree.git(&["rev-list", "--objects", "--no-object-names", "refs/heads/main", "refs/heads/side", "--tags"]);
        assert_eq!(theirs, ours);
    };
    fetch();
    world.tree.write("README", "new\n");
    world.commit_at(60, "new");
    world.tree.git(&["tag", "-a", "-m", "two", "v2"]);
    world.publish_all();
    fetch();
}

#[test]
fn libgit2() {
    check("pygit2");
}

#[test]
fn dulwich() {
    check("dulwich");
}
