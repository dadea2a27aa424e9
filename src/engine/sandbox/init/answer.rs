//! Answers one request, in a process of its own.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::lchown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::serve::Inside;
use super::supervise::CommandFiles;
use super::{become_user, describe, supervise, unlinked};
use crate::engine::sandbox::protocol::{MAX_LINE_BYTES, Reply, Request};
use crate::engine::tree;

/// The user as whom everything of strangers' runs.
pub(super) const APP: u32 = 1000;

/// Reads the request from the first of `files`, and replies there.
pub(in crate::engine) fn answer(files: Vec<OwnedFd>, inside: &Inside) {
    let mut files = files.into_iter();
    let Some(mut conversation) = files.next().map(UnixStream::from) else { return };
    let reply = match read_request(&conversation) {
        Ok(Request::Run { argv, env, cwd, terminal }) => match CommandFiles::take(files, terminal, &conversation) {
            Ok(files) => supervise::run(&argv, &env, &cwd, files, &conversation, inside),
            Err(error) => Err(error),
        },
        Ok(Request::PutIn { dir }) => put_in(&dir, files.next()).map(|()| Reply::Done),
        Ok(Request::Remove { dir }) => remove(&dir, files.next()).map(|()| Reply::Done),
        Ok(Request::TakeOut { dir }) => take_out(&dir, files.next(), inside),
        Ok(Request::MeasureDisk) => measure_disk(inside),
        Ok(Request::MeasureMemory) => measure_memory(),
        Ok(Request::LookForChanges { dir }) => look_for_changes(&dir, inside),
        Err(error) => Err(error),
    };
    let reply = reply.unwrap_or_else(|error| Reply::Failed(describe(&error)));
    let line = serde_json::to_vec(&reply).expect("replies are plain data");
    // A daemon that has hung up does not want the reply.
    let _ = conversation.write_all(&line);
}

fn read_request(conversation: &UnixStream) -> io::Result<Request> {
    let mut line = Vec::new();
    BufReader::new(conversation.take(MAX_LINE_BYTES)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Unpacks a tar into a folder of the root, as `app`.
pub(super) fn put_in(dir: &Path, tar: Option<OwnedFd>) -> io::Result<()> {
    let tar = File::from(tar.ok_or(io::ErrorKind::InvalidInput)?);
    create_for_app(dir)?;
    become_app()?;
    tree::unpack(tar, dir)
}

/// Removes what is named from below a folder of the root, as `app`.
fn remove(dir: &Path, names: Option<OwnedFd>) -> io::Result<()> {
    let names = File::from(names.ok_or(io::ErrorKind::InvalidInput)?);
    become_app()?;
    tree::remove_named(File::open(dir)?, BufReader::new(names))
}

/// Makes the folders of the path that are missing, owned by `app`.
fn create_for_app(dir: &Path) -> io::Result<()> {
    let mut path = PathBuf::new();
    for component in dir.components() {
        path.push(component);
        match std::fs::create_dir(&path) {
            Ok(()) => lchown(&path, Some(APP), Some(APP))?,
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn take_out(dir: &Path, tar: Option<OwnedFd>, inside: &Inside) -> io::Result<Reply> {
    let tar = File::from(tar.ok_or(io::ErrorKind::InvalidInput)?);
    become_app()?;
    let tree = open_in_upper(dir, inside).map_or_else(|| tree::open_tree(dir), Ok);
    match tree.and_then(|tree| tree::write(&tree, dir, tar)) {
        Err(error) if error.kind() == tree::UNFIT => Ok(Reply::Refused(error.to_string())),
        written => written.map(|()| Reply::Done),
    }
}

/// Opens a folder as it lies in the writable layer, if nothing of it is in those below: reading it there costs a third less than
/// through all of them. No link may lead there, because it would be followed on the host.
fn open_in_upper(dir: &Path, inside: &Inside) -> Option<OwnedFd> {
    let name = dir.strip_prefix("/").ok()?;
    let open = |layer| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        openat2(layer, name, flags, Mode::empty(), beneath)
    };
    let is_nowhere_else = inside.lower.iter().all(|layer| matches!(open(layer), Err(Errno::NOENT)));
    if is_nowhere_else { open(&inside.upper).ok() } else { None }
}

/// Gives up everything but being `app`, so that a link that `app` has made leads nowhere that `app` may not go.
fn become_app() -> io::Result<()> {
    become_user(Uid::from_raw(APP), Gid::from_raw(APP))
}

/// What has a name is found in the writable layer, what has none any more where all layers are one.
fn measure_disk(inside: &Inside) -> io::Result<Reply> {
    let unlinked = unlinked::bytes(Path::new("/"), &supervise::processes()?)?;
    Ok(Reply::Disk { bytes: tree::disk_bytes(&upper_path(inside))?.saturating_add(unlinked) })
}

fn upper_path(inside: &Inside) -> PathBuf {
    format!("/proc/self/fd/{}", inside.upper.as_raw_fd()).into()
}

/// Whatever is done in a folder leaves it, and all above it, in the writable layer, also that something is gone.
fn look_for_changes(dir: &Path, inside: &Inside) -> io::Result<Reply> {
    let mut path = upper_path(inside);
    for name in dir.strip_prefix("/").unwrap_or(dir) {
        path.push(name);
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => break,
            // Or it went with a folder above it, in whose place there is another one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reply::Changes { are_any: !dir.is_dir() }),
            Err(error) => return Err(error),
        }
    }
    Ok(Reply::Changes { are_any: true })
}

/// Memory and threads of all processes of `app`. Shared memory counts by share.
fn measure_memory() -> io::Result<Reply> {
    let mut bytes = 0;
    for process in supervise::processes()? {
        if threads_if_apps(process).is_some() {
            // Processes that end meanwhile use nothing.
            let memory = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
            bytes += number_after(&memory, "Pss:").unwrap_or(0) * 1024;
        }
    }
    Ok(Reply::Memory { bytes, threads: threads_of_app()? })
}

/// How many threads all processes of `app` have.
pub(super) fn threads_of_app() -> io::Result<u32> {
    let threads: u64 = supervise::processes()?.into_iter().filter_map(threads_if_apps).sum();
    Ok(threads.try_into().unwrap_or(u32::MAX))
}

/// The threads of a process of `app`; `None` when it is another's, or has ended.
fn threads_if_apps(process: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    (number_after(&status, "Uid:") == Some(APP.into())).then(|| number_after(&status, "Threads:").unwrap_or(0))
}

/// The first number of the line that starts with `key`.
fn number_after(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}
