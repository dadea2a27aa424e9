//! Finds where cgroups can be made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Cgroups;

impl Cgroups {
    /// Finds where this process may make cgroups with the controllers for memory and processes.
    pub(in crate::engine::sandbox) fn find() -> Option<Self> {
        Self::visible().filter(Self::is_usable)
    }

    /// Where this process is in the trees that it sees.
    pub(super) fn visible() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::find_in(&mounts, &own, rustix::process::geteuid().is_root())
    }

    /// As [`Cgroups::visible`], from the texts of `mountinfo` and `/proc/self/cgroup`.
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
}
