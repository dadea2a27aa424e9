//! The helper of one environment: makes its namespaces, loads the network filter, makes its first process, waits, and
//! removes the environment's files when the first process has ended for whatever reason, the daemon's death
//! included.

use std::io::Write as _;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, setsid, waitpid};
use rustix::thread::UnshareFlags;

use super::serve::Inside;
use super::sys::Fork;
use super::{become_root, confine, describe, lock_folder, mounts, report, serve, sys};
use crate::engine::sandbox::network::FILTERED;
use crate::engine::sandbox::programs;
use crate::engine::sandbox::protocol::{Filter, Report, Setup, receive};
use crate::engine::{EngineError, tree};

/// What an environment has of its own besides its users. The mounts only the first process leaves, so that the files
/// can be removed from here; process ids begin with the first process.
const NAMESPACES: UnshareFlags =
    UnshareFlags::NEWNET.union(UnshareFlags::NEWIPC).union(UnshareFlags::NEWUTS).union(UnshareFlags::NEWCGROUP);

/// Makes the namespaces, waits to be told what environment this is to be, and stays until that has ended.
pub(super) fn keep(control: &OwnedFd, filter: Option<&Filter>) -> Result<(), EngineError> {
    sys::unshare(NAMESPACES).map_err(|error| EngineError::io("cannot make the sandbox's namespaces", error))?;
    let filtering = filter.map(load_in_background).transpose()?;
    // What the setup brings along leads its commands into their cgroups.
    let Some((setup, join_files)) = receive::<Setup>(control).map_err(|error| EngineError::io("cannot read the setup", error))?
    else {
        return Ok(());
    };
    sys::unshare(UnshareFlags::NEWPID).map_err(|error| EngineError::io("cannot make the sandbox's processes a space", error))?;
    match sys::fork().map_err(|error| EngineError::io("cannot fork the sandbox's first process", error))? {
        Fork::Child => std::process::exit(first_process(control, &setup, join_files)),
        Fork::Parent(first) => {
            // Held to the end, which tells whoever sweeps that this helper clears up by itself.
            let folder = lock_folder(&setup.dir)?;
            become_root()?;
            for process in std::iter::once(first).chain(filtering) {
                rustix::io::retry_on_intr(|| waitpid(Some(process), WaitOptions::empty()))
                    .map_err(|error| EngineError::io("cannot wait for the sandbox's first process", error))?;
            }
            tree::remove_contents(&folder).map_err(|error| EngineError::io("cannot remove the sandbox's files", error))
        }
    }
}

/// The life of process 1: everything in the environment dies with it.
fn first_process(control: &OwnedFd, setup: &Setup, join_files: Vec<OwnedFd>) -> i32 {
    match enter(setup, join_files).and_then(|inside| report(control, &Report::Done).map(|()| inside)) {
        Ok(inside) => {
            serve::serve(control, &inside);
            0
        }
        Err(error) => {
            // If the daemon is gone, nobody is left to be told.
            let _ = report(control, &Report::Failed(describe(&error)));
            1
        }
    }
}

/// Sets up what commands will see and be held by.
fn enter(setup: &Setup, join_files: Vec<OwnedFd>) -> Result<Inside, EngineError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| EngineError::io("cannot tie the sandbox to its helper", error))?;
    rustix::system::sethostname(setup.name.as_bytes()).map_err(|error| EngineError::io("cannot name the sandbox", error))?;
    sys::bring_up_loopback().map_err(|error| EngineError::io("cannot bring up the loopback interface", error))?;
    let (upper, lower) = mounts::enter(setup)?;
    setsid().map_err(|error| EngineError::io("cannot start a session", error))?;
    confine::confine(setup.max_file_bytes, setup.max_processes)?;
    Ok(Inside { upper, lower, join_files })
}

/// Loads the filter in a process of its own, since the environment need not wait for it: without interface there is
/// nothing to filter.
fn load_in_background(filter: &Filter) -> Result<Pid, EngineError> {
    match sys::fork().map_err(|error| EngineError::io("cannot fork for the network filter", error))? {
        Fork::Child => {
            announce_filter(become_root().and_then(|()| load_filter(filter)));
            std::process::exit(0)
        }
        Fork::Parent(pid) => Ok(pid),
    }
}

fn load_filter(filter: &Filter) -> Result<(), EngineError> {
    programs::run(&filter.nft, &["-f".to_owned(), "-".to_owned()], &filter.rules)
}

/// Tells the daemon on standard output, in one line, that the network may be connected, or why not.
fn announce_filter(loaded: Result<(), EngineError>) {
    let line = match loaded {
        Ok(()) => FILTERED.to_owned(),
        Err(error) => describe(&error).replace('\n', "; "),
    };
    // If the daemon is gone, nobody is left to be told.
    let _ = writeln!(std::io::stdout(), "{line}");
}
