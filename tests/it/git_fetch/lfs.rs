//! Files that Git LFS keeps stand in the tree in place of their pointers.

use hoist::build::{LfsError, RemoteError};
use hoist::deploy::Failure;
use hoist::fetch::FetchError;
use hoist::model::{Limits, Remote};

use super::{Fetching, NAME, fetch, files, public, url, with_key, with_token};
use crate::harness::{Forge, Manner, WorkTree};

const ATTRIBUTES: &str = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
const TOKEN: &str = "ghs_sesame";

/// The lines that somebody reads whose source can't be fetched.
fn words(remote: Remote, commit: &str) -> Vec<String> {
    Failure::from(fetch(remote, commit).files.unwrap_err()).words(&Limits::default(), None)
}

fn publish(forge: &Forge, list: &[(&str, &str)]) -> String {
    let tree = WorkTree::new();
    for (path, content) in list {
        tree.write(path, content);
    }
    let commit = tree.commit("first");
    forge.publish(NAME, &tree);
    commit
}

#[test]
fn pointers_become_files() {
    let forge = Forge::with(Manner { token: Some(TOKEN), ..Manner::default() });
    let (large, small) = ("x".repeat(3_000_000), "small");
    let (large_pointer, small_pointer) = (forge.keep_lfs(large.as_bytes()), forge.keep_lfs(small.as_bytes()));
    let list = [(".gitattributes", ATTRIBUTES), ("a.bin", &large_pointer), ("dir/b.bin", &small_pointer), ("readme", "text")];
    let commit = publish(&forge, &list);
    let fetched = fetch(with_token(&url(&forge), TOKEN), &commit);
    assert!(fetched.log.contains("       Git LFS: 2 files of 2.8M\n"), "{}", fetched.log);
    let expected = files(&[(".gitattributes", ATTRIBUTES), ("a.bin", &large), ("dir/b.bin", small), ("readme", "text")]);
    assert!(fetched.files() == expected, "the files differ");
}

#[test]
fn without_the_attribute_a_pointer_is_a_file() {
    let forge = Forge::start();
    let pointer = forge.keep_lfs(b"content");
    let commit = publish(&forge, &[("a.bin", &pointer)]);
    assert_eq!(fetch(public(&url(&forge)), &commit).files(), files(&[("a.bin", &pointer)]));
    assert_eq!(forge.asked().len(), 2);
}

#[test]
fn bytes_that_are_others_and_files_that_are_not_there() {
    let forge = Forge::start();
    let error_of = |pointer: &str| {
        let commit = publish(&forge, &[(".gitattributes", ATTRIBUTES), ("a.bin", pointer)]);
        fetch(public(&url(&forge)), &commit).error()
    };
    let pointer = forge.keep_lfs(b"good content");
    forge.spoil_lfs(&pointer, b"evil content");
    let error = error_of(&pointer);
    assert!(matches!(error, RemoteError::Lfs(LfsError::Other { .. })), "{error}");
    forge.spoil_lfs(&pointer, b"longer than it says");
    let error = error_of(&pointer);
    assert!(matches!(error, RemoteError::Lfs(LfsError::Other { .. })), "{error}");
    let nowhere = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n", "0".repeat(64));
    let error = error_of(&nowhere);
    assert!(error.to_string().contains("Object does not exist (404)"), "{error}");
}

#[test]
fn together_they_are_no_larger_than_a_source_may_be() {
    let forge = Forge::start();
    let pointers = [b"1".repeat(600), b"2".repeat(600)].map(|content| forge.keep_lfs(&content));
    let commit = publish(&forge, &[(".gitattributes", ATTRIBUTES), ("a.bin", &pointers[0]), ("b.bin", &pointers[1])]);
    let fetching = Fetching { limits: Limits { source_bytes: 1000, ..Limits::default() }, ..Fetching::default() };
    let error = fetching.fetch(public(&url(&forge)), &commit, None).error();
    assert!(matches!(error, RemoteError::Lfs(LfsError::TooLarge { limit: 1000 })), "{error}");
    assert!(forge.asked().iter().all(|asked| !asked.contains("lfs")), "{:?}", forge.asked());
}

#[test]
fn words_say_what_to_do() {
    let forge = Forge::start();
    let oid = "0".repeat(64);
    let nowhere = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 1\n");
    let commit = publish(&forge, &[(".gitattributes", ATTRIBUTES), ("a.bin", &nowhere)]);
    let said = words(public(&url(&forge)), &commit);
    let missing =
        format!(" !     The source can't be fetched: Git LFS: the server does not have {oid}: Object does not exist (404).");
    assert_eq!(said[..2], [missing.as_str(), " !     Push the files again with `git lfs push --all`, then deploy again."]);
}

#[test]
fn over_ssh_the_repositorys_server_says_where_they_are() {
    let forge = Forge::with(Manner { token: Some(TOKEN), ..Manner::default() });
    let pointer = forge.keep_lfs(b"content");
    let commit = publish(&forge, &[(".gitattributes", ATTRIBUTES), ("a.bin", &pointer)]);
    let remote = || with_key(&forge.ssh_url(NAME), forge.key(), &forge.known_hosts("host_key"));
    let fetched = fetch(remote(), &commit);
    assert!(!fetched.log.contains("Basic"), "{}", fetched.log);
    assert_eq!(fetched.files()["a.bin"], "content");
    let path = remote().url.path().to_owned();
    assert_eq!(forge.lfs_asked_over_ssh(), format!("{path} download\n"));
    let asked = forge.asked();
    assert_eq!(asked[0], "POST /lfs-api/objects/batch with credentials");
    assert!(asked.len() == 2 && asked[1].starts_with("GET /lfs/") && asked[1].ends_with(" with credentials"), "{asked:?}");

    let nowhere = forge.keep_lfs(b"other");
    forge.spoil_lfs(&nowhere, b"evil!");
    let commit = publish(&forge, &[(".gitattributes", ATTRIBUTES), ("a.bin", &nowhere)]);
    let error = fetch(remote(), &commit).error();
    assert!(matches!(error, RemoteError::Lfs(LfsError::Other { .. })), "{error}");
}

#[test]
fn who_has_no_lfs_over_ssh_says_so_in_its_own_words() {
    let forge = Forge::with(Manner { lfs_refusal: Some("LFS is off here"), ..Manner::default() });
    let pointer = forge.keep_lfs(b"content");
    let commit = publish(&forge, &[(".gitattributes", ATTRIBUTES), ("a.bin", &pointer)]);
    let said = words(with_key(&forge.ssh_url(NAME), forge.key(), &forge.known_hosts("host_key")), &commit);
    assert_eq!(
        said[..2],
        [
            " !     The source can't be fetched: Git LFS: the server does not say where the files are: LFS is off here.",
            " !     Check that the server has Git LFS, and that the deploy key may read the repository.",
        ]
    );
}

#[test]
fn lfsconfig_says_where_they_are_and_learns_no_credentials() {
    let other = Forge::start();
    let forge = Forge::with(Manner { token: Some(TOKEN), ..Manner::default() });
    let publish = |pointer: &str, lfs_url: &str| {
        let config = format!("[lfs]\n\turl = {lfs_url}\n[lfs \"customtransfer.x\"]\n\tpath = /bin/sh\n");
        publish(&forge, &[(".gitattributes", ATTRIBUTES), (".lfsconfig", &config), ("a.bin", pointer)])
    };
    let elsewhere = other.keep_lfs(b"elsewhere");
    let commit = publish(&elsewhere, &other.lfs_url());
    assert_eq!(fetch(with_token(&url(&forge), TOKEN), &commit).files()["a.bin"], "elsewhere");
    assert!(other.asked().len() == 2 && other.asked().iter().all(|asked| !asked.contains("credentials")), "{:?}", other.asked());

    let at_home = forge.keep_lfs(b"at home");
    let commit = publish(&at_home, &forge.lfs_url());
    assert_eq!(fetch(with_token(&url(&forge), TOKEN), &commit).files()["a.bin"], "at home");
    assert!(forge.asked().contains(&"POST /lfs-api/objects/batch with credentials".to_owned()), "{:?}", forge.asked());

    let commit = publish(&at_home, "http://10.0.0.1/lfs");
    let error = fetch(with_token(&url(&forge), TOKEN), &commit).error();
    assert!(matches!(error, RemoteError::Unreached(FetchError::Private(_))), "{error}");
    let commit = publish(&at_home, "file:///etc");
    let said = words(with_token(&url(&forge), TOKEN), &commit);
    assert!(said[0].contains("Git LFS: .lfsconfig: `file:///etc` is no repository's URL"), "{said:?}");
    assert_eq!(said[1], " !     Mend .lfsconfig, commit, and push again.");
}
