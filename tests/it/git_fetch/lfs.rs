//! Files that Git LFS keeps stand in the tree in place of their pointers.

use hoist::build::{LfsError, RemoteError};
use hoist::model::Limits;

use super::{Fetching, NAME, fetch, files, public, url, with_token};
use crate::harness::{Forge, Manner, WorkTree};

const ATTRIBUTES: &str = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
const TOKEN: &str = "ghs_sesame";

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
