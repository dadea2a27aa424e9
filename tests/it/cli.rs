//! hoist's own client, run as users run it, against the API on loopback.

use std::path::Path;
use std::process::Stdio;

use axum::routing::get;
use axum::{Router, serve};
use insta::assert_snapshot;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::api_world::{User, World};

/// A user at a terminal: an installation that answers, a home folder and a checkout.
struct Desk {
    world: World,
    user: User,
    url: String,
    home: TempDir,
    server: JoinHandle<()>,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Desk {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let world = World::told_to_listen_on(Some(address)).await;
        // Stands in for the build log, which another door serves.
        let stream = Router::new().route("/streams/builds/{build}", get(async || "-----> Building\n"));
        let router = stream.merge(world.router.clone());
        let server = tokio::spawn(async move { serve(listener, router).await.unwrap() });
        let user = world.user("dev@example.com").await;
        let home = tempfile::tempdir().unwrap();
        Self { world, user, url: format!("http://{address}"), home, server }
    }

    /// One that stands in a git checkout.
    async fn with_checkout() -> Self {
        let desk = Self::new().await;
        let git = desk.home.path().join("checkout/.git");
        std::fs::create_dir_all(git.join("objects")).unwrap();
        std::fs::create_dir_all(git.join("refs")).unwrap();
        std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(git.join("config"), "[core]\n\tbare = false\n; mine\n").unwrap();
        desk
    }

    fn git_config(&self) -> String {
        self.normal(&std::fs::read_to_string(self.home.path().join("checkout/.git/config")).unwrap())
    }

    async fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[("HOIST_API_KEY", self.user.token.expose())]).await
    }

    #[expect(clippy::disallowed_methods, reason = "a test of the executable starts it")]
    async fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let checkout = self.home.path().join("checkout");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hoist"));
        command.args(args).env_clear().env("HOME", self.home.path()).env("HOIST_URL", &self.url).envs(env.iter().copied());
        command.current_dir(if checkout.exists() { &checkout } else { self.home.path() }).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: self.normal(&String::from_utf8(output.stdout).unwrap()),
            stderr: self.normal(&String::from_utf8(output.stderr).unwrap()),
        }
    }

    /// Replaces what differs from run to run.
    fn normal(&self, text: &str) -> String {
        let text =
            text.replace(self.url.trim_start_matches("http://"), "HOST").replace(&*self.home.path().to_string_lossy(), "HOME");
        let lines = text.split_inclusive('\n').map(|line| match line.find("20") {
            Some(at) if line.contains("s ago)") => format!("{}TIME\n", &line[..at]),
            _ => line.to_owned(),
        });
        lines.collect()
    }
}

impl Ran {
    /// Everything that was printed, as in a terminal, after the exit code if it is not 0.
    fn all(&self) -> String {
        let code = if self.code == 0 { String::new() } else { format!("[exit {}]\n", self.code) };
        format!("{code}{}{}", self.stderr, self.stdout)
    }
}

#[tokio::test]
async fn an_app_from_birth_to_death() {
    let desk = Desk::with_checkout().await;
    assert_snapshot!(desk.run(&["apps"]).await.all(), @"");
    assert_snapshot!(desk.run(&["create", "example"]).await.all(), @"");
    assert_snapshot!(desk.git_config(), @"");
    assert_snapshot!(desk.run(&["apps"]).await.all(), @"");
    assert_snapshot!(desk.run(&["apps:info"]).await.all(), @"");
    assert_snapshot!(desk.run(&["info", "--shell"]).await.all(), @"");
    assert_snapshot!(desk.run(&["rename", "sample"]).await.all(), @"");
    assert_snapshot!(desk.run(&["destroy"]).await.all(), @"");
    assert_snapshot!(desk.run(&["destroy", "--confirm", "example"]).await.all(), @"");
    assert_snapshot!(desk.run(&["destroy", "--confirm", "sample"]).await.all(), @"");
    assert_snapshot!(desk.git_config(), @"");
}

#[tokio::test]
async fn create_as_asked() {
    let desk = Desk::with_checkout().await;
    assert_snapshot!(desk.run(&["create", "one", "--http", "-r", "staging", "-b", "hoist/nodejs"]).await.all(), @"");
    assert_snapshot!(desk.git_config(), @"");
    assert_snapshot!(desk.run(&["buildpacks", "-r", "staging"]).await.all(), @"");
    let before = desk.git_config();
    let json = desk.run(&["create", "two", "--no-remote", "--json"]).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json.stdout).unwrap()["name"], "two");
    assert_eq!(desk.git_config(), before);
    assert_snapshot!(desk.run(&["create", "one"]).await.all(), @"");
}

#[tokio::test]
async fn config_vars_and_their_releases() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    let run =
        async |args: &[&str]| desk.run_with(args, &[("HOIST_API_KEY", desk.user.token.expose()), ("HOIST_APP", "example")]).await;
    assert_snapshot!(run(&["config:set", "RAILS_ENV=staging", "QUOTE=it's a=b"]).await.all(), @"");
    assert_snapshot!(run(&["config"]).await.all(), @"");
    assert_snapshot!(run(&["config", "-s"]).await.all(), @"");
    assert_snapshot!(run(&["config:get", "RAILS_ENV", "NONE"]).await.all(), @"");
    assert_snapshot!(run(&["config:get", "RAILS_ENV", "--json"]).await.all(), @"");
    assert_snapshot!(run(&["config:unset", "QUOTE"]).await.all(), @"");
    assert_snapshot!(run(&["config:set", "novalue"]).await.all(), @"");
    assert_snapshot!(run(&["config:set", "1=2"]).await.all(), @"");
    assert_snapshot!(run(&["releases"]).await.all(), @"");
    assert_snapshot!(run(&["releases", "-n", "1"]).await.all(), @"");
    assert_snapshot!(run(&["releases:info", "v2"]).await.all().lines().filter(|line| !line.starts_with("When:")).collect::<Vec<_>>().join("\n"), @"");
    assert_snapshot!(run(&["releases:info", "v9"]).await.all(), @"");
}

#[tokio::test]
async fn buildpacks_in_order() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    let run = async |args: &[&str]| desk.run(&[args, &["-a", "example"]].concat()).await.all();
    assert_snapshot!(run(&["buildpacks"]).await, @"");
    assert_snapshot!(run(&["buildpacks:set", "heroku/nodejs"]).await, @"");
    assert_snapshot!(run(&["buildpacks:add", "./packs/mine"]).await, @"");
    assert_snapshot!(run(&["buildpacks:add", "-i", "1", "python"]).await, @"");
    assert_snapshot!(run(&["buildpacks:add", "nodejs"]).await, @"");
    assert_snapshot!(run(&["buildpacks"]).await, @"");
    assert_snapshot!(run(&["buildpacks:remove", "-i", "3"]).await, @"");
    assert_snapshot!(run(&["buildpacks:remove", "hoist/ruby"]).await, @"");
    assert_snapshot!(run(&["buildpacks:set", "-i", "2", "hoist/static"]).await, @"");
    assert_snapshot!(run(&["buildpacks:clear"]).await, @"");
    assert_snapshot!(run(&["buildpacks:remove", "nodejs"]).await, @"");
}

#[tokio::test]
async fn access_and_keys() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    let friend = desk.world.user("friend@example.com").await;
    assert_snapshot!(desk.run(&["access:add", "friend@example.com", "-a", "example"]).await.all(), @"");
    assert_snapshot!(desk.run(&["access", "-a", "example"]).await.all(), @"");
    assert_snapshot!(desk.run_with(&["apps"], &[("HOIST_API_KEY", friend.token.expose())]).await.all(), @"");
    assert_snapshot!(desk.run(&["access:remove", "friend@example.com", "-a", "example"]).await.all(), @"");
    assert_snapshot!(desk.run(&["access:remove", "friend@example.com", "-a", "example"]).await.all(), @"");

    assert_snapshot!(desk.run(&["keys"]).await.all(), @"");
    assert_snapshot!(desk.run(&["keys:add"]).await.all(), @"");
    std::fs::create_dir(desk.home.path().join(".ssh")).unwrap();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILmJ4nZ1B4n5K8m1i3d0cHkPvJ3eYcHhA1dA2y0s9v8R dev@laptop\n";
    std::fs::write(desk.home.path().join(".ssh/id_ed25519.pub"), key).unwrap();
    assert_snapshot!(desk.run(&["keys:add"]).await.all(), @"");
    assert_snapshot!(desk.run(&["keys"]).await.all(), @"");
    assert_snapshot!(desk.run(&["keys:remove", "else@laptop"]).await.all(), @"");
    assert_snapshot!(desk.run(&["keys:remove", "dev@laptop"]).await.all(), @"");
}

#[tokio::test]
async fn builds_and_their_output() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    assert_snapshot!(desk.run(&["builds", "-a", "example"]).await.all(), @"");
    assert_snapshot!(desk.run(&["builds:output", "-a", "example"]).await.all(), @"");
    let id = crate::api::build(&desk.world, &desk.user, hoist::model::BuildStatus::Succeeded).await.to_string();
    assert_snapshot!(desk.run(&["builds", "-a", "example"]).await.all().replace(&id, "<the id of the build, a v4 UUID>----"), @"");
    for args in [&["builds:output", "-a", "example"][..], &["builds:output", &id, "-a", "example"]] {
        assert_eq!(desk.run(args).await.all(), "-----> Building\n");
    }
}

#[tokio::test]
async fn who_one_is() {
    let desk = Desk::new().await;
    let token = desk.user.token.expose();
    assert_eq!(desk.run(&["whoami"]).await.all(), "dev@example.com\n");
    assert_snapshot!(desk.run_with(&["whoami"], &[]).await.all(), @"");
    assert_snapshot!(desk.run_with(&["whoami"], &[("HOIST_API_KEY", "wrong")]).await.all(), @"");
    let host = desk.url.trim_start_matches("http://");
    std::fs::write(desk.home.path().join(".netrc"), format!("machine {host}\n  login dev@example.com\n  password {token}\n"))
        .unwrap();
    assert_eq!(desk.run_with(&["auth:whoami"], &[]).await.all(), "dev@example.com\n");
}

#[tokio::test]
async fn mistakes_are_told() {
    let desk = Desk::new().await;
    assert_snapshot!(desk.run(&["app:create"]).await.all(), @"");
    assert_snapshot!(desk.run(&["config:set"]).await.all(), @"");
    assert_snapshot!(desk.run(&["releases"]).await.all(), @"");
    assert_snapshot!(desk.run(&["releases", "-a", "nowhere"]).await.all(), @"");
    assert_snapshot!(desk.run(&["releases", "-a", "no/../where?"]).await.all(), @"");
    let away = desk.run_with(&["whoami"], &[("HOIST_API_KEY", "x"), ("HOIST_URL", "http://127.0.0.1:1")]).await;
    assert_snapshot!(away.all(), @"");
    let wrong = desk.run_with(&["whoami"], &[("HOIST_API_KEY", "x"), ("HOIST_URL", "ftp://localhost")]).await;
    assert_snapshot!(wrong.all(), @"");
}

#[tokio::test]
async fn a_user_is_added_beside_the_running_daemon() {
    let desk = Desk::new().await;
    let data_dir = desk.world.ctx.config.data_dir.to_str().unwrap();
    let key = Path::new(data_dir).join("key.pub");
    std::fs::write(&key, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILmJ4nZ1B4n5K8m1i3d0cHkPvJ3eYcHhA1dA2y0s9v8R new@laptop\n")
        .unwrap();
    let args = ["admin", "user:add", "new@example.com", "--key", key.to_str().unwrap(), "--data-dir", data_dir];
    let added = desk.run_with(&args, &[]).await;
    assert_eq!((added.code, added.stderr.as_str()), (0, "Token of new@example.com, shown this once:\n"));
    let token = added.stdout.trim_end();
    assert_eq!(desk.run_with(&["whoami"], &[("HOIST_API_KEY", token)]).await.all(), "new@example.com\n");
    assert!(desk.run_with(&["keys"], &[("HOIST_API_KEY", token)]).await.stdout.contains("new@laptop"));
    let refused = desk.run_with(&["admin", "user:add", "nonsense", "--data-dir", data_dir], &[]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("is not an e-mail address"), "{}", refused.stderr);
}
