//! Test runs: over the API, with the real engine and stack.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api_world::normal;
use crate::builds_api::{archive_of, send, upload};
use crate::harness::{Daemon, Forge, User, WorkTree, fixture, until};

const COMMIT: &str = "0123456789012345678901234567890123456789";

/// A daemon with a pipeline, and an app that has tests.
struct Ci {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
    pipeline: String,
}

impl Ci {
    fn new() -> Self {
        Self::with_config("")
    }

    fn with_config(config: &str) -> Self {
        let daemon = Daemon::start_with(config);
        let user = daemon.user("alice@example.com");
        let made = send(&daemon, &user, "POST", "/pipelines", &json!({"name": "pipe"}));
        let pipeline = made.body["id"].as_str().unwrap().to_owned();
        let tree = WorkTree::with_pack("tested");
        tree.write("app.json", &std::fs::read_to_string(fixture("apps/app-json/app.json")).unwrap());
        Self { daemon, user, tree, pipeline }
    }

    fn configure(&self, vars: &Value) {
        let path = format!("/pipelines/{}/stage/test/config-vars", self.pipeline);
        assert_eq!(send(&self.daemon, &self.user, "PATCH", &path, vars).status, 200);
    }

    /// Starts a run of what is in the work tree.
    fn start(&self) -> Value {
        let url = upload(&self.daemon, &self.user, &archive_of(self.tree.path()));
        let body = json!({
            "pipeline": self.pipeline, "commit_branch": "main", "commit_sha": COMMIT,
            "commit_message": "Sell more\n\nMuch more.", "source_blob_url": url,
        });
        let made = send(&self.daemon, &self.user, "POST", "/test-runs", &body);
        assert_eq!(made.status, 201, "{}", made.body);
        made.body
    }

    /// Asks for the run as the Heroku CLI does, again and again, until it has this status.
    fn until(&self, run: &Value, wanted: impl Fn(&str) -> bool) -> Value {
        let path = format!("/pipelines/{}/test-runs/{}", self.pipeline, run["number"]);
        let mut last = Value::Null;
        until(|| {
            last = self.daemon.get(&self.user, &path);
            wanted(last["status"].as_str().unwrap())
        });
        last
    }

    fn ended(&self, run: &Value) -> Value {
        self.until(run, |status| !["pending", "creating", "building", "running"].contains(&status))
    }

    fn node(&self, run: &Value) -> Value {
        let nodes = self.daemon.get(&self.user, &format!("/test-runs/{}/test-nodes", run["id"].as_str().unwrap()));
        nodes[0].clone()
    }

    fn log(&self, run: &Value, name: &str) -> String {
        let node = self.node(run);
        let url = node[name].as_str().unwrap();
        assert!(url.starts_with(&format!("https://{}/", self.daemon.http)), "{url}");
        // The same port speaks both.
        ureq::get(url.replacen("https", "http", 1)).call().unwrap().body_mut().read_to_string().unwrap()
    }
}

#[test]
fn add_ons_are_not_provisioned_for_tests_and_that_is_told() {
    let ci = Ci::new();
    let app_json = std::fs::read_to_string(fixture("apps/app-json/app.json")).unwrap();
    let mut app_json: Value = serde_json::from_str(&app_json).unwrap();
    app_json["environments"]["test"]["addons"] = json!(["heroku-postgresql:in-dyno"]);
    ci.tree.write("app.json", &app_json.to_string());
    let run = ci.start();
    ci.ended(&run);
    assert_snapshot!(ci.log(&run, "setup_stream_url").lines().take(3).collect::<Vec<_>>().join("\n"), @r"
    -----> Testing on the debian-12 stack
     !     The add-ons in app.json are not provisioned for tests: set what the tests need with ci:config:set
    -----> Using buildpack: ./pack
    ");
}

#[test]
fn tests_run_in_a_folder_of_the_source() {
    let ci = Ci::new();
    ci.tree.move_into("apps/shop");
    ci.configure(&json!({"PROJECT_PATH": "apps/shop"}));
    let run = ci.start();
    let ended = ci.ended(&run);
    let log = ci.log(&run, "setup_stream_url");
    assert_eq!(ended["status"], "succeeded", "{log}");
    // What is to be run before the tests is in the folder's app.json.
    assert!(log.contains("-----> Using the folder apps/shop of the source") && log.contains("preparing on main"), "{log}");
}

#[test]
fn a_pack_of_another_server_compiles_and_runs_tests() {
    let (ci, forge, pack) = (Ci::with_config("[network]\nallow = [\"127.0.0.0/8\"]\n"), Forge::start(), WorkTree::new());
    for (script, line) in
        [("detect", "echo Far"), ("compile", "exit 1"), ("test-compile", "echo compiled"), ("test", "echo tested")]
    {
        pack.write_program(&format!("bin/{script}"), &format!("#!/bin/sh\n{line}\n"));
    }
    pack.commit("pack");
    forge.publish("octo/pack", &pack);
    ci.tree.write("app.json", &json!({"buildpacks": [{"url": forge.url("octo/pack")}]}).to_string());
    let run = ci.start();
    let ended = ci.ended(&run);
    let fetching = format!("-----> Fetching buildpack {}\n", forge.url("octo/pack"));
    let (setup, output) = (ci.log(&run, "setup_stream_url"), ci.log(&run, "output_stream_url"));
    assert_eq!(ended["status"], "succeeded", "{setup}");
    for line in [fetching.as_str(), "-----> Far app detected\n", "compiled\n"] {
        assert!(setup.contains(line), "{line:?} is missing in\n{setup}");
    }
    assert!(output.contains("tested\n"), "{output}");
}

#[test]
fn tests_run_as_at_heroku() {
    let ci = Ci::new();
    ci.configure(&json!({"API_TOKEN": "correct-horse-battery"}));
    let run = ci.start();
    assert_eq!((&run["number"], &run["status"], &run["commit_message"]), (&json!(1), &json!("pending"), &json!("Sell more")));
    let ended = ci.ended(&run);
    assert_snapshot!(ci.log(&run, "setup_stream_url"), @r#"
    -----> Testing on the debian-12 stack
    -----> Using buildpack: ./pack
    -----> Tested app detected
    -----> Compiling for tests of 0123456789012345678901234567890123456789
    -----> Running test-setup command
    preparing on main
    "#);
    assert_snapshot!(ci.log(&run, "output_stream_url"), @r#"
    1..5
    ok 1 - is compiled for tests
    ok 2 - is prepared
    ok 3 - has its profile
    ok 4 - is told that it is CI
    ok 5 - has its own config
    a secret: [API_TOKEN]
    "#);
    assert_eq!((&ended["status"], &ended["message"]), (&json!("succeeded"), &Value::Null), "{ended}");
    let normal = |value: &Value| {
        let text = normal(&serde_json::to_string_pretty(value).unwrap()).replace(&ci.daemon.http, "HOST");
        text.replace(run["id"].as_str().unwrap(), "ID")
    };
    let mut shown = ended.clone();
    // That of an account and of an upload.
    shown.as_object_mut().unwrap().retain(|name, _| name != "user" && name != "source_blob_url");
    assert_snapshot!(normal(&shown), @r#"
    {
      "actor_email": "alice@example.com",
      "app_setup": null,
      "clear_cache": true,
      "commit_branch": "main",
      "commit_message": "Sell more",
      "commit_sha": "0123456789012345678901234567890123456789",
      "created_at": "TIME",
      "debug": false,
      "dyno": null,
      "id": "ID",
      "message": null,
      "number": 1,
      "organization": null,
      "pipeline": {
        "id": "ID"
      },
      "status": "succeeded",
      "updated_at": "TIME",
      "warning_message": null
    }
    "#);
    assert_snapshot!(normal(&ci.node(&run)), @r#"
    {
      "created_at": "TIME",
      "dyno": null,
      "error_status": null,
      "exit_code": 0,
      "id": "ID",
      "index": 0,
      "message": null,
      "output_stream_url": "https://HOST/streams/test-runs/ID/output",
      "pipeline": {
        "id": "ID"
      },
      "setup_stream_url": "https://HOST/streams/test-runs/ID/setup",
      "status": "succeeded",
      "test_run": {
        "id": "ID"
      },
      "updated_at": "TIME"
    }
    "#);
    let cases = ci.daemon.get(&ci.user, &format!("/test-runs/{}/test-cases", run["id"].as_str().unwrap()));
    assert_eq!(cases.as_array().unwrap().len(), 5);
    assert_snapshot!(normal(&cases[4]), @r#"
    {
      "created_at": "TIME",
      "description": "has its own config",
      "diagnostic": "",
      "directive": "",
      "id": "ID",
      "number": 5,
      "passed": true,
      "test_node": {
        "id": "ID"
      },
      "test_run": {
        "id": "ID"
      },
      "updated_at": "TIME"
    }
    "#);
}

#[test]
fn tests_that_fail_are_told_from_those_that_cannot_run() {
    let ci = Ci::new();
    ci.configure(&json!({"EXIT": "3"}));
    // A second run of the pipeline finds its own number where it expects 1.
    ci.ended(&ci.start());
    let failed = ci.start();
    let ended = ci.ended(&failed);
    assert_eq!((&ended["status"], &ended["message"]), (&json!("failed"), &json!("the tests did not succeed (exit code 3)")));
    assert_eq!(ci.node(&failed)["exit_code"], 3);
    let cases = ci.daemon.get(&ci.user, &format!("/test-runs/{}/test-cases", failed["id"].as_str().unwrap()));
    assert_eq!((&cases[3]["passed"], &cases[3]["diagnostic"]), (&json!(false), &json!("got true 2")));

    ci.configure(&json!({"EXIT": null, "BROKEN": "1"}));
    let broken = ci.start();
    assert_eq!(ci.ended(&broken)["status"], "errored");
    let node = ci.node(&broken);
    assert_eq!((&node["exit_code"], &node["error_status"]), (&json!(7), &json!("building")), "{node}");
    assert!(ci.log(&broken, "setup_stream_url").ends_with(" !     Failed to compile Tested app for its tests.\n"));
    assert_eq!(ci.log(&broken, "output_stream_url"), "");

    ci.configure(&json!({"BROKEN": null}));
    ci.tree.write("app.json", r#"{"buildpacks": [{"url": "./pack"}], "scripts": {"test-setup": "exit 4"}}"#);
    let unprepared = ci.start();
    assert_eq!((&ci.ended(&unprepared)["status"], &ci.node(&unprepared)["exit_code"]), (&json!("errored"), &json!(4)));
    assert!(ci.log(&unprepared, "setup_stream_url").ends_with(" !     The test-setup script failed with exit code 4.\n"));

    ci.tree.write("app.json", r#"{"env": {"OWNER": {}}}"#);
    let unconfigured = ci.start();
    let ended = ci.ended(&unconfigured);
    assert_eq!(ended["message"], "app.json can't be used: config var OWNER is required");
    assert!(ci.log(&unconfigured, "setup_stream_url").contains("hoist ci:config:set"));

    ci.tree.write("app.json", r#"{"stack": "heroku-24"}"#);
    let message = "app.json can't be used: stack: there is no stack heroku-24 here; `hoist stacks` lists those there are";
    assert_eq!(ci.ended(&ci.start())["message"], message);
    ci.tree.write("app.json", r#"{"env": {"OWNER": 7}}"#);
    let unreadable = ci.ended(&ci.start());
    let message = unreadable["message"].as_str().unwrap();
    assert!(message.starts_with("app.json can't be used: env.OWNER: invalid type"), "{message}");
}

#[test]
fn a_test_script_of_app_json_wins_and_a_pack_without_tests_needs_one() {
    let ci = Ci::with_config("engine = \"local\"\n");
    std::fs::remove_file(ci.tree.path().join("pack/bin/test")).unwrap();
    std::fs::remove_file(ci.tree.path().join("pack/bin/test-compile")).unwrap();
    ci.tree.write("app.json", r#"{"buildpacks": [{"url": "./pack"}]}"#);
    let without = ci.start();
    assert_eq!(ci.ended(&without)["message"], "there are no tests to run");
    assert!(
        ci.log(&without, "setup_stream_url").contains("{\"environments\": {\"test\": {\"scripts\": {\"test\": \"COMMAND\"}}}}")
    );
    let app_json = r#"{"buildpacks": [{"url": "./pack"}], "environments": {"test": {"scripts": {"test": "echo ok by script"}}}}"#;
    ci.tree.write("app.json", app_json);
    let with = ci.start();
    assert_eq!(
        (&ci.ended(&with)["status"], ci.log(&with, "output_stream_url").as_str()),
        (&json!("succeeded"), "ok by script\n")
    );
}

#[test]
fn a_run_can_be_cancelled() {
    let ci = Ci::new();
    ci.configure(&json!({"HANG": "1"}));
    let run = ci.start();
    ci.until(&run, |status| status == "running");
    let path = format!("/test-runs/{}", run["id"].as_str().unwrap());
    until(|| ci.daemon.get(&ci.user, &format!("{path}/test-cases")).as_array().unwrap().len() == 5);
    let refused = send(&ci.daemon, &ci.user, "PATCH", &path, &json!({"status": "succeeded", "message": ""}));
    assert_eq!(refused.status, 422, "{}", refused.body);
    let told = send(&ci.daemon, &ci.user, "PATCH", &path, &json!({"status": "cancelled", "message": "enough"}));
    assert_eq!((told.status, &told.body["status"], &told.body["message"]), (200, &json!("cancelled"), &json!("enough")));
    assert!(ci.log(&run, "output_stream_url").ends_with(" !     The test run was cancelled: enough\n"));
    assert_eq!(ci.node(&run)["exit_code"], Value::Null);
    let late = send(&ci.daemon, &ci.user, "PATCH", &path, &json!({"status": "cancelled", "message": "again"}));
    assert_eq!(late.body["message"], "Test run 1 has ended already.");
}

#[test]
fn runs_wait_for_a_builder_and_no_more_than_may() {
    let ci = Ci::with_config("[limits]\nconcurrent_builds = 1\nqueued_test_runs = 2\n");
    ci.configure(&json!({"HANG": "1"}));
    let first = ci.start();
    ci.until(&first, |status| status == "running");
    let second = ci.start();
    // An answer about a run that has no news is held back for a moment.
    let asked = Instant::now();
    assert_eq!(ci.until(&second, |_| true)["status"], "pending");
    assert!(asked.elapsed() >= Duration::from_millis(900), "{:?}", asked.elapsed());
    let body = json!({
        "pipeline": ci.pipeline, "commit_branch": "main", "commit_sha": COMMIT, "commit_message": "",
        "source_blob_url": "https://example.com/x.tar.gz",
    });
    let third = send(&ci.daemon, &ci.user, "POST", "/test-runs", &body);
    assert!(third.body["message"].as_str().unwrap().starts_with("Cannot have more than 2 test runs"), "{}", third.body);
    let path = format!("/test-runs/{}", first["id"].as_str().unwrap());
    send(&ci.daemon, &ci.user, "PATCH", &path, &json!({"status": "cancelled", "message": ""}));
    ci.until(&second, |status| status == "running");
}

#[test]
fn its_time_is_bounded() {
    let ci = Ci::with_config("[limits]\ntest_time = \"1s\"\n");
    ci.configure(&json!({"HANG": "1"}));
    let run = ci.start();
    assert_eq!(ci.ended(&run)["status"], "failed");
    assert!(ci.log(&run, "output_stream_url").ends_with(" !     The test command timed out (1 second).\n"));
}

#[test]
fn a_killed_daemon_leaves_no_run_without_an_end() {
    let mut ci = Ci::new();
    ci.configure(&json!({"HANG": "1", "API_TOKEN": "correct-horse-battery"}));
    let run = ci.start();
    ci.until(&run, |status| status == "running");
    ci.daemon.kill_and_restart();
    let ended = ci.ended(&run);
    assert_eq!(
        (&ended["status"], &ended["message"]),
        (&json!("errored"), &json!("hoist was stopped while it ran; run the tests again"))
    );
    let log = ci.log(&run, "output_stream_url");
    assert!(log.contains("hoist was stopped here.") && !log.contains("correct-horse"), "{log}");
}

#[test]
fn config_vars_of_tests_are_kept_sealed_and_for_the_pipelines_own_people() {
    let ci = Ci::with_config("engine = \"local\"\n");
    ci.configure(&json!({"API_TOKEN": "correct-horse-battery", "GONE": "1"}));
    ci.configure(&json!({"GONE": null}));
    let path = format!("/pipelines/{}/stage/test/config-vars", ci.pipeline);
    assert_eq!(ci.daemon.get(&ci.user, &path), json!({"API_TOKEN": "correct-horse-battery"}));
    let other = ci.daemon.user("mallory@example.com");
    for path in [path.clone(), format!("/pipelines/{}/test-runs", ci.pipeline)] {
        assert_eq!(send(&ci.daemon, &other, "GET", &path, &json!({})).status, 404, "{path}");
    }
    let run = ci.start();
    let path = format!("/test-runs/{}", run["id"].as_str().unwrap());
    assert_eq!(send(&ci.daemon, &other, "GET", &path, &json!({})).body["message"], "Couldn't find that test run.");
    let wrong = send(&ci.daemon, &ci.user, "GET", &format!("/pipelines/{}/stage/staging/config-vars", ci.pipeline), &json!({}));
    assert_eq!(wrong.status, 422);
    ci.ended(&run);
    for file in ["hoist.db", "hoist.db-wal"] {
        let bytes = std::fs::read(ci.daemon.data_dir().join(file)).unwrap();
        assert!(!bytes.windows(13).any(|window| window == b"correct-horse"), "{file}");
    }
}
