//! What a process takes from itself before it takes requests, and thereby from all that it will ever start.

use std::io;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::seccomp;
use crate::engine::EngineError;

/// What serving requests takes: becoming `app`, signalling its processes, making folders for it, measuring its files
/// and its memory. Commands have none of this: they lose it with the step to `app`.
const KEPT: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::SYS_PTRACE);

/// Open files of one process: what most programs are content with, and what they may raise that to.
const OPEN_FILES: (u64, u64) = (1024, 65_536);

/// The environment's nice value: the daemon, at 0, comes first, also where no cgroup says so; and with the disk, whose schedulers
/// take it from there.
const NICE: i32 = 5;

/// `max_processes` limits each user, where no cgroup limits the processes.
pub(in crate::engine) fn confine(max_file_bytes: u64, max_processes: Option<u32>) -> Result<(), EngineError> {
    umask(Mode::from_raw_mode(0o022));
    make_way().map_err(|error| EngineError::io("cannot make way for the daemon", error))?;
    set_limits(max_file_bytes, max_processes).map_err(|error| EngineError::io("cannot set resource limits", error))?;
    drop_capabilities().map_err(|error| EngineError::io("cannot drop capabilities", error))?;
    set_no_new_privs(true).map_err(|error| EngineError::io("cannot forbid new privileges", error))?;
    seccomp::apply()
}

/// A daemon that is nicer still has nice environments already.
fn make_way() -> io::Result<()> {
    let nice = getpriority_process(None)?.max(NICE);
    Ok(setpriority_process(None, nice)?)
}

fn set_limits(max_file_bytes: u64, max_processes: Option<u32>) -> io::Result<()> {
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Fsize, max_file_bytes, max_file_bytes)?;
    limit(Resource::Nofile, OPEN_FILES.0, OPEN_FILES.1)?;
    if let Some(processes) = max_processes {
        limit(Resource::Nproc, processes.into(), processes.into())?;
    }
    Ok(())
}

/// Sets a limit, or leaves the one there is if that is lower already.
fn limit(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let ceiling = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    setrlimit(resource, Rlimit { current: Some(current.min(ceiling)), maximum: Some(maximum.min(ceiling)) })?;
    Ok(())
}

fn drop_capabilities() -> io::Result<()> {
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // Younger than this kernel.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // In a container not all of them are there.
    let kept = KEPT & capabilities(None)?.permitted;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(())
}
