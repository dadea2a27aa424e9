//! Pushes and clones with the real Git LFS.

use super::{APP, Way, World, content, fails, git, oid, outcome, succeeds};
use crate::harness::WorkTree;

/// Pushes an app with a large file, and clones it again.
fn there_and_back(way: Way) {
    let world = World::start();
    let big = content(1, 3_000_000);
    let tree = world.tree(way, &world.alice, &big);
    let pushed = succeeds(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
    assert!(pushed.contains("Uploading LFS objects: 100% (1/1), 3.0 MB"), "{pushed}");
    assert!(pushed.contains("-----> Git LFS: 1 files of 2.8M"), "{pushed}");
    assert!(pushed.contains(&oid(&big)), "the build must see the file itself: {pushed}");
    // Nothing but the advice that every server with locks causes.
    assert!(!pushed.contains("warning:") && !pushed.contains("error:") && !pushed.contains("lfs-transfer"), "{pushed}");

    // Another commit sends only what is new, and a commit without large files of its own nothing.
    std::fs::write(tree.path().join("art/other.bin"), content(2, 1000)).unwrap();
    tree.commit("another");
    let pushed = succeeds(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
    assert!(pushed.contains("(1/1), 1.0 KB") && pushed.contains("-----> Git LFS: 2 files of 2.8M"), "{pushed}");

    let clone = WorkTree::new();
    clone.git(&["lfs", "install", "--local"]);
    clone.git(&["remote", "add", "origin", &world.url(way, &world.alice)]);
    succeeds(&mut git(&clone, &world.alice, &["fetch", "-q", "origin"]));
    succeeds(&mut git(&clone, &world.alice, &["checkout", "-q", "-b", "main", "origin/main"]));
    assert!(std::fs::read(clone.path().join("art/big.bin")).unwrap() == big, "the file differs");
    assert!(std::fs::read(clone.path().join("art/other.bin")).unwrap() == content(2, 1000));
    succeeds(&mut git(&clone, &world.alice, &["lfs", "fsck"]));
}

#[test]
fn a_push_brings_its_files_and_a_clone_gets_them_over_http() {
    there_and_back(Way::Http);
}

#[test]
fn a_push_brings_its_files_and_a_clone_gets_them_over_ssh() {
    there_and_back(Way::Ssh);
}

#[test]
fn over_tls_git_asks_for_the_token() {
    let world = World::start();
    let big = content(1, 100_000);
    let tree = world.tree(Way::Http, &world.alice, &big);
    tree.git(&["remote", "set-url", "hoist", &format!("https://{}/{APP}.git", world.daemon.http)]);
    let helper = format!("credential.helper=!f() {{ echo username=_; echo password={}; }}; f", world.alice.token);
    let ca = world.daemon.data_dir().join("ca.pem");
    let mut push = git(&tree, &world.alice, &["-c", &helper, "push", "hoist", "main"]);
    let pushed = succeeds(push.env("GIT_SSL_CAINFO", ca));
    assert!(pushed.contains(&oid(&big)), "{pushed}");
}

#[test]
fn more_files_than_one_question_holds() {
    let world = World::start();
    let tree = world.tree(Way::Ssh, &world.alice, &content(1, 1000));
    for number in 0..130 {
        tree.write(&format!("art/{number}.bin"), &format!("file {number}"));
    }
    tree.commit("many files");
    let pushed = succeeds(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
    assert!(pushed.contains("(131/131)") && pushed.contains("Git LFS: 131 files of "), "{pushed}");
}

#[test]
fn the_first_push_to_a_new_name_brings_its_files() {
    let world = World::start();
    for (way, app) in [(Way::Http, "one"), (Way::Ssh, "two")] {
        let tree = world.tree(way, &world.alice, &content(1, 1000));
        tree.git(&["remote", "set-url", "hoist", &world.url(way, &world.alice).replace(APP, app)]);
        tree.write("Procfile", "web: sha256sum art/big.bin\n");
        tree.commit("what runs");
        let pushed = succeeds(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
        assert!(pushed.contains("Git LFS: 1 files of 1000B") && pushed.contains("Released v2"), "{pushed}");
    }
}

#[test]
fn pointers_without_their_files_are_refused_with_what_to_do() {
    let world = World::start();
    let big = content(1, 100_000);
    let tree = world.tree(Way::Http, &world.alice, &big);
    let refused = fails(git(&tree, &world.alice, &["push", "hoist", "main"]).env("GIT_LFS_SKIP_PUSH", "1"));
    let words = "remote: !	Push rejected: Git LFS has not sent 1 file, of which the commit has only pointers:        \n\
                 remote: !	  art/big.bin        \n\
                 remote: !	Send them with `git lfs push --all REMOTE BRANCH`, then push again.        \n";
    assert!(refused.contains(words), "{refused}");
    assert!(refused.contains("! [remote rejected] main -> main (pre-receive hook declined)"), "{refused}");
    assert!(!refused.contains("Building source"), "{refused}");
    let builds = world.daemon.get(&world.alice, &format!("/apps/{APP}/builds"));
    assert_eq!(builds.as_array().unwrap().len(), 0, "no build was recorded");

    // Another branch is not built.
    succeeds(git(&tree, &world.alice, &["push", "hoist", "main:side"]).env("GIT_LFS_SKIP_PUSH", "1"));

    succeeds(&mut git(&tree, &world.alice, &["lfs", "push", "--all", "hoist", "main"]));
    let pushed = succeeds(git(&tree, &world.alice, &["push", "hoist", "main"]).env("GIT_LFS_SKIP_PUSH", "1"));
    assert!(pushed.contains(&oid(&big)), "{pushed}");
}

#[test]
fn where_lfsconfig_sends_the_files_elsewhere_that_is_said() {
    let world = World::start();
    let big = content(1, 1000);
    let tree = world.tree(Way::Http, &world.alice, &big);
    tree.write(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:9/o/r.git/info/lfs\n");
    tree.commit("files are kept elsewhere");
    let refused = fails(git(&tree, &world.alice, &["push", "hoist", "main"]).env("GIT_LFS_SKIP_PUSH", "1"));
    assert!(refused.contains("!	.lfsconfig has them sent to http://127.0.0.1:9/o/r.git/info/lfs."), "{refused}");
    let (_, advice) = refused.split_once("Send them with `git -c ").unwrap();
    let (setting, _) = advice.split_once(" lfs push --all REMOTE BRANCH`").unwrap();
    let setting = setting.replace("http://", &format!("http://_:{}@", world.alice.token));
    succeeds(&mut git(&tree, &world.alice, &["-c", &setting, "lfs", "push", "--all", "hoist", "main"]));
    let pushed = succeeds(git(&tree, &world.alice, &["push", "hoist", "main"]).env("GIT_LFS_SKIP_PUSH", "1"));
    assert!(pushed.contains(&oid(&big)), "{pushed}");
}

#[test]
fn a_pointer_that_git_lfs_does_not_keep_is_a_file() {
    let world = World::start();
    let tree = WorkTree::with_pack("null");
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n", "ab".repeat(32));
    tree.write("docs/example", &pointer);
    tree.commit("how a pointer looks");
    let pushed = tree.push_http(&world.daemon, &world.alice, APP);
    assert!(pushed.ok && !pushed.transcript.contains("Git LFS"), "{}", pushed.transcript);
}

#[test]
fn all_files_together_have_the_limit_of_a_source() {
    let world = World::start_with("[limits]\nsource_bytes = 1000000\n");
    let tree = world.tree(Way::Ssh, &world.alice, &content(1, 600_000));
    succeeds(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
    std::fs::write(tree.path().join("art/more.bin"), content(2, 600_000)).unwrap();
    tree.commit("too much");
    let refused = fails(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
    assert!(refused.contains("The source is too large: at most 976.5K"), "{refused}");
    assert!(!refused.contains("Building source"), "{refused}");
}

#[test]
fn who_may_not_push_may_not_send_files() {
    let world = World::start();
    let tree = world.tree(Way::Ssh, &world.bob, &content(1, 1000));
    for way in [Way::Http, Way::Ssh] {
        tree.git(&["remote", "set-url", "hoist", &world.url(way, &world.bob)]);
        let refused = fails(&mut git(&tree, &world.bob, &["lfs", "push", "--all", "hoist", "main"]));
        assert!(refused.contains("No such app as shop"), "{way:?}: {refused}");
        world.daemon.client(&world.alice, &["access:add", "bob@example.com", "--permissions", "view", "--app", APP]);
        let refused = fails(&mut git(&tree, &world.bob, &["lfs", "push", "--all", "hoist", "main"]));
        assert!(refused.contains("You need the deploy permission in shop"), "{way:?}: {refused}");
        world.daemon.client(&world.alice, &["access:remove", "bob@example.com", "--app", APP]);
    }
    assert!(!world.keeps(&content(1, 1000)));
    let trail = world.daemon.client(&world.alice, &["audit", "--app", APP, "--json"]);
    assert!(trail.contains("\"lfs\"") && trail.contains("permission"), "{trail}");
}

#[test]
fn a_client_that_would_speak_ssh_alone_is_told_to_ask_otherwise() {
    let world = World::start();
    let tree = world.tree(Way::Ssh, &world.alice, &content(1, 1000));
    let ask = |command: &str| {
        let ssh = crate::harness::ssh_command(&world.alice.key);
        let (host, port) = world.daemon.ssh.rsplit_once(':').unwrap();
        let mut words = ssh.split(' ');
        let mut ssh = std::process::Command::new(words.next().unwrap());
        outcome(ssh.args(words).args(["-p", port, &format!("git@{host}"), command]).current_dir(tree.path()))
    };
    assert_eq!(ask("git-lfs-transfer shop.git upload"), (false, String::new()));
    let (ok, told) = ask("git-lfs-authenticate shop.git download");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(ok);
    assert_eq!(told["href"], format!("http://{}/shop.git/info/lfs", world.daemon.http));
    assert_eq!(told["expires_in"], 1800);
    let (ok, said) = ask("git-lfs-authenticate nothing.git download");
    assert!(!ok && said.contains("No such app as nothing"), "{said}");
}
