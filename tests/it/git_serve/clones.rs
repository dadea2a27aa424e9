//! Clones, and what the refs are.

use super::{FEW_WAYS, HTTP_2, WAYS, World, pack_names};

/// The client keeps even a small pack as it is.
const KEPT: [&str; 2] = ["-c", "fetch.unpackLimit=1"];

#[test]
fn the_same_refs_as_of_plain_git() {
    let world = World::with_history();
    for way in WAYS {
        let [ours, theirs] = world.clients(way);
        for args in [
            &["ls-remote", "--symref", "{url}"][..],
            &["ls-remote", "{url}", "main"],
            &["ls-remote", "--tags", "{url}"],
            &["ls-remote", "--refs", "--heads", "{url}"],
            &["ls-remote", "{url}", "nothing-like-it"],
        ] {
            assert_eq!(ours.run(args), theirs.run(args), "{way:?} {args:?}");
        }
    }
}

#[test]
fn the_same_clone_as_from_plain_git() {
    let world = World::with_history();
    for way in WAYS {
        let [ours, _] = world.compare(way, &[&["clone", "-q"], &["fetch", "-q"], &["status"]]);
        assert_eq!(ours.run(&["rev-parse", "--abbrev-ref", "HEAD"]), "main\n");
        world.compare(way, &[&["clone", "-q", "--bare"]]);
        world.compare(way, &[&["clone", "-q", "--mirror"]]);
    }
    for way in FEW_WAYS {
        world.compare(way, &[&["clone", "-q", "--single-branch", "-b", "side"]]);
        world.compare(way, &[&["clone", "-q", "--single-branch", "--no-tags"]]);
        world.compare(way, &[&["clone", "-q", "-b", "v1"]]);
    }
}

#[test]
fn an_empty_app_is_cloned_without_error() {
    let world = World::start();
    for way in WAYS {
        let clients = world.compare(way, &[&["clone", "-q"], &["fetch", "-q"], &["ls-remote", "{url}"]]);
        // Only version 2 tells where HEAD leads when there is nothing there.
        let [ours, theirs] = clients.each_ref().map(|client| client.run(&["symbolic-ref", "HEAD"]));
        assert_eq!(ours, theirs, "{way:?}");
        assert_eq!(ours == "refs/heads/main\n", way.version == 2, "{way:?}");
    }
}

#[test]
fn without_main_the_deploy_branch_is_master() {
    let world = World::start();
    world.tree.write("file", "x");
    world.commit_at(0, "first");
    world.tree.git(&["branch", "-m", "main", "zebra"]);
    world.tree.git(&["branch", "aardvark"]);
    world.publish_all();
    let head = |args: &[&str]| world.clients(HTTP_2)[0].run(args);
    assert!(!head(&["ls-remote", "--symref", "{url}"]).contains("HEAD"), "no deploy branch, no HEAD");
    let commit = world.tree.git(&["rev-parse", "zebra"]).trim().parse().unwrap();
    world.runtime.block_on(world.set_ref("refs/heads/master", Some(commit)));
    assert!(head(&["ls-remote", "--symref", "{url}"]).starts_with("ref: refs/heads/master\tHEAD\n"));
}

#[test]
fn a_pack_of_which_all_is_wanted_goes_out_as_it_is() {
    let world = World::with_history();
    assert_eq!(world.packs().len(), 1);
    for way in FEW_WAYS {
        let [ours, _] = world.compare(way, &[&["clone", "-q", "--mirror", KEPT[0], KEPT[1]]]);
        assert_eq!(pack_names(&ours.git_dir().join("objects/pack")), world.packs(), "{way:?}");
    }
    let [ours, _] = world.clients(HTTP_2);
    let said = super::text(&ours.try_run(&["clone", "--mirror", "--progress"]).stderr);
    let objects = ours.run(&["rev-list", "--all", "--objects"]).lines().count();
    assert!(said.contains(&format!("remote: Enumerating objects: {objects}, done.")), "{said}");
    let total = format!("remote: Total {objects} (delta 0), reused 0 (delta 0), pack-reused {objects} (from 1)");
    assert!(said.contains(&total), "{said}");
}

#[test]
fn what_was_deleted_is_not_given_out() {
    let world = World::with_history();
    world.tree.git(&["checkout", "-q", "-b", "secret", "main"]);
    world.tree.write("secret", "a password");
    let secret = world.commit_at(40, "secret");
    world.publish_all();
    world.tree.git(&["checkout", "-q", "main"]);
    world.tree.git(&["branch", "-q", "-D", "secret"]);
    for url in [world.url(HTTP_2), world.plain.repo(super::APP).display().to_string()] {
        world.push(&url, &[":refs/heads/secret".to_owned()]);
    }
    for way in FEW_WAYS {
        let [ours, _] = world.compare(way, &[&["clone", "-q", "--mirror"]]);
        assert!(!ours.held().objects.contains(&secret));
        // git's own server gives out anything in version 2.
        let said = ours.fail(&["fetch", "-q", "{url}", &secret]);
        assert!(said.contains(&format!("upload-pack: not our ref {secret}")), "{way:?}: {said}");
    }
    let blob = world.tree.git(&["rev-parse", &format!("{secret}:secret")]);
    let [ours, _] = world.clients(HTTP_2);
    ours.run(&["clone", "-q"]);
    let file = world.tree.git(&["rev-parse", "main~9:README"]);
    for _ in 0..2 {
        let said = ours.fail(&["fetch", "-q", "{url}", blob.trim()]);
        assert!(said.contains("not our ref"), "{said}");
        ours.run(&["fetch", "-q", "--refetch", "{url}", file.trim()]);
    }
}

#[test]
fn objects_in_several_packs_are_sent_once() {
    let world = World::with_history();
    // A thin pack, which hoist completes with bases that it has already; and one that brings much of it again.
    world.tree.write("README", &format!("{}\nversion new\n", "some text that stays as it is\n".repeat(30)));
    world.commit_at(50, "thin");
    world.publish(&["refs/heads/main"]);
    world.tree.git(&["checkout", "-q", "--orphan", "again"]);
    world.commit_at(51, "the same files, another history");
    world.tree.git(&["checkout", "-q", "main"]);
    world.publish(&["refs/heads/again"]);
    assert_eq!(world.packs().len(), 3);
    for way in FEW_WAYS {
        let [ours, _] = world.compare(way, &[&["clone", "-q", "--mirror", KEPT[0], KEPT[1]]]);
        let pack = pack_names(&ours.git_dir().join("objects/pack")).remove(0);
        let path = ours.git_dir().join("objects/pack").join(pack);
        // --strict refuses a pack that has an object twice.
        let index = ours.dir.join("index.idx");
        ours.run(&["index-pack", "--strict", "-o", index.to_str().unwrap(), path.to_str().unwrap()]);
        world.compare(way, &[&["clone", "-q", "--single-branch", "-b", "again", "--no-tags"]]);
    }
}
