//! Whole transcripts of pushes that work, as the pusher sees them (conventions 3.1 and 3.2).

use insta::assert_snapshot;

use crate::harness::{Daemon, User, WorkTree};

/// A daemon with an app `shop` whose buildpack is the fixture `pack`, and a work tree to push.
fn shop(pack: &str) -> (Daemon, User, WorkTree) {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    (daemon, user, WorkTree::with_pack(pack))
}

#[test]
fn a_first_push() {
    let (daemon, user, tree) = shop("null");
    tree.write("Procfile", "web: ./serve\nworker: ./work\n");
    tree.commit("processes");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok);
    assert_snapshot!(pushed.transcript, @r"
    remote: Compressing source files... done.
    remote: Building source:
    remote:
    remote: -----> Building on the debian-12 stack
    remote: -----> Using buildpack: ./pack
    remote: -----> Null app detected
    remote: -----> Discovering process types
    remote:        Procfile declares types -> web, worker
    remote:
    remote: -----> Compressing...
    remote:        Done: SIZE
    remote: -----> Launching...
    remote:        Released v2
    remote:        shop deployed to hoist
    remote: -----> Built in TIME
    remote:
    remote: Verifying deploy... done.
    To ssh://HOST/shop.git
     * [new branch]      main -> main
    ");
}

#[test]
fn both_doors_say_the_same() {
    let (daemon, user, tree) = shop("null");
    daemon.client(&user, &["apps:create", "store"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "store"]);
    let ssh = tree.push_ssh(&daemon, &user, "shop");
    let http = tree.push_http(&daemon, &user, "store");
    assert!(ssh.ok && http.ok, "{}{}", ssh.transcript, http.transcript);
    let remote = |text: &str| text.lines().filter(|line| line.starts_with("remote:")).collect::<Vec<_>>().join("\n");
    assert_eq!(remote(&ssh.transcript).replace("shop", "APP"), remote(&http.transcript).replace("store", "APP"));
}

#[test]
fn another_branch_is_kept_and_not_built() {
    let (daemon, user, tree) = shop("null");
    let pushed = tree.push(&daemon, &user, "shop", &["main:refs/heads/topic", "main:refs/tags/v1"]);
    assert!(pushed.ok);
    assert_snapshot!(pushed.transcript, @r"
    remote: Pushed to branch other than [main, master], skipping build.
    To ssh://HOST/shop.git
     * [new branch]      main -> topic
     * [new tag]         main -> v1
    ");
    assert_eq!(daemon.releases(&user, "shop").len(), 1);
    let again = tree.push(&daemon, &user, "shop", &["main:refs/heads/topic"]);
    assert_eq!(again.transcript, "Everything up-to-date\n");
}

#[test]
fn secrets_do_not_reach_the_log() {
    let (daemon, user, tree) = shop("noisy");
    daemon.client(&user, &["config:set", "API_TOKEN=correct-horse-battery", "--app", "shop"]);
    tree.write("pack/bin/compile", "#!/bin/sh\nprintf 'the token is '; cat \"$3/API_TOKEN\"; echo\nenv | grep -c horse\ntrue\n");
    tree.commit("leak");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    assert!(pushed.transcript.contains("the token is [API_TOKEN]\nremote: 0\n"), "{}", pushed.transcript);
    let kept = daemon.client(&user, &["builds:output", "--app", "shop"]);
    assert!(kept.contains("[API_TOKEN]") && !kept.contains("horse"), "{kept}");
}

#[test]
fn config_and_code_in_one_release() {
    let (daemon, user, tree) = shop("null");
    let pushed = tree.push(&daemon, &user, "shop", &["-oconfig:GREETING=hello", "main"]);
    assert!(pushed.ok, "{}", pushed.transcript);
    let releases = daemon.releases(&user, "shop");
    assert_eq!(releases.len(), 2);
    assert!(releases[1].1.ends_with("; Set GREETING config vars"), "{releases:?}");
    assert_eq!(daemon.client(&user, &["config:get", "GREETING", "--app", "shop"]), "hello\n");
}

#[test]
fn a_dry_run_releases_nothing() {
    let (daemon, user, tree) = shop("null");
    let pushed = tree.push(&daemon, &user, "shop", &["-odry-run", "main"]);
    assert!(!pushed.ok);
    assert!(pushed.transcript.contains("Dry run: nothing was released"), "{}", pushed.transcript);
    assert_eq!(daemon.releases(&user, "shop").len(), 1);
    assert!(tree.push_ssh(&daemon, &user, "shop").ok, "the ref has not moved, so the push is still to be made");
}
