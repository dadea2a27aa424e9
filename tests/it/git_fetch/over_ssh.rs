//! From OpenSSH's server, with a deploy key.

use hoist::build::RemoteError;
use hoist::fetch::FetchError;
use hoist::git::ClientError;

use super::{Fetching, NAME, NOWHERE, fetch, find_ref, public, with_key};
use crate::harness::{Forge, Manner, WorkTree};

/// A repository of two commits.
fn published(forge: &Forge) -> [String; 2] {
    let tree = WorkTree::new();
    let commits = ["one\n", "two\n"].map(|content| {
        tree.write("a", content);
        tree.commit(content)
    });
    forge.publish(NAME, &tree);
    commits
}

#[test]
fn a_deploy_key_opens_the_repository() {
    let forge = Forge::start();
    let [first, second] = published(&forge);
    let remote = with_key(&forge.ssh_url(NAME), forge.key(), &forge.known_hosts("host_key"));
    assert_eq!(fetch(remote.clone(), &first).files()["a"], "one\n");
    assert_eq!(find_ref(&remote, "refs/heads/main").unwrap().as_str(), second);
    let error = fetch(remote, NOWHERE).error();
    assert!(matches!(error, RemoteError::Git(ClientError::Unadvertised(_))), "{error}");
}

#[test]
fn an_old_server_is_asked_by_branch() {
    let forge = Forge::with(Manner { is_old: true, ..Manner::default() });
    let [first, second] = published(&forge);
    let remote = with_key(&forge.ssh_url(NAME), forge.key(), &forge.known_hosts("host_key"));
    assert_eq!(fetch(remote.clone(), &second).files()["a"], "two\n");
    let fetched = Fetching::default().fetch(remote, &first, Some("refs/heads/main"));
    assert_eq!(fetched.files()["a"], "one\n");
}

#[test]
fn a_server_is_known_by_its_key() {
    let forge = Forge::start();
    let [first, _] = published(&forge);
    for known_hosts in [forge.known_hosts("user_key"), String::new()] {
        let error = fetch(with_key(&forge.ssh_url(NAME), forge.key(), &known_hosts), &first).error();
        assert!(matches!(error, RemoteError::Unreached(FetchError::UnknownHost(_))), "{error}");
    }
}

#[test]
fn keys_and_paths_that_are_wrong() {
    let forge = Forge::start();
    let [first, _] = published(&forge);
    let known_hosts = forge.known_hosts("host_key");
    let error = fetch(with_key(&forge.ssh_url(NAME), forge.other_key(), &known_hosts), &first).error();
    assert!(matches!(error, RemoteError::Unreached(FetchError::Login)), "{error}");
    let error = fetch(with_key(&forge.ssh_url("octo/other"), forge.key(), &known_hosts), &first).error();
    assert!(matches!(&error, RemoteError::Git(ClientError::Refused(words)) if words.contains("does not appear")), "{error}");
    let error = fetch(public(&forge.ssh_url(NAME)), &first).error();
    assert!(matches!(error, RemoteError::NeedsKey(_)), "{error}");
}

#[test]
fn each_kind_of_key_logs_in_and_is_known() {
    for ssh_keys in [
        ("ed25519", "ssh-ed25519"),
        ("ecdsa", "ecdsa-sha2-nistp256"),
        // The same key by either hash: never by SHA-1, which OpenSSH does not take.
        ("rsa", "rsa-sha2-512"),
        ("rsa", "rsa-sha2-256"),
    ] {
        let forge = Forge::with(Manner { ssh_keys: Some(ssh_keys), ..Manner::default() });
        let [first, _] = published(&forge);
        let remote = with_key(&forge.ssh_url(NAME), forge.key(), &forge.known_hosts("host_key"));
        assert_eq!(fetch(remote, &first).files()["a"], "one\n", "{ssh_keys:?}");
    }
}
