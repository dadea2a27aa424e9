//! The SSH side of a place like GitHub: OpenSSH's server, and what forges have beside git's own commands.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use serde_json::json;

use super::daemon::run;
use super::forge::{LFS_API, Manner, Spans};

/// A stand-in for the command of forges that says where the LFS server is (Git LFS's `docs/api/authentication.md`).
pub(super) fn write_lfs_authenticate(dir: &Path, manner: &Manner, http: SocketAddr) {
    let headers = manner.authorization().map(|value| json!({ "Authorization": value })).unwrap_or_default();
    let answer = json!({ "href": format!("http://{http}/{LFS_API}/"), "header": headers, "expires_in": 3600 });
    let refusal = manner.lfs_refusal.map(|words| format!("echo '{words}' >&2; exit 1\n")).unwrap_or_default();
    let script = format!(
        "#!/bin/sh\necho \"$*\" >> {}/lfs_asked\n{refusal}[ -d \"$1\" ] && [ \"$2\" = download ] || exit 1\necho '{answer}'\n",
        dir.display()
    );
    let path = dir.join("bin/git-lfs-authenticate");
    std::fs::create_dir(dir.join("bin")).unwrap();
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// OpenSSH's server, one for each connection (`sshd -i`), so that no port need be guessed.
pub(super) fn serve_ssh(dir: &Path, manner: &Manner, spans: Spans) -> SocketAddr {
    let (kind, algorithm) = manner.ssh_keys.unwrap_or(("ed25519", "ssh-ed25519"));
    for key in ["host_key", "user_key"] {
        run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", key, "-f"]).arg(dir.join(key)));
    }
    std::fs::copy(dir.join("user_key.pub"), dir.join("authorized_keys")).unwrap();
    let accept = if manner.is_old { "" } else { "AcceptEnv GIT_PROTOCOL\n" };
    let config = format!(
        "HostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
        KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n\
        PubkeyAcceptedAlgorithms {algorithm}\nSetEnv PATH={0}/bin:/usr/local/bin:/usr/bin:/bin\n{accept}",
        dir.display()
    );
    std::fs::write(dir.join("sshd_config"), config).unwrap();
    // Debian makes it when its own sshd starts.
    let _ = std::fs::create_dir_all("/run/sshd");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, config) = (listener.local_addr().unwrap(), dir.join("sshd_config"));
    thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = std::os::fd::OwnedFd::from(connection.unwrap());
            let mut sshd = Command::new("/usr/sbin/sshd");
            sshd.arg("-i").arg("-f").arg(&config).stdin(connection.try_clone().unwrap()).stdout(connection).stderr(Stdio::null());
            let (start, mut sshd, spans) = (Instant::now(), sshd.spawn().unwrap(), Arc::clone(&spans));
            thread::spawn(move || {
                sshd.wait().unwrap();
                spans.lock().unwrap().push((start, Instant::now()));
            });
        }
    });
    address
}
