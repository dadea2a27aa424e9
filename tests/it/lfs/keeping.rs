//! What stays of what was sent, and what goes.

use std::io::Write as _;
use std::net::TcpStream;

use super::{APP, Way, World, content, git, grant, oid, succeeds};
use crate::harness::{WorkTree, until};

/// Begins to send a file, and stops in the middle.
fn begin(world: &World, file: &[u8]) -> TcpStream {
    let object = world.one(&world.alice, APP, "upload", file);
    let mut stream = TcpStream::connect(&world.daemon.http).unwrap();
    let head = format!(
        "PUT /shop.git/info/lfs/objects/{} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        oid(file),
        world.daemon.http,
        grant(&object["actions"]["upload"]),
        file.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&file[..file.len() / 2]).unwrap();
    until(|| world.unfinished() == 1);
    stream
}

#[test]
fn a_client_that_goes_in_the_middle_leaves_nothing() {
    let world = World::start();
    let file = content(1, 4_000_000);
    drop(begin(&world, &file));
    until(|| world.unfinished() == 0);
    assert!(!world.keeps(&file));
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_leaves_nothing() {
    let mut world = World::start();
    let file = content(1, 4_000_000);
    let stream = begin(&world, &file);
    world.daemon.kill();
    drop(stream);
    assert_eq!(world.unfinished(), 1);
    world.daemon.restart();
    assert_eq!(world.unfinished(), 0);
    assert!(!world.keeps(&file));
    world.send(&world.alice, APP, &file);
    assert!(world.keeps(&file));
}

#[test]
fn files_that_no_commit_needs_go_and_others_stay() {
    let mut world = World::start();
    let (first, second, unneeded) = (content(1, 5000), content(2, 5000), content(3, 5000));
    let tree = world.tree(Way::Http, &world.alice, &first);
    std::fs::write(tree.path().join("art/big.bin"), &second).unwrap();
    tree.commit("changed");
    succeeds(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
    world.send(&world.alice, APP, &unneeded);
    assert!([&first, &second, &unneeded].into_iter().all(|file| world.keeps(file)));

    // From now on nothing is too young.
    std::fs::write(world.daemon.data_dir().join("hoist.toml"), "engine = \"local\"\n[limits]\ngarbage_time = \"0s\"\n").unwrap();
    world.daemon.kill_and_restart();
    until(|| !world.keeps(&unneeded));
    assert_eq!(world.one(&world.alice, APP, "download", &unneeded)["error"]["code"], 404);
    // Also what only an older commit needs.
    let clone = WorkTree::new();
    clone.git(&["lfs", "install", "--local"]);
    clone.git(&["remote", "add", "origin", &world.url(Way::Http, &world.alice)]);
    succeeds(&mut git(&clone, &world.alice, &["fetch", "-q", "origin"]));
    succeeds(&mut git(&clone, &world.alice, &["lfs", "fetch", "--all"]));
    succeeds(&mut git(&clone, &world.alice, &["checkout", "-q", "origin/main~1"]));
    assert!(std::fs::read(clone.path().join("art/big.bin")).unwrap() == first);

    world.daemon.client(&world.alice, &["apps:destroy", "--app", APP, "--confirm", APP]);
    world.daemon.kill_and_restart();
    until(|| !world.keeps(&first) && !world.keeps(&second));
}

#[test]
fn a_repository_that_cant_be_read_keeps_its_files_and_holds_up_no_other() {
    let mut world = World::start();
    let tree = world.tree(Way::Http, &world.alice, &content(1, 5000));
    succeeds(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
    let kept = content(2, 5000);
    world.send(&world.alice, APP, &kept);
    // Apps have no order, so that the damaged one is hardly the last.
    let others: Vec<_> = (0..7).map(|number| (format!("other-{number}"), content(3 + number, 5000))).collect();
    for (app, file) in &others {
        world.daemon.client(&world.alice, &["apps:create", app]);
        world.send(&world.alice, app, file);
    }
    let repos = world.daemon.data_dir().join("repos");
    let mut folders = repos.read_dir().unwrap().map(|entry| entry.unwrap().path().join("objects/pack"));
    let pack = folders
        .find_map(|dir| dir.read_dir().ok()?.map(|entry| entry.unwrap().path()).find(|path| path.extension().unwrap() == "idx"));
    let index = pack.expect("one app has been pushed to");
    std::fs::remove_file(&index).unwrap();
    std::fs::write(&index, "no index").unwrap();

    std::fs::write(world.daemon.data_dir().join("hoist.toml"), "engine = \"local\"\n[limits]\ngarbage_time = \"0s\"\n").unwrap();
    world.daemon.kill_and_restart();
    until(|| others.iter().all(|(_, file)| !world.keeps(file)));
    assert!(world.keeps(&kept));
}
