//! The system calls that the libraries do not wrap, or only as unsafe functions. Every other file of the sandbox
//! is safe code.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which side of a fork this is.
pub(in crate::engine) enum Fork {
    Child,
    Parent(Pid),
}

/// Forks this process, which must have a single thread.
#[expect(unsafe_code, reason = "no library offers a safe fork")]
pub(in crate::engine) fn fork() -> io::Result<Fork> {
    // SAFETY: the helper has one thread, so the child finds no lock held and no state half changed.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Pid::from_raw(pid).expect("neither zero nor negative"))),
    }
}

/// Leaves the namespaces that `flags` name for new ones.
#[expect(unsafe_code, reason = "unsafe in general, as it could also separate threads' open files")]
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: whatever the flags say, the open files stay shared.
    unsafe { rustix::thread::unshare_unsafe(flags - UnshareFlags::FILES) }?;
    Ok(())
}

/// Closes whatever the daemon left open besides the three standard streams.
#[expect(unsafe_code, reason = "no library offers close_range")]
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: called before this process has opened anything, so nobody owns the numbers that are closed.
    succeeded(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) })
}

/// Brings up the loopback interface of this process's network namespace.
#[expect(unsafe_code, reason = "no library offers this ioctl")]
pub(super) fn bring_up_loopback() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all zeros is a valid value of this structure of numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).expect("the flag is 1");
    // SAFETY: the request is valid, and the kernel only reads it.
    succeeded(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into())
}

/// Has the kernel clear away this process's children, also those it will adopt, as soon as they end.
#[expect(unsafe_code, reason = "libc's signal functions are unsafe in general, as handlers may do anything")]
pub(in crate::engine) fn ignore_children() -> io::Result<()> {
    // SAFETY: no handler is installed.
    if unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) } == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the process that `command` will start join cgroups, by writing `0` to their `join_files`.
#[expect(unsafe_code, reason = "std marks all code between fork and exec unsafe")]
pub(super) fn join_cgroups(command: &mut Command, join_files: Vec<OwnedFd>) {
    let join = move || join_files.iter().try_for_each(|file| rustix::io::write(file, b"0").map(drop).map_err(io::Error::from));
    // SAFETY: writing to open files allocates nothing and takes no lock.
    unsafe { command.pre_exec(join) };
}

/// Makes the process that `command` will start the leader of a session whose terminal is its standard input, so that what
/// is typed there can interrupt it.
#[expect(unsafe_code, reason = "std marks all code between fork and exec unsafe")]
pub(super) fn own_terminal(command: &mut Command) {
    let own = || {
        rustix::process::setsid()?;
        Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
    };
    // SAFETY: two system calls, which allocate nothing and take no lock.
    unsafe { command.pre_exec(own) };
}

fn succeeded(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
