//! Pushes that must not be released: the whole transcript, the ref unmoved, and the next push works.

use insta::assert_snapshot;

use crate::harness::{Daemon, WorkTree};

/// Pushes an app with a fixture pack that fails, then the same app mended, and returns the failing transcript.
fn refused(pack: &str, config: &str) -> String {
    let daemon = Daemon::start_with(config);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let tree = WorkTree::with_pack(pack);
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(!pushed.ok, "{}", pushed.transcript);
    assert_eq!(daemon.releases(&user, "shop").len(), 1, "{}", pushed.transcript);

    let again = tree.push_http(&daemon, &user, "shop");
    assert!(!again.ok, "the ref must not have moved: {}", again.transcript);
    tree.write("pack/bin/detect", "#!/bin/sh\necho Mended\n");
    tree.write("pack/bin/compile", "#!/bin/sh\ntrue\n");
    tree.commit("mended");
    let mended = tree.push_ssh(&daemon, &user, "shop");
    assert!(mended.ok, "{}", mended.transcript);
    pushed.transcript
}

#[test]
fn compile_fails() {
    assert_snapshot!(refused("fails", ""), @"");
}

#[test]
fn the_set_pack_refuses() {
    assert_snapshot!(refused("refuses", ""), @"");
}

#[test]
fn compile_takes_too_long() {
    assert_snapshot!(refused("sleeps", "[limits]\nbuild_time = \"3s\"\n"), @"");
}

#[test]
fn compile_takes_too_much_memory() {
    assert_snapshot!(refused("eats-memory", "[limits]\nbuild_memory_bytes = 67108864\n"), @"");
}

#[test]
fn compile_takes_too_much_disk() {
    assert_snapshot!(refused("fills-disk", "[limits]\nbuild_disk_bytes = 16777216\n"), @"");
}

#[test]
fn compile_starts_too_many_processes() {
    assert_snapshot!(refused("forks", "[limits]\nbuild_pids = 32\n"), @"");
}

#[test]
fn the_slug_is_too_large() {
    assert_snapshot!(refused("fat", "[limits]\nslug_bytes = 1048576\n"), @"");
}

#[test]
fn nothing_detects() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    let tree = WorkTree::new();
    tree.write("README", "nothing to build\n");
    tree.commit("first");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(!pushed.ok);
    assert_snapshot!(pushed.transcript, @"");
    assert_eq!(daemon.releases(&user, "shop").len(), 1);
}

#[test]
fn the_deploy_branch_can_not_be_deleted() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let tree = WorkTree::with_pack("null");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    let deleted = tree.push(&daemon, &user, "shop", &[":main"]);
    assert!(!deleted.ok);
    assert_snapshot!(deleted.transcript, @"");
    assert_eq!(tree.push_ssh(&daemon, &user, "shop").transcript, "Everything up-to-date\n");
}

#[test]
fn strangers_learn_nothing() {
    let daemon = Daemon::start_with("create_on_push = false\n");
    let alice = daemon.user("alice@example.com");
    let bob = daemon.user("bob@example.com");
    daemon.client(&alice, &["apps:create", "shop"]);
    let tree = WorkTree::with_pack("null");
    for push in [WorkTree::push_ssh, WorkTree::push_http] {
        let hers = push(&tree, &daemon, &bob, "shop");
        let none = push(&tree, &daemon, &bob, "ship");
        assert!(!hers.ok && !none.ok);
        assert_eq!(hers.transcript, none.transcript.replace("ship", "shop"));
    }
    daemon.client(&alice, &["access:add", "bob@example.com", "--app", "shop"]);
    daemon.client(&alice, &["buildpacks:set", "./pack", "--app", "shop"]);
    let pushed = tree.push_ssh(&daemon, &bob, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
}
