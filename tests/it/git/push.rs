//! Pushes as people make them.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use hoist::model::Limits;

use super::server::{Git, Seen, Server};

#[test]
fn first_push_and_the_next() {
    let (server, git) = (Server::start(), Git::new());
    for number in 0..50 {
        git.write(&format!("lib/file-{number}"), format!("{number}\n").repeat(200));
    }
    let first = git.commit("First\n\nbody");
    let text = git.push_ok(&server, &["main"]);
    assert!(text.contains("remote: -----> Received"), "{text}");
    assert!(text.contains("[new branch]      main -> main"), "{text}");
    assert_eq!(server.at("refs/heads/main"), first);

    git.write("lib/file-7", format!("{}x\n", "7\n".repeat(200)));
    let second = git.commit("Second");
    git.push_ok(&server, &["main"]);
    assert_eq!(server.at("refs/heads/main"), second);

    let [one, two] = &server.seen()[..] else { panic!("two pushes") };
    assert_eq!((one.subject.as_deref(), two.subject.as_deref()), (Some("First"), Some("Second")));
    // commit, two trees, fifty blobs; then commit, two trees, one blob and at least one base to complete the pack.
    assert_eq!(one.pack.map(|(objects, _)| objects), Some(53));
    assert!(two.pack.is_some_and(|(objects, _)| objects > 4), "the push was not thin: {two:?}");
    assert_eq!(server.fsck(), 57);
    assert!(!server.has_leftovers());
    for pack in server.packs() {
        assert_eq!(pack.metadata().unwrap().permissions().mode() & 0o777, 0o444);
    }
    assert!(git.push_ok(&server, &["main"]).contains("Everything up-to-date"));
}

#[test]
fn a_branch_upon_old_objects_brings_no_pack() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", "a");
    let commit = git.commit("a");
    git.push_ok(&server, &["main"]);
    git.push_ok(&server, &["main:refs/heads/other", "main:refs/heads/deep/er"]);
    assert_eq!((server.at("refs/heads/other"), server.at("refs/heads/deep/er")), (commit.clone(), commit));
    assert_eq!(server.seen()[1].pack, None);
    assert_eq!(server.packs().len(), 1);
}

#[test]
fn tags_of_all_sorts() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", "a");
    git.commit("a");
    git.run(&["tag", "light"]);
    git.run(&["tag", "-a", "-m", "annotated", "v1"]);
    git.run(&["tag", "-a", "-m", "nested", "v2", "v1"]);
    git.run(&["tag", "blob", "HEAD:a"]);
    git.run(&["tag", "tree", "HEAD^{tree}"]);
    git.push_ok(&server, &["--tags", "main"]);
    assert_eq!(server.refs().len(), 6);
    assert_eq!(server.at("refs/tags/v2"), git.run(&["rev-parse", "v2"]));
    server.fsck();
}

#[test]
fn deletions() {
    let (server, git) = (Server::start(), Git::new());
    git.commit("a");
    git.push_ok(&server, &["main", "main:x", "main:y"]);
    let text = git.push_ok(&server, &[":x"]);
    assert!(text.contains("[deleted]         x"), "{text}");
    assert_eq!(server.refs().len(), 2);
    // Makes one and deletes one.
    git.push_ok(&server, &["main:z", ":y"]);
    assert_eq!((server.at("refs/heads/y").is_empty(), server.at("refs/heads/z").is_empty()), (true, false));
    let (ok, text) = git.push(&server, &[":nothing"]);
    assert!(!ok && text.contains("remote ref does not exist"), "{text}");
}

#[test]
fn five_thousand_refs() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", "a");
    let commit = git.commit("a");
    let make: Vec<String> = (0..5000).map(|number| format!("create refs/heads/b{number:04} {commit}\n")).collect();
    git.pipe(&["update-ref", "--stdin"], make.concat().as_bytes());
    git.push_ok(&server, &["--all"]);
    assert_eq!(server.refs().len(), 5001);
    git.write("a", "b");
    git.commit("b");
    git.push_ok(&server, &["main"]);
    assert_eq!(server.fsck(), 6);
}

#[test]
fn refused_refs_say_why() {
    let (server, git) = (Server::start(), Git::new());
    git.commit("a");
    let (ok, text) = git.push(&server, &["main", "main:refused"]);
    assert!(!ok);
    assert!(text.contains("[new branch]      main -> main"), "{text}");
    assert!(text.contains("! [remote rejected] main -> refused (not this one)"), "{text}");
    assert_eq!(server.refs().len(), 1);
}

#[test]
fn atomic_pushes_are_all_or_none() {
    let (server, git) = (Server::start(), Git::new());
    git.commit("a");
    let (ok, text) = git.push(&server, &["--atomic", "main", "main:refused"]);
    assert!(!ok && text.contains("main -> main (all or none)"), "{text}");
    assert!(server.refs().is_empty() && server.packs().is_empty() && !server.has_leftovers());
    git.push_ok(&server, &["--atomic", "main", "main:other"]);
    assert_eq!(server.refs().len(), 2);
}

#[test]
fn push_options_arrive_as_they_are() {
    let (server, git) = (Server::start(), Git::new());
    git.commit("a");
    git.push_ok(&server, &["--push-option=cache=clear", "--push-option=a;b \" c", "main"]);
    let Seen { options, .. } = &server.seen()[0];
    assert_eq!(options[..], ["cache=clear", "a;b \" c"]);
}

#[test]
fn a_moved_ref_is_told() {
    let (server, git) = (Server::start(), Git::new());
    git.commit("a");
    git.push_ok(&server, &["main"]);
    let (ok, text) = git.push(&server, &["main:refs/heads/main/sub"]);
    assert!(!ok && text.contains("'refs/heads/main' exists; cannot create 'refs/heads/main/sub'"), "{text}");
}

#[test]
fn shallow_clones_are_refused_with_a_remedy() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", "a");
    git.commit("a");
    git.write("a", "b");
    git.commit("b");
    let shallow = Git::new();
    shallow.run(&["pull", "-q", "--depth=1", &format!("file://{}", git.dir.display()), "main"]);
    let (ok, text) = shallow.push(&server, &["main"]);
    assert!(!ok && text.contains("git fetch --unshallow"), "{text}");
    assert!(server.refs().is_empty() && !server.has_leftovers());
}

#[test]
fn limits_are_told() {
    let limits = Limits { pack_bytes: 300_000, blob_bytes: 200_000, pack_objects: 40, ..Limits::default() };
    let server = Server::with_limits(&limits);
    let check = |content: &[(&str, Vec<u8>)], wanted: &str| {
        let git = Git::new();
        for (name, bytes) in content {
            git.write(name, bytes);
        }
        git.commit("a");
        let (ok, text) = git.push(&server, &["main"]);
        assert!(!ok && text.contains(wanted), "{text}");
    };
    check(&[("zeros", vec![0; 200_001])], "a file is of 200001 bytes, at most 200000 bytes are allowed");
    let noise = |seed: u32| noise(seed, 150_000);
    check(&[("a", noise(1)), ("b", noise(2)), ("c", noise(3))], "the pack is larger than the 300000 bytes that are allowed");
    let names: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), name.clone().into_bytes())).collect();
    check(&many, "the pack has 52 objects, at most 40 are allowed");
    assert!(server.refs().is_empty() && !server.has_leftovers());
}

#[test]
fn deep_histories_of_many_versions() {
    // Long chains of deltas, bases of deltas shared by several, trees and blobs alike; more than one thread's worth.
    let (server, git) = (Server::start(), Git::new());
    let mut script = Vec::new();
    for number in 0..400 {
        let file = format!("{}\nversion {number}\n", "the same line again and again\n".repeat(50 + number % 7));
        let time = 1_700_000_000 + number;
        writeln!(script, "commit refs/heads/main\ncommitter A <a@example.com> {time} +0000\ndata 2\nm\n").unwrap();
        for name in ["a", "dir/b", &format!("dir/sub/c{}", number % 20)] {
            writeln!(script, "M 100644 inline {name}\ndata {}\n{file}", file.len()).unwrap();
        }
    }
    git.pipe(&["fast-import", "--quiet"], &script);
    git.run(&["repack", "-adfq", "--depth=100", "--window=20"]);
    let text = git.push_ok(&server, &["--progress", "main"]);
    assert!(text.contains("remote: Resolving deltas: 100% ("), "{text}");
    let objects = git.run(&["rev-list", "--objects", "--all"]).lines().count();
    assert_eq!(server.fsck(), objects);
    // git asks for quiet when nobody looks.
    assert!(!git.push_ok(&Server::start(), &["main"]).contains("Resolving"));
}

#[test]
fn big_files_stream_through() {
    let (server, git) = (Server::start(), Git::new());
    // Above the size from which blobs are hashed while they stream, one of them as the base of a delta.
    let mut big = noise(1, 700_000);
    git.write("big", &big);
    git.write("other", noise(2, 600_000));
    git.commit("a");
    git.push_ok(&server, &["main"]);
    big.extend_from_slice(b"more");
    git.write("big", &big);
    git.commit("b");
    git.run(&["repack", "-adfq"]);
    let again = Server::start();
    for server in [&server, &again] {
        git.push_ok(server, &["main"]);
        assert_eq!(server.fsck(), 7);
    }
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u32, count: usize) -> Vec<u8> {
    let mut state = 2 * seed + 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    std::iter::repeat_with(next).take(count).collect()
}
