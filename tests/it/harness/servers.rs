//! Servers of add-ons, from the distribution's packages: on loopback, in a folder of their own, as an unprivileged user.
//!
//! Each runs under a shell that waits for the end of its standard input, which comes when the handle is dropped, or with the
//! test process however that ends; then the server is stopped (INT: at once, its own processes first) and its folder removed.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::daemon::run;

const START_TIMEOUT: Duration = Duration::from_mins(1);
/// `nobody`: servers refuse to be root, or should.
const NOBODY: u32 = 65534;
const PASSWORD: &str = "of-the-tests";
const GUARD: &str = "dir=$1; shift; \"$@\" </dev/null & server=$!; read -r _; kill -INT \"$server\"; wait; rm -rf \"$dir\"";

struct Server {
    guard: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// The address of the PostgreSQL server that all tests of a run share, as its superuser.
pub(crate) fn postgresql() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let port = SERVER.get_or_init(start_postgresql).port;
    format!("postgres://root:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=disable")
}

fn start_postgresql() -> Server {
    let dir = folder("postgresql");
    let (data, password) = (dir.path().join("data"), dir.path().join("password"));
    std::fs::write(&password, PASSWORD).unwrap();
    let bin = postgresql_bin();
    let mut initdb = as_nobody(&bin.join("initdb"));
    initdb.arg("-D").arg(&data).arg("--pwfile").arg(&password);
    run(initdb.args(["-U", "root", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]));
    start(dir, |port, dir| {
        let mut command = vec![bin.join("postgres").display().to_string(), "-D".into(), data.display().to_string()];
        let settings = ["fsync=off", "listen_addresses=127.0.0.1", "max_connections=100"].map(str::to_owned);
        let places = [format!("port={port}"), format!("unix_socket_directories={}", dir.display())];
        command.extend(settings.into_iter().chain(places).flat_map(|setting| ["-c".to_owned(), setting]));
        command
    })
    .until(|port| {
        let mut is_ready = Command::new(bin.join("pg_isready"));
        is_ready.args(["-q", "-h", "127.0.0.1", "-p"]).arg(port.to_string()).status().unwrap().success()
    })
}

fn postgresql_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("postgresql is installed: see scripts/install-deps");
    versions.map(|version| version.unwrap().path().join("bin")).filter(|bin| bin.join("initdb").exists()).max().unwrap()
}

/// A Redis server of a test's own: it has few databases, which installations do not share.
pub(crate) struct Redis(Server);

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_with(&format!("requirepass {PASSWORD}\n"))
    }

    /// One with its own lines of configuration.
    pub(crate) fn start_with(config: &str) -> Self {
        let dir = folder("redis");
        let path = dir.path().join("redis.conf");
        let server = start(dir, |port, dir| {
            let mut text = format!("bind 127.0.0.1\nport {port}\ndir {}\nsave \"\"\n", dir.display());
            writeln!(text, "{config}").unwrap();
            std::fs::write(&path, text).unwrap();
            own(&path);
            vec!["redis-server".into(), path.display().to_string()]
        });
        Self(server.until(answers_ping))
    }

    /// Its address, as the user who may do everything.
    pub(crate) fn url(&self) -> String {
        format!("redis://default:{PASSWORD}@127.0.0.1:{}", self.0.port)
    }

    /// The address for a server without a password.
    pub(crate) fn open_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.0.port)
    }
}

fn answers_ping(port: u16) -> bool {
    let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let asked = connection.write_all(b"PING\r\n").and_then(|()| BufReader::new(connection).read_line(&mut answer));
    // It wants the password, unless it was told otherwise.
    asked.is_ok() && (answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
}

impl Server {
    fn until(mut self, is_ready: impl Fn(u16) -> bool) -> Self {
        let start = Instant::now();
        while !is_ready(self.port) {
            assert!(start.elapsed() < START_TIMEOUT, "the server did not become ready");
            assert!(self.guard.try_wait().unwrap().is_none(), "the server's shell has ended");
            std::thread::yield_now();
        }
        self
    }
}

/// Starts what `command` says for a free port, in a folder that goes with it.
fn start(dir: TempDir, command: impl FnOnce(u16, &Path) -> Vec<String>) -> Server {
    // The servers can't be handed a socket, so that the port is free for an instant.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = dir.keep();
    let command = command(port, &dir);
    let mut guard = Command::new("sh");
    guard.args(["-c", GUARD, "guard"]).arg(&dir);
    guard.args(unprivileged()).args(command).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Server { guard: guard.spawn().unwrap(), port }
}

fn folder(name: &str) -> TempDir {
    let dir = tempfile::Builder::new().prefix(&format!("hoist-test-{name}-")).tempdir().unwrap();
    own(dir.path());
    dir
}

/// Gives a file to the servers' user, where the tests run as root.
fn own(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn unprivileged() -> Vec<String> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    ["setpriv".to_owned(), format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()].into()
}

fn as_nobody(program: &Path) -> Command {
    let mut words = unprivileged();
    words.push(program.display().to_string());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir("/");
    command
}
