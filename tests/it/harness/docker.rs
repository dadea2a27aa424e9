//! A Docker Engine of the tests' own, on a socket in a temporary folder: one for the whole process.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::until;

/// Runs the engine until its standard input ends, which is when this process does, and takes everything along.
const KEEPER: &str = r#"
dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" -H "unix://$1/docker.sock" \
    --iptables=false --bridge=none >"$1/log" 2>&1 &
read -r _
# Their bridges would stay.
docker -H "unix://$1/docker.sock" network prune --force >/dev/null 2>&1
kill $!
wait $!
umount "$1"/exec/netns/* 2>/dev/null
rm -rf "$1"
"#;

pub(crate) struct Docker {
    dir: PathBuf,
    _keeper: Child,
}

static DOCKER: OnceLock<Docker> = OnceLock::new();

impl Docker {
    /// The engine. `None`, with the reason printed, for who can't have one: it needs root.
    pub(crate) fn get() -> Option<&'static Self> {
        Self::can_be_had().then(|| DOCKER.get_or_init(Self::start))
    }

    /// Whether there can be one; if not, the reason is printed.
    pub(crate) fn can_be_had() -> bool {
        let is_root = rustix::process::geteuid().is_root();
        if !is_root {
            eprintln!("skipped: a Docker Engine needs root");
        }
        is_root
    }

    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("hoist-docker-").tempdir().unwrap().keep();
        let mut keeper = Command::new("sh");
        let keeper = keeper.args(["-c", KEEPER, "sh"]).arg(&dir).stdin(Stdio::piped()).spawn().unwrap();
        let docker = Self { dir, _keeper: keeper };
        until(|| docker.command(&["version"]).stderr(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
        docker
    }

    /// The engine for hoist, to run environments in.
    pub(crate) fn engine(&self) -> hoist::docker::Docker {
        Self::engine_at(self.socket())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// The engine of another process.
    pub(crate) fn engine_at(socket: PathBuf) -> hoist::docker::Docker {
        hoist::docker::Docker::new(hoist::docker::Settings {
            socket,
            owner: "test".into(),
            builder: None,
            network: None,
            cgroup_parent: None,
            pull: hoist::docker::Pull::Always,
        })
    }

    /// A command of Docker's client.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", format!("unix://{}/docker.sock", self.dir.display()));
        command.env("DOCKER_CONFIG", self.dir.join("config")).args(args);
        command
    }
}
