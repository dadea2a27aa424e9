//! Packs that are repositories: fetched once, pinned by their commits, and asked for again when the copy is old.

use std::thread;

use serde_json::json;

use super::{Shop, pack, write_pack};
use crate::harness::Forge;

/// How often a pack was asked for or fetched.
fn commands(forge: &Forge) -> usize {
    forge.asked().iter().filter(|asked| asked.starts_with("POST ")).count()
}

#[test]
fn a_repository_is_fetched_once_and_its_commit_remembered() {
    let (shop, forge, tree) = (Shop::new(), Forge::start(), pack("one"));
    forge.publish("octo/pack", &tree);
    let (url, commit) = (forge.url("octo/pack"), tree.git(&["rev-parse", "HEAD"]).trim().to_owned());
    shop.set(&url);
    let short = format!("It is commit {}", &commit[..8]);
    shop.push().released_with(&[
        "-----> Using buildpack: http://HOST/octo/pack.git\n",
        "-----> Fetching buildpack http://HOST/octo/pack.git\n",
        &short,
        "-----> Pack app detected\n",
        "says one",
    ]);
    assert_eq!(shop.used(), json!([{"name": url, "url": url, "version": commit}]));
    let info = shop.client(&["releases:info"]);
    assert!(info.contains(&format!("{url} ({})\n", &commit[..8])), "{info}");

    let asked = commands(&forge);
    write_pack(&tree, "two");
    forge.publish("octo/pack", &tree);
    let at_hand = format!("-----> Buildpack http://HOST/octo/pack.git is at hand: commit {}, fetched 20", &commit[..8]);
    shop.push().released_with(&[&at_hand, "says one"]);
    assert_eq!(commands(&forge), asked, "within an hour nobody is asked");
    let left: Vec<_> =
        shop.daemon.data_dir().join("buildpacks").read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["objects"]);
}

#[test]
fn branches_tags_and_commits_are_told_by_what_is_behind_the_hash() {
    let (shop, forge, tree) = (Shop::new(), Forge::start(), pack("old"));
    let old = tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
    write_pack(&tree, "tagged");
    tree.git(&["tag", "-a", "-m", "a tag", "v1"]);
    forge.publish("octo/pack", &tree);
    tree.git(&["push", "-q", forge.repo("octo/pack").to_str().unwrap(), "refs/tags/v1"]);
    write_pack(&tree, "of a branch");
    forge.publish_as("octo/pack", &tree, "refs/heads/side/track");
    tree.git(&["checkout", "-q", "HEAD~1"]);
    write_pack(&tree, "newest");
    forge.publish("octo/pack", &tree);
    for (at, says) in [
        ("", "newest"),
        ("#v1", "tagged"),
        ("#side/track", "of a branch"),
        ("#refs/heads/side/track", "of a branch"),
        (&format!("#{old}"), "old"),
        (&format!("#{}", &old[..7]), "old"),
    ] {
        shop.set(&format!("{}{at}", forge.url("octo/pack")));
        shop.push().released_with(&[&format!("says {says}")]);
    }
    for at in ["#v2", "#0000000"] {
        shop.set(&format!("{}{at}", forge.url("octo/pack")));
        shop.push().refused_with(&[
            &format!(
                " !     The buildpack http://HOST/octo/pack.git{at} can't be fetched: the repository has no branch, tag or commit {}.",
                &at[1..]
            ),
            " !     Check what is behind the # with `git ls-remote`, then set the buildpack again.",
        ]);
    }
}

#[test]
fn an_old_copy_is_asked_for_again_and_serves_where_nothing_can_be_fetched() {
    let (shop, forge, tree) = (Shop::with("[buildpacks]\nrefresh = \"0s\"\n"), Forge::start(), pack("one"));
    forge.publish("octo/pack", &tree);
    shop.set(&format!("{}#main", forge.url("octo/pack")));
    shop.push().released_with(&["says one"]);
    let asked = commands(&forge);
    shop.push().released_with(&[", as before\n", "says one"]);
    assert_eq!(commands(&forge), asked + 1, "only where it is now");
    let two = write_pack(&tree, "two");
    forge.publish("octo/pack", &tree);
    shop.push().released_with(&[&format!("It is commit {}\n", &two[..8]), "says two"]);

    std::fs::rename(forge.repo("octo/pack"), forge.repo("octo/gone")).unwrap();
    shop.push().released_with(&[
        " !     It can't be fetched: the server has no such repository, or does not show it to hoist.\n",
        " !     The copy is used that was fetched 20",
        &format!("UTC: commit {}.\n", &two[..8]),
        "says two",
    ]);
    shop.set(&forge.url("octo/pack"));
    shop.push().refused_with(&[
        " !     The buildpack http://HOST/octo/pack.git can't be fetched: the server has no such repository",
        " !     Check the URL. If it is private, give hoist a token that may read it: hoist git-credentials:add http://HOST/octo/pack.git",
    ]);
    assert_eq!(shop.daemon.releases(&shop.user, "shop").len(), 5);
}

#[test]
fn a_commit_is_never_asked_for_again_and_survives_a_restart() {
    let (mut shop, forge, tree) = (Shop::with("[buildpacks]\nrefresh = \"0s\"\n"), Forge::start(), pack("one"));
    forge.publish("octo/pack", &tree);
    let commit = tree.git(&["rev-parse", "HEAD"]);
    shop.set(&format!("{}#{}", forge.url("octo/pack"), commit.trim()));
    shop.push().released_with(&["says one"]);
    let asked = commands(&forge);
    shop.daemon.kill_and_restart();
    shop.push().released_with(&["is at hand: commit ", "says one"]);
    assert_eq!(commands(&forge), asked);
}

#[test]
fn builds_at_the_same_time_fetch_a_pack_once() {
    let (shop, forge, tree) =
        (Shop::with("[buildpacks]\nrefresh = \"0s\"\n[limits]\nconcurrent_builds = 3\n"), Forge::start(), pack("one"));
    forge.publish("octo/pack", &tree);
    for app in ["one", "two", "three"] {
        shop.daemon.client(&shop.user, &["apps:create", app]);
        shop.daemon.client(&shop.user, &["buildpacks:set", &forge.url("octo/pack"), "--app", app]);
    }
    let push = |app: &str| shop.tree.push_http(&shop.daemon, &shop.user, app);
    thread::scope(|scope| {
        let pushes = ["one", "two", "three"].map(|app| scope.spawn(move || push(app)));
        for pushed in pushes {
            let pushed = pushed.join().unwrap();
            assert!(pushed.ok && pushed.transcript.contains("says one"), "{}", pushed.transcript);
        }
    });
    let fetches = forge.asked().iter().filter(|asked| asked.contains("service=git-upload-pack")).count();
    // To ask and to fetch; whoever came later than that asked once more.
    assert!((2..=4).contains(&fetches), "{fetches}");
}

#[test]
fn a_private_address_is_not_asked() {
    let shop = Shop::of(crate::harness::Daemon::start_with("engine = \"local\"\n"));
    shop.set("http://127.0.0.1:9/octo/pack.git");
    shop.push().refused_with(&[
        "can't be fetched: 127.0.0.1 is a private address, or this host's own.",
        " !     Ask whoever runs hoist to allow this network.",
    ]);
    shop.set("http://127.0.0.1:9/pack.tgz");
    shop.push().refused_with(&["can't be fetched: 127.0.0.1 is a private address, or this host's own."]);
}

#[test]
fn an_unchanged_app_is_built_again_where_its_pack_may_have_changed() {
    let (forge, tree) = (Forge::start(), pack("one"));
    forge.publish("octo/pack", &tree);
    for (config, is_built) in [("", false), ("[buildpacks]\nrefresh = \"0s\"\n", true)] {
        let shop = Shop::with(config);
        shop.set(&forge.url("octo/pack"));
        shop.client(&["apps:skip-unchanged"]);
        shop.push().released_with(&["says one"]);
        for _ in 0..2 {
            let said = shop.push();
            said.released_with(&["Released v"]);
            assert_eq!(said.text().contains("says one"), is_built, "{}", said.text());
            assert_eq!(shop.used()[0]["version"], tree.git(&["rev-parse", "HEAD"]).trim(), "also of a slug that was there");
        }
    }
}
