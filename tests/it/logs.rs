//! An app's log: its lines, which of them are shown, and how it is followed.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use hoist::model::BuildStatus;
use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::api::build;
use crate::api_world::{self, World};
use crate::harness::{Daemon, User, until};
use crate::release_phase::shop_with;

/// Takes the times off, which must be in order, and what differs from run to run.
pub(crate) fn plain(log: &str) -> String {
    let times: Vec<&str> = log.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(times.is_sorted(), "{log}");
    assert!(times.iter().all(|time| time.len() == 32 && time.ends_with("+00:00") && time.as_bytes()[26] == b'+'), "{log}");
    let line = |line: &str| {
        let rest = line.split_once(' ').unwrap().1;
        let (dyno, text) = rest.split_once("]: ").unwrap();
        let dyno = dyno.trim_end_matches(|c: char| c.is_ascii_digit());
        let text = text
            .split_once("/streams/")
            .map_or(text.to_owned(), |(before, _)| format!("{}URL", before.trim_end_matches(|c: char| c != ' ')));
        format!("{dyno}]: {text}\n")
    };
    log.lines().map(line).collect()
}

/// The session's address, without the host.
pub(crate) async fn session(world: &World, user: &api_world::User, new: Value) -> String {
    let made = world.post(user, "/apps/example/log-sessions", new).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let url = made.body["logplex_url"].as_str().unwrap().to_owned();
    url.strip_prefix("http://127.0.0.1:5000").expect("with its port").to_owned()
}

/// What is answered there.
pub(crate) async fn read(world: &World, path: &str, last_seen: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::get(path).header("accept", "text/event-stream");
    if let Some(id) = last_seen {
        request = request.header("last-event-id", id);
    }
    let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, body) = (response.status(), to_bytes(response.into_body(), usize::MAX).await.unwrap());
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The data of the events, and the last one's id.
pub(crate) fn data(events: &str) -> (String, Option<String>) {
    let lines = events.lines().filter_map(|line| line.strip_prefix("data: "));
    let data = lines.flat_map(|line| [line, "\n"]).collect();
    let id = events.lines().filter_map(|line| line.strip_prefix("id: ")).next_back();
    (data, id.map(str::to_owned))
}

async fn world() -> (World, api_world::User) {
    let world = World::new().await;
    let alice = world.user("alice@example.com").await;
    world.post(&alice, "/apps", json!({ "name": "example" })).await;
    build(&world, &alice, BuildStatus::Failed).await;
    world.patch(&alice, "/apps/example/config-vars", json!({ "TOKEN": "correct-horse" })).await;
    (world, alice)
}

#[tokio::test]
async fn what_happens_to_an_app_is_in_its_log() {
    let (world, alice) = world().await;
    let path = session(&world, &alice, json!({})).await;
    let (status, events) = read(&world, &path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(events.starts_with("retry: 10\n\nid: "), "{events}");
    let (log, id) = data(&events);
    assert_snapshot!(plain(&log), @r"
    app[api]: Release v1 created by user alice@example.com
    app[api]: Initial release by user alice@example.com
    app[api]: Build started by user alice@example.com
    app[api]: Build failed -- check your build output: URL
    app[api]: Release v2 created by user alice@example.com
    app[api]: Set TOKEN config vars by user alice@example.com
    ");
    // An EventSource comes back after the end, and is told that it was one.
    let (status, nothing) = read(&world, &path, id.as_deref()).await;
    assert_eq!((status, nothing.as_str()), (StatusCode::NO_CONTENT, ""));
}

#[tokio::test]
async fn the_last_lines_are_as_many_as_asked_for_and_all_come_once() {
    let (world, alice) = world().await;
    let whole = data(&read(&world, &session(&world, &alice, json!({})).await, None).await.1).0;
    for lines in 1..=7 {
        let path = session(&world, &alice, json!({ "lines": lines })).await;
        let log = data(&read(&world, &path, None).await.1).0;
        let expected: Vec<&str> = whole.lines().rev().take(lines).collect();
        assert_eq!(log.lines().rev().collect::<Vec<_>>(), expected, "{lines}");
    }
    let path = session(&world, &alice, json!({})).await;
    let (_, events) = read(&world, &path, None).await;
    for id in events.lines().filter_map(|line| line.strip_prefix("id: ")) {
        let before = data(&events[..events.find(&format!("id: {id}\n")).unwrap()]).0;
        let this_one = events.split(&format!("id: {id}\n")).nth(1).unwrap().split("\n\n").next().unwrap();
        let rest = data(&read(&world, &path, Some(id)).await.1).0;
        assert_eq!(format!("{before}{}{rest}", data(&format!("{this_one}\n")).0), whole, "behind {id}");
    }
}

#[tokio::test]
async fn a_session_is_the_only_way_in() {
    let (world, alice) = world().await;
    let mallory = world.user("mallory@example.com").await;
    let refused = world.post(&mallory, "/apps/example/log-sessions", json!({})).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let path = session(&world, &alice, json!({ "dyno": "run.1" })).await;
    assert!(!path.contains("example") && !path.contains("run.1") && path.len() > 100, "{path}");
    let (head, tail) = path.split_at(path.len() - 8);
    let changed = format!("{head}{}", tail.chars().rev().collect::<String>());
    for bad in ["/streams/logs", "/streams/logs?session=x", changed.as_str(), head] {
        assert_eq!(read(&world, bad, None).await.0, StatusCode::NOT_FOUND, "{bad}");
    }
    world.delete(&alice, "/apps/example").await;
    assert_eq!(read(&world, &path, None).await.0, StatusCode::NOT_FOUND);
}

fn logs(daemon: &Daemon, user: &User, args: &[&str]) -> String {
    daemon.client(user, &[&["logs", "--app", "shop"], args].concat())
}

/// Starts a command and waits until it has ended; returns its dyno's name.
fn run_detached(daemon: &Daemon, user: &User, command: &str) -> String {
    let said = daemon.client(user, &["run:detached", "--app", "shop", command]);
    let name = said.split(' ').find(|word| word.starts_with("run.")).unwrap().to_owned();
    until(|| ["down", "crashed"].contains(&daemon.get(user, &format!("/apps/shop/dynos/{name}"))["state"].as_str().unwrap()));
    name
}

#[test]
fn output_and_events_stand_in_the_order_of_time() {
    let (mut daemon, user, tree) = shop_with("", "echo migrating $API_TOKEN; echo done >&2");
    daemon.client(&user, &["config:set", "API_TOKEN=correct-horse-battery", "--app", "shop"]);
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    let name = run_detached(&daemon, &user, "echo $API_TOKEN; exit 3");
    let log = plain(&logs(&daemon, &user, &[]));
    let commit = tree.git(&["rev-parse", "--short=8", "HEAD"]);
    assert_snapshot!(log.replace(commit.trim(), "COMMIT"), @r"
    app[api]: Release v1 created by user alice@example.com
    app[api]: Initial release by user alice@example.com
    app[api]: Release v2 created by user alice@example.com
    app[api]: Set API_TOKEN config vars by user alice@example.com
    app[api]: Build started by user alice@example.com
    app[api]: Build succeeded
    app[api]: Release v3 created by user alice@example.com
    app[api]: Deploy COMMIT by user alice@example.com
    app[api]: Running release v3 commands by user alice@example.com
    app[release.]: migrating [API_TOKEN]
    app[release.]: done
    app[api]: Release v3 command succeeded
    app[api]: Starting process with command `echo $API_TOKEN; exit 3` by user alice@example.com
    hoist[run.]: State changed from starting to up
    app[run.]: [API_TOKEN]
    hoist[run.]: Process exited with status 3
    hoist[run.]: State changed from up to crashed
    ");
    let shown = |args: &[&str]| plain(&logs(&daemon, &user, args));
    assert_eq!(shown(&["-p", "release"]), "app[release.]: migrating [API_TOKEN]\napp[release.]: done\n");
    assert_eq!(shown(&["-n", "1", "-p", "release"]), "app[release.]: done\n");
    assert_eq!(shown(&["--dyno", &name, "-s", "app"]), "app[run.]: [API_TOKEN]\n");
    assert_eq!(shown(&["-d", "run.1"]), "");
    let states = "hoist[run.]: State changed from starting to up\nhoist[run.]: Process exited with status 3\nhoist[run.]: State changed from up to crashed\n";
    assert_eq!(shown(&["-s", "heroku"]), states);
    assert_eq!(shown(&["-n", "4"]), format!("{}app[run.]: [API_TOKEN]\n{}", &states[..47], &states[47..]));
    let before = logs(&daemon, &user, &[]);
    daemon.kill_and_restart();
    assert_eq!(logs(&daemon, &user, &[]), before, "it is kept");
}

/// `hoist logs --tail`.
fn follow(daemon: &Daemon, user: &User, args: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut command = daemon.hoist(&[&["logs", "--app", "shop", "--tail"], args].concat());
    command.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn next_line(log: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    plain(&line)
}

#[test]
fn a_log_is_followed() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let (mut child, mut log) = follow(&daemon, &user, &["-n", "1"]);
    assert_eq!(next_line(&mut log), "app[api]: Initial release by user alice@example.com\n");
    let own = daemon.log();
    assert!(own.contains("/streams/logs") && !own.contains("session="), "{own}");
    for var in ["A", "B"] {
        daemon.client(&user, &["config:set", &format!("{var}=1"), "--app", "shop"]);
        assert!(next_line(&mut log).contains("created by user"));
        assert_eq!(next_line(&mut log), format!("app[api]: Set {var} config vars by user alice@example.com\n"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_follower_ends_with_whoever_reads_what_it_prints() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let (mut child, mut log) = follow(&daemon, &user, &["-n", "1"]);
    next_line(&mut log);
    drop(log);
    daemon.client(&user, &["config:set", "A=1", "--app", "shop"]);
    until(|| child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success(), "as `head` would have it");
}

#[test]
fn who_follows_a_log_does_not_hold_up_a_stop() {
    let mut daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let (mut child, mut log) = follow(&daemon, &user, &["-n", "1"]);
    next_line(&mut log);
    let start = Instant::now();
    daemon.signal(Signal::TERM);
    until(|| daemon.ended().is_some());
    assert!(start.elapsed() < Duration::from_secs(20), "it was waited for");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_destroyed_apps_log_goes_with_the_next_start() {
    let (mut daemon, user, tree) = shop_with("", "echo hello");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    let kept = |daemon: &Daemon| std::fs::read_dir(daemon.data_dir().join("app-logs")).unwrap().count();
    until(|| logs(&daemon, &user, &["-p", "release"]).ends_with("hello\n"));
    daemon.kill_and_restart();
    assert_eq!(kept(&daemon), 1);
    daemon.client(&user, &["apps:destroy", "--app", "shop", "--confirm", "shop"]);
    daemon.kill_and_restart();
    assert_eq!(kept(&daemon), 0);
}

#[test]
fn a_reader_who_was_away_goes_on_where_he_was() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let request = ureq::post(format!("http://{}/apps/shop/log-sessions", daemon.http));
    let request = request.header("Authorization", format!("Bearer {}", user.token));
    let made: Value = request.send_json(json!({ "tail": true, "lines": 1 })).unwrap().body_mut().read_json().unwrap();
    let url = made["logplex_url"].as_str().unwrap();
    let open = |last_seen: &str| {
        let events = ureq::get(url).header("Accept", "text/event-stream").header("Last-Event-ID", last_seen).call().unwrap();
        BufReader::new(events.into_body().into_reader())
    };
    let id = next_event(&mut open("")).0;
    daemon.client(&user, &["config:set", "A=1", "--app", "shop"]);
    let mut events = open(&id);
    let (id, lines) = next_event(&mut events);
    assert!(lines[1].ends_with("app[api]: Set A config vars by user alice@example.com"), "{lines:?}");
    // It is followed: what comes now, comes there.
    daemon.client(&user, &["config:set", "B=1", "--app", "shop"]);
    let (later, lines) = next_event(&mut events);
    assert_ne!(later, id);
    assert!(lines[1].contains("Set B config vars"), "{lines:?}");
    assert_eq!(next_event(&mut open(&id)).1, lines);
}

/// The next event's id and lines.
fn next_event(events: &mut BufReader<impl Read>) -> (String, Vec<String>) {
    let (mut id, mut lines) = (String::new(), Vec::new());
    loop {
        let mut line = String::new();
        assert!(events.read_line(&mut line).unwrap() > 0, "the log has ended");
        match line.trim_end().split_once(": ") {
            Some(("id", place)) => place.clone_into(&mut id),
            Some(("data", text)) => lines.push(text.to_owned()),
            _ if !lines.is_empty() => return (id, lines),
            _ => {}
        }
    }
}
