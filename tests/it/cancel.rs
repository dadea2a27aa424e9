//! `builds:cancel` in each phase of a build, also of one that does not listen to signals.

use std::net::TcpListener;
use std::process::Child;
use std::time::Instant;

use serde_json::json;

use crate::harness::{Daemon, User, WorkTree, interrupt, until, until_log, wait};

/// Does not end by itself, nor when it is asked to.
const DEAF: &str = "trap '' TERM INT HUP; while :; do sleep 1000; done";

/// A daemon with one builder, and an app `shop` that is built by what the test says.
struct Site {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
}

impl Site {
    fn new() -> Self {
        // The API is asked again and again.
        let limits = "concurrent_builds = 1\napi_requests_per_hour = 1000000";
        let config = &format!("[network]\nallow = [\"127.0.0.1\"]\n[limits]\n{limits}\n");
        let daemon = Daemon::start_with(config);
        let user = daemon.user("alice@example.com");
        let site = Self { daemon, user, tree: WorkTree::with_pack("null") };
        site.create("shop");
        site
    }

    fn create(&self, app: &str) {
        self.daemon.client(&self.user, &["apps:create", app]);
        self.daemon.client(&self.user, &["buildpacks:set", "./pack", "--app", app]);
    }

    /// Begins to push an app whose buildpack has these scripts.
    fn push(&self, app: &str, detect: &str, compile: &str, options: &[&str]) -> Child {
        self.tree.write_program("pack/bin/detect", &format!("#!/bin/bash\n{detect}\n"));
        self.tree.write_program("pack/bin/compile", &format!("#!/bin/bash\n{compile}\n"));
        self.tree.commit("next");
        self.tree.start_push(&self.daemon, &self.user, app, &[options, &["main"]].concat())
    }

    /// The app's newest build.
    fn newest(&self, app: &str) -> Option<serde_json::Value> {
        let builds = self.daemon.get(&self.user, &format!("/apps/{app}/builds"));
        builds.as_array().unwrap().iter().max_by_key(|build| build["created_at"].as_str().map(str::to_owned)).cloned()
    }

    fn cancel(&self, app: &str, phase: &str) {
        let start = Instant::now();
        self.daemon.client(&self.user, &["builds:cancel", "--app", app]);
        println!("{phase}: cancelled within {:?}", start.elapsed());
        assert_eq!(self.newest(app).unwrap()["status"], "failed", "{phase}");
    }
}

/// What a build is doing, by what it says then, and its buildpack's scripts.
fn phases() -> [(&'static str, &'static str, String, String); 4] {
    let quick = "echo Test".to_owned();
    // They take no disk, and minutes to be read.
    let endless = |folder: &str| format!("for i in $(seq 30); do truncate -s 9G \"{folder}/zeros$i\"; done");
    [
        ("detect", "Using buildpack: ./pack", DEAF.to_owned(), String::new()),
        ("compile", "compiling", quick.clone(), format!("echo compiling; {DEAF}")),
        ("pack", "Compressing...", quick.clone(), endless("$1")),
        ("store", "Launching...", quick, endless("$2")),
    ]
}

#[test]
fn a_build_is_cancelled_in_any_phase() {
    let site = Site::new();
    for (phase, says, detect, compile) in phases() {
        let push = site.push("shop", &detect, &compile, &[]);
        until_log(&site.daemon, &site.user, "shop", says);
        site.cancel("shop", phase);
        let pushed = wait(push);
        assert!(!pushed.ok, "{phase}: {}", pushed.transcript);
        let end = "remote:  !     The build was cancelled by alice@example.com. Nothing was released.\n";
        assert!(pushed.transcript.contains(end), "{phase}: {}", pushed.transcript);
    }
    // The only builder is free again.
    let pushed = wait(site.push("shop", "echo Test", "true", &[]));
    assert!(pushed.ok, "{}", pushed.transcript);
    assert_eq!(site.daemon.releases(&site.user, "shop").len(), 2);
}

#[test]
fn a_build_is_cancelled_whose_source_does_not_come() {
    let site = Site::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = json!({"source_blob": {"url": format!("http://{}/app.tgz", server.local_addr().unwrap())}});
    let url = format!("http://{}/apps/shop/builds", site.daemon.http);
    ureq::post(&url).header("Authorization", format!("Bearer {}", site.user.token)).send_json(source).unwrap();
    // It is asked, and says nothing.
    let _asked = server.accept().unwrap();
    site.cancel("shop", "export");
    let log = site.daemon.client(&site.user, &["builds:output", "--app", "shop"]);
    assert!(log.contains("The build was cancelled by alice@example.com"), "{log}");
}

#[test]
fn a_build_is_cancelled_in_the_queue_by_whoever_goes_away_too() {
    let site = Site::new();
    let running = site.push("shop", "echo Test", &format!("echo compiling; {DEAF}"), &[]);
    until_log(&site.daemon, &site.user, "shop", "compiling");
    site.create("other");
    for options in [&[][..], &["-ocancel-on-disconnect"]] {
        let push = site.push("other", "echo Test", "true", options);
        until_log(&site.daemon, &site.user, "other", "This build is the next one");
        if options.is_empty() {
            site.cancel("other", "queued");
            assert!(!wait(push).ok);
        } else {
            interrupt(push);
            until(|| site.newest("other").is_some_and(|build| build["status"] == "failed"));
        }
    }
    site.cancel("shop", "compile");
    assert!(!wait(running).ok);
    let builds = site.daemon.get(&site.user, "/apps/other/builds");
    assert!(builds.as_array().unwrap().iter().all(|build| build["status"] == "failed"), "{builds}");
}

#[test]
fn who_goes_away_may_cancel_what_does_not_listen() {
    let site = Site::new();
    let push = site.push("shop", "echo Test", &format!("echo compiling; {DEAF}"), &["-ocancel-on-disconnect"]);
    until_log(&site.daemon, &site.user, "shop", "compiling");
    interrupt(push);
    until(|| site.newest("shop").is_some_and(|build| build["status"] == "failed"));
    let log = site.daemon.client(&site.user, &["builds:output", "--app", "shop"]);
    assert!(log.contains("its pusher went away"), "{log}");
}
