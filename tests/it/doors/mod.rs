//! The two doors, up to the point where a push begins: who gets in, what is answered, what is refused.

mod bombs;
mod http;
mod ssh;
mod ssh_algorithms;
mod stop;

pub(crate) use http::certificate;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use hoist::auth;
use hoist::config::{Config, Engine, PlaceArgs, ServeArgs};
use hoist::server::Server;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Far more than any client here needs; what hangs fails instead.
const PATIENCE: Duration = Duration::from_mins(1);

/// A daemon in this process, with one user, alice.
struct Daemon {
    server: Server,
    dir: tempfile::TempDir,
    token: String,
}

impl Daemon {
    /// Starts one with this `[limits]` section.
    async fn with_limits(limits: &str) -> Self {
        Self::with_config(&format!("[limits]\n{limits}\n")).await
    }

    /// Starts one with this `hoist.toml`.
    async fn with_config(text: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), text).await
    }

    /// Starts one in a folder, with what is there already.
    async fn start_in(dir: tempfile::TempDir, text: &str) -> Self {
        let data = dir.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("hoist.toml"), text).unwrap();
        let server = Server::start(config(data)).await.unwrap();
        let token = add_user(&server, "alice@example.com", None).await;
        Self { server, dir, token }
    }

    async fn start() -> Self {
        Self::with_limits("").await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.http())
    }

    /// Starts a client with a home folder of its own.
    fn spawn(&self, command: &mut Command) -> Child {
        let git_settings = [("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0"), ("LC_ALL", "C")];
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.dir.path()).envs(git_settings);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// Runs a client with `input`; it must end in time.
    async fn run(&self, command: &mut Command, input: &[u8]) -> Answer {
        let mut client = self.spawn(command);
        let mut stdin = client.stdin.take().unwrap();
        let write = async move {
            // A client that is refused does not read its input.
            let _ = stdin.write_all(input).await;
        };
        let (output, ()) = timeout(PATIENCE, async { tokio::join!(client.wait_with_output(), write) }).await.unwrap();
        output.unwrap().into()
    }

    async fn curl(&self, args: &[&str], input: &[u8]) -> Answer {
        self.run(Command::new("curl").args(["--silent", "--show-error", "--max-time", "50"]).args(args), input).await
    }

    /// Runs git in a repository with one commit on `main`.
    async fn git(&self, args: &[&str]) -> Answer {
        let repository = self.path("repository");
        if !repository.exists() {
            let path = repository.to_str().unwrap();
            let author = ["-c", "user.name=alice", "-c", "user.email=alice@example.com", "-C", path];
            self.run(Command::new("git").args(["init", "--quiet", "--initial-branch=main", path]), b"").await.expect(0);
            let commit = ["commit", "--quiet", "--allow-empty", "--message=first"];
            self.run(Command::new("git").args(author).args(commit), b"").await.expect(0);
        }
        self.run(Command::new("git").arg("-C").arg(&repository).args(args), b"").await
    }
}

/// The configuration in a data folder, on ports that are free.
fn config(data_dir: PathBuf) -> Config {
    let any_port = Some(([127, 0, 0, 1], 0).into());
    let place = PlaceArgs { data_dir: Some(data_dir), engine: Some(Engine::Local), ..PlaceArgs::default() };
    Config::load(&ServeArgs { place, http_listen: any_port, ssh_listen: any_port, public_url: None, docker_host: None }).unwrap()
}

async fn add_user(server: &Server, email: &str, key: Option<&Path>) -> String {
    let key = key.map(|path| std::fs::read_to_string(path.with_extension("pub")).unwrap());
    let ctx = server.ctx();
    let (_, token) = auth::add_user(&ctx.db, &email.parse().unwrap(), key.as_deref(), ctx.now()).await.unwrap();
    token.expose().to_owned()
}

/// What a client said.
#[derive(Debug)]
struct Answer {
    status: i32,
    out: String,
    err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Answer {
    #[track_caller]
    fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "no `{text}` in {self:#?}");
        self
    }
}
