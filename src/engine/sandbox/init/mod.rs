//! Everything that runs in the helper process, `hoist sandbox-init`, which has a single thread.
//!
//! In reading order: this file starts the helper and does its [`Job`]; `keeper` is the helper of an environment: it
//! makes the namespaces, forks the environment's first process, and clears up when that has ended; `mounts` builds
//! the file system seen inside; `confine` and `seccomp` take everything from the first process that it will not
//! need; `serve` is the loop of that process; `answer` does what the daemon asks for, with `unlinked` for the disk; `supervise`
//! runs one command and ends its tree, with `terminal` in a terminal; `sys` holds the few system calls that no library wraps
//! safely.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::retry_on_intr;
use rustix::process::{Gid, Resource, Rlimit, Uid, chroot, fchdir, setrlimit, umask};
use rustix::thread::{UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::protocol::{Job, Mapped, Report, receive, send};
use crate::engine::{EngineError, tree};

mod keeper;
mod mounts;

pub(in crate::engine) mod confine;
mod seccomp;

pub(in crate::engine) mod answer;
pub(in crate::engine) mod serve;
pub(in crate::engine) mod supervise;
mod terminal;
pub(in crate::engine) mod unlinked;

pub(in crate::engine) mod sys;

/// Memory for unpacking layers: a million names of their entries, and then some.
const LAYERS_MEMORY_BYTES: u64 = 1024 * 1024 * 1024;

/// Entry point of the helper process; its standard input is the control socket.
#[must_use]
pub fn helper_main() -> ExitCode {
    let outcome = sys::close_inherited().and_then(|()| io::stdin().as_fd().try_clone_to_owned());
    let Ok(control) = outcome else {
        return ExitCode::FAILURE;
    };
    match do_job(&control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If the daemon is gone, nobody is left to be told.
            let _ = send(&control, &Report::Failed(describe(&error)), &[]);
            ExitCode::FAILURE
        }
    }
}

fn do_job(control: &OwnedFd) -> Result<(), EngineError> {
    let Some((job, mut files)) = receive(control).map_err(|error| EngineError::io("cannot read the job", error))? else {
        return Err(EngineError::new("the daemon gave no job"));
    };
    enter_user_namespace(control)?;
    // The daemon's own may be another one.
    umask(Mode::from_raw_mode(0o022));
    // Whatever lies in folders that only the daemon's user may enter is opened while this is still that user.
    match job {
        Job::Probe => become_root()?,
        Job::Environment { filter } => return keeper::keep(control, filter.as_ref()),
        Job::Unpack { dest } => {
            let dest = open_folder(&dest)?;
            let tar = files.pop().ok_or_else(|| EngineError::new("no tar came with the job"))?;
            become_root()?;
            in_root(&dest, |root| tree::unpack_root(File::from(tar), root))
                .map_err(|error| EngineError::io("cannot unpack the root file system", error))?;
        }
        Job::UnpackLayer { dest, at } => {
            let dest = open_folder(&dest)?;
            become_root()?;
            in_root(&dest, |_| answer::put_in(&at, files.pop()))
                .map_err(|error| EngineError::io("cannot unpack the layer", error))?;
        }
        Job::UnpackForOne { dest, at } => {
            let dest = open_folder(&dest)?;
            become_root()?;
            let unpacked = mounts::make_upper(&dest).and_then(|upper| {
                in_root(&upper, |_| {
                    // Those of the root have their own owner.
                    std::fs::create_dir_all(at.parent().unwrap_or(Path::new("/")))?;
                    answer::put_in(&at, files.pop())
                })
            });
            unpacked.map_err(|error| EngineError::io("cannot unpack what an environment is to have", error))?;
        }
        Job::UnpackLayers { dest, max_entries } => {
            let dest = open_folder(&dest)?;
            let tars = files.pop().ok_or_else(|| EngineError::new("no layers came with the job"))?;
            become_root()?;
            limit_memory().map_err(|error| EngineError::io("cannot limit the helper's memory", error))?;
            match in_root(&dest, |root| tree::unpack_layers(File::from(tars), root, max_entries)) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return report(control, &Report::Refused(error.to_string()));
                }
                unpacked => unpacked.map_err(|error| EngineError::io("cannot unpack the image's layers", error))?,
            }
        }
        Job::Pack { root, latest_secs } => {
            let root = open_folder(&root)?;
            let pipe = files.pop().ok_or_else(|| EngineError::new("no pipe came with the job"))?;
            become_root()?;
            pack_as_root(&root, latest_secs, File::from(pipe))
                .map_err(|error| EngineError::io("cannot pack the root file system", error))?;
        }
        Job::Remove { dir } => {
            let folder = lock_folder(&dir)?;
            become_root()?;
            tree::remove_contents(folder)
                .map_err(|error| EngineError::io(format!("cannot remove what is in {}", dir.display()), error))?;
        }
    }
    report(control, &Report::Done)
}

/// Unpacks into what becomes the root. Absolute links in the archive then lead where they will lead in the sandbox, and
/// nowhere else.
fn in_root(dest: &OwnedFd, unpack: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    fchdir(dest)?;
    chroot(".")?;
    unpack(Path::new("/"))
}

/// Bounds what a stranger's tar may make this process take: the `tar` crate has no limit for the length of a name.
fn limit_memory() -> io::Result<()> {
    let limit = Some(LAYERS_MEMORY_BYTES);
    Ok(setrlimit(Resource::As, Rlimit { current: limit, maximum: limit })?)
}

fn pack_as_root(root: &OwnedFd, latest_secs: u64, pipe: File) -> io::Result<()> {
    // Opened for its path only.
    fchdir(root)?;
    let root = Path::new(".");
    tree::write_until(&tree::open_tree(root)?, root, latest_secs, pipe)
}

/// Enters a user namespace and waits until the daemon has mapped its ids. To the host this is still the daemon's
/// user.
fn enter_user_namespace(control: &OwnedFd) -> Result<(), EngineError> {
    sys::unshare(UnshareFlags::NEWUSER)
        .map_err(|error| EngineError::io("this host lets no user namespace be made (kernel or container settings)", error))?;
    report(control, &Report::Unshared)?;
    receive::<Mapped>(control)
        .and_then(|mapped| mapped.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
        .map_err(|error| EngineError::io("the daemon mapped no ids", error))?;
    Ok(())
}

/// Becomes the user namespace's root, to the host nobody.
fn become_root() -> Result<(), EngineError> {
    become_user(Uid::ROOT, Gid::ROOT).map_err(|error| EngineError::io("cannot become the sandbox's root", error))
}

/// Takes on a user's ids, and no others. This is the process's only thread.
fn become_user(uid: Uid, gid: Gid) -> io::Result<()> {
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

fn report(control: &OwnedFd, report: &Report) -> Result<(), EngineError> {
    send(control, report, &[]).map_err(|error| EngineError::io("cannot report to the daemon", error))
}

fn open_folder(path: &Path) -> Result<OwnedFd, EngineError> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| EngineError::io(format!("cannot open {}", path.display()), error))
}

/// Opens a folder that is to be removed, once nobody else holds it so: an environment that is just ending clears up
/// first.
fn lock_folder(path: &Path) -> Result<OwnedFd, EngineError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let locked = openat(CWD, path, flags, Mode::empty())
        .and_then(|folder| retry_on_intr(|| flock(&folder, FlockOperation::LockExclusive)).map(|()| folder));
    locked.map_err(|error| EngineError::io(format!("cannot lock {}", path.display()), error))
}

/// An error and its causes in one line, for the way to the daemon.
pub(in crate::engine) fn describe(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
