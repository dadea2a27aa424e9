//! Private memory (`RssAnon`) of hoist: of the idle daemon, and of all its processes while it receives 500 MB.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{Daemon, HOIST, WorkTree};
use crate::measure::time;
use crate::peers::{Peers, Remote};
use crate::table;

const FILES: usize = 500;
const FILE_BYTES: usize = 1024 * 1024;
const INTERVAL: Duration = Duration::from_millis(20);

/// What all processes may have while a push or a clone goes on.
pub(crate) const AT_WORK_MB: f64 = 250.0;

/// Time in which a daemon comes to rest.
const REST: Duration = Duration::from_secs(2);

pub(crate) fn measure(_: &Peers) {
    let tree = incompressible();
    let daemon = Daemon::start();
    let user = daemon.user("bench@example.com");
    daemon.client(&user, &["apps:create", "large"]);
    std::thread::sleep(REST);
    report("memory of the idle daemon", hoist_memory_kb(), 40.0);

    let remote = Remote::hoist_over_ssh(&daemon, &user, "large");
    let mut push = remote.push(tree.path(), "main:refs/heads/import");
    let (took, peak_kb) = with_peak(|| time(&mut push));
    println!("  the push took {took:.1?}");
    report("memory of all hoist processes, 500 MB push", peak_kb, AT_WORK_MB);
    std::thread::sleep(REST);
    println!("  the daemon after the push: {:.1} MB", megabytes(hoist_memory_kb()));
}

/// A work tree of random files, committed. The client's own compression is of no interest.
fn incompressible() -> WorkTree {
    let tree = WorkTree::new();
    tree.git(&["config", "core.compression", "0"]);
    tree.git(&["config", "pack.window", "0"]);
    let mut random = 1_u64;
    for file in 0..FILES {
        let words = (0..FILE_BYTES / 8).flat_map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_le_bytes()
        });
        fs::write(tree.path().join(format!("file-{file}")), words.collect::<Vec<u8>>()).expect("a file can be written");
    }
    tree.commit("random files");
    tree
}

/// Watches all hoist processes while `work` goes on, and returns their highest sum.
pub(crate) fn with_peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak_kb = 0;
            while !stop.load(Ordering::Relaxed) {
                peak_kb = peak_kb.max(hoist_memory_kb());
                std::thread::sleep(INTERVAL);
            }
            peak_kb
        });
        let value = work();
        stop.store(true, Ordering::Relaxed);
        (value, watcher.join().expect("the watcher does not panic"))
    })
}

/// `RssAnon` of the hoist processes below this one, together.
pub(crate) fn hoist_memory_kb() -> u64 {
    let processes = processes();
    let is_ours = |mut pid: u32| {
        let own = std::process::id();
        while let Some(process) = processes.get(&pid) {
            if process.parent == own {
                return true;
            }
            pid = process.parent;
        }
        false
    };
    processes.iter().filter(|(pid, process)| process.is_hoist && is_ours(**pid)).map(|(_, process)| process.memory_kb).sum()
}

struct Process {
    parent: u32,
    memory_kb: u64,
    is_hoist: bool,
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, process(&entry.path())?))).collect()
}

/// What `/proc` says of a process; nothing once it has ended.
fn process(dir: &Path) -> Option<Process> {
    let status = fs::read_to_string(dir.join("status")).ok()?;
    let number = |key: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(key))?;
        value.split_whitespace().next()?.parse::<u64>().ok()
    };
    let is_hoist = fs::read_link(dir.join("exe")).is_ok_and(|exe| exe == Path::new(HOIST));
    // Threads of the kernel have no memory.
    Some(Process { parent: number("PPid:")?.try_into().ok()?, memory_kb: number("RssAnon:").unwrap_or(0), is_hoist })
}

/// Prints a row of what hoist needs.
pub(crate) fn report(name: &str, memory_kb: u64, goal_mb: f64) {
    let (memory_mb, none) = (megabytes(memory_kb), || "-".to_owned());
    table::row(name, &[format!("{memory_mb:.1} MB"), none(), none(), format!("{goal_mb} MB")], memory_mb < goal_mb);
}

/// The kernel's kB are of 1024 bytes.
#[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
pub(crate) fn megabytes(kb: u64) -> f64 {
    kb as f64 * 1024.0 / 1e6
}
