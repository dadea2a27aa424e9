//! What the sandbox promises beyond what every engine does: limits and isolation.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hoist::engine::{Engine, Exit, Kind, Spec};

use super::engine::{Fixture, MIB, settings, sh, spec, tar_of};
use super::harness::run_again_in;

#[tokio::test]
async fn too_much_memory_is_told_apart() {
    let fixture = Fixture::start(Kind::Sandbox, Spec { memory_bytes: 32 * MIB, ..spec() }).await;
    assert_eq!(fixture.sh("head -c 100M /dev/zero | tail").await.0, Exit::OutOfMemory);
    assert_eq!(fixture.sh("true").await.0, Exit::Code(0));
    // A failure afterwards is the command's own again.
    assert_eq!(fixture.sh("exit 3").await.0, Exit::Code(3));
}

#[tokio::test]
async fn too_many_processes_are_told_apart() {
    let fixture = Fixture::start(Kind::Sandbox, Spec { pids: 20, ..spec() }).await;
    assert_eq!(fixture.sh("for i in $(seq 50); do sleep 1000 & done").await.0, Exit::OutOfPids);
    assert_eq!(fixture.sh("true").await.0, Exit::Code(0));
}

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

/// Process 1 with its supervisors, and what lists them.
const OWN_PROCESSES: [&str; 3] = ["hoist", "ps", "sh"];

async fn names_of_processes(fixture: &Fixture) -> Vec<String> {
    let (exit, output) = fixture.sh("ps -A -o comm=; true").await;
    assert_eq!(exit, Exit::Code(0));
    let names: BTreeSet<_> = output.lines().map(str::to_owned).collect();
    names.into_iter().collect()
}

#[tokio::test]
async fn a_fork_bomb_ends() {
    let fixture = Fixture::sandbox().await;
    let mut bomb = sh("bomb() { bomb | bomb & }; bomb; sleep 1000");
    bomb.timeout = std::time::Duration::from_millis(500);
    let (exit, _) = fixture.run(bomb).await;
    assert!(matches!(exit, Exit::TimedOut | Exit::OutOfPids), "{exit:?}");
    assert_eq!(names_of_processes(&fixture).await, OWN_PROCESSES);
}

#[tokio::test]
async fn a_bomb_harms_no_other_build() {
    let fixture = Fixture::sandbox().await;
    let work = "for i in $(seq 20); do head -c 1M /dev/zero > /tmp/$i && sh -c 'exit 0' || exit 1; done; echo built";
    let bombs = [
        ("bomb() { bomb | bomb & }; echo lit; bomb; sleep 1000", Exit::OutOfPids),
        ("cd /tmp; echo lit; i=0; while :; do head -c 5M /dev/zero > part$i; i=$((i + 1)); done", Exit::OutOfDisk),
        ("echo lit; head -c 1G /dev/zero | tail", Exit::OutOfMemory),
    ];
    for (bomb, expected) in bombs {
        let other = fixture.engine.start(Spec { name: "bomb".to_owned(), ..spec() }).await.unwrap();
        let is_lit = tokio::sync::Notify::new();
        let mut command = sh(bomb);
        command.timeout = std::time::Duration::from_secs(2);
        let beside = async {
            is_lit.notified().await;
            fixture.sh(work).await
        };
        let (end, beside) = tokio::join!(other.run(command, |_, _| is_lit.notify_one()), beside);
        let end = end.unwrap();
        assert!(end == expected || end == Exit::TimedOut, "{bomb}: {end:?}");
        assert_eq!(beside, (Exit::Code(0), "built\n".to_owned()), "beside {bomb}");
        other.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_daemon_comes_first() {
    assert_eq!(Fixture::sandbox().await.sh("nice").await, (Exit::Code(0), "5\n".to_owned()));
}

#[tokio::test]
async fn too_much_disk_is_told_apart() {
    let fixture = Fixture::sandbox().await;
    let (exit, _) = fixture.sh("cd /tmp; head -c 100M /dev/zero > large").await;
    assert_eq!(exit, Exit::OutOfDisk, "one file");
    let fixture = Fixture::sandbox().await;
    let (exit, _) = fixture.sh("cd /tmp; i=0; while :; do head -c 10M /dev/zero > part$i; i=$((i + 1)); sleep 0.1; done").await;
    assert_eq!(exit, Exit::OutOfDisk, "many files");
}

#[tokio::test]
async fn processes_are_ended_however_they_detach() {
    let fixture = Fixture::sandbox().await;
    assert_eq!(fixture.sh("(setsid sh -c 'sleep 1000 & sleep 1001' &) & wait").await.0, Exit::Code(0));
    assert_eq!(fixture.sh("ps -A -o comm= | grep -c sleep").await.1, "0\n");
}

#[tokio::test]
async fn nobody_has_privileges() {
    let fixture = Fixture::sandbox().await;
    let (_, output) = fixture.sh("id -u; id -G; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").await;
    let none = "0000000000000000";
    let expected = format!(
        "1000\n1000\nCapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\n\
         Seccomp:\t2\n"
    );
    assert_eq!(output, expected);
}

#[tokio::test]
async fn dangerous_calls_are_refused() {
    let fixture = Fixture::sandbox().await;
    // The stack has no mount command.
    let mount = "python3 -c \"import ctypes, sys; sys.exit(ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) and 1)\"";
    for attempt in [mount, "unshare --user true", "unshare --net true", "dmesg"] {
        let (exit, output) = fixture.sh(&format!("LC_ALL=C {attempt} 2>&1")).await;
        assert!(exit != Exit::Code(0) && exit != Exit::Code(127), "{attempt}: {exit:?} {output}");
    }
}

#[tokio::test]
async fn the_host_cannot_be_seen() {
    let fixture = Fixture::sandbox().await;
    let own_files = std::env::current_exe().unwrap();
    assert_eq!(fixture.sh(&format!("ls {}", own_files.display())).await.0, Exit::Code(2));
    assert_eq!(names_of_processes(&fixture).await, OWN_PROCESSES);
    assert_eq!(fixture.sh("hostname; ls -A /sys | wc -l").await.1, "test\n0\n");
    assert_eq!(fixture.sh("cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '").await.1, "lo\n");
    for hoists_own in ["ls /proc/1/root/", "ls /proc/1/fd/", "cat /proc/1/environ", "cat /proc/1/maps", "kill -9 1"] {
        assert_ne!(fixture.sh(hoists_own).await.0, Exit::Code(0), "{hoists_own}");
    }
}

#[tokio::test]
async fn nothing_outside_the_own_folders_can_be_written() {
    let fixture = Fixture::sandbox().await;
    for path in ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/etc/passwd", "/usr/bin/sh", "/dev/new", "/new"] {
        assert_ne!(fixture.sh(&format!("echo x > {path}")).await.0, Exit::Code(0), "{path}");
    }
    assert_eq!(fixture.sh("cat /proc/kcore /proc/keys /proc/timer_list 2> /dev/null | wc -c").await.1, "0\n");
    assert_eq!(fixture.sh("echo x > /dev/null && echo x > /tmp/x && echo x > /dev/shm/x").await.0, Exit::Code(0));
}

#[tokio::test]
async fn the_usual_devices_and_files_are_there() {
    let fixture = Fixture::sandbox().await;
    let script = "head -c 2 /dev/zero | wc -c; head -c 2 /dev/urandom | wc -c; ls /dev | tr '\\n' ' '; \
                  readlink -f /dev/stdin; stat -c %a /tmp; getent hosts localhost | tr -s ' '";
    let (_, output) = fixture.sh(script).await;
    let devices = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ";
    assert_eq!(output, format!("2\n2\n{devices}/dev/null\n1777\n::1 localhost\n"));
    let same = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap().len();
    assert_eq!(fixture.sh("wc -c < /etc/ssl/certs/ca-certificates.crt").await.1, format!("{same}\n"));
}

#[tokio::test]
async fn environments_do_not_share_files_nor_change_the_stack() {
    let fixture = Fixture::sandbox().await;
    let other = fixture.engine.start(spec()).await.unwrap();
    assert_eq!(fixture.sh("echo x > /tmp/mine").await.0, Exit::Code(0));
    assert_eq!(other.run(sh("ls /tmp/mine"), |_, _| ()).await.unwrap(), Exit::Code(2));
    assert!(!spec().root.join("tmp/mine").exists());
    other.stop().await.unwrap();
}

#[tokio::test]
async fn links_of_commands_do_not_lead_out() {
    let fixture = Fixture::sandbox().await;
    fixture.sh("ln -s / /tmp/root; ln -s /etc /tmp/etc").await;
    assert!(fixture.environment.put_in("/tmp/etc", &tar_of(&[("hoist-was-here", 0o644)])[..]).await.is_err());
    assert!(!Path::new("/etc/hoist-was-here").exists());
    let mut out = Vec::new();
    let mut tar = fixture.environment.take_out("/tmp/root").await.unwrap();
    // Fails at the first folder that is not for `app`.
    assert!(tokio::io::AsyncReadExt::read_to_end(&mut tar, &mut out).await.is_err());
}

#[tokio::test]
async fn a_dropped_environment_leaves_nothing() {
    let fixture = Fixture::sandbox().await;
    let Fixture { environment, engine, work_dir, .. } = fixture;
    drop(environment);
    // Dropping clears up in the background; opening again does what is left to do.
    drop(engine);
    Engine::open(settings(Kind::Sandbox, work_dir.path())).unwrap();
    assert_eq!(std::fs::read_dir(work_dir.path()).unwrap().count(), 0);
}

/// Set to the work folder for the daemon that is to be killed.
const VICTIM: &str = "HOIST_TEST_VICTIM_WORK_DIR";

#[tokio::test]
async fn nothing_outlives_a_killed_daemon() {
    let test = "engine_sandbox::nothing_outlives_a_killed_daemon";
    #[expect(clippy::disallowed_methods, reason = "how this test tells its two sides apart")]
    if let Some(work_dir) = std::env::var_os(VICTIM) {
        let engine = Engine::open(settings(Kind::Sandbox, Path::new(&work_dir))).unwrap();
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
    let folder = std::fs::read_dir(work_dir.path()).unwrap().next().unwrap().unwrap().path();
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
    Engine::open(settings(Kind::Sandbox, work_dir.path())).unwrap();
    assert_eq!(std::fs::read_dir(work_dir.path()).unwrap().count(), 0);
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
    let engine = Engine::open(settings(Kind::Sandbox, work_dir.path())).unwrap();
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
