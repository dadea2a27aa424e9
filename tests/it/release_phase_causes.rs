//! Release commands of releases that no push makes: rollbacks, retries, promotions.

use serde_json::{Value, json};

use crate::harness::{Daemon, User, until};
use crate::release_phase::{output, release_with, shop_with, statuses};

/// Commands see the host's files, which tell them how to end.
const LOCAL: &str = "engine = \"local\"";

/// What the client prints, whether or not it succeeds.
fn any_end(daemon: &Daemon, user: &User, args: &[&str]) -> String {
    let mut command = daemon.hoist(args);
    command.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
    let output = command.output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn description(daemon: &Daemon, user: &User, version: u64) -> Value {
    daemon.get(user, &format!("/apps/shop/releases/{version}"))["description"].clone()
}

#[test]
fn a_rollback_runs_the_command_with_the_config_that_it_goes_back_to() {
    let (daemon, user, tree) = shop_with(LOCAL, "echo mode $MODE");
    daemon.client(&user, &["config:set", "MODE=old", "--app", "shop"]);
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    daemon.client(&user, &["config:set", "MODE=new", "--app", "shop"]);
    until(|| statuses(&daemon, &user).last().is_some_and(|last| last == "v4 succeeded*"));
    let shown = daemon.client(&user, &["rollback", "v3", "--app", "shop"]);
    assert!(shown.starts_with("Running release command...\n") && shown.ends_with("\nmode old\n"), "{shown}");
    assert_eq!(statuses(&daemon, &user)[3..], ["v4 succeeded", "v5 succeeded*"]);
    assert_eq!(output(&daemon, &user, "v5"), "mode old\n");
}

#[test]
fn a_rollback_whose_command_fails_is_not_current_and_can_be_retried() {
    let (daemon, user, tree) = shop_with(LOCAL, "echo checking; test ! -e \"$BROKEN\"");
    let broken = daemon.data_dir().join("broken");
    daemon.client(&user, &["config:set", &format!("BROKEN={}", broken.display()), "--app", "shop"]);
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    daemon.client(&user, &["config:set", "A=1", "--app", "shop"]);
    until(|| statuses(&daemon, &user).last().is_some_and(|last| last == "v4 succeeded*"));

    std::fs::write(&broken, "").unwrap();
    let shown = daemon.client(&user, &["rollback", "v3", "--app", "shop"]);
    assert!(shown.contains("Release command failed with exit code 1."), "{shown}");
    assert_eq!(statuses(&daemon, &user)[3..], ["v4 succeeded*", "v5 failed"]);
    let refused = any_end(&daemon, &user, &["rollback", "v5", "--app", "shop"]);
    assert!(refused.contains("Cannot roll back to v5: it failed."), "{refused}");

    std::fs::remove_file(&broken).unwrap();
    let shown = daemon.client(&user, &["releases:retry", "--app", "shop"]);
    assert!(shown.ends_with("\nchecking\n"), "{shown}");
    assert_eq!(statuses(&daemon, &user)[3..], ["v4 succeeded", "v5 failed", "v6 succeeded*"]);
    assert_eq!(description(&daemon, &user, 6), "Retry of v5: Rollback to v3");
    assert_eq!(daemon.client(&user, &["config:get", "A", "--app", "shop"]), "\n", "what is retried is the rollback");
    // By its name alone, as the API has it too.
    let again = post(&daemon, &user, "/apps/shop/releases", &json!({"description": "Once more"}));
    assert_eq!(again["status"], "pending");
    until(|| statuses(&daemon, &user).last().is_some_and(|last| last == "v7 succeeded*"));
    assert_eq!(daemon.get(&user, "/apps/shop/releases/verification")["valid"], true);
}

#[test]
fn a_retry_is_no_way_around_a_strict_push() {
    let (daemon, user, tree) = shop_with(LOCAL, "true");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    release_with(&tree, "exit 3");
    assert!(!tree.push(&daemon, &user, "shop", &["-ostrict", "main"]).ok);
    let refused = any_end(&daemon, &user, &["releases:retry", "--app", "shop"]);
    assert!(refused.contains("The push of this code was strict"), "{refused}");
    assert_eq!(statuses(&daemon, &user), ["v1 succeeded", "v2 succeeded*", "v3 failed"]);
    let again = post(&daemon, &user, "/apps/shop/releases", &json!({"description": "Once more"}));
    let good = daemon.get(&user, "/apps/shop/releases/2");
    assert_eq!(again["slug"], good["slug"], "what was refused is no ground for later releases");
}

#[test]
fn a_promotion_stands_and_falls_with_its_targets_command() {
    let command = "echo in $WHERE; while [ ! -e \"${GATE-/}\" ]; do sleep 0.05; done; test ! -e \"$BROKEN\"";
    let (daemon, user, tree) = shop_with(LOCAL, command);
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    daemon.client(&user, &["apps:create", "live"]);
    daemon.client(&user, &["pipelines:create", "pipe", "--app", "shop", "--stage", "staging"]);
    daemon.client(&user, &["pipelines:add", "pipe", "--app", "live", "--stage", "production"]);
    let (gate, broken) = (daemon.data_dir().join("gate"), daemon.data_dir().join("broken"));
    let vars = [format!("GATE={}", gate.display()), format!("BROKEN={}", broken.display())];
    daemon.client(&user, &["config:set", "WHERE=live", &vars[0], &vars[1], "--app", "live"]);
    let id = |path: &str| json!({"id": daemon.get(&user, path)["id"]});
    let target = json!({"app": id("/apps/live")});
    let new = json!({"pipeline": id("/pipelines/pipe"), "source": {"app": id("/apps/shop")}, "targets": [target]});

    let promotion = post(&daemon, &user, "/pipeline-promotions", &new);
    assert_eq!(promotion["status"], "pending");
    let path = format!("/pipeline-promotions/{}", promotion["id"].as_str().unwrap());
    let target = || daemon.get(&user, &format!("{path}/promotion-targets"))[0].clone();
    let release = daemon.get(&user, "/apps/live/releases/3");
    let pending = target();
    assert_eq!((&pending["status"], &pending["error_message"]), (&json!("pending"), &Value::Null));
    assert_eq!(pending["release"]["id"], release["id"]);
    assert_eq!(daemon.get(&user, &path)["status"], "pending");

    std::fs::write(&broken, "").unwrap();
    std::fs::write(&gate, "").unwrap();
    until(|| daemon.get(&user, &path)["status"] == "completed");
    let failed = target();
    let why = "The release command did not succeed: exit code 1.";
    assert_eq!((&failed["status"], &failed["error_message"]), (&json!("failed"), &json!(why)));
    assert_eq!(failed["release"]["id"], release["id"]);
    assert_eq!(daemon.get(&user, "/apps/live/releases/2")["current"], true);
    let told = any_end(&daemon, &user, &["pipelines:promote", "--app", "shop"]);
    assert!(told.contains("Promotion to some apps failed") && told.contains(&format!("live: failed ({why})")), "{told}");

    std::fs::remove_file(&broken).unwrap();
    let told = daemon.client(&user, &["pipelines:promote", "--app", "shop"]);
    assert!(told.contains("live: succeeded"), "{told}");
    let current = daemon.get(&user, "/apps/live/releases/5");
    assert_eq!((&current["current"], &current["status"]), (&json!(true), &json!("succeeded")));
    assert_eq!(daemon.client(&user, &["releases:output", "v5", "--app", "live"]), "in live\n");
    assert_eq!(target()["status"], "failed", "what has become of the first stays");
}

fn post(daemon: &Daemon, user: &User, path: &str, body: &Value) -> Value {
    let request = ureq::post(format!("http://{}{path}", daemon.http));
    let request = request
        .header("Accept", "application/vnd.heroku+json; version=3")
        .header("Authorization", format!("Bearer {}", user.token))
        .header("Content-Type", "application/json");
    let text = request.send(body.to_string()).unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap()
}
