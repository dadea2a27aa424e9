//! What hoist's own commands tell a program: `--json` where they also do something, or ask more than one question.

use hoist::model::BuildStatus;
use serde_json::{Value, json};

use crate::api::build;
use crate::cli::Desk;
use crate::harness::{Daemon, WorkTree, run, stacks_dir};

/// What a command prints, which must be JSON and nothing else.
async fn told(desk: &Desk, args: &[&str]) -> Value {
    let ran = desk.run(&[args, &["--json"]].concat()).await;
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}\n{}", ran.all()))
}

#[tokio::test]
async fn an_account_and_its_tokens() {
    let desk = Desk::new().await;
    assert_eq!(told(&desk, &["whoami"]).await["email"], "dev@example.com");
    let made = told(&desk, &["authorizations:create", "-d", "laptop"]).await;
    let id = made["id"].as_str().unwrap();
    let updated = told(&desk, &["authorizations:update", id, "-d", "notebook"]).await;
    assert_eq!((&updated["id"], &updated["description"]), (&made["id"], &json!("notebook")));
    let rotated = told(&desk, &["authorizations:rotate", id]).await;
    let token = |one: &Value| one["access_token"]["token"].as_str().unwrap().to_owned();
    assert!(token(&rotated).starts_with("hoist-") && token(&rotated) != token(&made), "a new token, whole");
}

#[tokio::test]
async fn an_app() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    desk.run(&["config:set", "SECRET=1", "-a", "example"]).await;
    let set = told(&desk, &["config:set", "GREETING=hello", "-a", "example"]).await;
    assert_eq!(set, json!({"GREETING": "hello"}), "and nothing that was there before");
    assert_eq!(told(&desk, &["ps:scale", "-a", "example"]).await, json!([]));
    build(&desk.world, &desk.user, BuildStatus::Succeeded).await;
    let scaled = told(&desk, &["ps:scale", "web=3", "-a", "example"]).await;
    assert_eq!((&scaled[0]["type"], &scaled[0]["quantity"]), (&json!("web"), &json!(3)));
    assert_eq!(told(&desk, &["ps:scale", "-a", "example"]).await[0]["quantity"], 3);
    let add =
        ["webhooks:add", "-i", "api:release", "-l", "notify", "-u", "https://example.com/", "-s", "sesame", "-a", "example"];
    let hook = told(&desk, &add).await;
    assert_eq!((&hook["level"], &hook["secret"]), (&json!("notify"), &json!("sesame")));
    assert_eq!(told(&desk, &["rename", "other", "-a", "example"]).await["name"], "other");
}

#[tokio::test]
async fn a_pipeline() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    desk.run(&["create", "live"]).await;
    build(&desk.world, &desk.user, BuildStatus::Succeeded).await;
    desk.run(&["pipelines:create", "pipe", "-a", "example", "-s", "staging"]).await;
    desk.run(&["pipelines:add", "pipe", "-a", "live", "-s", "production"]).await;
    let before = told(&desk, &["pipelines:diff", "-a", "example"]).await;
    assert_eq!(before, json!([{"app": "live", "commit": null, "is_up_to_date": false}]));
    assert_eq!(told(&desk, &["pipelines:promote", "-a", "example"]).await[0]["status"], "succeeded");
    assert_eq!(told(&desk, &["pipelines:diff", "-a", "example"]).await[0]["is_up_to_date"], true);
    let set = told(&desk, &["ci:config:set", "-p", "pipe", "RAILS_ENV=test"]).await;
    assert_eq!(set, json!({"RAILS_ENV": "test"}));
    let got = told(&desk, &["ci:config:get", "-p", "pipe", "RAILS_ENV"]).await;
    assert_eq!(got, json!({"key": "RAILS_ENV", "value": "test"}));
}

#[test]
fn a_build_a_command_and_the_stacks() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    let told = |args: &[&str]| serde_json::from_str::<Value>(&daemon.client(&user, args)).unwrap();
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "-a", "shop"]);
    let tree = WorkTree::with_pack("null");
    tree.write("Procfile", "web: ./serve\n");
    let dir = tree.path().to_str().unwrap();
    let built = told(&["builds:create", "--json", "--dir", dir, "-a", "shop"]);
    assert_eq!(built["status"], "succeeded");
    let dyno = told(&["run:detached", "--json", "-a", "shop", "true"]);
    assert!(dyno["name"].as_str().unwrap().starts_with("run."), "{dyno}");
    let mut stacks = daemon.hoist(&["stacks", "--json"]);
    let stacks: Value = serde_json::from_str(&run(stacks.env("HOIST_STACKS_DIR", stacks_dir()))).unwrap();
    let named = stacks.as_array().unwrap().iter().find(|stack| stack["name"] == "debian-12").unwrap();
    assert!(named["digest"].as_str().unwrap().len() > 32, "{named}");
}
