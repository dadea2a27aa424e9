//! `hoist ci`, `hoist ci:config` and `hoist setup`, from a work tree to the exit code.

use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::{Daemon, User, WorkTree, fixture, normalise};

/// A user in the work tree of an app that has tests.
struct Desk {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
}

/// What a command did.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn all(&self) -> String {
        let code = if self.code == 0 { String::new() } else { format!("[exit {}]\n", self.code) };
        normalise(&format!("{code}{}{}", self.stderr, self.stdout))
    }
}

impl Desk {
    fn new() -> Self {
        let daemon = Daemon::start();
        let user = daemon.user("alice@example.com");
        let tree = WorkTree::with_pack("tested");
        for file in ["app.json", "Procfile"] {
            tree.write(file, &std::fs::read_to_string(fixture("apps/app-json").join(file)).unwrap());
        }
        tree.commit("Sell more");
        Self { daemon, user, tree }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.daemon.hoist(args);
        command.env("HOIST_URL", format!("http://{}", self.daemon.http)).env("HOIST_API_KEY", &self.user.token);
        let output = command.current_dir(self.tree.path()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn with_pipeline() -> Self {
        let desk = Self::new();
        desk.daemon.client(&desk.user, &["apps:create", "shop"]);
        desk.daemon.client(&desk.user, &["pipelines:create", "pipe", "-a", "shop", "-s", "staging"]);
        desk
    }
}

#[test]
fn tests_are_run_and_looked_at() {
    let desk = Desk::with_pipeline();
    assert_snapshot!(desk.run(&["ci:last", "-p", "pipe"]).all(), @" ›   Warning: The pipeline pipe has no test runs.");
    let commit = desk.tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let normal = |ran: Ran| ran.all().replace(&commit, "COMMIT").replace(&commit[..7], "SHORT");
    let ran = normal(desk.run(&["ci:run", "-p", "pipe"]));
    assert_snapshot!(ran, @r#"
    Preparing source... done
    Uploading source... done
    Starting test run... done
    Waiting for build to start... done
    -----> Testing on the debian-12 stack
    -----> Using buildpack: ./pack
    -----> Tested app detected
    -----> Compiling for tests of COMMIT
    -----> Running test-setup command
    preparing on main
    1..5
    ok 1 - is compiled for tests
    ok 2 - is prepared
    ok 3 - has its profile
    ok 4 - is told that it is CI
    ok 5 - has its own config
    a secret:

    ✓ #1 main:SHORT succeeded
    "#);
    let (_, shown) = ran.split_once("Waiting for build to start... done\n").unwrap();
    assert_eq!(normal(desk.run(&["ci:info", "1", "-a", "shop"])), shown);
    let listed = desk.run(&["ci", "-p", "pipe"]).stdout;
    assert!(
        listed.starts_with("=== Showing latest test runs for the pipe pipeline\n") && listed.contains(&commit[..7]),
        "{listed}"
    );

    desk.run(&["ci:config:set", "-p", "pipe", "EXIT=9"]);
    let failed = desk.run(&["ci:rerun", "1", "-p", "pipe"]);
    assert!(failed.code == 9 && failed.stdout.ends_with(&format!("✗ #2 main:{} failed\n", &commit[..7])), "{}", failed.all());
    assert!(failed.stderr.starts_with("Rerunning test run #1...\n"), "{}", failed.stderr);
    let last = desk.run(&["ci:last", "-p", "pipe", "--json"]);
    let whole: Value = serde_json::from_str(&last.stdout).unwrap();
    assert_eq!((last.code, &whole["test_nodes"][0]["exit_code"]), (9, &json!(9)));
    assert_eq!((&whole["test_run"]["commit_message"], whole["test_cases"].as_array().unwrap().len()), (&json!("Sell more"), 5));

    desk.run(&["ci:config:set", "-p", "pipe", "BROKEN=1"]);
    assert_eq!(desk.run(&["ci:run", "-p", "pipe"]).code, 7);
    desk.tree.write("app.json", "{");
    let errored = desk.run(&["ci:run", "-p", "pipe"]);
    assert!(errored.code == 1 && errored.stdout.contains("! #4 main:"), "{}", errored.all());
}

#[test]
fn config_vars_of_tests_are_set_and_shown() {
    let desk = Desk::with_pipeline();
    assert_snapshot!(desk.run(&["ci:config:set", "-p", "pipe", "RAILS_ENV=test", "NOTE=two words"]).all(), @r#"
    Setting RAILS_ENV, NOTE... done
    NOTE:      two words
    RAILS_ENV: test
    "#);
    assert_snapshot!(desk.run(&["ci:config", "-a", "shop"]).all(), @r#"
    === pipe test config vars

    NOTE:      two words
    RAILS_ENV: test
    "#);
    assert_snapshot!(desk.run(&["ci:config", "-p", "pipe", "--shell"]).all(), @r#"
    NOTE='two words'
    RAILS_ENV=test
    "#);
    assert_snapshot!(desk.run(&["ci:config:get", "-p", "pipe", "NOTE"]).all(), @"two words");
    assert_snapshot!(desk.run(&["ci:config:unset", "-p", "pipe", "NOTE"]).all(), @"Unsetting NOTE... done");
    assert_snapshot!(desk.run(&["ci:config", "-p", "pipe", "--json"]).all(), @r#"
    {
      "RAILS_ENV": "test"
    }
    "#);
    assert_snapshot!(desk.run(&["ci:config:set", "-p", "pipe", "NOTE"]).all(), @r#"
    [exit 1]
     ›   Error: NOTE is invalid. Must be in the format FOO=bar.
    "#);
}

#[test]
fn an_app_is_set_up_from_a_folder() {
    let desk = Desk::new();
    let done = desk.run(&["setup", "--app", "shop", "--env", "OWNER=alice"]);
    assert_snapshot!(done.all(), @r#"
    Packing source... done
    Uploading source... done
    Creating app... done, shop
    -----> Building on the debian-12 stack
    -----> Using buildpack: ./pack
    -----> Tested app detected
    -----> Discovering process types
           Procfile declares types -> web

    -----> Compressing...
           Done: SIZE
    -----> Launching...
           Released v3
           shop deployed to hoist
    -----> Built in TIME

    === Setup ID

    App:        shop
    Status:     succeeded
    Build:      succeeded
    Postdeploy: exit code 0

    [GREETING], alice
    the key is [SECRET_KEY]
    "#);
    let failed = desk.run(&["setup", "--app", "other", "--json"]);
    let setup: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((failed.code, &setup["manifest_errors"]), (1, &json!(["config var OWNER is required"])));
    assert!(failed.stderr.ends_with(" ›   Error: The setup of other failed: invalid app.json\n"), "{}", failed.stderr);
    let again = desk.run(&["setup:info", setup["id"].as_str().unwrap()]);
    assert_snapshot!(again.all(), @r#"
    === Setup ID

    App:     other
    Status:  failed
    Failure: invalid app.json

    app.json: config var OWNER is required
    "#);
}
