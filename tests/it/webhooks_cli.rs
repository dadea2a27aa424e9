//! The commands of webhooks, whole, as their users see them.

use insta::assert_snapshot;

use crate::harness::{Daemon, User, until};

/// What a command prints, with ids, times and ports replaced.
fn said(daemon: &Daemon, user: &User, args: &[&str]) -> String {
    let text = daemon.client(user, &[args, &["--app", "shop"]].concat());
    text.lines().map(|line| words(line).trim_end().to_owned() + "\n").collect()
}

fn words(line: &str) -> String {
    let replace = |word: &str| {
        let bare = word.trim_matches(['"', ',']);
        let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match bare {
            id if id.len() == 36 && id.split('-').all(is_hex) => word.replace(bare, "ID"),
            secret if secret.len() == 64 && is_hex(secret) => "SECRET".into(),
            time if time.len() == 20 && time.ends_with('Z') => word.replace(bare, "TIME"),
            _ => word.to_owned(),
        }
    };
    line.split(' ').map(replace).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_commands_of_webhooks() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    assert_eq!(said(&daemon, &user, &["webhooks"]), "shop has no webhooks\nUse hoist webhooks:add to add one.\n");
    assert_eq!(said(&daemon, &user, &["webhooks:deliveries"]), "shop has no deliveries\n");
    let url = "http://127.0.0.1:9/hook";
    let added = said(&daemon, &user, &["webhooks:add", "-i", "api:release, api:app", "-l", "notify", "-u", url]);
    assert_eq!(added, "=== Webhooks Signing Secret\n\nSECRET\n");
    assert_snapshot!(said(&daemon, &user, &["webhooks"]), @r"
     Webhook ID                             URL                       Include               Level
    ───────────────────────────────────────────────────────────────────────────────────────────────
     ID   http://127.0.0.1:9/hook   api:app,api:release   notify
    ");
    let id = daemon.get(&user, "/apps/shop/webhooks")[0]["id"].as_str().unwrap().to_owned();
    assert_snapshot!(said(&daemon, &user, &["webhooks:info", &id]), @r"
    === ID

    Include:    api:app,api:release
    Level:      notify
    URL:        http://127.0.0.1:9/hook
    Webhook ID: ID
    ");
    said(&daemon, &user, &["webhooks:update", &id, "-i", "api:release", "-l", "notify", "-u", url]);

    daemon.client(&user, &["config:set", "A=1", "--app", "shop"]);
    until(|| daemon.get(&user, "/apps/shop/webhook-deliveries")[0]["status"] == "failed");
    assert_snapshot!(said(&daemon, &user, &["webhooks:deliveries", "--status", "failed"]), @r"
     Delivery ID                            Created                Status   Include       Level    Attempts   Code   Error            Next Attempt
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     ID   TIME   failed   api:release   notify   1                 PrivateAddress
    ");
    let delivery = daemon.get(&user, "/apps/shop/webhook-deliveries")[0].clone();
    let info = said(&daemon, &user, &["webhooks:deliveries:info", delivery["id"].as_str().unwrap()]);
    let (fields, payload) = info.split_once("{\n").unwrap();
    assert_snapshot!(fields, @r"
    === ID

    Created:  TIME
    Event:    ID
    Webhook:  ID
    Status:   failed
    Include:  api:release
    Level:    notify
    Attempts: 1
    Error:    PrivateAddress

    === Event Payload
    ");
    assert!(payload.contains("\"description\": \"Set A config vars\""), "{payload}");
    assert_snapshot!(said(&daemon, &user, &["webhooks:events"]), @r"
     Event ID                               Resource   Action   Published At
    ─────────────────────────────────────────────────────────────────────────────────
     ID   app        create   TIME
     ID   release    create   TIME
     ID   release    create   TIME
    ");
    let event = said(&daemon, &user, &["webhooks:events:info", delivery["event"]["id"].as_str().unwrap(), "--json"]);
    assert!(event.contains("\"description\": \"Set A config vars\""), "{event}");
    said(&daemon, &user, &["webhooks:remove", &id]);
    assert_eq!(said(&daemon, &user, &["webhooks", "--json"]), "[]\n");
}
