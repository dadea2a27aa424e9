//! The host's programs that the sandbox is made with.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::engine::EngineError;

/// Where programs are looked for: not in `PATH`, because a daemon's often lacks the `sbin` folders.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Finds a program; if it is missing, the error names the Debian package to install.
pub(super) fn find(program: &str, package: &str) -> Result<PathBuf, EngineError> {
    FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| EngineError::new(format!("{program} is not installed; install the package {package}")))
}

/// Runs a program to its end with `input`; if it fails, the error holds what it said.
pub(super) fn run(program: &Path, arguments: &[String], input: &str) -> Result<(), EngineError> {
    let cannot = |error| EngineError::io(format!("cannot run {}", program.display()), error);
    #[expect(clippy::disallowed_methods, reason = "the engine is where processes are started")]
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let written = child.stdin.take().expect("asked for above").write_all(input.as_bytes());
    let output = child.wait_with_output().map_err(cannot)?;
    if output.status.success() {
        return written.map_err(cannot);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(EngineError::new(format!("{} failed ({}): {}", program.display(), output.status, said.trim())))
}
