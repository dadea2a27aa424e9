//! The audit trail: who did what, from where, and how it ended.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api::world_with_app;
use crate::api_world::{User, World};
use crate::harness::{self, Daemon, Gated, WorkTree};

/// `TYPE ACTION OUTCOME DATA`, oldest first.
fn lines(events: &Value) -> String {
    let line = |event: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let outcome = format!("{} {}", text(&event["outcome"]["status"]), event["outcome"]["detail"].as_str().unwrap_or("-"));
        let who = text(&event["actor"]["email"]);
        format!("{who}: {} {}: {}: {}\n", text(&event["type"]), text(&event["action"]), outcome.trim(), event["data"])
    };
    events.as_array().unwrap().iter().map(line).collect()
}

async fn trail(world: &World, user: &User, path: &str) -> String {
    let answer = world.get(user, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    lines(&answer.body)
}

#[tokio::test]
async fn changes_and_refusals_are_recorded_without_secrets() {
    let (world, owner) = world_with_app().await;
    let friend = world.user("friend@example.com").await;
    let path = "/apps/example/collaborators";
    world.post(&owner, path, json!({"user": "friend@example.com", "permissions": ["view"]})).await;
    world.patch(&owner, "/apps/example/config-vars", json!({"SECRET": "hush-hush", "name": "hush-hush"})).await;
    world.patch(&friend, "/apps/example/config-vars", json!({"SECRET": "hush-hush"})).await;
    world.get(&friend, "/apps/example/config-vars").await;
    world.get(&friend, "/apps/example/releases").await;
    world.send(&owner, Method::PATCH, "/apps/example", &[], "{\"name\": ").await;
    world.patch(&owner, "/apps/example", json!({"name": "sample"})).await;
    insta::assert_snapshot!(trail(&world, &owner, "/apps/sample/audit-events").await, @r#"
    dev@example.com: collaborators create: succeeded: {"fields":["permissions","user"],"path":"/apps/example/collaborators","values":{"permissions":["view"],"user":"friend@example.com"}}
    dev@example.com: config-vars update: succeeded: {"fields":["SECRET","name"],"path":"/apps/example/config-vars"}
    friend@example.com: config-vars update: refused 403: {"fields":["SECRET"],"path":"/apps/example/config-vars"}
    friend@example.com: config-vars read: refused 403: {"path":"/apps/example/config-vars"}
    dev@example.com: apps update: refused 400: {"path":"/apps/example"}
    dev@example.com: apps update: succeeded: {"fields":["name"],"path":"/apps/example","values":{"name":"sample"}}
    "#);
    insta::assert_snapshot!(trail(&world, &friend, "/account/audit-events").await, @r#"
    friend@example.com: config-vars update: refused 403: {"fields":["SECRET"],"path":"/apps/example/config-vars"}
    friend@example.com: config-vars read: refused 403: {"path":"/apps/example/config-vars"}
    "#);

    let refused = world.get(&friend, "/apps/sample/audit-events").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "it takes manage");
    let range = [("range", "number ..; max=1, order=desc")];
    let newest = world.send(&owner, Method::GET, "/apps/sample/audit-events", &range, "").await;
    assert_eq!(newest.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(newest.body[0]["data"]["path"], "/apps/sample/audit-events", "the refusal of a moment ago");
    let id = newest.body[0]["credential"].as_str().unwrap().strip_prefix("authorization ").unwrap().to_owned();
    let tokens = world.get(&friend, "/oauth/authorizations").await;
    assert_eq!(tokens.body[0]["id"], id);
}

#[tokio::test]
async fn strangers_and_readers_leave_no_rows() {
    let (world, owner) = world_with_app().await;
    let before = trail(&world, &owner, "/account/audit-events").await;
    let stranger = User { account: owner.account.clone(), token: hoist::model::Secret::new("hoist-guess") };
    assert_eq!(world.delete(&stranger, "/apps/example").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.get(&owner, "/apps/example/config-vars").await.status, StatusCode::OK);
    assert_eq!(trail(&world, &owner, "/account/audit-events").await, before);
}

#[test]
fn both_git_doors_and_the_administrator_are_recorded() {
    let daemon = Daemon::start();
    let owner = daemon.user("owner@example.com");
    let viewer = daemon.user("viewer@example.com");
    let tree = WorkTree::new();
    let commit = tree.commit("first");
    assert!(tree.push(&daemon, &owner, "example", &["-oconfig:SECRET=hush", "main:refs/heads/ssh"]).ok);
    assert!(tree.push_http_to(&daemon, &owner, "example", "main:refs/heads/http").ok);
    daemon.client(&owner, &["access:add", "viewer@example.com", "-p", "view", "--app", "example"]);
    assert!(!tree.push_ssh(&daemon, &viewer, "example").ok);

    let events = daemon.get(&owner, "/apps/example/audit-events");
    insta::assert_snapshot!(lines(&events).replace(&commit, "COMMIT"), @r#"
    owner@example.com: push push: succeeded: {"fields":["config:SECRET"],"refs":{"refs/heads/ssh":"COMMIT"}}
    owner@example.com: push push: succeeded: {"fields":[],"refs":{"refs/heads/http":"COMMIT"}}
    owner@example.com: collaborators create: succeeded: {"fields":["permissions","user"],"path":"/apps/example/collaborators","values":{"permissions":["view"],"user":"viewer@example.com"}}
    viewer@example.com: push push: refused permission: {"values":{"app":"example"}}
    "#);
    let doors: Vec<_> = events.as_array().unwrap().iter().map(|event| event["request"].clone()).collect();
    let told = |event: &Value| (event["door"].clone(), event["ip_address"].clone());
    let doors: Vec<_> = doors.iter().map(told).collect();
    let from = |door: &str| (json!(door), json!("127.0.0.1"));
    assert_eq!(doors, [from("git-ssh"), from("git-http"), from("api"), from("git-ssh")]);
    assert!(events[0]["credential"].as_str().unwrap().starts_with("ssh-key SHA256:"));

    insta::assert_snapshot!(lines(&daemon.get(&viewer, "/account/audit-events")), @r#"viewer@example.com: push push: refused permission: {"values":{"app":"example"}}"#);
    let shown = daemon.client(&owner, &["audit", "-a", "example", "-n", "3"]);
    assert!(shown.contains("collaborators create permissions, user") && shown.contains("git-http 127.0.0.1"), "{shown}");
    assert!(!shown.contains("config:SECRET"), "{shown}");
    assert!(!daemon.client(&owner, &["audit", "--json"]).contains("hush"));
}

#[test]
fn git_requests_are_counted_at_both_doors() {
    let daemon = Daemon::start_with("[limits]\ngit_requests_per_hour = 1\n");
    let [alice, bob] = ["alice@example.com", "bob@example.com"].map(|email| daemon.user(email));
    daemon.client(&alice, &["apps:create", "example"]);
    daemon.client(&alice, &["access:add", "bob@example.com", "--app", "example"]);
    let tree = WorkTree::new();
    tree.commit("first");
    assert!(tree.push(&daemon, &alice, "example", &["main:refs/heads/a"]).ok);
    let told = "You have made too many git requests for this app. Try again in ";
    let ssh = tree.push(&daemon, &alice, "example", &["main:refs/heads/b"]);
    assert!(!ssh.ok && ssh.transcript.contains(told), "{}", ssh.transcript);
    let http = tree.push_http_to(&daemon, &alice, "example", "main:refs/heads/b");
    assert!(!http.ok && http.transcript.contains("429"), "{}", http.transcript);
    assert!(tree.push(&daemon, &bob, "example", &["main:refs/heads/b"]).ok, "everybody has their own");
    assert!(tree.push(&daemon, &alice, "another", &["main:refs/heads/a"]).ok, "and for each app");
}

#[test]
fn no_change_survives_a_crash_unrecorded() {
    let mut daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let (url, token) = (format!("http://{}/apps/shop/config-vars", daemon.http), format!("Bearer {}", user.token));
    let changes = std::thread::spawn(move || {
        let change = |number: u32| ureq::patch(&url).header("Authorization", &token).send_json(json!({"N": number.to_string()}));
        // Until the daemon is gone.
        (0..100_000).find(|number| change(*number).is_err())
    });
    harness::until(|| daemon.releases(&user, "shop").len() > 5);
    daemon.kill_and_restart();
    changes.join().unwrap();
    let releases = daemon.releases(&user, "shop").len() - 1;
    let range = "/apps/shop/audit-events";
    let events = daemon.get(&user, range);
    let recorded = events.as_array().unwrap().iter().filter(|event| event["type"] == "config-vars").count();
    assert!(recorded >= releases, "{recorded} of {releases} are recorded");
}

#[test]
fn a_push_that_was_cut_off_is_recorded_as_such() {
    let mut gated = Gated::new();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    gated.until_builds(1, "pending");
    gated.daemon.kill_and_restart();
    harness::wait(push);
    let events = gated.daemon.get(&gated.user, "/apps/shop/audit-events");
    let last = events.as_array().unwrap().last().unwrap();
    assert_eq!((&last["type"], &last["outcome"]), (&json!("push"), &Value::Null));
    assert!(gated.daemon.client(&gated.user, &["audit", "-a", "shop", "-n", "1"]).contains("cut off"));
}
