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

/// How long to wait for the kernel to notice that a cgroup's processes are gone.
const REMOVE_ATTEMPTS: u32 = 100;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// Period over which CPU time is shared out, in microseconds; the kernel's default.
const CPU_PERIOD_MICROS: u64 = 100_000;

/// Where cgroups can be made on this host, by version.
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
    /// Finds where this process may make cgroups with the controllers for memory and processes.
    pub(super) fn find() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let found = Self::find_in(&mounts, &own, rustix::process::geteuid().is_root())?;
        found.is_usable().then_some(found)
    }

    /// As [`Cgroups::find`], from the texts of `mountinfo` and `/proc/self/cgroup`.
    fn find_in(mounts: &str, own: &str, is_root: bool) -> Option<Self> {
        let v1 = |controller| Some(below_own(v1_mount(mounts, controller)?, own_path(own, controller)?));
        if let (Some(memory), Some(pids)) = (v1("memory"), v1("pids")) {
            return Some(Self::V1 { memory, pids, cpu: v1("cpu") });
        }
        let mount = v2_mount(mounts)?;
        // Root takes the top of the tree, an ordinary user the part that was handed to the user's service.
        let parent = if is_root { mount } else { below_own(mount, own_path(own, "")?) };
        Some(Self::V2 { parent })
    }

    /// Whether cgroups can be made; switches version 2's controllers on.
    fn is_usable(&self) -> bool {
        match self {
            Self::V1 { memory, pids, .. } => [memory, pids].iter().all(|parent| {
                let probe = parent.join(format!("hoist-probe-{}", std::process::id()));
                fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
            }),
            Self::V2 { parent } => enable_controllers(parent).is_ok(),
        }
    }

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
                cpu.is_some().then(|| (2, "cpu.cfs_quota_us", quota.to_string())),
            ),
            Self::V2 { .. } => (
                vec![
                    (0, "memory.max", memory_bytes.to_string()),
                    (0, "memory.swap.max", "0".to_owned()),
                    (0, "pids.max", pids.to_string()),
                ],
                Some((0, "cpu.max", format!("{quota} {CPU_PERIOD_MICROS}"))),
            ),
        };
        settings.extend(cpu.filter(|_| cpus > 0));
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

/// Lets children of `parent` have controllers. A cgroup other than the topmost may then hold no processes itself,
/// so this process moves down if it is in the way.
fn enable_controllers(parent: &Path) -> io::Result<()> {
    let control = parent.join("cgroup.subtree_control");
    match fs::write(&control, "+memory +pids +cpu") {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            let own = parent.join("hoist-daemon");
            match fs::create_dir(&own) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => fs::write(own.join("cgroup.procs"), "0")?,
            }
            fs::write(&control, "+memory +pids +cpu")
        }
        written => written,
    }
}

/// Mount point of version 1's tree for `controller`.
fn v1_mount(mounts: &str, controller: &str) -> Option<PathBuf> {
    cgroup_mounts(mounts)
        .find(|(_, kind, options)| *kind == "cgroup" && options.split(',').any(|option| option == controller))
        .map(|(mount, ..)| mount.into())
}

fn v2_mount(mounts: &str) -> Option<PathBuf> {
    cgroup_mounts(mounts).find(|(_, kind, _)| *kind == "cgroup2").map(|(mount, ..)| mount.into())
}

/// Mount point, kind and options of each mount in the text of `mountinfo` that says so much.
fn cgroup_mounts(mounts: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    mounts.lines().filter_map(|line| {
        let (place, device) = line.split_once(" - ")?;
        let mut device = device.split(' ');
        Some((place.split(' ').nth(4)?, device.next()?, device.nth(1)?))
    })
}

/// This process's cgroup in the tree of `controller`, or in version 2's tree if that is empty.
fn own_path<'a>(own: &'a str, controller: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields.next()?.split(',').any(|name| name == controller).then(|| fields.next())?
    })
}

/// The folder of a cgroup, or the top of the tree where the path is another namespace's and does not exist.
fn below_own(mount: PathBuf, own: &str) -> PathBuf {
    let below = mount.join(own.trim_start_matches('/'));
    if below.is_dir() { below } else { mount }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "30 29 0:26 / /cg/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                      32 29 0:28 / /cg/memory rw - cgroup cgroup rw,memory\n\
                      33 29 0:29 / /cg/pids rw - cgroup cgroup rw,pids\n\
                      34 29 0:30 / /cg/unified rw - cgroup2 cgroup2 rw\n";
    const V2: &str = "25 20 0:22 / / rw,relatime - ext4 /dev/vda rw\n34 29 0:30 / /cg rw - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn hybrid_hosts_are_version_1() {
        let own = "4:memory:/daemon\n3:cpu:/\n2:pids:/\n0::/\n";
        let expected = Cgroups::V1 { memory: "/cg/memory".into(), pids: "/cg/pids".into(), cpu: Some("/cg/cpu".into()) };
        assert_eq!(Cgroups::find_in(V1, own, true), Some(expected));
    }

    #[test]
    fn one_tree_is_version_2() {
        assert_eq!(Cgroups::find_in(V2, "0::/user.slice\n", true), Some(Cgroups::V2 { parent: "/cg/".into() }));
        assert_eq!(Cgroups::find_in("", "0::/\n", true), None);
    }

    #[test]
    fn paths_of_the_own_cgroup_are_told_apart() {
        let own = "5:cpu,cpuacct:/a\n4:memory:/b:c\n0::/d\n";
        assert_eq!(own_path(own, "cpu"), Some("/a"));
        assert_eq!(own_path(own, "memory"), Some("/b:c"));
        assert_eq!(own_path(own, ""), Some("/d"));
        assert_eq!(own_path(own, "pids"), None);
    }

    #[test]
    fn version_2_is_written_and_read() {
        let parent = tempfile::tempdir().unwrap();
        let cgroups = Cgroups::V2 { parent: parent.path().to_owned() };
        let cgroup = cgroups.create("hoist-x", Limits { memory_bytes: 1024, pids: 7, cpus: 2 }).unwrap();
        let folder = parent.path().join("hoist-x");
        let written =
            ["memory.max", "memory.swap.max", "pids.max", "cpu.max"].map(|file| fs::read_to_string(folder.join(file)).unwrap());
        assert_eq!(written, ["1024", "0", "7", "200000 100000"]);

        fs::write(folder.join("memory.events"), "oom 4\noom_kill 3\n").unwrap();
        fs::write(folder.join("pids.events"), "max 2\n").unwrap();
        assert_eq!(cgroup.events().unwrap(), Events { out_of_memory: 3, out_of_pids: 2 });
    }
}
