//! The file system that commands see: the stack's root under a writable layer, a minimal `/dev`, a `/proc` without
//! its dangerous parts, no `/sys`, and the host's CA bundle.
//!
//! Whatever comes from the host is taken hold of first, as detached mounts; then the root is changed; then those
//! mounts are put in their places. So names, and symbolic links of the stack, are only ever followed inside.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_bind, mount_change, mount_remount,
    move_mount, open_tree, unmount,
};
use rustix::process::{fchdir, pivot_root};
use rustix::thread::UnshareFlags;

use super::sys;
use crate::engine::sandbox::filter::NAME_SERVER;
use crate::engine::sandbox::protocol::Setup;
use crate::engine::{CA_BUNDLE, EngineError};

/// The host's devices that exist inside.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links that programs expect in `/dev`.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Parts of `/proc` that tell about the host or reach into it: hidden, as container engines do.
const HIDDEN_FILES: [&str; 6] =
    ["/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats"];
const HIDDEN_FOLDERS: [&str; 3] = ["/proc/acpi", "/proc/asound", "/proc/scsi"];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);

const HARMLESS: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);
const INERT: MountAttrFlags = HARMLESS.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// What the file system is made of, held open since it lies in folders that the sandbox's root may not enter.
struct Sources {
    root: OwnedFd,
    layer: Option<OwnedFd>,
    /// The environment's own folder.
    dir: OwnedFd,
    ca_bundle: Option<OwnedFd>,
}

impl Sources {
    fn open(setup: &Setup) -> Result<Self, EngineError> {
        let open_file = |path| openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        Ok(Self {
            root: super::open_folder(&setup.root)?,
            layer: setup.layer.as_deref().map(super::open_folder).transpose()?,
            dir: super::open_folder(&setup.dir)?,
            ca_bundle: setup.ca_bundle.as_ref().map(open_file).transpose().map_err(io_error("cannot open the CA bundle"))?,
        })
    }
}

/// Becomes the sandbox's root, and makes the file system this process's root; returns the folders of the writable layer and of
/// those below.
pub(super) fn enter(setup: &Setup) -> Result<(OwnedFd, Vec<OwnedFd>), EngineError> {
    sys::unshare(UnshareFlags::NEWNS).map_err(io_error("cannot make a mount namespace"))?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(io_error("cannot detach the mounts"))?;
    // Only what is opened in this namespace can be mounted in it.
    let sources = Sources::open(setup)?;
    super::become_root()?;
    for folder in ["work", "root"] {
        mkdirat(&sources.dir, folder, FOLDER_MODE).map_err(io_error("cannot prepare the writable layer"))?;
    }
    let upper = make_upper(&sources.dir).map_err(io_error("cannot make the writable layer"))?;
    let overlay = overlay(&sources, &upper).map_err(io_error("cannot lay a writable layer over the stack's root"))?;
    let from_host = FromHost::take(&sources).map_err(io_error("cannot take over parts of the host"))?;
    change_root(&sources, &overlay).map_err(io_error("cannot change the root"))?;
    from_host.place().map_err(io_error("cannot set up /dev and /proc"))?;
    write_files(setup).map_err(io_error("cannot write the sandbox's files"))?;
    let Sources { root, layer, .. } = sources;
    Ok((upper, std::iter::once(root).chain(layer).collect()))
}

/// The writable layer's folder in an environment's own: what is in it was put there in advance.
pub(super) fn make_upper(dir: &OwnedFd) -> io::Result<OwnedFd> {
    match mkdirat(dir, "upper", FOLDER_MODE) {
        Err(Errno::EXIST) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(openat(dir, "upper", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// The stack's root with a writable layer on top, and perhaps another folder below. `volatile` spares the disk: the writable
/// layer ends with the environment.
fn overlay(sources: &Sources, upper: &OwnedFd) -> io::Result<OwnedFd> {
    let work = openat(&sources.dir, "work", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let path = |folder: &OwnedFd| format!("/proc/self/fd/{}", folder.as_raw_fd());
    let lower = std::iter::once(&sources.root).chain(&sources.layer).map(path).collect::<Vec<_>>().join(":");
    let (upper, work) = (path(upper), path(&work));
    let options = [("lowerdir", &*lower), ("upperdir", &upper), ("workdir", &work), ("userxattr", ""), ("volatile", "")];
    new_mount("overlay", &options, HARMLESS)
}

/// A detached mount of a new file system. An option without value is a flag.
fn new_mount(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        match *value {
            "" => fsconfig_set_flag(&context, *key)?,
            value => fsconfig_set_string(&context, *key, value)?,
        }
    }
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Detached mounts that can only be made while the host's root is in place: the kernel gives a user namespace a new
/// `/proc` only as long as a whole one is visible.
struct FromHost {
    proc: OwnedFd,
    devices: Vec<OwnedFd>,
    ca_bundle: Option<OwnedFd>,
}

impl FromHost {
    fn take(sources: &Sources) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let device = |name| Ok(open_tree(CWD, Path::new("/dev").join(name), flags)?);
        Ok(Self {
            proc: new_mount("proc", &[], INERT)?,
            devices: DEVICES.iter().map(device).collect::<io::Result<_>>()?,
            ca_bundle: sources
                .ca_bundle
                .as_ref()
                .map(|bundle| open_tree(bundle, "", flags | OpenTreeFlags::AT_EMPTY_PATH))
                .transpose()?,
        })
    }

    fn place(&self) -> io::Result<()> {
        attach(&self.proc, "/proc")?;
        attach(&new_mount("tmpfs", &[("mode", "755"), ("size", "64k")], HARMLESS)?, "/dev")?;
        for (device, name) in self.devices.iter().zip(DEVICES) {
            attach_file(device, &Path::new("/dev").join(name))?;
        }
        let terminals = [("mode", "620"), ("ptmxmode", "666"), ("gid", "5")];
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        attach(&new_mount("devpts", &terminals, attributes)?, "/dev/pts")?;
        attach(&new_mount("tmpfs", &[("mode", "1777"), ("size", "64m")], INERT)?, "/dev/shm")?;
        DEVICE_LINKS.iter().try_for_each(|(target, link)| symlink(target, link))?;
        if let Some(bundle) = &self.ca_bundle {
            attach_file(bundle, Path::new(CA_BUNDLE))?;
            make_read_only(CA_BUNDLE)?;
        }
        restrict_proc()
    }
}

/// Puts a mount on a folder, made if missing.
fn attach(mount: &OwnedFd, folder: &str) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    Ok(move_mount(mount, "", CWD, folder, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Puts a mount on a file, made if missing.
fn attach_file(mount: &OwnedFd, file: &Path) -> io::Result<()> {
    if !file.exists() {
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
        File::create(file)?;
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    Ok(move_mount(mount, "", CWD, file, flags)?)
}

fn restrict_proc() -> io::Result<()> {
    for file in HIDDEN_FILES {
        ignore_missing(mount_bind("/dev/null", file))?;
    }
    for folder in HIDDEN_FOLDERS {
        let empty = new_mount("tmpfs", &[("size", "4k")], INERT | MountAttrFlags::MOUNT_ATTR_RDONLY)?;
        ignore_missing(move_mount(&empty, "", CWD, folder, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH))?;
    }
    for path in READ_ONLY {
        match mount_bind(path, path) {
            Ok(()) => make_read_only(path)?,
            missing => ignore_missing(missing)?,
        }
    }
    Ok(())
}

/// Makes a bind mount read-only. The other flags are those that the mount may have already, and may not lose.
fn make_read_only(path: &str) -> io::Result<()> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount_remount(path, flags, "")?)
}

fn ignore_missing(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

/// Makes `overlay` the root and lets go of the host's.
fn change_root(sources: &Sources, overlay: &OwnedFd) -> io::Result<()> {
    move_mount(overlay, "", &sources.dir, "root", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    fchdir(openat(&sources.dir, "root", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)?;
    // The old root ends up on top of the new one, where it is taken away again.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    Ok(())
}

/// Files that a stack cannot bring along, and `/tmp`.
fn write_files(setup: &Setup) -> io::Result<()> {
    fs::create_dir_all("/etc")?;
    replace("/etc/hosts", &format!("127.0.0.1 localhost {}\n::1 localhost\n", setup.name))?;
    if setup.has_network {
        replace("/etc/resolv.conf", &format!("nameserver {NAME_SERVER}\n"))?;
    }
    fs::create_dir_all("/tmp")?;
    fs::set_permissions("/tmp", Permissions::from_mode(0o1777))
}

/// Writes a new file, also where a symbolic link was.
fn replace(path: &str, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => fs::write(path, text),
    }
}

/// For `map_err`: puts what was being done before the cause.
fn io_error<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> EngineError {
    move |error| EngineError::io(what, error)
}
