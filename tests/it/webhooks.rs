//! Deliveries to a real receiver: signed, in order, retried, and none lost to a killed daemon.

use std::net::TcpListener;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde_json::Value;

use crate::harness::{Daemon, Receiver, User, until};
use crate::release_phase::shop_with;

/// Loopback is allowed, and nobody waits long.
const CONFIG: &str = "[network]\nallow = [\"127.0.0.1\"]\n[webhooks]\nfirst_wait = \"20ms\"\nattempt_time = \"10s\"\n";

fn shop(config: &str) -> (Daemon, User) {
    let daemon = Daemon::start_with(config);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    (daemon, user)
}

fn add(daemon: &Daemon, user: &User, url: &str, level: &str, include: &str) -> String {
    let args = ["webhooks:add", "--app", "shop", "-u", url, "-l", level, "-i", include, "-s", "sesame", "-t", "Bearer open"];
    daemon.client(user, &args)
}

fn set(daemon: &Daemon, user: &User, var: &str) {
    daemon.client(user, &["config:set", var, "--app", "shop"]);
}

fn deliveries(daemon: &Daemon, user: &User) -> Vec<Value> {
    daemon.get(user, "/apps/shop/webhook-deliveries").as_array().unwrap().clone()
}

fn scale(daemon: &Daemon, user: &User, process_type: &str, quantity: u32) {
    let url = format!("http://{}/apps/shop/formation/{process_type}", daemon.http);
    let request = ureq::patch(url).header("Authorization", format!("Bearer {}", user.token));
    request.send_json(serde_json::json!({ "quantity": quantity })).unwrap();
}

/// Waits until every delivery is at an end, and returns `STATUS ATTEMPTS CODE ERROR` of each.
fn ended(daemon: &Daemon, user: &User) -> Vec<String> {
    until(|| deliveries(daemon, user).iter().all(|delivery| delivery["next_attempt_at"].is_null()));
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |delivery: &Value| {
        let last = &delivery["last_attempt"];
        format!("{} {} {} {}", word(&delivery["status"]), delivery["num_attempts"], last["code"], word(&last["error_class"]))
    };
    deliveries(daemon, user).iter().map(line).collect()
}

#[test]
fn a_delivery_is_signed_authorized_and_says_what_happened() {
    let (daemon, user) = shop(CONFIG);
    let receiver = Receiver::start();
    let said = add(&daemon, &user, &receiver.url(), "sync", "api:release, api:app");
    assert_eq!(said, "=== Webhooks Signing Secret\n\nsesame\n");
    set(&daemon, &user, "GREETING=correct-horse");
    let received = receiver.next();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"sesame");
    let signature = BASE64_STANDARD.decode(&received.headers["heroku-webhook-hmac-sha256"]).unwrap();
    hmac::verify(&key, &received.raw, &signature).unwrap();
    assert_eq!(received.headers["authorization"], "Bearer open");
    assert_eq!(received.headers["content-type"], "application/json");
    let body = &received.body;
    assert_eq!(body["data"]["description"], "Set GREETING config vars");
    assert_eq!(body["actor"]["email"], "alice@example.com");
    assert_eq!(body["version"], "application/vnd.heroku+json; version=3");
    assert_eq!(body["webhook_metadata"]["event"]["include"], "api:release");
    assert_eq!(body["webhook_metadata"]["event"]["id"], body["id"]);
    let shown = daemon.get(&user, "/apps/shop/releases/2");
    assert_eq!(body["data"], shown, "the API's own shape");
    assert!(!String::from_utf8_lossy(&received.raw).contains("correct-horse"));
    let event = daemon.get(&user, &format!("/apps/shop/webhook-events/{}", body["id"].as_str().unwrap()));
    assert_eq!((&event["payload"]["data"], &event["payload"]["resource"]), (&body["data"], &body["resource"]));
    received.answer(204);
    assert_eq!(ended(&daemon, &user), ["succeeded 1 204 -"]);
    assert!(!daemon.log().contains("sesame") && !daemon.log().contains("Bearer open"));
}

#[test]
fn sync_tries_again_and_keeps_the_order() {
    let (daemon, user) = shop(&CONFIG.replace("10s", "2s"));
    let receiver = Receiver::start();
    add(&daemon, &user, &receiver.url(), "sync", "api:release");
    set(&daemon, &user, "A=1");
    set(&daemon, &user, "B=2");
    let first = receiver.next();
    let (delivery, attempt) = (first.delivery(), first.attempt());
    first.answer(500);
    // Not answered: its time runs out.
    let second = receiver.next();
    assert_eq!(second.delivery(), delivery);
    assert_ne!(second.attempt(), attempt);
    let third = receiver.next();
    assert_eq!(deliveries(&daemon, &user)[0]["last_attempt"]["error_class"], "Timeout");
    assert_eq!((third.delivery(), &third.body["data"]["version"]), (delivery.clone(), &Value::from(2)));
    third.answer(200);
    let next = receiver.next();
    assert_ne!(next.delivery(), delivery);
    assert_eq!(next.body["data"]["version"], 3);
    next.answer(200);
    assert_eq!(ended(&daemon, &user), ["succeeded 3 200 -", "succeeded 1 200 -"]);
}

#[test]
fn a_receiver_that_is_away_gets_it_when_it_is_back() {
    let (daemon, user) = shop(CONFIG);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    add(&daemon, &user, &format!("http://{address}/"), "sync", "api:release");
    set(&daemon, &user, "A=1");
    until(|| deliveries(&daemon, &user)[0]["num_attempts"].as_u64() >= Some(2));
    let waiting = &deliveries(&daemon, &user)[0];
    assert_eq!((&waiting["status"], &waiting["last_attempt"]["error_class"]), (&"retrying".into(), &"ConnectionFailed".into()));
    let receiver = Receiver::listen(TcpListener::bind(address).unwrap());
    assert_eq!(receiver.take(1), ["release create succeeded"]);
    assert!(ended(&daemon, &user)[0].starts_with("succeeded "));
}

#[test]
fn notify_is_one_attempt_and_follows_nothing() {
    let (daemon, user) = shop(CONFIG);
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    add(&daemon, &user, &receiver.url(), "notify", "api:release");
    for var in ["A=1", "B=2", "C=3"] {
        set(&daemon, &user, var);
    }
    receiver.next().answer(500);
    let location = elsewhere.url();
    receiver.next().answer_with(&format!("HTTP/1.1 307 X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"));
    receiver.next().answer(200);
    assert_eq!(ended(&daemon, &user), ["failed 1 500 -", "failed 1 307 -", "succeeded 1 200 -"]);
    assert!(receiver.has_nothing() && elsewhere.has_nothing());
}

#[test]
fn sync_is_given_up_after_its_time() {
    let (daemon, user) = shop(&format!("{CONFIG}give_up_after = \"2s\"\n"));
    let receiver = Receiver::start();
    add(&daemon, &user, &receiver.url(), "sync", "api:release");
    set(&daemon, &user, "A=1");
    receiver.answer_all(503);
    let end = ended(&daemon, &user).remove(0);
    assert!(end.starts_with("failed ") && end.ends_with(" 503 -") && end != "failed 1 503 -", "{end}");
}

#[test]
fn a_daemon_killed_before_it_has_recorded_an_attempt_delivers_again() {
    let (mut daemon, user) = shop(CONFIG);
    let receiver = Receiver::start();
    add(&daemon, &user, &receiver.url(), "sync", "api:release");
    set(&daemon, &user, "A=1");
    let before = receiver.next();
    let delivery = before.delivery();
    daemon.kill_and_restart();
    drop(before);
    let again = receiver.next();
    assert_eq!(again.delivery(), delivery);
    again.answer(200);
    assert_eq!(ended(&daemon, &user), ["succeeded 1 200 -"]);
}

#[test]
fn a_receiver_that_does_not_answer_holds_up_nobody_else() {
    let (daemon, user) = shop(CONFIG);
    let (silent, other) = (Receiver::start(), Receiver::start());
    add(&daemon, &user, &silent.url(), "sync", "api:release");
    add(&daemon, &user, &other.url(), "sync", "api:release");
    set(&daemon, &user, "A=1");
    let unanswered = silent.next();
    set(&daemon, &user, "B=2");
    assert_eq!(other.take(2), ["release create succeeded"; 2]);
    assert!(silent.has_nothing(), "its own deliveries wait for one another");
    unanswered.answer(200);
    let next = silent.next();
    assert_eq!(next.body["data"]["version"], 3);
    next.answer(200);
    assert_eq!(ended(&daemon, &user), ["succeeded 1 200 -"; 4]);
}

#[test]
fn this_host_is_not_posted_to_unless_the_configuration_says_so() {
    let (daemon, user) = shop("[webhooks]\nfirst_wait = \"20ms\"\n");
    let receiver = Receiver::start();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        add(&daemon, &user, &format!("http://{host}:{}/", receiver.address.port()), "notify", "api:release");
    }
    set(&daemon, &user, "A=1");
    assert_eq!(ended(&daemon, &user), ["failed 1 null PrivateAddress"; 3]);
    assert!(receiver.has_nothing());
}

#[test]
fn a_destroyed_apps_webhook_hears_of_it_once_and_stops() {
    let (daemon, user) = shop(CONFIG);
    let receiver = Receiver::start();
    add(&daemon, &user, &receiver.url(), "sync", "api:app");
    daemon.client(&user, &["apps:destroy", "--app", "shop", "--confirm", "shop"]);
    let last = receiver.next();
    assert_eq!((last.line().as_str(), &last.body["data"]["name"]), ("app destroy", &Value::from("shop")));
    last.answer(500);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = || {
        runtime.block_on(async {
            let db = hoist::db::Db::open(daemon.data_dir()).await.unwrap();
            let open = hoist::db::webhook_deliveries::open(&mut db.read().await.unwrap()).await.unwrap();
            db.close().await;
            open.len()
        })
    };
    until(|| open() == 0);
    assert!(receiver.has_nothing());
}

#[test]
fn a_push_with_a_release_command_is_told_step_by_step() {
    let (daemon, user, tree) = shop_with(CONFIG, "true");
    let (builds, releases) = (Receiver::start(), Receiver::start());
    add(&daemon, &user, &builds.url(), "sync", "api:build");
    add(&daemon, &user, &releases.url(), "sync", "api:release");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    assert_eq!(builds.take(2), ["build create pending", "build update succeeded"]);
    assert_eq!(releases.take(3), ["release create pending", "release update pending", "release update succeeded"]);

    let dynos = Receiver::start();
    add(&daemon, &user, &dynos.url(), "sync", "api:dyno,dyno");
    daemon.client(&user, &["run:detached", "--app", "shop", "exit 3"]);
    let mut told = dynos.take(2);
    let end = dynos.next();
    assert_eq!(end.body["data"]["exit_status"], 3);
    told.push(end.line());
    end.answer(200);
    assert_eq!(told, ["dyno create starting", "dyno update up", "dyno destroy crashed"]);

    let formation = Receiver::start();
    add(&daemon, &user, &formation.url(), "sync", "api:formation");
    scale(&daemon, &user, "web", 3);
    let scaled = formation.next();
    assert_eq!((scaled.line().as_str(), &scaled.body["data"]["quantity"]), ("formation update", &Value::from(3)));
    assert_eq!(scaled.body["data"]["command"], "./serve");
    scaled.answer(200);
}
