//! A daemon of a test's own: its own data folder, its own ports, the real executable.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{HOIST, stacks_dir};

const START_TIMEOUT: Duration = Duration::from_mins(1);
const ANY_PORT: &str = "127.0.0.1:0";
const CLEARING_TIMEOUT: Duration = Duration::from_secs(20);

/// A running daemon. Dropped, it is killed and its data is gone.
pub(crate) struct Daemon {
    child: Child,
    dir: TempDir,
    listen: &'static str,
    pub(crate) http: String,
    pub(crate) ssh: String,
}

/// A user of a daemon, with an SSH key and a token.
pub(crate) struct User {
    pub(crate) token: String,
    pub(crate) key: PathBuf,
}

impl Daemon {
    /// Starts a daemon with the sandbox engine and default configuration.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a daemon with a `hoist.toml`.
    pub(crate) fn start_with(config: &str) -> Self {
        Self::start_in(data_dir(config))
    }

    /// Starts one whose HTTP door is at an address of the test's own.
    pub(crate) fn start_at(listen: &'static str, config: &str) -> Self {
        Self::serve(data_dir(config), listen)
    }

    /// Starts a daemon over the data that is there already.
    pub(crate) fn start_in(dir: TempDir) -> Self {
        Self::serve(dir, ANY_PORT)
    }

    fn serve(dir: TempDir, listen: &'static str) -> Self {
        let (child, http, ssh) = spawn(dir.path(), listen);
        Self { child, dir, listen, http, ssh }
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the daemon has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("daemon.log")).unwrap()
    }

    /// `kill -9`, and the next start over the same data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the daemon to stop.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether the daemon has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// The next start over the same data.
    pub(crate) fn restart(&mut self) {
        (self.child, self.http, self.ssh) = spawn(self.dir.path(), self.listen);
    }

    /// The most memory that the daemon has had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Adds a user with a fresh ed25519 key.
    pub(crate) fn user(&self, email: &str) -> User {
        let key = self.dir.path().join(format!("key-{email}"));
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", email, "-f"]).arg(&key));
        let public = key.with_file_name(format!("key-{email}.pub"));
        let mut add = self.hoist(&["admin", "user:add", email, "--key"]);
        let token = run(add.arg(public));
        User { token: token.trim().into(), key }
    }

    /// A hoist command line on this daemon's data.
    pub(crate) fn hoist(&self, args: &[&str]) -> Command {
        let mut command = Command::new(HOIST);
        // Outside of any repository: `apps:create` adds a remote to the one it stands in.
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOIST_DATA_DIR", self.dir.path()).env("HOME", self.dir.path());
        command
    }

    /// A hoist client command as a user; returns its standard output.
    pub(crate) fn client(&self, user: &User, args: &[&str]) -> String {
        let mut command = self.hoist(args);
        command.env("HOIST_URL", format!("http://{}", self.http)).env("HOIST_API_KEY", &user.token);
        run(&mut command)
    }

    /// `GET` from the API.
    pub(crate) fn get(&self, user: &User, path: &str) -> Value {
        let url = format!("http://{}{path}", self.http);
        let authorization = format!("Bearer {}", user.token);
        let mut answer = ureq::get(url).header("Authorization", authorization).call().unwrap();
        answer.body_mut().read_json().unwrap()
    }

    /// The app's releases, oldest first, as (version, description).
    pub(crate) fn releases(&self, user: &User, app: &str) -> Vec<(u64, String)> {
        let releases = self.get(user, &format!("/apps/{app}/releases"));
        let pair = |release: &Value| (release["version"].as_u64().unwrap(), release["description"].as_str().unwrap().to_owned());
        let mut pairs: Vec<_> = releases.as_array().unwrap().iter().map(pair).collect();
        pairs.sort();
        pairs
    }

    /// The slug of the app's newest release.
    pub(crate) fn newest_slug(&self, user: &User, app: &str) -> Value {
        let releases = self.get(user, &format!("/apps/{app}/releases"));
        let newest = releases.as_array().unwrap().iter().max_by_key(|release| release["version"].as_u64()).unwrap();
        let slug = newest["slug"]["id"].as_str().expect("the newest release has a slug");
        self.get(user, &format!("/apps/{app}/slugs/{slug}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // KILL: a build that a test has left at its gate would hold TERM up for the whole grace period. Environments
        // end with the daemon either way. Errors say that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Their helpers are still clearing up in the data folder, which then goes whole.
        let start = Instant::now();
        while start.elapsed() < CLEARING_TIMEOUT && !is_cleared(&self.dir.path().join("work")) {
            std::thread::yield_now();
        }
    }
}

/// Whether nothing is left in the environments' folders, which stand in lots.
fn is_cleared(work: &Path) -> bool {
    let paths = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    paths(work).iter().flat_map(|lot| paths(lot)).all(|folder| paths(&folder).is_empty())
}

/// A data folder with a `hoist.toml` and nothing else.
fn data_dir(config: &str) -> TempDir {
    let dir = tempfile::Builder::new().prefix("hoist-test-").tempdir().unwrap();
    std::fs::write(dir.path().join("hoist.toml"), config).unwrap();
    dir
}

fn spawn(dir: &Path, listen: &str) -> (Child, String, String) {
    let mut child = Command::new(HOIST)
        .args(["serve", "--http-listen", listen, "--ssh-listen", ANY_PORT])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOIST_DATA_DIR", dir)
        // A test with stacks of its own keeps them with its data.
        .env("HOIST_STACKS_DIR", Some(dir.join("stacks")).filter(|own| own.is_dir()).unwrap_or_else(stacks_dir))
        .env("RUST_LOG", "hoist=info")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::options().create(true).append(true).open(dir.join("daemon.log")).unwrap())
        .spawn()
        .unwrap();
    let (send, receive) = mpsc::channel();
    let stdout = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = send.send(line);
    });
    let line = receive.recv_timeout(START_TIMEOUT).unwrap_or_default();
    let ready = || {
        let (http, ssh) = line.trim().strip_prefix("hoist is ready http=")?.split_once(" ssh=")?;
        Some((http.to_owned(), ssh.to_owned()))
    };
    let Some((http, ssh)) = ready() else {
        let _ = child.kill();
        let log = std::fs::read_to_string(dir.join("daemon.log")).unwrap_or_default();
        panic!("the daemon did not become ready; it said {line:?} and logged:\n{log}");
    };
    (child, http, ssh)
}

/// Runs a command that must succeed and returns its standard output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?} failed:\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
