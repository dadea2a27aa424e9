//! Exports, compared with git's own.

use std::hash::{DefaultHasher, Hash, Hasher};

use hoist::git::{Additions, Exported, ReadError};
use hoist::model::{CommitId, Limits};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use tokio::io::AsyncReadExt as _;

use super::push::noise;
use super::server::{Git, Server};

/// A tar's entries: path, mode, type and, as a hash, content or link target.
fn list(tar: &[u8]) -> Vec<(String, u32, u8, u64)> {
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
