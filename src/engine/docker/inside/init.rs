//! The container's first process: sets up what a stack cannot bring along, and lives for as long as the daemon is attached.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{read_call, reply};
use crate::engine::docker::frames::{Filter, Setup};
use crate::engine::sandbox::cgroup::Events;
use crate::engine::sandbox::init::{confine::confine, describe, sys};
use crate::engine::sandbox::programs;
use crate::engine::sandbox::protocol::Reply;
use crate::engine::{CA_BUNDLE, EngineError};

pub(super) fn init() -> io::Result<()> {
    let Some(setup) = read_call::<Setup>()? else { return Ok(()) };
    match set_up(&setup) {
        Ok(()) => reply(Reply::Done, Events::default())?,
        Err(error) => return Err(io::Error::other(describe(&error))),
    }
    sys::ignore_children()?;
    // Ends with the connection; everything in the container dies with this process.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn set_up(setup: &Setup) -> Result<(), EngineError> {
    // First: whatever else runs here comes later.
    setup.filter.as_ref().map_or(Ok(()), load_filter)?;
    write_files(setup).map_err(|error| EngineError::io("cannot write the container's files", error))?;
    confine(setup.max_file_bytes, None)
}

fn load_filter(filter: &Filter) -> Result<(), EngineError> {
    let (program, arguments) = filter.nft.split_first().ok_or_else(|| EngineError::new("there is no nft to run"))?;
    let arguments: Vec<_> = arguments.iter().cloned().chain(["-f", "-"].map(str::to_owned)).collect();
    programs::run(Path::new(program), &arguments, &filter.rules)
}

/// What is to be as in a sandbox.
fn write_files(setup: &Setup) -> io::Result<()> {
    // A mount of the Engine's, which can't be replaced.
    fs::write("/etc/hosts", format!("127.0.0.1 localhost {}\n::1 localhost\n", setup.name))?;
    if let Some(bundle) = &setup.ca_bundle {
        fs::create_dir_all(Path::new(CA_BUNDLE).parent().unwrap_or(Path::new("/")))?;
        remove(CA_BUNDLE)?;
        fs::write(CA_BUNDLE, bundle)?;
        fs::set_permissions(CA_BUNDLE, Permissions::from_mode(0o644))?;
    }
    // The host's memory, though hidden.
    remove("/dev/core")?;
    fs::create_dir_all("/tmp")?;
    fs::set_permissions("/tmp", Permissions::from_mode(0o1777))
}

fn remove(path: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
