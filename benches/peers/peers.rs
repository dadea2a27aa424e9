//! Where the peers are: `scripts/bench` starts them and says so in the environment.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::{Daemon, User};

/// The peers that are there.
pub(crate) struct Peers {
    pub(crate) git: Option<PlainGit>,
    pub(crate) docker: Option<Docker>,
    /// Debian's docker-registry, open to everybody.
    pub(crate) registry_url: Option<String>,
    /// Whether a trial is wanted: of less, and of no worth as a measurement.
    pub(crate) is_small: bool,
}

/// Bare repositories behind OpenSSH and behind a web server with git's own CGI program.
pub(crate) struct PlainGit {
    /// Folder of the repositories.
    repositories: PathBuf,
    /// `ssh://USER@HOST:PORT` and the same folder.
    ssh_url: String,
    /// `http://USER:PASSWORD@HOST:PORT` and the path that stands for that folder.
    http_url: String,
    key: PathBuf,
}

/// A Docker daemon that has the stack's build root as an image. `DOCKER_HOST` is set.
pub(crate) struct Docker {
    pub(crate) image: String,
}

/// One side of a push: where to, and as whom.
pub(crate) struct Remote {
    pub(crate) url: String,
    key: PathBuf,
}

impl Peers {
    pub(crate) fn from_env() -> Self {
        let plain_git = || {
            Some(PlainGit {
                repositories: env::var_os("HOIST_BENCH_REPOSITORIES")?.into(),
                ssh_url: env::var("HOIST_BENCH_SSH_URL").ok()?,
                http_url: env::var("HOIST_BENCH_HTTP_URL").ok()?,
                key: env::var_os("HOIST_BENCH_SSH_KEY")?.into(),
            })
        };
        let docker = || Some(Docker { image: env::var("HOIST_BENCH_DOCKER_IMAGE").ok()? });
        Self {
            git: plain_git(),
            docker: docker(),
            registry_url: env::var("HOIST_BENCH_REGISTRY_URL").ok(),
            is_small: env::var_os("HOIST_BENCH_SMALL").is_some(),
        }
    }

    /// The plain git server, or a line that says why the measurement is skipped.
    pub(crate) fn git(&self) -> Option<&PlainGit> {
        if self.git.is_none() {
            println!("  skipped: no plain git server; run scripts/bench");
        }
        self.git.as_ref()
    }
}

impl PlainGit {
    /// Makes an empty bare repository.
    pub(crate) fn create(&self, name: &str) {
        let made = Command::new("git").args(["init", "-q", "--bare"]).arg(self.repositories.join(name)).status();
        assert!(made.is_ok_and(|status| status.success()), "git init failed");
    }

    pub(crate) fn over_ssh(&self, name: &str) -> Remote {
        Remote { url: format!("{}/{name}", self.ssh_url), key: self.key.clone() }
    }

    pub(crate) fn over_http(&self, name: &str) -> Remote {
        Remote { url: format!("{}/{name}", self.http_url), key: self.key.clone() }
    }
}

impl Remote {
    pub(crate) fn hoist_over_ssh(daemon: &Daemon, user: &User, app: &str) -> Self {
        Self { url: format!("ssh://git@{}/{app}.git", daemon.ssh), key: user.key.clone() }
    }

    pub(crate) fn hoist_over_http(daemon: &Daemon, user: &User, app: &str) -> Self {
        Self { url: format!("http://_:{}@{}/{app}.git", user.token, daemon.http), key: user.key.clone() }
    }

    /// A `git push` of `refspec` from the repository in `dir`.
    pub(crate) fn push(&self, dir: &std::path::Path, refspec: &str) -> Command {
        let mut push = self.git(dir, "push");
        push.arg(&self.url).arg(refspec);
        push
    }

    /// A git command in the repository in `dir`, with nothing of the user's own configuration.
    pub(crate) fn git(&self, dir: &std::path::Path, command: &str) -> Command {
        let ssh = format!(
            "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o LogLevel=ERROR",
            self.key.display()
        );
        let mut git = Command::new("git");
        git.arg("-C").arg(dir).arg(command);
        git.env("GIT_SSH_COMMAND", ssh).env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
        git
    }
}
