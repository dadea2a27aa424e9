//! The real Heroku CLI, of the version that `tests/heroku/` pins, as a developer uses it: in a checkout, with real git.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::{Daemon, Terminal, User, WorkTree, normalise};

/// What one command may take: node's start is most of it, and the machine may be busy.
const TIME: Duration = Duration::from_mins(2);
/// Long enough that nothing is wrapped.
const COLUMNS: &str = "200";

/// A developer with the CLI: a home folder, a work tree, and an account at a daemon.
pub(crate) struct Heroku {
    pub(crate) daemon: Daemon,
    pub(crate) user: User,
    pub(crate) tree: WorkTree,
    /// What `HEROKU_API_KEY` is; without one, the CLI is whoever has logged in.
    pub(crate) key: Option<String>,
    /// What is set beside everything that the CLI always needs.
    pub(crate) env: Vec<(String, OsString)>,
    home: TempDir,
    node_modules: PathBuf,
}

/// Where the CLI is; `None`, with the reason printed, where npm can't be used (see `scripts/install-heroku-cli`).
fn node_modules() -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".hoist/heroku-cli").into();
    let folder = PathBuf::from(std::env::var_os("HOIST_HEROKU_CLI_DIR").unwrap_or_else(default));
    if let Ok(reason) = std::fs::read_to_string(folder.join("skipped")) {
        eprintln!("skipped: {}", reason.trim());
        return None;
    }
    let node_modules = folder.join("node_modules");
    assert!(node_modules.is_dir(), "the Heroku CLI is not in {}: run the tests with `make test`", folder.display());
    Some(node_modules)
}

impl Heroku {
    /// A developer whose work tree has an in-app buildpack of the fixtures at `pack/`. `None` where there is no CLI.
    pub(crate) fn new(config: &str, pack: &str) -> Option<Self> {
        node_modules()?;
        Self::at(Daemon::start_with(&format!("app_url = \"https://{{app}}.example.com/\"\n{config}")), pack)
    }

    /// The same at a daemon that is there.
    pub(crate) fn at(daemon: Daemon, pack: &str) -> Option<Self> {
        let node_modules = node_modules()?;
        let user = daemon.user("dev@example.com");
        let home = tempfile::tempdir().unwrap();
        // Its first start in a home folder asks to agree to Heroku's terms.
        let cache = home.path().join(".cache/heroku");
        std::fs::create_dir_all(&cache).unwrap();
        std::fs::write(cache.join("terms-of-service"), "").unwrap();
        let key = Some(user.token.clone());
        Some(Self { daemon, user, tree: WorkTree::with_pack(pack), key, env: Vec::new(), home, node_modules })
    }

    /// Runs `heroku` with the arguments of a command line and tells everything it printed.
    pub(crate) fn run(&self, line: &str) -> String {
        self.run_with(line, b"")
    }

    /// Runs `heroku` with an input that is no terminal.
    pub(crate) fn run_with(&self, line: &str, input: &[u8]) -> String {
        let mut command = self.command("heroku");
        command.args(shlex::split(line).unwrap());
        self.told(command, input)
    }

    /// Runs a shell's command line in a terminal, and types this.
    pub(crate) fn run_in_terminal(&self, line: &str, typed: &[u8]) -> String {
        let mut command = self.command("script");
        command.args(["--quiet", "--return", "--echo", "never", "--command", line, "/dev/null"]);
        self.told(command, typed)
    }

    /// Starts a shell's command line in a terminal, for a conversation.
    pub(crate) fn terminal(&self, line: &str) -> Terminal {
        Terminal::start(line, |script| self.prepare(script))
    }

    /// The standard output of a command that succeeds, as it is.
    pub(crate) fn stdout(&self, line: &str) -> String {
        let mut command = self.command("heroku");
        command.args(shlex::split(line).unwrap());
        let output = finish(command, b"");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs git, which asks the CLI for its credentials.
    pub(crate) fn git(&self, line: &str) -> String {
        let mut command = self.command("git");
        command.args(shlex::split(line).unwrap());
        self.told(command, b"")
    }

    /// A program in the work tree, with the CLI's environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.prepare(&mut command);
        command
    }

    /// Puts a command in the work tree, with the CLI's environment (heroku-api 1.2) and nothing else.
    fn prepare(&self, command: &mut Command) {
        let host = format!("http://{}", self.daemon.http);
        let ca = self.daemon.data_dir().join("ca.pem");
        let mut path = self.node_modules.join(".bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command
            .current_dir(self.tree.path())
            .env_clear()
            .env("PATH", &path)
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path());
        let hosts =
            ["HEROKU_HOST", "HEROKU_PARTICLEBOARD_URL", "HEROKU_BUILDPACK_REGISTRY_URL", "HEROKU_ANALYTICS_URL", "HOIST_URL"];
        command.envs(hosts.map(|name| (name, OsString::from(&host))));
        let keys = self.key.iter().flat_map(|key| [("HEROKU_API_KEY", key), ("HOIST_API_KEY", key)]);
        command.envs(keys);
        command.env("NODE_EXTRA_CA_CERTS", &ca).env("GIT_SSL_CAINFO", &ca);
        let fixed = [
            ("DISABLE_TELEMETRY", "true"),
            ("HEROKU_DISABLE_AUTOUPDATE", "true"),
            ("HEROKU_SKIP_NEW_VERSION_CHECK", "true"),
            ("HEROKU_NETRC_WRITE", "true"),
            ("OCLIF_COLUMNS", COLUMNS),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("TERM", "dumb"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
        ];
        command.envs(fixed).envs(self.env.iter().cloned());
    }

    /// Runs a command to its end, and tells it as [`told`] does.
    pub(crate) fn told(&self, command: Command, input: &[u8]) -> String {
        let output = finish(command, input);
        let text = |bytes: &[u8]| self.normal(&String::from_utf8_lossy(bytes));
        told(output.status.code(), &text(&output.stdout), &text(&output.stderr))
    }

    /// Makes what was printed comparable.
    pub(crate) fn normal(&self, text: &str) -> String {
        // A terminal's "go to column 1" is what normalise knows as a carriage return; the end of a line comes from a
        // terminal inside a terminal.
        let text = strip_str(&text.replace("\x1b[G", "\r").replace("\r\r\n", "\n")).to_string();
        let text = text.replace(&self.user.token, "TOKEN").replace(&*self.tree.path().to_string_lossy(), "TREE");
        let key = std::fs::read_to_string(self.user.key.with_extension("com.pub")).unwrap();
        // As much of it as `keys` shows.
        let end = key.split(' ').nth(1).and_then(|key| key.get(key.len() - 10..)).unwrap();
        normalise(&text.replace(end, "KEY"))
    }
}

/// Standard output as it is, then each line of standard error with `E> ` before it, then the exit code if it is not 0.
fn told(code: Option<i32>, stdout: &str, stderr: &str) -> String {
    let mut text = stdout.to_owned();
    text.extend(stderr.lines().map(|line| format!("E> {line}").trim_end().to_owned() + "\n"));
    match code {
        Some(0) => text,
        Some(code) => text + &format!("[exit {code}]\n"),
        None => text + "[ended by a signal]\n",
    }
}

/// Gives a command its input and waits for its end; what it has started goes with it if it does not come in time.
fn finish(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (group, start) = (Pid::from_child(&child), Instant::now());
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command may end before it has read all of its input.
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input));
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watching = std::thread::spawn(move || {
        if ended.recv_timeout(TIME) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watching.join().unwrap();
    let _ = writing.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(start.elapsed() < TIME, "{command:?} did not end:\n{}{said}", String::from_utf8_lossy(&output.stdout));
    output
}
