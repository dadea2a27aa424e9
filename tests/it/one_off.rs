//! One-off commands: run in the released code, listed, stopped, bounded, recorded.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

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

/// Its output, to its end.
fn logs(daemon: &Daemon, user: &User, name: &str) -> String {
    let url = dyno(daemon, user, name)["output_stream_url"].as_str().unwrap().to_owned();
    ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap()
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
    ureq::get(url).call().unwrap().body_mut().as_reader().read_exact(&mut begun).unwrap();
    daemon.kill_and_restart();
    assert_eq!(dyno(&daemon, &user, &name)["state"], "crashed");
    let log = logs(&daemon, &user, &name);
    assert!(log.starts_with("begun\n") && log.contains("hoist was stopped here."), "{log}");
}

/// `hoist run` with this standard input: exit code, standard output, standard error.
fn run(daemon: &Daemon, user: &User, args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let mut child = start_run(daemon, user, args);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The command may not want all of it.
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writing.join().unwrap();
    (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

fn start_run(daemon: &Daemon, user: &User, args: &[&str]) -> Child {
    let mut command = daemon.hoist(&[&["run", "--app", "shop"], args].concat());
    command.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn attached_the_output_and_the_exit_code_are_ones_own() {
    let (daemon, user) = shop("");
    let (code, stdout, stderr) = run(&daemon, &user, &["echo $API_TOKEN; printf 'no end'; echo error >&2; exit 7"], b"");
    assert_eq!((code, stdout.as_slice()), (7, &b"correct-horse-battery\nno enderror\n"[..]), "{stderr}");
    assert!(stderr.starts_with("Running echo ") && stderr.contains(" on shop... done, run."), "{stderr}");
    assert_eq!(run(&daemon, &user, &["--env", "A=1", "--", "sh", "-c", "kill -9 $$ $A"], b"").0, 137);
    until(|| daemon.client(&user, &["ps", "--app", "shop"]) == "No dynos on shop\n");
}

#[test]
fn attached_any_bytes_go_in_and_out_however_many() {
    let (daemon, user) = shop("");
    // Longer than every buffer on the way, and with every byte, Heroku's end of input among them.
    let input: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (code, stdout, stderr) = run(&daemon, &user, &["cat"], &input);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout == input, "{} bytes of {}", stdout.len(), input.len());
    let (code, stdout, _) = run(&daemon, &user, &["head -c 3"], &input);
    assert_eq!((code, stdout.as_slice()), (0, &input[..3]));
}

#[test]
fn an_attached_command_ends_with_its_user() {
    let (daemon, user) = shop("");
    let mut child = start_run(&daemon, &user, &["echo begun; sleep infinity"]);
    let mut begun = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
    let listed = daemon.get(&user, "/apps/shop/dynos");
    let name = listed[0]["name"].as_str().unwrap().to_owned();
    assert_eq!((&listed[0]["state"], &listed[0]["output_stream_url"]), (&json!("up"), &Value::Null));
    child.kill().unwrap();
    child.wait().unwrap();
    until(|| daemon.client(&user, &["ps", "--app", "shop"]) == "No dynos on shop\n");
    let ended = dyno(&daemon, &user, &name);
    assert_eq!((&ended["state"], &ended["exit_status"]), (&json!("crashed"), &Value::Null));
}

#[test]
fn an_attached_command_that_is_stopped_says_so() {
    let (daemon, user) = shop("run_time = \"1s\"");
    let (code, stdout, _) = run(&daemon, &user, &["sleep infinity"], b"");
    assert_eq!((code, String::from_utf8(stdout).unwrap().as_str()), (1, " !     Command timed out (1 second).\n"));
}

#[test]
fn herokus_client_attaches_over_tls() {
    let (daemon, user) = shop("");
    let body = json!({"command": "cat; exit 3", "attach": true, "env": {"COLUMNS": 80, "TERM": "dumb"}}).to_string();
    let url = format!("http://{}/apps/shop/dynos", daemon.http);
    let mut made = ureq::post(url).header("Authorization", format!("Bearer {}", user.token)).send(body).unwrap();
    let made: Value = made.body_mut().read_json().unwrap();
    let (at, secret) = made["attach_url"].as_str().unwrap().strip_prefix("rendezvous://").unwrap().split_once('/').unwrap();
    let ca = daemon.data_dir().join("ca.pem");
    let mut client = Command::new("openssl");
    client.args(["s_client", "-quiet", "-verify_return_error", "-connect", at, "-CAfile"]).arg(&ca);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // As its client does: the secret, what is typed, and one byte at the end; it never closes its half.
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(format!("{secret}\r\n").as_bytes()).unwrap();
    let mut stdout = client.stdout.take().unwrap();
    let mut greeting = [0; 12];
    stdout.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"rendezvous\r\n");
    stdin.write_all(b"typed\n\x04").unwrap();
    let mut output = String::new();
    stdout.read_to_string(&mut output).unwrap();
    assert_eq!(output, "typed\n");
    client.wait().unwrap();
    let name = made["name"].as_str().unwrap();
    until(|| dyno(&daemon, &user, name)["exit_status"] == 3);
}

#[test]
fn a_line_that_nothing_waits_for_is_answered_with_nothing() {
    let daemon = Daemon::start();
    let mut stream = TcpStream::connect(&daemon.http).unwrap();
    stream.write_all(b"attach-0123\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty(), "{answer:?}");
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
        (json!({"command": "true", "env": {"A": []}}), "The value of A must be a text."),
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
