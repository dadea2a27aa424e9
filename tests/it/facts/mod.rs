//! What is known of builds and slugs once they are made: how long a build took, what its cache brought, what its buildpacks
//! report; `slugs` is what is said of what they made.

mod slugs;

use serde_json::{Value, json};

use crate::harness::{Daemon, User, WorkTree};

/// A daemon with an app `shop`, whose buildpack is the pushed one.
fn shop() -> (Daemon, User) {
    let daemon = Daemon::start_with("engine = \"local\"\n");
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    (daemon, user)
}

/// The newest build, as it is told when it alone is asked for.
fn newest_build(daemon: &Daemon, user: &User) -> Value {
    let builds = daemon.get(user, "/apps/shop/builds");
    let builds = builds.as_array().unwrap();
    assert!(builds.iter().all(|build| build.get("facts").is_none()), "a list is short");
    daemon.get(user, &format!("/apps/shop/builds/{}", builds.last().unwrap()["id"].as_str().unwrap()))
}

fn phases(facts: &Value) -> Vec<&str> {
    facts["phases"].as_array().unwrap().iter().map(|time| time["phase"].as_str().unwrap()).collect()
}

#[test]
fn a_build_tells_what_each_part_took_and_what_its_cache_brought() {
    let (daemon, user) = shop();
    let tree = WorkTree::with_pack("null");
    tree.write_program("pack/bin/compile", "#!/bin/sh\nmkdir -p \"$2/kept\"\nhead -c 100000 /dev/zero > \"$2/kept/zeros\"\n");
    tree.commit("cached");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok && pushed.transcript.contains("remote: -----> Built in TIME\n"), "{}", pushed.transcript);

    let first = newest_build(&daemon, &user)["facts"].take();
    assert_eq!(phases(&first), ["receive", "queue", "export", "detect", "compile", "pack", "store", "release"]);
    let sum: u64 = first["phases"].as_array().unwrap().iter().map(|time| time["milliseconds"].as_u64().unwrap()).sum();
    assert_eq!(first["total"], sum);
    assert_eq!(first["cache_restored"], Value::Null, "the first has none");
    assert!(first["cache_saved"].as_u64().unwrap() > 100_000, "{first}");
    assert_eq!(first["reports"], json!([]));

    tree.commit("again");
    assert!(tree.push_http(&daemon, &user, "shop").ok);
    let second = newest_build(&daemon, &user)["facts"].take();
    assert_eq!(second["cache_restored"], first["cache_saved"]);
    let told = daemon.client(&user, &["builds:info", "--app", "shop"]);
    let line = |start: &str| told.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {told}"));
    assert!(line("Took:").contains(" (receive 0."), "{told}");
    assert!(line("Cache:").contains(" restored, 10"), "{told}");
}

#[test]
fn what_packs_report_is_kept_without_secrets() {
    let (daemon, user) = shop();
    daemon.client(&user, &["config:set", "API_TOKEN=correct-horse-battery", "--app", "shop"]);
    daemon.client(&user, &["buildpacks:add", "./rambles", "--app", "shop"]);
    let tree = WorkTree::with_pack("exports");
    tree.write_program("rambles/bin/detect", "#!/bin/sh\necho Rambling\n");
    tree.write_program("rambles/bin/compile", "#!/bin/sh\ntrue\n");
    tree.write_program("rambles/bin/report", "#!/bin/sh\necho '- a list'\n");
    let report = "#!/bin/sh\ntest -d \"$1\" && test -d \"$2\" || exit 1\nset -f\nprintf '{\"version\": \"1.2\", \"warm\": false, \"token\": \"%s\"}' $(cat \"$3/API_TOKEN\")\necho noise >&2\n";
    tree.write_program("pack/bin/report", report);
    tree.commit("reports");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok && !pushed.transcript.contains("noise"), "{}", pushed.transcript);

    let build = newest_build(&daemon, &user);
    let reports = json!([
        {"buildpack": "./pack", "facts": {"token": "[API_TOKEN]", "version": "1.2", "warm": false}, "problem": null},
        {"buildpack": "./rambles", "facts": {}, "problem": "it is no map in YAML or JSON"},
    ]);
    assert_eq!(build["facts"]["reports"], reports);
    let told = daemon.client(&user, &["builds:info", "--app", "shop"]);
    assert!(told.contains("token [API_TOKEN], version 1.2, warm false by ./pack"), "{told}");
    assert!(told.contains("nothing by ./rambles: it is no map in YAML or JSON"), "{told}");
}

#[test]
fn a_build_that_fails_has_facts_too() {
    let (daemon, user) = shop();
    let tree = WorkTree::with_pack("fails");
    tree.write_program("pack/bin/report", "#!/bin/sh\necho 'failed_at: tests'\n");
    tree.commit("reports");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(!pushed.ok && !pushed.transcript.contains("Built in"), "{}", pushed.transcript);
    let build = newest_build(&daemon, &user);
    assert_eq!(build["status"], "failed");
    assert_eq!(phases(&build["facts"]), ["receive", "queue", "export", "detect", "compile"]);
    assert_eq!(build["facts"]["reports"], json!([{"buildpack": "./pack", "facts": {"failed_at": "tests"}, "problem": null}]));
}

#[test]
fn a_report_that_fails_fails_no_build() {
    let (daemon, user) = shop();
    let tree = WorkTree::with_pack("null");
    tree.write_program("pack/bin/report", "#!/bin/sh\necho version: 1\necho 'no version' >&2\nexit 3\n");
    tree.commit("reports");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    let reports = newest_build(&daemon, &user)["facts"]["reports"].take();
    assert_eq!(reports, json!([{"buildpack": "./pack", "facts": {}, "problem": "exit status 3 no version"}]));
}

#[test]
fn built_in_packs_report_their_languages_version() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    let tree = WorkTree::of_fixture("static-site");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    let reports = newest_build(&daemon, &user)["facts"]["reports"].take();
    assert_eq!(reports[0]["buildpack"], "hoist/static");
    let version = reports[0]["facts"]["python_version"].as_str().unwrap();
    assert!(version.starts_with("3."), "{version}");
}
