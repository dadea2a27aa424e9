//! Release commands, from every cause of a release, as pushers and readers of the ledger see them.

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Daemon, Gated, User, WorkTree, interrupt, until, wait};

/// A daemon with an app `shop`, and its work tree with a Procfile that has this release command.
fn shop(limits: &str, command: &str) -> (Daemon, User, WorkTree) {
    shop_with(&format!("[limits]\n{limits}\n"), command)
}

/// The same with this `hoist.toml`.
pub(crate) fn shop_with(config: &str, command: &str) -> (Daemon, User, WorkTree) {
    let daemon = Daemon::start_with(config);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let tree = WorkTree::with_pack("null");
    release_with(&tree, command);
    (daemon, user, tree)
}

pub(crate) fn release_with(tree: &WorkTree, command: &str) {
    tree.write("Procfile", &format!("release: {command}\nweb: ./serve\n"));
    tree.commit("release command");
}

/// The app's releases, oldest first, as `v2 failed`, the current one with a star.
pub(crate) fn statuses(daemon: &Daemon, user: &User) -> Vec<String> {
    let releases = daemon.get(user, "/apps/shop/releases");
    let line = |release: &Value| {
        let star = if release["current"] == true { "*" } else { "" };
        format!("v{} {}{star}", release["version"], release["status"].as_str().unwrap())
    };
    releases.as_array().unwrap().iter().map(line).collect()
}

/// What the pusher saw after the build.
fn after_launching(transcript: &str) -> &str {
    &transcript[transcript.find("remote: -----> Launching...").expect(transcript)..]
}

pub(crate) fn output(daemon: &Daemon, user: &User, version: &str) -> String {
    daemon.client(user, &["releases:output", version, "--app", "shop"])
}

/// The value of `main` as the daemon has it.
fn main_ref(daemon: &Daemon, user: &User, tree: &WorkTree) -> String {
    let url = format!("http://_:{}@{}/shop.git", user.token, daemon.http);
    // A push that changes nothing is told where the ref is.
    tree.git(&["push", "--dry-run", "--porcelain", &url, "main"])
}

#[test]
fn a_release_command_runs_before_its_release_is_current() {
    let (daemon, user, tree) = shop("", "./migrate $GREETING && echo done");
    tree.write(
        "migrate",
        "#!/bin/sh\necho \"migrating $1 as $DYNO on port ${PORT-unset} in $PWD\"\ncat .profile.d/* | wc -l\necho $PROFILE >&2\n",
    );
    tree.git(&["update-index", "--add", "--chmod=+x", "migrate"]);
    tree.write(".profile.d/a.sh", "export PROFILE=\"profile of $API_TOKEN\"\n");
    tree.git(&["add", "-A"]);
    tree.git(&["update-index", "--chmod=+x", "migrate"]);
    tree.git(&["commit", "-q", "-m", "migrate"]);
    let config = ["config:set", "GREETING=hello", "API_TOKEN=correct-horse-battery", "PORT=77", "--app", "shop"];
    daemon.client(&user, &config);
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    assert_snapshot!(after_launching(&pushed.transcript), @r"
    remote: -----> Launching...
    remote:  !     Release command declared: this new release will not be available until the command succeeds.
    remote:        Released v3
    remote:        shop deployed to hoist
    remote: -----> Built in TIME
    remote:
    remote: Verifying deploy... done.
    remote: Running release command...
    remote:
    remote: migrating hello as release.3 on port unset in /app
    remote: 1
    remote: profile of [API_TOKEN]
    remote: done
    remote: Waiting for release.... done.
    To ssh://HOST/shop.git
     * [new branch]      main -> main
    ");
    assert_eq!(statuses(&daemon, &user), ["v1 succeeded", "v2 succeeded", "v3 succeeded*"]);
    assert_snapshot!(output(&daemon, &user, "v3"), @r"
    migrating hello as release.3 on port unset in /app
    1
    profile of [API_TOKEN]
    done
    ");
    let no_command = daemon.get(&user, "/apps/shop/releases/2");
    assert_eq!(no_command["output_stream_url"], Value::Null);
}

#[test]
fn a_failed_release_command_leaves_the_release_before_current() {
    let (daemon, user, tree) = shop("", "true");
    assert!(tree.push_http(&daemon, &user, "shop").ok);
    release_with(&tree, "echo no such table; exit 3");
    let pushed = tree.push_http(&daemon, &user, "shop");
    assert!(pushed.ok, "as Heroku does: {}", pushed.transcript);
    assert_snapshot!(after_launching(&pushed.transcript), @r"
    remote: -----> Launching...
    remote:  !     Release command declared: this new release will not be available until the command succeeds.
    remote:        Released v3
    remote:        shop deployed to hoist
    remote: -----> Built in TIME
    remote:
    remote: Verifying deploy... done.
    remote: Running release command...
    remote:
    remote: no such table
    remote:  !     Release command failed with exit code 3.
    remote:  !     v3 does not become current: what was current before stays.
    remote:  !     Mend what failed, and release again.
    remote: Waiting for release.... failed.
    To http://HOST/shop.git
       OLD..NEW  main -> main
    ");
    assert_eq!(statuses(&daemon, &user), ["v1 succeeded", "v2 succeeded*", "v3 failed"]);
    assert_snapshot!(output(&daemon, &user, "v3"), @r"
    no such table
     !     Release command failed with exit code 3.
     !     v3 does not become current: what was current before stays.
     !     Mend what failed, and release again.
    ");
    let listed = daemon.client(&user, &["releases", "--app", "shop"]);
    assert!(listed.contains("Current: v2") && listed.contains("release command failed   alice@"), "{listed}");
    assert_eq!(tree.push_ssh(&daemon, &user, "shop").transcript, "Everything up-to-date\n");
}

#[test]
fn a_strict_push_stands_and_falls_with_its_release_command() {
    let (daemon, user, tree) = shop("", "echo fine");
    let pushed = tree.push(&daemon, &user, "shop", &["-ostrict", "main"]);
    assert!(pushed.ok, "{}", pushed.transcript);
    assert_snapshot!(after_launching(&pushed.transcript), @r"
    remote: -----> Launching...
    remote:  !     Release command declared: this new release will not be available until the command succeeds.
    remote: Running release command...
    remote:
    remote: fine
    remote: Waiting for release.... done.
    remote:        Released v2
    remote:        shop deployed to hoist
    remote: -----> Built in TIME
    remote:
    remote: Verifying deploy... done.
    To ssh://HOST/shop.git
     * [new branch]      main -> main
    ");
    let good = tree.git(&["rev-parse", "HEAD"]);
    release_with(&tree, "echo no such table; exit 3");
    let pushed = tree.push(&daemon, &user, "shop", &["-ostrict", "-oconfig:MODE=new", "main"]);
    assert!(!pushed.ok);
    assert_snapshot!(after_launching(&pushed.transcript), @r"
    remote: -----> Launching...
    remote:  !     Release command declared: this new release will not be available until the command succeeds.
    remote: Running release command...
    remote:
    remote: no such table
    remote:  !     Release command failed with exit code 3.
    remote:  !     v3 does not become current: what was current before stays.
    remote:  !     Mend what failed, and release again.
    remote: Waiting for release.... failed.
    remote: Verifying deploy...
    remote:
    remote: !	Push rejected to shop: the release command of v3 did not succeed, and -o strict was given.
    remote:
    To ssh://HOST/shop.git
     ! [remote rejected] main -> main (release command failed)
    error: failed to push some refs to 'ssh://HOST/shop.git'
    ");
    assert_eq!(statuses(&daemon, &user), ["v1 succeeded", "v2 succeeded*", "v3 failed"]);
    assert!(main_ref(&daemon, &user, &tree).contains(&format!("{}..", &good[..7])), "main has not moved");

    // What was refused is no ground for anything later: neither its config nor its code.
    assert_eq!(daemon.client(&user, &["config:get", "MODE", "--app", "shop"]), "\n");
    daemon.client(&user, &["config:set", "A=1", "--app", "shop"]);
    until(|| statuses(&daemon, &user).last().is_some_and(|last| last == "v4 succeeded*"));
    assert_eq!(output(&daemon, &user, "v4"), "fine\n");

    release_with(&tree, "echo mended");
    let pushed = tree.push(&daemon, &user, "shop", &["-ostrict", "main"]);
    assert!(pushed.ok, "{}", pushed.transcript);
    assert_eq!(tree.push_ssh(&daemon, &user, "shop").transcript, "Everything up-to-date\n");
}

#[test]
fn a_change_of_config_runs_it_with_the_new_config() {
    let (daemon, user, tree) = shop("", "echo mode $MODE; test \"$MODE\" != bad");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    daemon.client(&user, &["config:set", "MODE=good", "--app", "shop"]);
    until(|| statuses(&daemon, &user).last().is_some_and(|last| last == "v3 succeeded*"));
    assert_eq!(output(&daemon, &user, "v3"), "mode good\n");
    daemon.client(&user, &["config:set", "MODE=bad", "--app", "shop"]);
    until(|| statuses(&daemon, &user).last().is_some_and(|last| last == "v4 failed"));
    assert_eq!(statuses(&daemon, &user)[2], "v3 succeeded*");
    assert!(output(&daemon, &user, "v4").starts_with("mode bad\n"));
}

#[test]
fn each_limit_has_its_own_words() {
    let cases = [
        ("release_time = \"1s\"", "echo waiting; sleep infinity", "Release command timed out (1 second)."),
        (
            "build_memory_bytes = 134217728\nbuild_pids = 32",
            "head -c 1G /dev/zero | tail",
            "Release command was ended: it used more than SIZE of memory.",
        ),
    ];
    for (limits, command, words) in cases {
        let (daemon, user, tree) = shop(limits, command);
        let pushed = tree.push_ssh(&daemon, &user, "shop");
        assert!(pushed.ok && pushed.transcript.contains(words), "{}", pushed.transcript);
        assert_eq!(statuses(&daemon, &user), ["v1 succeeded*", "v2 failed"]);
    }
}

/// A gated daemon whose builds go through, and whose release command waits for the file that `PHASE_GATE` names.
fn gated_phase() -> (Gated, std::path::PathBuf) {
    let gated = Gated::new();
    gated.open_gate();
    let gate = gated.daemon.data_dir().join("phase-gate");
    gated.daemon.client(&gated.user, &["config:set", &format!("PHASE_GATE={}", gate.display()), "--app", "shop"]);
    release_with(&gated.tree, "echo at the gate; while [ ! -e \"$PHASE_GATE\" ]; do sleep 0.05; done; echo through");
    (gated, gate)
}

fn until_status(gated: &Gated, status: &str) {
    until(|| statuses(&gated.daemon, &gated.user).iter().any(|line| line == status));
}

/// Waits until a release's command has started, and returns where its output is.
fn until_output(gated: &Gated, version: u64) -> String {
    let release = gated.daemon.get(&gated.user, &format!("/apps/shop/releases/{version}"));
    let url = release["output_stream_url"].as_str().expect("it has a release command").to_owned();
    until(|| ureq::get(&url).call().is_ok());
    url
}

#[test]
fn release_commands_of_one_app_run_one_after_the_other() {
    let (gated, gate) = gated_phase();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    until_status(&gated, "v4 pending");
    until_output(&gated, 4);
    gated.daemon.client(&gated.user, &["config:set", "A=1", "--app", "shop"]);
    let second = gated.daemon.get(&gated.user, "/apps/shop/releases/5");
    assert_eq!(second["status"], "pending");
    let not_yet = ureq::get(second["output_stream_url"].as_str().unwrap()).call();
    assert!(matches!(not_yet, Err(ureq::Error::StatusCode(404))), "{not_yet:?}");
    let mut early = gated.daemon.hoist(&["releases:output", "v5", "--app", "shop"]);
    early.env("HOIST_URL", format!("http://{}", gated.daemon.http)).env("HOIST_API_KEY", &gated.user.token);
    let early = String::from_utf8(early.output().unwrap().stderr).unwrap();
    assert!(early.contains("Release command not started yet."), "{early}");
    std::fs::write(gate, "").unwrap();
    assert!(wait(push).ok);
    until_status(&gated, "v5 succeeded*");
    assert_eq!(statuses(&gated.daemon, &gated.user)[3..], ["v4 succeeded", "v5 succeeded*"]);
}

#[test]
fn a_newer_release_that_is_current_already_stays() {
    let (gated, gate) = gated_phase();
    let first = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    until_status(&gated, "v4 pending");
    until_output(&gated, 4);
    gated.tree.write("Procfile", "web: ./serve\n");
    gated.tree.commit("no release command");
    assert!(gated.tree.push_ssh(&gated.daemon, &gated.user, "shop").ok);
    assert_eq!(statuses(&gated.daemon, &gated.user)[3..], ["v4 pending", "v5 succeeded*"]);
    std::fs::write(gate, "").unwrap();
    let first = wait(first);
    assert!(first.ok, "its ref had moved: {}", first.transcript);
    assert!(first.transcript.contains("Release command has come too late: v5 was released meanwhile."), "{}", first.transcript);
    assert_eq!(statuses(&gated.daemon, &gated.user)[3..], ["v4 expired", "v5 succeeded*"]);
}

#[test]
fn a_strict_push_is_refused_when_something_was_released_meanwhile() {
    let (gated, gate) = gated_phase();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["-ostrict", "main"]);
    until_status(&gated, "v4 pending");
    until_output(&gated, 4);
    gated.daemon.client(&gated.user, &["config:set", "A=1", "--app", "shop"]);
    std::fs::write(gate, "").unwrap();
    let push = wait(push);
    assert!(!push.ok && push.transcript.contains("v5 was released meanwhile"), "{}", push.transcript);
    // v5 was built upon what was there before the push: no code.
    assert_eq!(statuses(&gated.daemon, &gated.user)[3..], ["v4 expired", "v5 succeeded*"]);
    assert_eq!(gated.daemon.get(&gated.user, "/apps/shop/releases/5")["slug"], Value::Null);
}

#[test]
fn a_pusher_may_ask_to_cancel_it_by_going_away() {
    for strict in [false, true] {
        let (gated, _gate) = gated_phase();
        let strictly = if strict { vec!["-ostrict"] } else { vec![] };
        let args = [&["-ocancel-on-disconnect"], strictly.as_slice(), &["main"]].concat();
        let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &args);
        until_status(&gated, "v4 pending");
        until_output(&gated, 4);
        interrupt(push);
        until_status(&gated, "v4 failed");
        let log = output(&gated.daemon, &gated.user, "v4");
        assert!(log.starts_with("at the gate\n !     Release command was cancelled.\n"), "{log}");
    }
}

#[test]
fn it_goes_on_without_its_pusher() {
    let (gated, gate) = gated_phase();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    until_status(&gated, "v4 pending");
    let url = until_output(&gated, 4);
    interrupt(push);
    std::fs::write(gate, "").unwrap();
    let text = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
    assert_eq!(text, "at the gate\nthrough\n");
    until_status(&gated, "v4 succeeded*");
}

#[test]
fn killed_while_it_runs() {
    let (mut gated, gate) = gated_phase();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    until_status(&gated, "v4 pending");
    until_output(&gated, 4);
    gated.daemon.client(&gated.user, &["config:set", "A=1", "--app", "shop"]);
    gated.daemon.kill_and_restart();
    wait(push);
    // The processes of an engine without isolation outlive the daemon: let it end.
    std::fs::write(gate, "").unwrap();
    assert_eq!(statuses(&gated.daemon, &gated.user)[2..], ["v3 succeeded*", "v4 failed", "v5 failed"]);
    let log = output(&gated.daemon, &gated.user, "v4");
    assert!(log.starts_with("at the gate\n") && log.contains("hoist was stopped here."), "{log}");
}

#[test]
fn stopped_while_it_runs() {
    let (mut gated, _gate) = gated_phase();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    until_status(&gated, "v4 pending");
    until_output(&gated, 4);
    gated.daemon.signal(Signal::TERM);
    until(|| gated.daemon.log().contains("stopping"));
    gated.daemon.signal(Signal::TERM);
    until(|| gated.daemon.ended().is_some());
    wait(push);
    gated.daemon.restart();
    until_status(&gated, "v4 failed");
    let log = output(&gated.daemon, &gated.user, "v4");
    assert!(log.contains("Release command was ended, because hoist was stopped."), "{log}");
}
