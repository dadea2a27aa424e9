//! The kernel's limits for one environment's commands: memory, processes, CPU time.
//!
//! Two layouts are in use. Version 2 has one tree with all controllers; version 1 (also as part of a hybrid host)
//! has one tree per controller. Which one a host has is seen from what is mounted. Only the commands of an
//! environment join its cgroup; hoist's own processes in the sandbox stay out, so that they neither count nor are
//! chosen when memory runs out. A command joins by itself, through files opened by the daemon: writing `0` moves
//! the writer. In version 1 that is the file `tasks`, because moving one's own single thread takes 0.05 ms where
//! `cgroup.procs` waits 5 to 15 ms for the kernel to settle.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod find;

/// How long to wait for the kernel to notice that a cgroup's processes are gone.
const REMOVE_ATTEMPTS: u32 = 100;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// Period over which CPU time is shared out, in microseconds; the kernel's default.
const CPU_PERIOD_MICROS: u64 = 100_000;

/// How much CPU time an environment gets while others want it, too: all the same, and a quarter of what the kernel gives anybody
/// else by default, so that the daemon answers however many build.
const V1_CPU_SHARES: &str = "256";
const V2_CPU_WEIGHT: &str = "25";

/// Where cgroups can be made on this host, by version; see [`Cgroups::find`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cgroups {
    V1 { memory: PathBuf, pids: PathBuf, cpu: Option<PathBuf> },
    V2 { parent: PathBuf },
}

/// What one environment's commands may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) memory_bytes: u64,
    pub(super) pids: u32,
    /// 0 means all.
    pub(super) cpus: u32,
}

/// How often an environment's commands ran into a limit so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Events {
    pub(super) out_of_memory: u64,
    pub(super) out_of_pids: u64,
}

impl Cgroups {
    /// Makes a cgroup called `name` with `limits`.
    pub(super) fn create(&self, name: &str, limits: Limits) -> io::Result<Cgroup> {
        let cgroup =
            Cgroup { folders: self.parents().into_iter().map(|parent| parent.join(name)).collect(), layout: self.clone() };
        cgroup.folders.iter().try_for_each(fs::create_dir)?;
        self.settings(limits).into_iter().try_for_each(|(folder, file, value)| {
            let path = cgroup.folders[folder].join(file);
            match fs::write(&path, value) {
                // Without swap in the kernel there is nothing to limit.
                Err(error) if error.kind() == io::ErrorKind::NotFound && file.contains("sw") => Ok(()),
                written => written,
            }
        })?;
        Ok(cgroup)
    }

    /// Removes cgroups whose name starts with `prefix` and which have no processes any more.
    pub(super) fn sweep(&self, prefix: &str) {
        for entry in self.parents().into_iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix)
                && let Err(error) = remove_folder(&entry.path())
            {
                tracing::warn!("cannot remove the cgroup {}: {error}", entry.path().display());
            }
        }
    }

    fn parents(&self) -> Vec<&Path> {
        match self {
            Self::V1 { memory, pids, cpu } => {
                [Some(memory), Some(pids), cpu.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect()
            }
            Self::V2 { parent } => vec![parent],
        }
    }

    /// Which parent's cgroup, which file, which value; in the order that the kernel wants them.
    fn settings(&self, limits: Limits) -> Vec<(usize, &'static str, String)> {
        let Limits { memory_bytes, pids, cpus } = limits;
        let quota = u64::from(cpus) * CPU_PERIOD_MICROS;
        let (mut settings, cpu) = match self {
            Self::V1 { cpu, .. } => (
                vec![
                    (0, "memory.limit_in_bytes", memory_bytes.to_string()),
                    // Memory and swap together.
                    (0, "memory.memsw.limit_in_bytes", memory_bytes.to_string()),
                    (1, "pids.max", pids.to_string()),
                ],
                cpu.is_some().then(|| [(2, "cpu.shares", V1_CPU_SHARES.to_owned()), (2, "cpu.cfs_quota_us", quota.to_string())]),
            ),
            Self::V2 { .. } => (
                vec![
                    (0, "memory.max", memory_bytes.to_string()),
                    (0, "memory.swap.max", "0".to_owned()),
                    (0, "pids.max", pids.to_string()),
                ],
                Some([(0, "cpu.weight", V2_CPU_WEIGHT.to_owned()), (0, "cpu.max", format!("{quota} {CPU_PERIOD_MICROS}"))]),
            ),
        };
        settings.extend(cpu.into_iter().flatten().take(if cpus > 0 { 2 } else { 1 }));
        settings
    }
}

/// One environment's cgroup, removed when this goes.
#[derive(Debug)]
pub(super) struct Cgroup {
    layout: Cgroups,
    /// One folder per parent.
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// The files through which a process that writes `0` joins.
    pub(super) fn join_files(&self) -> io::Result<Vec<File>> {
        let file = match self.layout {
            Cgroups::V1 { .. } => "tasks",
            Cgroups::V2 { .. } => "cgroup.procs",
        };
        self.folders.iter().map(|folder| OpenOptions::new().write(true).open(folder.join(file))).collect()
    }

    pub(super) fn events(&self) -> io::Result<Events> {
        let (memory, pids) = match self.layout {
            Cgroups::V1 { .. } => (self.folders[0].join("memory.oom_control"), self.folders[1].join("pids.events")),
            Cgroups::V2 { .. } => (self.folders[0].join("memory.events"), self.folders[0].join("pids.events")),
        };
        Ok(Events { out_of_memory: counter(&memory, "oom_kill")?, out_of_pids: counter(&pids, "max")? })
    }

    /// Removes the cgroup, which has no processes any more.
    pub(super) fn remove(mut self) -> io::Result<()> {
        std::mem::take(&mut self.folders).iter().try_for_each(|folder| remove_folder(folder))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // Whatever stays is swept when the engine opens again.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    let mut attempts = 0;
    loop {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && attempts < REMOVE_ATTEMPTS => attempts += 1,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(()),
        }
        std::thread::sleep(REMOVE_PAUSE);
    }
}

/// The number after `name` in a file of `name number` lines; 0 where the kernel does not count that.
fn counter(file: &Path, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    let value = text.lines().filter_map(|line| line.split_once(' ')).find(|(key, _)| *key == name);
    Ok(value.and_then(|(_, number)| number.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_the_same_part_of_the_cpus_and_no_quota_unless_it_is_asked_for() {
        let v1 = Cgroups::V1 { memory: "/memory".into(), pids: "/pids".into(), cpu: Some("/cpu".into()) };
        let of_cpu = |cgroups: &Cgroups, cpus| {
            let settings = cgroups.settings(Limits { memory_bytes: 1, pids: 1, cpus }).into_iter();
            settings
                .filter(|(_, file, _)| file.starts_with("cpu"))
                .map(|(_, file, value)| format!("{file} {value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of_cpu(&v1, 0), ["cpu.shares 256"]);
        assert_eq!(of_cpu(&v1, 2), ["cpu.shares 256", "cpu.cfs_quota_us 200000"]);
        assert_eq!(of_cpu(&Cgroups::V2 { parent: "/".into() }, 0), ["cpu.weight 25"]);
        assert_eq!(of_cpu(&Cgroups::V1 { memory: "/memory".into(), pids: "/pids".into(), cpu: None }, 2), [""; 0]);
    }

    #[test]
    fn version_2_is_written_and_read() {
        let parent = tempfile::tempdir().unwrap();
        let cgroups = Cgroups::V2 { parent: parent.path().to_owned() };
        let cgroup = cgroups.create("hoist-x", Limits { memory_bytes: 1024, pids: 7, cpus: 2 }).unwrap();
        let folder = parent.path().join("hoist-x");
        let written = ["memory.max", "memory.swap.max", "pids.max", "cpu.weight", "cpu.max"]
            .map(|file| fs::read_to_string(folder.join(file)).unwrap());
        assert_eq!(written, ["1024", "0", "7", "25", "200000 100000"]);

        fs::write(folder.join("memory.events"), "oom 4\noom_kill 3\n").unwrap();
        fs::write(folder.join("pids.events"), "max 2\n").unwrap();
        assert_eq!(cgroup.events().unwrap(), Events { out_of_memory: 3, out_of_pids: 2 });
    }
}
