//! Pushes that overlap, and pushers who go away.

use insta::assert_snapshot;

use crate::harness::{Daemon, Gated, WorkTree, interrupt, until, until_log, wait};

#[test]
fn the_same_push_again_re_attaches() {
    let gated = Gated::new();
    let first = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    gated.until_builds(1, "pending");
    let second = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    gated.open_gate();
    let (first, second) = (wait(first), wait(second));
    assert!(first.ok && second.ok, "{}{}", first.transcript, second.transcript);
    assert_eq!(gated.deploys(), 1);
}

#[test]
fn the_same_push_after_the_first_has_ended_finds_it_done() {
    let gated = Gated::new();
    // Both are told that there is no main yet; the second one sends its commands only when the first one is through.
    let second = WorkTree::new();
    second.git(&["fetch", "-q", &gated.tree.path().display().to_string(), "main:other"]);
    gated.open_gate();
    let hook = second.path().join(".git/hooks/pre-push");
    let first_is_through = gated.daemon.data_dir().join("through");
    let script = format!("#!/bin/sh\nwhile [ ! -e {} ]; do sleep 0.05; done\n", first_is_through.display());
    second.write(".git/hooks/pre-push", &script);
    std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let waiting = second.start_push(&gated.daemon, &gated.user, "shop", &["other:main"]);
    until(|| gated.daemon.log().matches("logged in").count() == 1);
    assert!(gated.tree.push_http(&gated.daemon, &gated.user, "shop").ok);
    std::fs::write(first_is_through, "").unwrap();
    let pushed = wait(waiting);
    assert!(pushed.ok && pushed.transcript.contains("has deployed this commit meanwhile"), "{}", pushed.transcript);
    assert_eq!(gated.deploys(), 1);
}

#[test]
fn a_push_that_waited_in_vain_is_refused_before_it_builds() {
    let gated = Gated::new();
    let first = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    gated.until_builds(1, "pending");
    gated.tree.commit("second");
    let second = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    gated.until_builds(2, "pending");
    gated.open_gate();
    let (first, second) = (wait(first), wait(second));
    assert!(first.ok && !second.ok, "{}{}", first.transcript, second.transcript);
    assert!(second.transcript.contains("Waiting for 1 earlier push to this app"), "{}", second.transcript);
    assert!(
        second.transcript.contains("main was moved by a push of alice@example.com since this push began"),
        "{}",
        second.transcript
    );
    assert!(!second.transcript.contains("at the gate"), "it must not have been built: {}", second.transcript);
    assert_eq!(gated.deploys(), 1);
}

#[test]
fn only_so_many_builds_may_wait() {
    let gated = Gated::with_limits("queued_builds_per_app = 0");
    let first = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    gated.until_builds(1, "pending");
    gated.tree.commit("second");
    let second = gated.tree.push_ssh(&gated.daemon, &gated.user, "shop");
    assert!(!second.ok);
    assert_snapshot!(second.transcript, @r"
    remote:  !     Too many builds of this app are waiting already: at most 0 may.
    remote:  !     Wait until some of them have ended (`hoist builds` lists them), then push again.
    remote:
    remote:  !     Push failed
    To ssh://HOST/shop.git
     ! [remote rejected] main -> main (pre-receive hook declined)
    error: failed to push some refs to 'ssh://HOST/shop.git'
    ");
    gated.open_gate();
    assert!(wait(first).ok);
}

#[test]
fn a_pusher_who_goes_away_loses_nothing() {
    let gated = Gated::new();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    gated.until_builds(1, "pending");
    interrupt(push);
    gated.open_gate();
    gated.until_builds(1, "succeeded");
    assert_eq!(gated.deploys(), 1);
    let again = gated.tree.push_ssh(&gated.daemon, &gated.user, "shop");
    assert_eq!(again.transcript, "Everything up-to-date\n");
}

#[test]
fn a_pusher_may_ask_to_cancel_by_going_away() {
    let gated = Gated::new();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["-ocancel-on-disconnect", "main"]);
    gated.until_builds(1, "pending");
    interrupt(push);
    gated.until_builds(1, "failed");
    assert_eq!(gated.deploys(), 0);
    let log = gated.daemon.client(&gated.user, &["builds:output", "--app", "shop"]);
    assert!(log.contains("its pusher went away") && log.contains("Push again to build it"), "{log}");
    gated.open_gate();
    assert!(gated.tree.push_ssh(&gated.daemon, &gated.user, "shop").ok);
}

#[test]
fn a_detached_push_returns_at_once() {
    let gated = Gated::new();
    let pushed = gated.tree.push(&gated.daemon, &gated.user, "shop", &["-odetach", "main"]);
    assert!(pushed.ok && pushed.transcript.contains("is queued"), "{}", pushed.transcript);
    assert_eq!(gated.deploys(), 0);
    gated.open_gate();
    gated.until_builds(1, "succeeded");
    assert_eq!(gated.deploys(), 1);
}

#[test]
fn twenty_apps_at_once() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    let apps: Vec<_> = (0..20).map(|number| format!("app-{number}")).collect();
    let tree = WorkTree::with_pack("null");
    for app in &apps {
        daemon.client(&user, &["apps:create", app]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", app]);
    }
    let pushes: Vec<_> = apps.iter().map(|app| tree.start_push(&daemon, &user, app, &["main"])).collect();
    for (push, app) in pushes.into_iter().zip(&apps) {
        let pushed = wait(push);
        assert!(pushed.ok, "{}", pushed.transcript);
        assert_eq!(daemon.releases(&user, app).len(), 2);
    }
}

#[test]
fn ten_pushes_to_one_app_at_once() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let tree = WorkTree::with_pack("null");
    // Ten commits that know nothing of each other: one wins, the others are told to fetch first.
    let base = tree.git(&["rev-parse", "HEAD"]);
    let branches: Vec<_> = (0..10).map(|number| format!("b{number}")).collect();
    for branch in &branches {
        tree.git(&["checkout", "-q", "-B", branch, base.trim()]);
        tree.commit(branch);
    }
    let refspecs: Vec<_> = branches.iter().map(|branch| format!("{branch}:main")).collect();
    let pushes: Vec<_> = refspecs.iter().map(|refspec| tree.start_push(&daemon, &user, "shop", &[refspec])).collect();
    let pushed: Vec<_> = pushes.into_iter().map(wait).collect();
    let won = pushed.iter().filter(|pushed| pushed.ok).count();
    assert_eq!(won, daemon.releases(&user, "shop").len() - 1);
    assert_eq!(won, 1, "{}", pushed.iter().map(|pushed| pushed.transcript.as_str()).collect::<String>());
    let builds = daemon.get(&user, "/apps/shop/builds");
    assert!(builds.as_array().unwrap().iter().all(|build| build["status"] != "pending"), "{builds}");
}

#[test]
fn a_single_push_comes_before_another_users_many() {
    let gated = Gated::with_limits("concurrent_builds = 1");
    let (alice, bob) = (&gated.user, gated.daemon.user("bob@example.com"));
    let push = |user, app| gated.tree.start_push(&gated.daemon, user, app, &["main"]);
    let mut pushes = vec![push(alice, "shop")];
    gated.until_builds(1, "pending");
    for (ahead, app) in ["shop-2", "shop-3"].into_iter().enumerate() {
        gated.create(alice, app);
        pushes.push(push(alice, app));
        gated.until_ahead(alice, app, ahead);
    }
    until_log(&gated.daemon, alice, "shop-3", "1 build is before this one");
    let listed = gated.daemon.client(alice, &["builds", "--app", "shop-3"]);
    assert!(listed.contains("pending, 1 before it"), "{listed}");
    gated.create(&bob, "bobs");
    let of_bob = push(&bob, "bobs");
    gated.until_ahead(&bob, "bobs", 0);
    gated.until_ahead(alice, "shop-3", 2);
    until_log(&gated.daemon, &bob, "bobs", "This build is the next one");
    until_log(&gated.daemon, alice, "shop-3", "2 builds are before this one now");
    gated.open_gate();
    let of_bob = wait(of_bob);
    let pushed: Vec<_> = pushes.into_iter().map(wait).collect();
    assert!(of_bob.ok && pushed.iter().all(|pushed| pushed.ok), "{}", of_bob.transcript);
    let waited = "remote: -----> Waiting for one of 1 builders to become free\nremote:        This build is the next one\n";
    assert!(of_bob.transcript.contains(waited), "{}", of_bob.transcript);
    let third = &pushed[2].transcript;
    let places = ["1 build is before this one", "2 builds are before this one now: what is more urgent"];
    let places: Vec<_> = places.iter().map(|place| third.find(place)).collect();
    assert!(places[0].is_some() && places.is_sorted(), "{third}");
    let released = |user, app| gated.daemon.get(user, &format!("/apps/{app}"))["released_at"].as_str().unwrap().to_owned();
    assert!(released(&bob, "bobs") <= released(alice, "shop-2") && released(alice, "shop-2") <= released(alice, "shop-3"));
}

#[test]
fn what_somebody_waits_for_comes_before_what_nobody_looks_at() {
    let gated = Gated::with_limits("concurrent_builds = 1");
    let (daemon, alice) = (&gated.daemon, &gated.user);
    let first = gated.tree.start_push(daemon, alice, "shop", &["main"]);
    gated.until_builds(1, "pending");
    gated.create(alice, "archived");
    let source = gated.tree.path().display().to_string();
    let client = |args: &[&str]| {
        let mut command = daemon.hoist(args);
        command.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &alice.token).current_dir(&source);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut archived = client(&["builds:create", "--app", "archived"]);
    gated.until_ahead(alice, "archived", 0);
    gated.create(alice, "pushed");
    let pushed = gated.tree.start_push(daemon, alice, "pushed", &["main"]);
    gated.until_ahead(alice, "pushed", 0);
    gated.until_ahead(alice, "archived", 1);
    let metrics = ureq::get(format!("http://{}/metrics", daemon.http)).call().unwrap().body_mut().read_to_string().unwrap();
    for priority in ["push", "request"] {
        assert!(metrics.contains(&format!("hoist_builds_queued{{priority=\"{priority}\"}} 1\n")), "{metrics}");
    }
    gated.open_gate();
    assert!(wait(first).ok && wait(pushed).ok && archived.wait().unwrap().success());
}

#[test]
fn a_user_may_be_held_to_so_many_builds() {
    let gated = Gated::with_limits("concurrent_builds = 2\nbuilds_per_user = 1");
    let first = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
    gated.until_builds(1, "pending");
    gated.create(&gated.user, "shop-2");
    let second = gated.tree.start_push(&gated.daemon, &gated.user, "shop-2", &["main"]);
    gated.until_ahead(&gated.user, "shop-2", 0);
    let bob = gated.daemon.user("bob@example.com");
    gated.create(&bob, "bobs");
    let of_bob = gated.tree.start_push(&gated.daemon, &bob, "bobs", &["main"]);
    until(|| gated.daemon.client(&bob, &["builds", "--app", "bobs"]).contains("pending "));
    until_log(&gated.daemon, &gated.user, "shop-2", "Waiting for another build of yours to end");
    gated.until_ahead(&gated.user, "shop-2", 0);
    gated.open_gate();
    assert!(wait(first).ok && wait(second).ok && wait(of_bob).ok);
}
