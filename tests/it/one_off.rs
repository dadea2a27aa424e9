//! One-off commands: run in the released code, listed, stopped, bounded, recorded.

use axum::http::StatusCode;
use hoist::model::BuildStatus;
use serde_json::{Value, json};

use crate::api::build;
use crate::api_world::World;
use crate::harness::{Daemon, User, WorkTree, until};

/// A daemon with a released app `shop`.
fn shop(limits: &str) -> (Daemon, User) {
    let daemon = Daemon::start_with(&format!("[limits]\n{limits}\n"));
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    daemon.client(&user, &["config:set", "GREETING=hello", "API_TOKEN=correct-horse-battery", "--app", "shop"]);
    let tree = WorkTree::with_pack("null");
    tree.write("Procfile", "web: ./serve\ngreet: echo $GREETING from $DYNO\n");
    tree.write(".profile.d/a.sh", "export PROFILE=profile\n");
    tree.commit("processes");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    (daemon, user)
}

/// Starts a command and returns its dyno's name.
fn detach(daemon: &Daemon, user: &User, args: &[&str]) -> String {
    let said = daemon.client(user, &[&["run:detached", "--app", "shop"], args].concat());
    let name = said.strip_prefix("Run hoist logs --app shop --dyno ").and_then(|rest| rest.split(' ').next());
    name.expect(&said).to_owned()
}

fn logs(daemon: &Daemon, user: &User, name: &str) -> String {
    daemon.client(user, &["logs", "--app", "shop", "--dyno", name])
}

fn dyno(daemon: &Daemon, user: &User, name: &str) -> Value {
    daemon.get(user, &format!("/apps/shop/dynos/{name}"))
}

#[test]
fn a_command_runs_in_the_released_code_with_its_config() {
    let (daemon, user) = shop("");
    let name = detach(&daemon, &user, &["cat README; echo $GREETING $PROFILE $EXTRA $API_TOKEN; exit 4"]);
    let with_env = detach(&daemon, &user, &["--env", "GREETING=hi;EXTRA=more", "--", "sh", "-c", "echo $GREETING $EXTRA"]);
    let process_type = detach(&daemon, &user, &["greet", "you"]);
    let log = logs(&daemon, &user, &name);
    assert_eq!(log, "an app\nhello profile [API_TOKEN]\n !     Command failed with exit code 4.\n");
    assert_eq!(logs(&daemon, &user, &with_env), "hi more\n");
    assert_eq!(logs(&daemon, &user, &process_type), format!("hello from {process_type} you\n"));
    let ended = dyno(&daemon, &user, &name);
    assert_eq!((&ended["state"], &ended["exit_status"]), (&json!("crashed"), &json!(4)));
    let ended = dyno(&daemon, &user, &with_env);
    assert_eq!((&ended["state"], &ended["exit_status"]), (&json!("down"), &json!(0)));
}

#[test]
fn what_runs_is_listed_and_can_be_stopped() {
    let (daemon, user) = shop("concurrent_runs = 1");
    let name = detach(&daemon, &user, &["echo begun; sleep infinity"]);
    let listed = daemon.client(&user, &["ps", "--app", "shop"]);
    assert!(listed.contains(&format!("{name} (Basic): up ")) && listed.contains(": echo begun; sleep infinity\n"), "{listed}");
    let mut second = daemon.hoist(&["run:detached", "--app", "shop", "true"]);
    second.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
    let second = second.output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("Cannot run more than 1 one-off commands at once"), "{said}");

    daemon.client(&user, &["ps:stop", "--app", "shop", "--dyno-name", &name]);
    let log = logs(&daemon, &user, &name);
    assert!(log.ends_with(" !     Command was cancelled.\n"), "{log}");
    until(|| daemon.client(&user, &["ps", "--app", "shop"]) == "No dynos on shop\n");
    assert_eq!(dyno(&daemon, &user, &name)["exit_status"], Value::Null);
    // The place is free once the environment is gone.
    until(|| {
        let mut next = daemon.hoist(&["run:detached", "--app", "shop", "true"]);
        next.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
        next.output().unwrap().status.success()
    });
}

#[test]
fn its_time_is_bounded() {
    let (daemon, user) = shop("run_time = \"1s\"");
    let asked_for_more = detach(&daemon, &user, &["--time-to-live", "3600", "sleep infinity"]);
    assert_eq!(logs(&daemon, &user, &asked_for_more), " !     Command timed out (1 second).\n");
}

#[test]
fn a_killed_daemon_leaves_no_command_without_an_end() {
    let (mut daemon, user) = shop("");
    let name = detach(&daemon, &user, &["echo begun; sleep infinity"]);
    let url = dyno(&daemon, &user, &name)["output_stream_url"].as_str().unwrap().to_owned();
    let mut begun = [0; 6];
    std::io::Read::read_exact(&mut ureq::get(url).call().unwrap().body_mut().as_reader(), &mut begun).unwrap();
    daemon.kill_and_restart();
    assert_eq!(dyno(&daemon, &user, &name)["state"], "crashed");
    let log = logs(&daemon, &user, &name);
    assert!(log.starts_with("begun\n") && log.contains("hoist was stopped here."), "{log}");
}

#[tokio::test]
async fn what_is_asked_for_is_checked() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    world.post(&user, "/apps", json!({"name": "example"})).await;
    let no_code = world.post(&user, "/apps/example/dynos", json!({"command": "true"})).await;
    assert_eq!(no_code.error(), "422 invalid_params: The app has no code to run a command in. Push it first.");
    build(&world, &user, BuildStatus::Succeeded).await;
    let cases = [
        (json!({}), "missing field `command`"),
        (json!({"command": " "}), "The command is empty."),
        (json!({"command": "a\0b"}), "NUL byte"),
        (json!({"command": "x".repeat(70_000)}), "longer than 64 KiB"),
        (json!({"command": "true", "env": {"A-B": "1"}}), "is not a config var name"),
        (json!({"command": "true", "env": {"A": "1\0"}}), "The value of A holds a NUL byte."),
        (json!({"command": "true", "type": "release"}), "choose another one"),
        (json!({"command": "true", "type": "a/b"}), "is not a process type name"),
    ];
    for (body, text) in cases {
        let answer = world.post(&user, "/apps/example/dynos", body).await;
        assert!(answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.error().contains(text), "{}", answer.error());
    }
    let missing = world.get(&user, "/apps/example/dynos/run.1234").await;
    assert_eq!(missing.error(), "404 not_found: Couldn't find that dyno.");
    let stop = world.post(&user, "/apps/example/dynos/run.1234/actions/stop", json!({})).await;
    assert_eq!(stop.error(), "404 not_found: Couldn't find that dyno.");
    let other = world.user("other@example.com").await;
    assert_eq!(world.get(&other, "/apps/example/dynos").await.error(), "404 not_found: Couldn't find that app.");
}
