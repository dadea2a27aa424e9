//! hoist's own client, run as users run it, against the API on loopback.

use std::path::Path;
use std::process::Stdio;

use axum::serve;
use insta::assert_snapshot;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::api_world::{User, World};

/// A user at a terminal: an installation that answers, a home folder and a checkout.
pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) user: User,
    url: String,
    pub(crate) home: TempDir,
    server: JoinHandle<()>,
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    stderr: String,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::configured("").await
    }

    /// At an installation with more in its `hoist.toml`.
    pub(crate) async fn configured(config: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let world = World::configured(config, Some(address)).await;
        let router = world.router.clone();
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

    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[("HOIST_API_KEY", self.user.token.expose())]).await
    }

    #[expect(clippy::disallowed_methods, reason = "a test of the executable starts it")]
    pub(crate) async fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
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
        let lines = text.split_inclusive('\n').map(|line| match line.rfind("   20") {
            Some(at) if line.ends_with("s ago)\n") => format!("{}   TIME\n", &line[..at]),
            // As wide as the time told.
            _ if line.starts_with(" ──") => " RULE\n".to_owned(),
            _ => line.to_owned(),
        });
        lines.collect()
    }
}

impl Ran {
    /// Everything that was printed, as in a terminal, after the exit code if it is not 0.
    pub(crate) fn all(&self) -> String {
        let code = if self.code == 0 { String::new() } else { format!("[exit {}]\n", self.code) };
        format!("{code}{}{}", self.stderr, self.stdout)
    }
}

#[tokio::test]
async fn an_app_from_birth_to_death() {
    let desk = Desk::with_checkout().await;
    assert_snapshot!(desk.run(&["apps"]).await.all(), @"You have no apps.");
    assert_snapshot!(desk.run(&["create", "example"]).await.all(), @r#"
    Creating example... done
    https://example.example.com/ | ssh://git@127.0.0.1:2222/example.git
    "#);
    assert_snapshot!(desk.git_config(), @r#"
    [core]
    	bare = false
    ; mine
    [remote "hoist"]
    	url = ssh://git@127.0.0.1:2222/example.git
    	fetch = +refs/heads/*:refs/remotes/hoist/*
    "#);
    assert_snapshot!(desk.run(&["apps"]).await.all(), @r#"
    === dev@example.com Apps

    example
    "#);
    assert_snapshot!(desk.run(&["apps:info"]).await.all(), @r#"
    === example

    Auto Cert Mgmt: false
    Git URL:        https://HOST/example.git
    Git SSH URL:    ssh://git@127.0.0.1:2222/example.git
    Web URL:        https://example.example.com/
    Repo Size:      0 B
    Slug Size:      0 B
    Owner:          dev@example.com
    Region:         us
    Stack:          debian-12
    "#);
    assert_snapshot!(desk.run(&["info", "--shell"]).await.all(), @r#"
    auto_cert_mgmt=false
    collaborators=
    git_url=https://HOST/example.git
    git_ssh_url=ssh://git@127.0.0.1:2222/example.git
    web_url=https://example.example.com/
    repo_size=0 B
    slug_size=0 B
    owner=dev@example.com
    region=us
    stack=debian-12
    "#);
    assert_snapshot!(desk.run(&["rename", "sample"]).await.all(), @r#"
    Renaming example to sample... done
     ›   Warning: Don't forget to update git remotes for all other local checkouts of the app.
    https://sample.example.com/ | ssh://git@127.0.0.1:2222/sample.git
    Git remote hoist updated
    "#);
    assert_snapshot!(desk.run(&["destroy"]).await.all(), @r#"
    [exit 1]
     ›   Error: This destroys sample, including all add-ons. Re-run the command with --confirm sample
    "#);
    assert_snapshot!(desk.run(&["destroy", "--confirm", "example"]).await.all(), @r#"
    [exit 1]
     ›   Error: Confirmation example did not match sample. Aborted.
    "#);
    assert_snapshot!(desk.run(&["destroy", "--confirm", "sample"]).await.all(), @"Destroying sample (including all add-ons)... done");
    assert_snapshot!(desk.git_config(), @r#"
    [core]
    	bare = false
    ; mine
    "#);
}

#[tokio::test]
async fn create_as_asked() {
    let desk = Desk::with_checkout().await;
    assert_snapshot!(desk.run(&["create", "one", "--http", "-r", "staging", "-b", "hoist/nodejs"]).await.all(), @r#"
    Creating one... done
    Setting buildpack to hoist/nodejs... done
    https://one.example.com/ | http://HOST/one.git
    "#);
    assert_snapshot!(desk.git_config(), @r#"
    [core]
    	bare = false
    ; mine
    [remote "staging"]
    	url = http://HOST/one.git
    	fetch = +refs/heads/*:refs/remotes/staging/*
    "#);
    assert_snapshot!(desk.run(&["buildpacks", "-r", "staging"]).await.all(), @r#"
    === one Buildpack

    hoist/nodejs
    "#);
    let before = desk.git_config();
    let json = desk.run(&["create", "two", "--no-remote", "--json"]).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json.stdout).unwrap()["name"], "two");
    assert_eq!(desk.git_config(), before);
    assert_snapshot!(desk.run(&["create", "one"]).await.all(), @r#"
    [exit 2]
    Creating one... !
     ›   Error: Name one is already taken
     ›
     ›   Error ID: invalid_params
    "#);
}

#[tokio::test]
async fn config_vars_and_their_releases() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    let run =
        async |args: &[&str]| desk.run_with(args, &[("HOIST_API_KEY", desk.user.token.expose()), ("HOIST_APP", "example")]).await;
    assert_snapshot!(run(&["config:set", "RAILS_ENV=staging", "QUOTE=it's a=b"]).await.all(), @r#"
    Setting RAILS_ENV, QUOTE and restarting example... done, v2
    QUOTE:     it's a=b
    RAILS_ENV: staging
    "#);
    assert_snapshot!(run(&["config"]).await.all(), @r#"
    === example Config Vars

    QUOTE:     it's a=b
    RAILS_ENV: staging
    "#);
    assert_snapshot!(run(&["config", "-s"]).await.all(), @r#"
    QUOTE="it's a=b"
    RAILS_ENV=staging
    "#);
    assert_snapshot!(run(&["config:get", "RAILS_ENV", "NONE"]).await.all(), @"staging");
    assert_snapshot!(run(&["config:get", "RAILS_ENV", "--json"]).await.all(), @r#"
    {
      "key": "RAILS_ENV",
      "value": "staging"
    }
    "#);
    assert_snapshot!(run(&["config:unset", "QUOTE"]).await.all(), @"Unsetting QUOTE and restarting example... done, v3");
    assert_snapshot!(run(&["config:set", "novalue"]).await.all(), @r#"
    [exit 1]
     ›   Error: novalue is invalid. Must be in the format FOO=bar.
    "#);
    assert_snapshot!(run(&["config:set", "1=2"]).await.all(), @r#"
    [exit 2]
    Setting 1 and restarting example... !
     ›   Error: `1` is not a config var name: use letters, digits and underscores, not starting with a digit
     ›
     ›   Error ID: invalid_params
    "#);
    assert_snapshot!(run(&["releases"]).await.all(), @r#"
    === example Releases - Current: v3

      v    description                        user              created_at
     RULE
      v3   Unset QUOTE config vars            dev@example.com   TIME
      v2   Set QUOTE, RAILS_ENV config vars   dev@example.com   TIME
      v1   Initial release                    dev@example.com   TIME
    "#);
    assert_snapshot!(run(&["releases", "-n", "1"]).await.all(), @r#"
    === example Releases - Current: v3

      v    description               user              created_at
     RULE
      v3   Unset QUOTE config vars   dev@example.com   TIME
    "#);
    assert_snapshot!(run(&["releases:info", "v2"]).await.all().lines().filter(|line| !line.starts_with("When:")).collect::<Vec<_>>().join("\n"), @r#"
    === Release v2

    By:                     dev@example.com
    Change:                 Set QUOTE, RAILS_ENV config vars
    Eligible for Rollback?: No

    === v2 Config vars

    QUOTE:     it's a=b
    RAILS_ENV: staging
    "#);
    assert_snapshot!(run(&["releases:info", "v9"]).await.all(), @r#"
    [exit 2]
     ›   Error: Couldn't find that release.
     ›
     ›   Error ID: not_found
    "#);
}

#[tokio::test]
async fn buildpacks_in_order() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    let run = async |args: &[&str]| desk.run(&[args, &["-a", "example"]].concat()).await.all();
    assert_snapshot!(run(&["buildpacks"]).await, @"example has no Buildpacks.");
    assert_snapshot!(run(&["buildpacks:set", "heroku/nodejs"]).await, @r#"
    Buildpack set. Next release on example will use heroku/nodejs.
    Run git push hoist main to create a new release using this buildpack.
    "#);
    assert_snapshot!(run(&["buildpacks:add", "./packs/mine"]).await, @r#"
    Buildpack added. Next release on example will use:
      1. heroku/nodejs
      2. ./packs/mine
    Run git push hoist main to create a new release using these buildpacks.
    "#);
    assert_snapshot!(run(&["buildpacks:add", "-i", "1", "python"]).await, @r#"
    Buildpack added. Next release on example will use:
      1. hoist/python
      2. heroku/nodejs
      3. ./packs/mine
    Run git push hoist main to create a new release using these buildpacks.
    "#);
    assert_snapshot!(run(&["buildpacks:add", "heroku/nodejs"]).await, @r#"
    [exit 1]
     ›   Error: The buildpack heroku/nodejs is already set on your app.
    "#);
    assert_snapshot!(run(&["buildpacks"]).await, @r#"
    === example Buildpacks

    1. hoist/python
    2. heroku/nodejs
    3. ./packs/mine
    "#);
    assert_snapshot!(run(&["buildpacks:remove", "-i", "3"]).await, @r#"
    Buildpack removed. Next release on example will use:
      1. hoist/python
      2. heroku/nodejs
    Run git push hoist main to create a new release using these buildpacks.
    "#);
    assert_snapshot!(run(&["buildpacks:remove", "hoist/ruby"]).await, @r#"
    [exit 1]
     ›   Error: Buildpack not found. Nothing was removed.
    "#);
    assert_snapshot!(run(&["buildpacks:set", "-i", "2", "hoist/static"]).await, @r#"
    Buildpack set. Next release on example will use:
      1. hoist/python
      2. hoist/static
    Run git push hoist main to create a new release using these buildpacks.
    "#);
    assert_snapshot!(run(&["buildpacks:clear"]).await, @"Buildpacks cleared. Next release on example will detect buildpacks normally.");
    assert_snapshot!(run(&["buildpacks:remove", "nodejs"]).await, @r#"
    [exit 1]
     ›   Error: No buildpacks were found. Next release on example will detect buildpacks normally.
    "#);
}

#[tokio::test]
async fn access_and_keys() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    let friend = desk.world.user("friend@example.com").await;
    assert_snapshot!(desk.run(&["access:add", "friend@example.com", "-a", "example"]).await.all(), @"Adding friend@example.com access to the app example... done");
    assert_snapshot!(desk.run(&["access", "-a", "example"]).await.all(), @r#"
     email                role           permissions
    RULE
     dev@example.com      owner          deploy, manage, operate, view
     friend@example.com   collaborator   deploy, operate, view
    "#);
    assert_snapshot!(desk.run_with(&["apps"], &[("HOIST_API_KEY", friend.token.expose())]).await.all(), @r#"

    === Collaborated Apps

      Name      Email
     RULE
      example   dev@example.com
    "#);
    assert_snapshot!(desk.run(&["access:remove", "friend@example.com", "-a", "example"]).await.all(), @"Removing friend@example.com access from the app example... done");
    assert_snapshot!(desk.run(&["access:remove", "friend@example.com", "-a", "example"]).await.all(), @r#"
    [exit 2]
    Removing friend@example.com access from the app example... !
     ›   Error: Couldn't find that collaborator.
     ›
     ›   Error ID: not_found
    "#);

    assert_snapshot!(desk.run(&["keys"]).await.all(), @" ›   Warning: You have no SSH keys.");
    assert_snapshot!(desk.run(&["keys:add"]).await.all(), @r#"
    [exit 1]
     ›   Error: Could not find an SSH public key in ~/.ssh. Make one with ssh-keygen, or name its file.
    "#);
    std::fs::create_dir(desk.home.path().join(".ssh")).unwrap();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILmJ4nZ1B4n5K8m1i3d0cHkPvJ3eYcHhA1dA2y0s9v8R dev@laptop\n";
    std::fs::write(desk.home.path().join(".ssh/id_ed25519.pub"), key).unwrap();
    assert_snapshot!(desk.run(&["keys:add"]).await.all(), @"Uploading HOME/.ssh/id_ed25519.pub SSH key... done");
    assert_snapshot!(desk.run(&["keys"]).await.all(), @r#"
    === dev@example.com keys

    ssh-ed25519 AAAAC3NzaC...dA2y0s9v8R dev@laptop
    "#);
    assert_snapshot!(desk.run(&["keys:remove", "else@laptop"]).await.all(), @r#"
    [exit 1]
    Removing else@laptop SSH key... !
     ›   Error: SSH Key else@laptop not found.
     ›   Found keys: dev@laptop.
    "#);
    assert_snapshot!(desk.run(&["keys:remove", "dev@laptop"]).await.all(), @"Removing dev@laptop SSH key... done");
}

/// Leaves a finished build's log where the API looks for it.
async fn keep_log(world: &World, build: hoist::model::BuildId, log: &'static str) {
    let (digest, _) = world.ctx.store.put(log.as_bytes()).await.unwrap();
    let mut tx = world.ctx.db.write().await.unwrap();
    hoist::db::logs::set(&mut tx, hoist::db::logs::LogOf::Build(build), &digest, world.ctx.now()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn builds_and_their_output() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    assert_snapshot!(desk.run(&["builds", "-a", "example"]).await.all(), @"example has no builds.");
    assert_snapshot!(desk.run(&["builds:output", "-a", "example"]).await.all(), @r#"
    [exit 1]
     ›   Error: example has no builds.
    "#);
    let id = crate::api::build(&desk.world, &desk.user, hoist::model::BuildStatus::Succeeded).await;
    keep_log(&desk.world, id, "-----> Building\n").await;
    let id = id.to_string();
    assert_snapshot!(desk.run(&["builds", "-a", "example"]).await.all().replace(&id, &"ID".repeat(18)), @r#"
    === example Builds

      id                                     version    status      user              created_at
     RULE
      IDIDIDIDIDIDIDIDIDIDIDIDIDIDIDIDIDID   32345678   succeeded   dev@example.com   TIME
    "#);
    for args in [&["builds:output", "-a", "example"][..], &["builds:output", &id, "-a", "example"]] {
        assert_eq!(desk.run(args).await.all(), "-----> Building\n");
    }
}

#[tokio::test]
async fn who_one_is() {
    let desk = Desk::new().await;
    let token = desk.user.token.expose();
    assert_eq!(desk.run(&["whoami"]).await.all(), "dev@example.com\n");
    assert_snapshot!(desk.run_with(&["whoami"], &[]).await.all(), @r#"
    [exit 100]
     ›   Error: not logged in: run hoist login, or set HOIST_API_KEY to your API token.
    "#);
    assert_snapshot!(desk.run_with(&["whoami"], &[("HOIST_API_KEY", "wrong")]).await.all(), @r#"
    [exit 100]
     ›   Error: Invalid credentials provided. Check HOIST_API_KEY or ~/.netrc.
    "#);
    let host = desk.url.trim_start_matches("http://");
    std::fs::write(desk.home.path().join(".netrc"), format!("machine {host}\n  login dev@example.com\n  password {token}\n"))
        .unwrap();
    assert_eq!(desk.run_with(&["auth:whoami"], &[]).await.all(), "dev@example.com\n");
}

#[tokio::test]
async fn mistakes_are_told() {
    let desk = Desk::new().await;
    assert_snapshot!(desk.run(&["app:create"]).await.all(), @r#"
    [exit 1]
    error: unrecognized subcommand 'app:create'

      tip: a similar subcommand exists: 'apps:create'

    Usage: hoist <COMMAND>

    For more information, try '--help'.
    "#);
    assert_snapshot!(desk.run(&["config:set"]).await.all(), @r#"
    [exit 1]
    error: the following required arguments were not provided:
      <KEY=VALUE>...

    Usage: hoist config:set <KEY=VALUE>...

    For more information, try '--help'.
    "#);
    assert_snapshot!(desk.run(&["releases"]).await.all(), @r#"
    [exit 1]
     ›   Error: Missing required flag: --app. Name the app, or run this in its git checkout.
    "#);
    assert_snapshot!(desk.run(&["releases", "-a", "nowhere"]).await.all(), @r#"
    [exit 2]
     ›   Error: Couldn't find that app.
     ›
     ›   Error ID: not_found
    "#);
    assert_snapshot!(desk.run(&["releases", "-a", "no/../where?"]).await.all(), @r#"
    [exit 2]
     ›   Error: Couldn't find that app.
     ›
     ›   Error ID: not_found
    "#);
    let away = desk.run_with(&["whoami"], &[("HOIST_API_KEY", "x"), ("HOIST_URL", "http://127.0.0.1:1")]).await;
    assert_snapshot!(away.all(), @r#"
    [exit 1]
     ›   Error: can't reach hoist at http://127.0.0.1:1: io: Connection refused (os error 111). Is it running, and is HOIST_URL right?
    "#);
    let wrong = desk.run_with(&["whoami"], &[("HOIST_API_KEY", "x"), ("HOIST_URL", "ftp://localhost")]).await;
    assert_snapshot!(wrong.all(), @r#"
    [exit 1]
     ›   Error: HOIST_URL must look like https://hoist.example.com, not ftp://localhost
    "#);
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
