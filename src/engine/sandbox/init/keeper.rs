//! The helper of one environment: makes its namespaces and its first process, loads the network filter, waits, and
//! removes the environment's files when the first process has ended for whatever reason, the daemon's death
//! included.

use std::io::Write as _;
use std::os::fd::OwnedFd;

use rustix::process::{Signal, WaitOptions, set_parent_process_death_signal, waitpid};
use rustix::thread::UnshareFlags;

use super::serve::Inside;
use super::sys::Fork;
use super::{become_root, confine, describe, lock_folder, mounts, report, serve, sys};
use crate::engine::sandbox::network::FILTERED;
use crate::engine::sandbox::programs;
use crate::engine::sandbox::protocol::{Filter, Report, Setup};
use crate::engine::{EngineError, tree};

/// Everything of its own but the mounts: those only the first process leaves, so that the files can be removed
/// from here.
const NAMESPACES: UnshareFlags = UnshareFlags::NEWPID
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWCGROUP);

/// Makes an environment and stays until it has ended. `join_files` lead its commands into their cgroups.
pub(super) fn keep(control: &OwnedFd, setup: &Setup, join_files: Vec<OwnedFd>) -> Result<(), EngineError> {
    sys::unshare(NAMESPACES).map_err(|error| EngineError::io("cannot make the sandbox's namespaces", error))?;
    match sys::fork().map_err(|error| EngineError::io("cannot fork the sandbox's first process", error))? {
        Fork::Child => std::process::exit(first_process(control, setup, join_files)),
        Fork::Parent(pid) => {
            // Held to the end, which tells whoever sweeps that this helper clears up by itself.
            let folder = lock_folder(&setup.dir)?;
            become_root()?;
            if let Some(filter) = &setup.filter {
                announce_filter(load_filter(filter));
            }
            rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))
                .map_err(|error| EngineError::io("cannot wait for the sandbox's first process", error))?;
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
    let upper = mounts::enter(setup)?;
    confine::confine(setup)?;
    Ok(Inside { upper, join_files })
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
