//! What the sandbox does in its own way: limits without cgroups, and what becomes of it when its daemon is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hoist::engine::{Engine, Exit, Kind, Spec};

use super::engine::{Fixture, folders_of, settings, sh, spec};
use super::harness::run_again_in;

/// Set for the run of this test's other side.
const NO_CGROUPS: &str = "HOIST_TEST_NO_CGROUPS";

#[tokio::test]
async fn too_many_processes_are_told_apart_without_cgroups() {
    let test = "engine_sandbox::too_many_processes_are_told_apart_without_cgroups";
    #[expect(clippy::disallowed_methods, reason = "how this test tells its two sides apart")]
    if std::env::var_os(NO_CGROUPS).is_some() {
        let fixture = Fixture::start(Kind::Sandbox, Spec { pids: 20, ..spec() }).await;
        assert_eq!(fixture.sh("for i in $(seq 50); do sleep 1000 & done").await.0, Exit::OutOfPids);
        assert_eq!(fixture.sh("exit 3").await.0, Exit::Code(3));
        return fixture.environment.stop().await.unwrap();
    }
    // Where no cgroups are mounted.
    run_again_in("--mount", "umount -R /sys/fs/cgroup", test, NO_CGROUPS);
}

/// Set to the work folder for the daemon that is to be killed.
const VICTIM: &str = "HOIST_TEST_VICTIM_WORK_DIR";

#[tokio::test]
async fn nothing_outlives_a_killed_daemon() {
    let test = "engine_sandbox::nothing_outlives_a_killed_daemon";
    #[expect(clippy::disallowed_methods, reason = "how this test tells its two sides apart")]
    if let Some(work_dir) = std::env::var_os(VICTIM) {
        let engine = Engine::open(settings(Kind::Sandbox, Path::new(&work_dir))).await.unwrap();
        let environment = engine.start(Spec { network: true, ..spec() }).await.unwrap();
        let mut command = sh("setsid sleep 1000 & echo; echo is running; wait");
        command.needs_network = true;
        environment.run(command, |_, piece| std::io::stdout().write_all(piece).unwrap()).await.unwrap();
    }
    let work_dir = tempfile::tempdir().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a daemon to kill")]
    let mut daemon = std::process::Command::new(std::env::current_exe().unwrap());
    daemon.args(["--exact", test, "--nocapture"]).env(VICTIM, work_dir.path()).stdout(Stdio::piped());
    let mut daemon = daemon.spawn().unwrap();
    let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "is running"));
    let folder = folders_of(work_dir.path()).remove(0);
    let namespaces = namespaces_of_helpers(daemon.id());
    assert_eq!(namespaces.len(), 1);
    daemon.kill().unwrap();
    daemon.wait().unwrap();

    // The helper removes the files last, once all processes are dead.
    while std::fs::read_dir(&folder).unwrap().next().is_some() {
        tokio::task::yield_now().await;
    }
    let left = processes().filter(|process| namespaces.contains(&network_of(process))).count();
    assert!(left <= 1, "{left} processes besides the helper");
    // The next daemon removes the rest.
    Engine::open(settings(Kind::Sandbox, work_dir.path())).await.unwrap();
    assert!(folders_of(work_dir.path()).is_empty());
}

fn processes() -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path())
}

/// The network namespace of a process, empty if it has ended.
pub(crate) fn network_of(process: &Path) -> PathBuf {
    std::fs::read_link(process.join("ns/net")).unwrap_or_default()
}

/// The network namespaces of a process's children that are in one of their own.
fn namespaces_of_helpers(parent: u32) -> Vec<PathBuf> {
    let own = network_of(Path::new("/proc/self"));
    children(parent).map(|process| network_of(&process)).filter(|network| *network != own).collect()
}

pub(crate) fn children(parent: u32) -> impl Iterator<Item = PathBuf> {
    let status = format!("\nPPid:\t{parent}\n");
    processes().filter(move |process| std::fs::read_to_string(process.join("status")).is_ok_and(|text| text.contains(&status)))
}

#[tokio::test]
async fn root_file_systems_keep_owners_modes_and_links() {
    let work_dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(settings(Kind::Sandbox, work_dir.path())).await.unwrap();
    let stacks = tempfile::tempdir().unwrap();
    let dest = stacks.path().join("stack");
    let mut builder = tar::Builder::new(Vec::new());
    for (name, uid, mode) in [("usr/bin/su", 0, 0o4755), ("home/app/file", 1000, 0o600)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(uid);
        builder.append_data(&mut header, name, std::io::empty()).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    builder.append_link(&mut header, "var/run", "/run").unwrap();
    engine.unpack_root(&builder.into_inner().unwrap()[..], &dest).await.unwrap();

    let (root, app) = (dest.join("usr/bin/su").metadata().unwrap(), dest.join("home/app/file").metadata().unwrap());
    assert_eq!((root.mode() & 0o7777, app.mode() & 0o7777), (0o4755, 0o600));
    // To the host, neither is the user of that number.
    assert!(root.uid() != 0 && app.uid() != 1000 && root.uid() != app.uid());
    assert_eq!(std::fs::read_link(dest.join("var/run")).unwrap(), Path::new("/run"));

    engine.remove_root(&dest).await.unwrap();
    assert!(!dest.exists());
    engine.remove_root(&dest).await.unwrap();
}
