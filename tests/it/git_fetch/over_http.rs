//! From git's own HTTP server.

use hoist::build::RemoteError;
use hoist::deploy::Failure;
use hoist::fetch::FetchError;
use hoist::git::ClientError;
use hoist::model::Limits;

use super::{Fetching, NAME, NOWHERE, fetch, files, find_ref, public, url, with_token};
use crate::harness::{Forge, Manner, WorkTree};

const TOKEN: &str = "ghs_sesame";

/// A repository of three commits, of which the first has a large file.
fn published(forge: &Forge) -> [String; 3] {
    let tree = WorkTree::new();
    let noise: Vec<_> = (0..40_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let noise = noise.concat();
    tree.write("large", &noise);
    let first = tree.commit("first");
    std::fs::remove_file(tree.path().join("large")).unwrap();
    tree.write("lib/a.js", "one\n");
    tree.write_program("bin/run", "#!/bin/sh\n");
    std::os::unix::fs::symlink("bin/run", tree.path().join("run")).unwrap();
    let second = tree.commit("second");
    tree.write("lib/a.js", "two\n");
    let third = tree.commit("third");
    forge.publish(NAME, &tree);
    [first, second, third]
}

#[test]
fn a_commit_comes_alone() {
    let forge = Forge::start();
    let [_, second, _] = published(&forge);
    // The history does not fit.
    let fetching = Fetching { limits: Limits { pack_bytes: 50_000, ..Limits::default() }, ..Fetching::default() };
    let fetched = fetching.fetch(public(&url(&forge)), &second, None);
    let log = format!("-----> Fetching {} from {}\n", &second[..8], url(&forge));
    assert_eq!(fetched.log, log);
    assert_eq!(fetched.files(), files(&[("bin/run", "#!/bin/sh\n"), ("lib/a.js", "one\n"), ("run", "-> bin/run")]));
    let path = "/octo/shop.git";
    assert_eq!(forge.asked(), [format!("GET {path}/info/refs?service=git-upload-pack"), format!("POST {path}/git-upload-pack")]);
}

#[test]
fn slugignore_counts_as_in_a_push() {
    let forge = Forge::start();
    let tree = WorkTree::new();
    tree.write("a.js", "");
    tree.write("test/a.js", "");
    tree.write(".slugignore", "/test\n");
    let commit = tree.commit("first");
    forge.publish(NAME, &tree);
    let fetched = fetch(public(&url(&forge)), &commit);
    assert!(fetched.log.ends_with("-----> Deleting 1 files matching .slugignore patterns.\n"), "{}", fetched.log);
    assert_eq!(fetched.files().into_keys().collect::<Vec<_>>(), [".slugignore", "a.js"]);
}

#[test]
fn a_commit_is_kept_as_an_archive() {
    let forge = Forge::start();
    let tree = WorkTree::new();
    // Neither is a folder that stands alone taken for a wrapping, nor what it holds for the app's own.
    tree.write("only/app.json", "{}");
    let commit = tree.commit("first");
    forge.publish(NAME, &tree);
    let (kept, app_json) = Fetching::default().fetch_kept(public(&url(&forge)), &commit);
    assert_eq!((kept, app_json), (files(&[("only/app.json", "{}")]), None));
    tree.write("app.json", "{\"name\": \"shop\"}");
    let commit = tree.commit("second");
    forge.publish(NAME, &tree);
    let (_, app_json) = Fetching::default().fetch_kept(public(&url(&forge)), &commit);
    assert_eq!(app_json.unwrap(), b"{\"name\": \"shop\"}");
}

#[test]
fn a_token_opens_what_is_private() {
    let forge = Forge::with(Manner { token: Some(TOKEN), ..Manner::default() });
    let [_, _, third] = published(&forge);
    let fetched = fetch(with_token(&url(&forge), TOKEN), &third);
    assert!(!fetched.log.contains(TOKEN));
    assert_eq!(fetched.files()["lib/a.js"], "two\n");
    for remote in [public(&url(&forge)), with_token(&url(&forge), "wrong")] {
        let error = fetch(remote, &third).error();
        assert!(matches!(error, RemoteError::Denied(401)), "{error}");
        assert!(!error.is_hoists_fault());
    }
}

#[test]
fn words_say_what_to_do() {
    let forge = Forge::with(Manner { token: Some(TOKEN), ..Manner::default() });
    let failure = Failure::from(fetch(public(&url(&forge)), NOWHERE).files.unwrap_err());
    let words = [
        " !     The source can't be fetched: the server does not let hoist in (it answered 401).",
        " !     Check the URL, and that the token or deploy key is valid and may read the repository.",
        "",
        " !     Push failed",
    ];
    assert_eq!(failure.words(&Limits::default(), None), words);
}

#[test]
fn what_is_not_there() {
    let forge = Forge::start();
    published(&forge);
    let error = fetch(public(&forge.url("octo/other")), NOWHERE).error();
    assert!(matches!(error, RemoteError::NoRepository), "{error}");
    let error = fetch(public(&url(&forge)), NOWHERE).error();
    assert!(matches!(error, RemoteError::Git(ClientError::Unadvertised(_))), "{error}");
    let error = fetch(public("http://127.0.0.1:1/octo/shop"), NOWHERE).error();
    assert!(matches!(error, RemoteError::Unreached(FetchError::Failed(_))), "{error}");
}

#[test]
fn an_old_server_is_asked_by_branch() {
    let forge = Forge::with(Manner { is_old: true, ..Manner::default() });
    let [_, second, third] = published(&forge);
    assert_eq!(fetch(public(&url(&forge)), &third).files()["lib/a.js"], "two\n");
    let error = fetch(public(&url(&forge)), &second).error();
    assert!(matches!(error, RemoteError::Git(ClientError::Unadvertised(_))), "{error}");
    let on = |name| Fetching::default().fetch(public(&url(&forge)), &second, Some(name));
    assert_eq!(on("refs/heads/main").files()["lib/a.js"], "one\n");
    let error = on("refs/heads/gone").error();
    assert!(matches!(error, RemoteError::Git(ClientError::NoRef(_))), "{error}");
}

#[test]
fn a_commit_that_its_branch_has_left_behind_is_not_found_there() {
    let forge = Forge::with(Manner { is_old: true, ..Manner::default() });
    let [_, second, _] = published(&forge);
    let other = WorkTree::new();
    other.write("a", "");
    other.commit("another history");
    forge.publish(NAME, &other);
    let error = Fetching::default().fetch(public(&url(&forge)), &second, Some("refs/heads/main")).error();
    assert!(matches!(error, RemoteError::Git(ClientError::Unadvertised(_))), "{error}");
}

#[test]
fn where_a_branch_is() {
    for is_old in [false, true] {
        let forge = Forge::with(Manner { is_old, ..Manner::default() });
        let [_, _, third] = published(&forge);
        assert_eq!(find_ref(&public(&url(&forge)), "refs/heads/main").unwrap().as_str(), third);
        let error = find_ref(&public(&url(&forge)), "refs/heads/mai").unwrap_err();
        assert!(matches!(error, RemoteError::Git(ClientError::NoRef(_))), "{error}");
    }
}

#[test]
fn redirects_are_followed_and_credentials_stay_at_home() {
    let other = Forge::start();
    let forge = Forge::with(Manner { token: Some(TOKEN), elsewhere: Some(other.http), ..Manner::default() });
    let [_, _, third] = published(&forge);
    published(&other);
    let moved = format!("http://{}/moved/{NAME}.git", forge.http);
    assert_eq!(fetch(with_token(&moved, TOKEN), &third).files()["lib/a.js"], "two\n");
    assert_eq!(forge.asked().last().unwrap(), "POST /octo/shop.git/git-upload-pack with credentials");

    let away = format!("http://{}/away/{NAME}.git", forge.http);
    assert_eq!(fetch(with_token(&away, TOKEN), &third).files()["lib/a.js"], "two\n");
    assert!(other.asked().len() == 2 && other.asked().iter().all(|asked| !asked.contains("credentials")), "{:?}", other.asked());
}

#[test]
fn private_addresses_are_reached_only_if_allowed() {
    let forge = Forge::start();
    let [_, _, third] = published(&forge);
    let fetching = Fetching { allow: "127.0.0.2", ..Fetching::default() };
    let error = fetching.fetch(public(&url(&forge)), &third, None).error();
    assert!(matches!(error, RemoteError::Unreached(FetchError::Private(_))), "{error}");
    assert!(forge.asked().is_empty());
}
