//! Tests in namespaces of their own.

use std::process::Command;

use super::stacks_dir;

/// Runs one test again as the user that this is, in a new namespace (`--net`, `--mount`) that `script` prepares as root,
/// and with the variable `inside` set. An ordinary user needs sudo for that, without a password by now.
pub(crate) fn run_again_in(namespace: &str, script: &str, test: &str, inside: &str) {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    if !user.is_root() && !Command::new("sudo").args(["-n", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("{test} is skipped: making its namespace needs root, and sudo asks for a password");
        return;
    }
    let mut command = Command::new(if user.is_root() { "env" } else { "sudo" });
    let drop_root = format!("setpriv --reuid={} --regid={} --clear-groups env \"$@\"", user.as_raw(), group.as_raw());
    command.args(["unshare", namespace, "--", "sh", "-c", &format!("{script} && exec {drop_root}"), "sh"]);
    command.arg(format!("{inside}=1")).arg(format!("HOIST_STACKS_DIR={}", stacks_dir().display()));
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
