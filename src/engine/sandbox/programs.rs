//! The host's programs that the sandbox is made with.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::engine::EngineError;

/// Where programs are looked for: not in `PATH`, because a daemon's often lacks the `sbin` folders.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Finds a program; if it is missing, the error names the Debian package to install.
pub(in crate::engine) fn find(program: &str, package: &str) -> Result<PathBuf, EngineError> {
    FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| EngineError::new(format!("{program} is not installed; install the package {package}")))
}

/// How long a program may take. They take milliseconds; a busy host multiplies that, but not by a thousand.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// How long the kernel may take to end a killed process. One that hangs in the kernel for longer is left to it.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of what a program says is kept.
const MAX_WORDS_BYTES: u64 = 8 * 1024;

/// Runs a program to its end with `input`; if it fails, the error holds what it said. One that takes longer than
/// [`TIMEOUT`] is killed.
pub(in crate::engine) fn run(program: &Path, arguments: &[String], input: &str) -> Result<(), EngineError> {
    run_within(TIMEOUT, program, arguments, input)
}

fn run_within(timeout: Duration, program: &Path, arguments: &[String], input: &str) -> Result<(), EngineError> {
    let cannot = |error: io::Error| EngineError::io(format!("cannot run {}", program.display()), error);
    let mut words = words_file().map_err(cannot)?;
    let stderr = words.try_clone().map_err(cannot)?;
    #[expect(clippy::disallowed_methods, reason = "the engine is where processes are started")]
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(input_file(input).map_err(cannot)?)
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .map_err(cannot)?;
    let ended = wait_within(&mut child, timeout).map_err(cannot)?;
    if ended.is_some_and(|status| status.success()) {
        return Ok(());
    }
    let how = if let Some(status) = ended {
        format!("failed ({status})")
    } else {
        kill(&mut child);
        format!("did not end within {timeout:?}")
    };
    let said = read_words(&mut words).map_err(cannot)?;
    Err(EngineError::new(format!("{} {how}: {}", program.display(), said.trim())))
}

/// A file in memory that holds `input`: unlike a pipe it is never full, and so nobody waits for its reader.
fn input_file(input: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(input.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// A file in memory for what a program says: unlike a pipe it needs no reader meanwhile. It cannot grow; writing past
/// its end fails.
fn words_file() -> io::Result<File> {
    let file = memfd_create("words", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, MAX_WORDS_BYTES)?;
    fcntl_add_seals(&file, SealFlags::GROW)?;
    Ok(file.into())
}

fn read_words(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    // What was not written to is zero.
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
}

/// Waits until a process has ended; nothing when it has not within `timeout`.
pub(super) fn wait_within(child: &mut Child, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    if is_ready_within(&process, timeout)? { child.wait().map(Some) } else { Ok(None) }
}

/// Waits until a file can be read, and tells whether it could within `timeout`, however many signals come.
pub(super) fn is_ready_within(file: impl AsFd, timeout: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    let mut events = [PollFd::new(&file, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| {
        let left = deadline.saturating_duration_since(Instant::now());
        poll(&mut events, Some(&left.try_into().expect("some minutes")))
    })?;
    Ok(ready > 0)
}

/// Kills a process, unless it has ended, and clears it away.
pub(super) fn kill(child: &mut Child) {
    if let Ok(None) = child.try_wait() {
        // What fails here fails because the process is ending by itself.
        let _ = child.kill();
        let _ = wait_within(child, KILL_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn sh(script: &str, timeout: Duration, input: &str) -> Result<(), String> {
        let arguments = ["-c", script].map(str::to_owned);
        run_within(timeout, Path::new("/bin/sh"), &arguments, input).map_err(|error| error.to_string())
    }

    #[test]
    fn a_program_that_never_ends_is_killed_and_named() {
        // The program holds the pipe's other end, and so the pipe ends with the program.
        let (mut held, pipe) = io::pipe().unwrap();
        let script = format!("exec sleep 1000 > /proc/{}/fd/{}", std::process::id(), pipe.as_raw_fd());
        let error = sh(&script, Duration::from_millis(100), "").unwrap_err();
        assert_eq!(error, "/bin/sh did not end within 100ms: ");
        drop(pipe);
        assert_eq!(held.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_program_need_not_read_nor_be_read() {
        let much = "x".repeat(1024 * 1024);
        assert_eq!(sh("exit 0", TIMEOUT, &much), Ok(()));
        assert_eq!(sh(r#"test "$(wc -c)" = 1048576"#, TIMEOUT, &much), Ok(()));
        let error = sh("head -c 1M /dev/zero | tr '\\0' y >&2; exit 3", TIMEOUT, "").unwrap_err();
        assert!(error.starts_with("/bin/sh failed (exit status: 3): yyy"), "{error}");
        assert!(error.len() < 10_000, "{} bytes", error.len());
    }
}
