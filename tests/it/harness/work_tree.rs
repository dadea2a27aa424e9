//! A developer's work tree and their real git, hermetic: own home, no system or global configuration, fixed dates.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::daemon::run;
use super::{Daemon, User, fixture, normalise};

/// A git work tree.
pub(crate) struct WorkTree {
    dir: TempDir,
}

/// What a push did.
pub(crate) struct Pushed {
    pub(crate) ok: bool,
    /// What the pusher saw, normalised.
    pub(crate) transcript: String,
}

impl WorkTree {
    /// An empty work tree.
    pub(crate) fn new() -> Self {
        let tree = Self { dir: tempfile::tempdir().unwrap() };
        tree.git(&["init", "-q", "-b", "main"]);
        tree
    }

    /// A work tree with the files of a fixture app, committed.
    pub(crate) fn of_fixture(name: &str) -> Self {
        let tree = Self::new();
        copy(&fixture("apps").join(name), tree.path());
        tree.commit("first");
        tree
    }

    /// A work tree with an in-app buildpack from the fixtures at `pack/` and one file, committed.
    pub(crate) fn with_pack(pack: &str) -> Self {
        let tree = Self::new();
        copy(&fixture("buildpacks").join(pack), &tree.path().join("pack"));
        tree.write("README", "an app\n");
        tree.commit("first");
        tree
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Writes a file that can be run.
    pub(crate) fn write_program(&self, path: &str, content: &str) {
        self.write(path, content);
        std::fs::set_permissions(self.path().join(path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Moves everything into a folder.
    pub(crate) fn move_into(&self, folder: &str) {
        let files: Vec<_> = std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        std::fs::create_dir_all(self.path().join(folder)).unwrap();
        for file in files.into_iter().filter(|file| file != ".git") {
            std::fs::rename(self.path().join(&file), self.path().join(folder).join(&file)).unwrap();
        }
    }

    /// Commits everything, also nothing.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Runs git, which must succeed.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        run(self.command().args(args))
    }

    /// Runs git, which must succeed, at another time: `1700000000 +0000`.
    pub(crate) fn git_at(&self, date: &str, args: &[&str]) -> String {
        run(self.command().args(args).env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date))
    }

    /// Pushes `main` over SSH.
    pub(crate) fn push_ssh(&self, daemon: &Daemon, user: &User, app: &str) -> Pushed {
        self.push(daemon, user, app, &["main"])
    }

    /// Pushes `main` over HTTP.
    pub(crate) fn push_http(&self, daemon: &Daemon, user: &User, app: &str) -> Pushed {
        self.push_http_to(daemon, user, app, "main")
    }

    /// Pushes a refspec over HTTP.
    pub(crate) fn push_http_to(&self, daemon: &Daemon, user: &User, app: &str, refspec: &str) -> Pushed {
        self.push_http_with(daemon, user, app, &[refspec])
    }

    /// Pushes over HTTP with more arguments; the last ones are refspecs.
    pub(crate) fn push_http_with(&self, daemon: &Daemon, user: &User, app: &str, args: &[&str]) -> Pushed {
        let (options, refspecs): (Vec<&str>, Vec<&str>) = args.iter().copied().partition(|arg| arg.starts_with('-'));
        let url = format!("http://_:{}@{}/{app}.git", user.token, daemon.http);
        finish(self.command().arg("push").args(options).arg(url).args(refspecs))
    }

    /// Pushes over SSH with more arguments; the last ones are refspecs.
    pub(crate) fn push(&self, daemon: &Daemon, user: &User, app: &str, args: &[&str]) -> Pushed {
        finish(&mut self.ssh_push(daemon, user, app, args))
    }

    /// Starts a push over SSH and leaves it running.
    pub(crate) fn start_push(&self, daemon: &Daemon, user: &User, app: &str, args: &[&str]) -> Child {
        let mut push = self.ssh_push(daemon, user, app, args);
        push.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn ssh_push(&self, daemon: &Daemon, user: &User, app: &str, args: &[&str]) -> Command {
        let (options, refspecs): (Vec<&str>, Vec<&str>) = args.iter().copied().partition(|arg| arg.starts_with('-'));
        let mut push = self.command();
        push.env("GIT_SSH_COMMAND", ssh_command(&user.key));
        push.arg("push").args(options).arg(format!("ssh://git@{}/{app}.git", daemon.ssh)).args(refspecs);
        push
    }

    /// git in this work tree.
    pub(crate) fn command(&self) -> Command {
        let mut git = Command::new("git");
        git.current_dir(self.path()).env_clear();
        let environment = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/nonexistent"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.com"),
            ("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.com"),
            ("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z"),
        ];
        git.envs(environment);
        git
    }
}

/// A client that knows no host yet and uses one key only.
pub(crate) fn ssh_command(key: &Path) -> String {
    format!(
        "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        key.display()
    )
}

fn finish(push: &mut Command) -> Pushed {
    let output = push.stdin(Stdio::null()).output().unwrap();
    Pushed { ok: output.status.success(), transcript: normalise(&String::from_utf8_lossy(&output.stderr)) }
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-R").arg("-T").arg(from).arg(to));
}

/// Ends a push that was left running: git and its ssh. By a signal that is not ignored where the tests run in the background.
pub(crate) fn interrupt(mut push: Child) {
    let group = rustix::process::Pid::from_child(&push);
    rustix::process::kill_process_group(group, rustix::process::Signal::TERM).unwrap();
    push.wait().unwrap();
}

/// Waits for a push that was left running.
pub(crate) fn wait(push: Child) -> Pushed {
    let output = push.wait_with_output().unwrap();
    Pushed { ok: output.status.success(), transcript: normalise(&String::from_utf8_lossy(&output.stderr)) }
}
