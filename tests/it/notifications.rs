//! Who is told of an app's releases: a URL, an address, a command in the release.

use axum::http::StatusCode;
use hoist::db;
use hoist::server::teller;
use hoist::tell::tell;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api_world::World;
use crate::harness::{Daemon, MailServer, Receiver, User, until};
use crate::release_phase::shop_with;

/// Loopback is allowed, and nobody waits long.
const CONFIG: &str = "[network]\nallow = [\"127.0.0.1\"]\n[webhooks]\nfirst_wait = \"20ms\"\n";

fn add(daemon: &Daemon, user: &User, args: &[&str]) -> String {
    daemon.client(user, &[&["notifications:add", "--app", "shop"], args].concat())
}

fn with_mail(server: &MailServer) -> String {
    let port = server.address.port();
    format!(
        "{CONFIG}[smtp]\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\nfrom = \"hoist@example.com\"\n\
         allow = [\"Example.com\"]\n"
    )
}

#[test]
fn a_url_is_told_until_it_has_taken_it() {
    let daemon = Daemon::start_with(CONFIG);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let receiver = Receiver::start();
    add(&daemon, &user, &["--url", &receiver.url()]);
    daemon.client(&user, &["config:set", "GREETING=correct-horse", "--app", "shop"]);
    receiver.next().answer(503);
    let told = receiver.next();
    let app = daemon.get(&user, "/apps/shop");
    assert_eq!(
        told.body,
        json!({
            "app": "shop",
            "app_uuid": app["id"],
            "user": "alice@example.com",
            "url": "",
            "head": "",
            "head_long": "",
            "release": "v2",
            "description": "Set GREETING config vars",
            "status": "succeeded",
            "text": "alice@example.com released shop v2: Set GREETING config vars",
        })
    );
    told.answer(200);
    let list: Value = daemon.get(&user, "/apps/shop/notifications");
    daemon.client(&user, &["notifications:remove", list[0]["id"].as_str().unwrap(), "--app", "shop"]);
    daemon.client(&user, &["config:set", "A=1", "--app", "shop"]);
    let other = Receiver::start();
    add(&daemon, &user, &["--url", &other.url()]);
    daemon.client(&user, &["config:set", "B=2", "--app", "shop"]);
    assert_eq!(other.next().body["release"], "v4");
    assert!(receiver.has_nothing(), "it was removed");
}

#[test]
fn an_address_gets_mail_also_when_the_server_was_busy() {
    let server = MailServer::start("451 try again later");
    let daemon = Daemon::start_with(&with_mail(&server));
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    add(&daemon, &user, &["--email", "team@example.com"]);
    daemon.client(&user, &["config:set", "A=1", "--app", "shop"]);
    let (first, second) = (server.next(), server.next());
    let id = |mail: &str| mail.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned();
    assert_eq!(id(&first), id(&second), "the same message");
    for line in [
        "MAIL FROM:<hoist@example.com>",
        "RCPT TO:<team@example.com>",
        "Subject: [shop] v2: Set A config vars",
        "alice@example.com released shop v2: Set A config vars",
    ] {
        assert!(second.lines().any(|said| said.starts_with(line)), "{line}: {second}");
    }
}

#[test]
fn a_command_runs_in_each_release_that_succeeds() {
    let (daemon, user, tree) = shop_with(CONFIG, "true");
    let receiver = Receiver::start();
    add(&daemon, &user, &["--command", "echo it is $HEROKU_APP_NAME $HEROKU_RELEASE_VERSION of $HEROKU_SLUG_COMMIT"]);
    add(&daemon, &user, &["--url", &receiver.url()]);
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    let told = receiver.next();
    let head = told.body["head_long"].as_str().unwrap().to_owned();
    let release = told.body["release"].as_str().unwrap().to_owned();
    told.answer(200);
    let log = || daemon.client(&user, &["logs", "--app", "shop"]);
    until(|| log().contains(&format!("it is shop {release} of {head}")));

    crate::release_phase::release_with(&tree, "false");
    tree.push_ssh(&daemon, &user, "shop");
    let failed = receiver.next();
    assert_eq!((&failed.body["status"], failed.body["release"] != release), (&Value::from("failed"), true));
    let next = failed.body["release"].as_str().unwrap().to_owned();
    failed.answer(200);
    assert!(!log().contains(&format!("it is shop {next}")));
}

#[test]
fn the_commands_of_notifications() {
    let daemon = Daemon::start_with(CONFIG);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let list = || daemon.client(&user, &["notifications", "--app", "shop"]);
    assert_eq!(list(), "shop has no notifications\nUse hoist notifications:add to add one.\n");
    add(&daemon, &user, &["--command", "bin/tell"]);
    let id = daemon.get(&user, "/apps/shop/notifications")[0]["id"].as_str().unwrap().to_owned();
    assert_snapshot!(list().replace(&id, &"0".repeat(36)), @r"
     Notification ID                        Kind      Target
    ───────────────────────────────────────────────────────────
     000000000000000000000000000000000000   command   bin/tell
    ");
    let json: Value = serde_json::from_str(&daemon.client(&user, &["notifications", "--app", "shop", "--json"])).unwrap();
    assert_eq!((&json[0]["kind"], &json[0]["target"]), (&"command".into(), &"bin/tell".into()));
}

#[tokio::test]
async fn what_can_not_be_told_is_refused_with_what_to_do() {
    let world = World::configured("[webhooks]\nper_app = 1\n", None).await;
    let user = world.user("alice@example.com").await;
    world.post(&user, "/apps", json!({ "name": "example" })).await;
    let post = async |kind: &str, target: &str| {
        world.post(&user, "/apps/example/notifications", json!({ "kind": kind, "target": target })).await
    };
    let error = async |kind: &str, target: &str| post(kind, target).await.error();
    assert_snapshot!(error("fax", "1").await, @"422 invalid_params: `fax` is no kind of notification: it is command, email or url.");
    assert_snapshot!(error("email", "nobody").await, @"422 invalid_params: `nobody` is not an e-mail address");
    assert_snapshot!(error("email", "a@example.com").await, @"422 invalid_params: This hoist sends no e-mail. Whoever runs it can name a mail server in the section [smtp] of hoist.toml.");
    assert_snapshot!(error("url", "ftp://h/x").await, @"422 invalid_params: The url can't be used: it is not an http or https URL.");
    assert_snapshot!(error("command", " ").await, @"422 invalid_params: The command is empty.");
    assert_eq!(post("url", "http://192.0.2.1/").await.status, StatusCode::CREATED);
    assert_snapshot!(error("url", "http://192.0.2.2/").await, @"422 invalid_params: An app can have at most 1 notifications. Remove one with notifications:remove first.");
    assert_snapshot!(world.delete(&user, "/apps/example/notifications/7").await.error(), @"404 not_found: Couldn't find that notification.");

    let stranger = world.user("bob@example.com").await;
    let refused = world.get(&stranger, "/apps/example/notifications").await.error();
    assert_eq!(refused, "404 not_found: Couldn't find that app.");
    let id = world.get(&user, "/apps/example/notifications").await.body[0]["id"].as_str().unwrap().to_owned();
    let removed = world.delete(&user, &format!("/apps/example/notifications/{id}")).await;
    assert_eq!((removed.status, &removed.body["target"]), (StatusCode::OK, &json!("http://192.0.2.1/")));
    assert_eq!(world.get(&user, "/apps/example/notifications").await.body, json!([]));
}

#[tokio::test]
async fn letters_are_for_those_who_work_on_the_app_and_for_domains_that_are_allowed() {
    let server = MailServer::start("250 OK");
    let world = World::configured(&with_mail(&server), None).await;
    let (alice, bob) = (world.user("alice@corp.test").await, world.user("bob@corp.test").await);
    world.user("carol@corp.test").await;
    world.post(&alice, "/apps", json!({ "name": "example" })).await;
    let add = async |to: &str| world.post(&alice, "/apps/example/notifications", json!({ "kind": "email", "target": to })).await;
    assert_snapshot!(add("bob@corp.test").await.error(), @"422 invalid_params: hoist writes to those who work on the app, and bob@corp.test does not: give them access first (hoist access:add bob@corp.test -p view), or ask whoever runs hoist to allow all of their domain, in the section [smtp] of hoist.toml.");
    for stranger in ["carol@corp.test", "nobody@elsewhere.test", "x@sub.example.com", "x@badexample.com"] {
        assert_eq!(add(stranger).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{stranger}");
    }
    world.post(&alice, "/apps/example/collaborators", json!({ "user": "bob@corp.test", "permissions": ["view"] })).await;
    for to in ["bob@corp.test", "ALICE@corp.test", "team@example.com"] {
        assert_eq!(add(to).await.status, StatusCode::CREATED, "{to}");
    }
    // Whoever is taken off the app hears no more of it.
    world.delete(&alice, &format!("/apps/example/collaborators/{}", bob.account.email)).await;
    world.patch(&alice, "/apps/example/config-vars", json!({ "A": "1" })).await;
    let telling = tokio::spawn(tell(teller(&world.ctx), async |_| Ok(())));
    while !db::tellings::open(&mut world.ctx.db.read().await.unwrap()).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    telling.abort();
    let letters = [server.next(), server.next()];
    for to in ["alice@corp.test", "team@example.com"] {
        assert!(letters.iter().any(|letter| letter.contains(&format!("RCPT TO:<{to}>"))), "{to}: {letters:?}");
    }
    assert!(server.has_nothing(), "it was not sent to bob");
}
