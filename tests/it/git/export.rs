//! Exports, compared with git's own.

use std::hash::{DefaultHasher, Hash, Hasher};

use hoist::git::{Additions, Base, Changes, Exported, ReadError};
use hoist::model::{CommitId, Limits};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use tokio::io::AsyncReadExt as _;

use super::push::noise;
use super::server::{Git, Server};

/// An entry's path, mode, type and, as a hash, content or link target.
type Listed = (String, u32, u8, u64);

fn list(tar: &[u8]) -> Vec<Listed> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let (mode, kind) = (entry.header().mode().unwrap(), entry.header().entry_type().as_byte());
        let mut content = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        std::io::copy(&mut entry, &mut content).unwrap();
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        (path, mode, kind, hasher.finish())
    });
    // git begins with a comment of its own.
    entries.filter(|(path, ..)| path != "pax_global_header").collect()
}

fn export(server: &Server, commit: &str, ignore: &Gitignore) -> Result<(Exported, Vec<u8>), ReadError> {
    let commit: CommitId = commit.parse().unwrap();
    let mut tar = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (writer, mut reader) = tokio::io::duplex(1000);
    let exporting = async {
        let exported = server.repo.export(None, &commit, None, Additions::default(), ignore, writer);
        tokio::join!(exported, reader.read_to_end(&mut tar))
    };
    let (exported, read) = runtime.block_on(exporting);
    read.unwrap();
    Ok((exported?, tar))
}

fn sample() -> (Git, String) {
    let git = Git::new();
    git.write("Procfile", "web: run\n");
    git.write("a-b", "sorts before a/");
    git.write("a/deep/er/file", noise(1, 100));
    git.write("a/\u{fc}", "non-ASCII");
    git.write(&format!("long/{}/{}", "d".repeat(120), "f".repeat(200)), "x");
    git.write("big", noise(2, 3_000_000));
    git.write("zeros", vec![0; 2_000_000]);
    git.write("run", "#!/bin/sh\n");
    git.run(&["add", "-A"]);
    git.run(&["update-index", "--chmod=+x", "run"]);
    for (name, target) in [("link", "./a//b"), ("far", "/etc/passwd"), ("longlink", &"x/".repeat(80))] {
        std::os::unix::fs::symlink(target, git.dir.join(name)).unwrap();
        git.run(&["add", name]);
    }
    git.run(&["commit", "-q", "-m", "sample"]);
    let commit = git.run(&["rev-parse", "HEAD"]);
    (git, commit)
}

#[test]
fn the_same_as_git_archive() {
    let (server, (git, commit)) = (Server::start(), sample());
    git.push_ok(&server, &["main"]);
    let (exported, ours) = export(&server, &commit, &Gitignore::empty()).unwrap();
    let theirs = git.pipe(&["-c", "tar.umask=0022", "archive", "main"], b"");
    assert_eq!(list(&ours), list(&theirs));
    assert_eq!((exported.files, exported.ignored_files), (11, 0));
    assert!(exported.bytes > 5_000_000);
    assert_eq!(export(&server, &commit, &Gitignore::empty()).unwrap().1, ours);
}

#[test]
fn what_is_ignored_is_left_out() {
    let (server, (git, commit)) = (Server::start(), sample());
    git.push_ok(&server, &["main"]);
    let mut ignore = GitignoreBuilder::new("");
    for pattern in ["/a/", "*link", "zeros"] {
        ignore.add_line(None, pattern).unwrap();
    }
    let (exported, tar) = export(&server, &commit, &ignore.build().unwrap()).unwrap();
    assert_eq!((exported.files, exported.ignored_files), (6, 5));
    let names: Vec<String> = list(&tar).into_iter().map(|(path, ..)| path).filter(|path| !path.starts_with("long")).collect();
    assert_eq!(names, ["Procfile", "a-b", "big", "far", "run"]);
}

#[test]
fn submodules_are_reported() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", "a");
    let commit = git.commit("a");
    git.run(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},vendor/lib")]);
    git.run(&["commit", "-q", "-m", "b"]);
    git.push_ok(&server, &["main"]);
    let (exported, tar) = export(&server, &git.run(&["rev-parse", "main"]), &Gitignore::empty()).unwrap();
    assert_eq!(exported.submodules, ["vendor/lib"]);
    let names: Vec<String> = list(&tar).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(names, ["a", "vendor/", "vendor/lib/"]);
}

/// Two hundred files that stay as they are, and what a script makes of those before.
fn history(scripts: &[&str]) -> (Git, Vec<String>) {
    let git = Git::new();
    (0..200).for_each(|number| git.write(&format!("same/{}/{number}", number % 10), "as ever"));
    let commits = scripts.iter().map(|script| {
        // In the work tree, by a shell.
        git.run(&["-c", &format!("alias.do=!{script}"), "do"]);
        git.run(&["add", "-A"]);
        git.run(&["commit", "-q", "--allow-empty", "-m", "another"]);
        git.run(&["rev-parse", "HEAD"])
    });
    let commits = commits.collect();
    (git, commits)
}

fn changes(server: &Server, base: &Base, commit: &str, ignore: &Gitignore) -> Result<Option<Changes>, ReadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(server.repo.changes(None, base, &commit.parse().unwrap(), None, ignore))
}

fn base_of(server: &Server, commit: &str, ignore: &Gitignore) -> Base {
    let (exported, _) = export(server, commit, ignore).unwrap();
    Base { commit: commit.parse().unwrap(), root: None, exported }
}

/// What becomes of a tree's list by changes; and what they say of the other tree.
fn changed(server: &Server, mut entries: Vec<Listed>, changes: Changes) -> (Exported, Vec<Listed>) {
    let removed = String::from_utf8(changes.removed.clone()).unwrap();
    for name in removed.split_terminator('\0') {
        let before = entries.len();
        entries.retain(|(path, ..)| path.trim_end_matches('/') != name && !path.starts_with(&format!("{name}/")));
        assert!(entries.len() < before, "{name} was there");
    }
    let mut tar = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (writer, mut reader) = tokio::io::duplex(1000);
    let exporting = async { tokio::join!(server.repo.export_changes(None, changes, writer), reader.read_to_end(&mut tar)) };
    let (exported, read) = runtime.block_on(exporting);
    read.unwrap();
    for added in list(&tar) {
        assert!(entries.iter().all(|(path, ..)| *path != added.0), "{} was removed", added.0);
        entries.push(added);
    }
    entries.sort();
    (exported.unwrap(), entries)
}

#[test]
fn changes_make_any_tree_of_any_other() {
    let (git, commits) = history(&[
        "mkdir -p a/b c; echo 1 > a/b/one; echo 2 > a/two; echo 3 > c/three; ln -s a link; echo x > turns; echo log > x.log",
        "echo other > a/b/one; chmod +x a/two; echo much > x.log; rm same/3/3",
        "rm -r a; echo file > a; rm turns; mkdir turns; echo > turns/in; ln -sfn c link; mkdir c/tmp; echo > c/tmp/ignored",
        "rm a; mkdir -p a/b/c/d; echo deep > a/b/c/d/e; rm link; echo file > link; git mv c moved; echo > 'new line\t'; rm x.log",
        "rm -rf same/4 moved; ln -s far moved",
        "true",
    ]);
    let server = Server::start();
    git.push_ok(&server, &["main"]);
    let mut patterns = GitignoreBuilder::new("");
    patterns.add_line(None, "*.log").unwrap().add_line(None, "tmp/").unwrap();
    for ignore in [Gitignore::empty(), patterns.build().unwrap()] {
        for (at, old) in commits.iter().enumerate() {
            let (exported, tar) = export(&server, old, &ignore).unwrap();
            let base = Base { commit: old.parse().unwrap(), root: None, exported };
            for (to, new) in commits.iter().enumerate() {
                let changes = changes(&server, &base, new, &ignore).unwrap().expect("they are few");
                assert!(at != to || changes.removed.is_empty());
                let (exported, mut wanted) = export(&server, new, &ignore).map(|(exported, tar)| (exported, list(&tar))).unwrap();
                wanted.sort();
                let made = changed(&server, list(&tar), changes);
                assert!(made.1 == wanted, "of {at} to {to}: {:?} instead of {wanted:?}", made.1);
                assert_eq!(made.0, exported, "of {at} to {to}");
            }
        }
    }
}

#[test]
fn changes_of_a_folder_are_its_own() {
    let (git, commits) =
        history(&["mkdir other; echo > other/x; echo 1 > same/one", "echo 2 > same/one; echo 2 > other/x", "rm -r same/3"]);
    let server = Server::start();
    git.push_ok(&server, &["main"]);
    let (root, none) = ("same".parse().unwrap(), Gitignore::empty());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let exported = |commit: &str| {
        let commit = commit.parse().unwrap();
        let (writer, mut reader) = tokio::io::duplex(1000);
        let mut tar = Vec::new();
        let exporting = async {
            let exported = server.repo.export(None, &commit, Some(&root), Additions::default(), &none, writer);
            tokio::join!(exported, reader.read_to_end(&mut tar))
        };
        let (exported, read) = runtime.block_on(exporting);
        read.unwrap();
        let mut entries = list(&tar);
        entries.sort();
        (exported.unwrap(), entries)
    };
    let (of_base, entries) = exported(&commits[0]);
    let base = Base { commit: commits[0].parse().unwrap(), root: Some(root.clone()), exported: of_base };
    for commit in &commits {
        let changes = runtime.block_on(server.repo.changes(None, &base, &commit.parse().unwrap(), Some(&root), &none));
        assert_eq!(changed(&server, entries.clone(), changes.unwrap().unwrap()), exported(commit));
    }
    assert!(changes(&server, &base, &commits[1], &none).unwrap().is_none(), "all of it has the rest as well");
}

#[test]
fn what_is_no_small_change_is_exported_anew() {
    let (git, commits) = history(&["true", "echo > one", "rm -r same/1 same/2 same/3", "dd if=/dev/zero of=large bs=1M count=2"]);
    let submodule = format!("160000,{},vendor/lib", commits[0]);
    git.run(&["update-index", "--add", "--cacheinfo", &submodule]);
    git.run(&["commit", "-q", "-m", "submodule"]);
    let with_submodule = git.run(&["rev-parse", "HEAD"]);
    git.run(&["checkout", "-q", "-b", "wide", &commits[0]]);
    (0..100).for_each(|number| git.write(&format!("wide/{number}"), ""));
    git.run(&["add", "-A"]);
    git.run(&["commit", "-q", "-m", "wide"]);
    let wide = git.run(&["rev-parse", "HEAD"]);
    git.run(&["checkout", "-q", "main"]);
    git.run(&["rm", "-q", "--cached", "vendor/lib"]);
    git.run(&["commit", "-q", "-m", "without"]);
    let server = Server::with_limits(&Limits { source_bytes: 1_000_000, source_files: 212, ..Limits::default() });
    git.push_ok(&server, &["main", "wide"]);
    let (of, none) = (|base: &Base, commit: &str| changes(&server, base, commit, &Gitignore::empty()), Gitignore::empty());
    let base = base_of(&server, &commits[0], &none);
    assert!(of(&base, &commits[1]).unwrap().is_some());
    assert!(of(&base, &commits[2]).unwrap().is_none(), "60 of 211");
    let smaller = base_of(&server, &commits[2], &none);
    assert!(of(&smaller, &with_submodule).unwrap().is_none(), "a submodule, and too large");
    assert!(of(&smaller, &commits[3]).unwrap().is_none(), "too large: who exports it says so");
    assert!(of(&base, &wide).unwrap().is_none(), "many in one folder");
    let mut wrong = base;
    wrong.exported.entries = 212;
    assert!(of(&wrong, &commits[1]).unwrap().is_none(), "too many");
    wrong.commit = "1".repeat(40).parse().unwrap();
    assert!(of(&wrong, &commits[1]).is_err(), "it is gone");
}

#[test]
fn limits_are_the_pushers_fault() {
    let (git, commit) = sample();
    for (limits, wanted) in [
        (Limits { source_bytes: 4_000_000, ..Limits::default() }, "the source is larger than the 4000000 bytes"),
        (Limits { source_files: 5, ..Limits::default() }, "the source has more than the 5 files"),
    ] {
        let server = Server::with_limits(&limits);
        git.push_ok(&server, &["main"]);
        let error = export(&server, &commit, &Gitignore::empty()).unwrap_err();
        assert!(error.is_pushers_fault() && error.to_string().contains(wanted), "{error}");
    }
    let server = Server::start();
    let error = export(&server, &commit, &Gitignore::empty()).unwrap_err();
    assert!(!error.is_pushers_fault(), "{error}");
}

#[test]
fn single_files() {
    let (server, (git, commit)) = (Server::start(), sample());
    git.push_ok(&server, &["main"]);
    let commit: CommitId = commit.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = |path: &str| runtime.block_on(server.repo.read_file(None, &commit, path, 1000));
    assert_eq!(read("Procfile").unwrap().as_deref(), Some(&b"web: run\n"[..]));
    assert_eq!(read("a/deep/er/file").unwrap(), Some(noise(1, 100)));
    for absent in ["nothing", "a", "a/deep", "link", "Procfile/x", "", "/Procfile", "../x"] {
        assert_eq!(read(absent).unwrap(), None, "{absent}");
    }
    assert!(read("big").unwrap_err().is_pushers_fault());
    assert_eq!(runtime.block_on(server.repo.commit_subject(None, &commit)).unwrap(), "sample");
}
