//! Submodules come with their repository, wherever they are, and get no credentials but their own server's.

use hoist::build::{BuildError, RemoteError};

use super::{NAME, NOWHERE, fetch, files, public, url, with_key, with_token};
use crate::harness::{Forge, Manner, WorkTree};

const TOKEN: &str = "ghs_sesame";

/// Publishes a repository of one file, named as it is; returns its commit.
pub(crate) fn library(forge: &Forge, name: &str) -> (WorkTree, String) {
    let tree = WorkTree::new();
    tree.write("name", name);
    let commit = tree.commit("first");
    forge.publish(name, &tree);
    (tree, commit)
}

/// Gives a commit of another repository a place in a tree, and commits.
pub(crate) fn add(tree: &WorkTree, path: &str, commit: &str, url: Option<&str>) -> String {
    let mut gitmodules = std::fs::read_to_string(tree.path().join(".gitmodules")).unwrap_or_default();
    if let Some(url) = url {
        gitmodules.extend(["[submodule \"", path, "\"]\n\tpath = ", path, "\n\turl = ", url, "\n"]);
    }
    tree.write(".gitmodules", &gitmodules);
    tree.git(&["add", ".gitmodules"]);
    tree.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
    tree.git(&["commit", "-q", "-m", path]);
    tree.git(&["rev-parse", "HEAD"]).trim().to_owned()
}

fn without_gitmodules(mut found: super::Files) -> super::Files {
    found.retain(|path, _| !path.ends_with(".gitmodules"));
    found
}

#[test]
fn relative_nested_and_elsewhere() {
    let other = Forge::start();
    let forge = Forge::with(Manner { token: Some(TOKEN), ..Manner::default() });
    let (_, inner) = library(&forge, "octo/inner");
    let (outer, _) = library(&forge, "octo/outer");
    let outer_commit = add(&outer, "inner", &inner, Some("../inner.git"));
    forge.publish("octo/outer", &outer);
    let (_, public_commit) = library(&other, "pub/lib");
    let (shop, _) = library(&forge, NAME);
    add(&shop, "vendor/outer", &outer_commit, Some("../../octo/outer.git"));
    add(&shop, "same", &inner, Some(&forge.url("octo/inner")));
    let commit = add(&shop, "pub", &public_commit, Some(&other.url("pub/lib")));
    forge.publish(NAME, &shop);

    let fetched = fetch(with_token(&url(&forge), TOKEN), &commit);
    let registered = format!("       Submodule 'pub' ({}) registered for path 'pub'\n", other.url("pub/lib"));
    assert!(fetched.log.contains(&registered), "{}", fetched.log);
    let expected = files(&[
        ("name", NAME),
        ("pub/name", "pub/lib"),
        ("same/name", "octo/inner"),
        ("vendor/outer/inner/name", "octo/inner"),
        ("vendor/outer/name", "octo/outer"),
    ]);
    assert_eq!(without_gitmodules(fetched.files()), expected);
    assert!(other.asked().iter().all(|asked| !asked.contains("credentials")), "{:?}", other.asked());
}

#[test]
fn over_ssh_beside_their_repository() {
    let forge = Forge::start();
    let (_, lib) = library(&forge, "octo/lib");
    let (shop, _) = library(&forge, NAME);
    let commit = add(&shop, "lib", &lib, Some("../lib.git"));
    forge.publish(NAME, &shop);
    let remote = with_key(&forge.ssh_url(NAME), forge.key(), &forge.known_hosts("host_key"));
    assert_eq!(without_gitmodules(fetch(remote, &commit).files()), files(&[("lib/name", "octo/lib"), ("name", NAME)]));
}

#[test]
fn those_that_cannot_be_fetched_are_named() {
    let forge = Forge::start();
    let (_, lib) = library(&forge, "octo/lib");
    let error_of = |url: Option<&str>| {
        let (shop, _) = library(&forge, NAME);
        let commit = add(&shop, "lib", &lib, url);
        forge.publish(NAME, &shop);
        fetch(public(&super::url(&forge)), &commit).error().to_string()
    };
    assert_eq!(error_of(None), "submodule lib: .gitmodules does not say where it is");
    assert_eq!(error_of(Some("git@example.com:octo/lib")), "submodule lib: a deploy key is needed for git@example.com:octo/lib");
    assert!(error_of(Some("file:///etc")).starts_with("submodule lib: `file:///etc` is no repository's URL"));
    assert!(error_of(Some("../gone.git")).starts_with("submodule lib: the server has no such repository"));
    assert!(error_of(Some("https://10.0.0.1/x")).contains("10.0.0.1 is a private address"));
}

#[test]
fn there_is_an_end_to_them() {
    let forge = Forge::start();
    let (_, mut commit) = library(&forge, "octo/0");
    for depth in 1..=6 {
        let (tree, _) = library(&forge, &format!("octo/{depth}"));
        let below = format!("../{}.git", depth - 1);
        commit = add(&tree, "below", &commit, Some(&below));
        forge.publish(&format!("octo/{depth}"), &tree);
        if depth == 5 {
            assert_eq!(fetch(public(&forge.url("octo/5")), &commit).files()["below/below/below/below/below/name"], "octo/0");
        }
    }
    let fetched = fetch(public(&forge.url("octo/6")), &commit).files;
    let error = fetched.expect_err("it is too deep");
    assert!(matches!(error, BuildError::Remote(RemoteError::TooManySubmodules)), "{error}");
}

#[test]
fn a_commit_that_is_gone_is_named_with_its_place() {
    let forge = Forge::start();
    library(&forge, "octo/lib");
    let (shop, _) = library(&forge, NAME);
    let commit = add(&shop, "vendor/lib", NOWHERE, Some("../lib.git"));
    forge.publish(NAME, &shop);
    let error = fetch(public(&url(&forge)), &commit).error().to_string();
    let expected = format!("submodule vendor/lib: the server does not give out commit {NOWHERE}: no ref leads to it any more");
    assert_eq!(error, expected);
}

#[test]
fn a_repository_over_ssh_has_those_over_http_without_its_key() {
    let (forge, other) = (Forge::start(), Forge::start());
    let (_, lib) = library(&forge, "octo/lib");
    let (shop, _) = library(&forge, NAME);
    let commit = add(&shop, "lib", &lib, Some(&forge.url("octo/lib")));
    forge.publish(NAME, &shop);
    let remote = || with_key(&forge.ssh_url(NAME), forge.key(), &forge.known_hosts("host_key"));
    assert_eq!(fetch(remote(), &commit).files()["lib/name"], "octo/lib");
    assert!(forge.asked().iter().all(|asked| !asked.contains("credentials")), "{:?}", forge.asked());
    // On another port of the same host, it is another server.
    let commit = add(&shop, "other", &lib, Some(&other.ssh_url("octo/lib")));
    forge.publish(NAME, &shop);
    let error = fetch(remote(), &commit).error().to_string();
    assert!(error.starts_with("submodule other: a deploy key is needed for ssh://"), "{error}");
}

#[test]
fn there_are_not_too_many() {
    let forge = Forge::start();
    let (_, lib) = library(&forge, "octo/lib");
    let (shop, _) = library(&forge, NAME);
    let mut gitmodules = String::new();
    for number in 0..101 {
        shop.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{lib},lib-{number}")]);
        let section = format!("[submodule \"{number}\"]\n\tpath = lib-{number}\n\turl = ../lib.git\n");
        gitmodules.push_str(&section);
    }
    shop.write(".gitmodules", &gitmodules);
    shop.git(&["add", ".gitmodules"]);
    shop.git(&["commit", "-q", "-m", "many"]);
    let commit = shop.git(&["rev-parse", "HEAD"]).trim().to_owned();
    forge.publish(NAME, &shop);
    let error = fetch(public(&url(&forge)), &commit).error();
    assert!(matches!(error, RemoteError::TooManySubmodules), "{error}");
    assert!(forge.asked().iter().all(|asked| !asked.contains("octo/lib")), "none is asked for: {:?}", forge.asked());
}
