//! Pushes with libgit2 (pygit2) and dulwich, to hoist and to git's own server side by side.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::plain::Both;
use super::push::noise;
use super::server::Git;

/// Where `make git-clients` has put them; nothing where they can't be had.
pub(crate) fn python() -> Option<PathBuf> {
    let default = || concat!(env!("CARGO_MANIFEST_DIR"), "/.hoist/git-clients").into();
    let folder = PathBuf::from(std::env::var_os("HOIST_GIT_CLIENTS_DIR").unwrap_or_else(default));
    if let Ok(reason) = std::fs::read_to_string(folder.join("skipped")) {
        eprintln!("skipped: {}", reason.trim());
        return None;
    }
    let python = folder.join("bin/python");
    assert!(python.exists(), "pygit2 and dulwich are not in {}: run the tests with `make test`", folder.display());
    Some(python)
}

/// What a client makes of a push.
pub(crate) fn push(client: &str, repository: &Path, url: &str, refspecs: &[&str]) -> Option<Value> {
    push_with_key(client, repository, url, Path::new(""), refspecs)
}

/// What a client makes of a push over SSH.
pub(crate) fn push_with_key(client: &str, repository: &Path, url: &str, key: &Path, refspecs: &[&str]) -> Option<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/git-clients/push.py");
    let mut push = Command::new(python()?);
    let output = push.env("PUSH_KEY", key).arg(script).arg(client).arg(repository).arg(url).args(refspecs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Pushes with one client to both; the refs' statuses, and those that there are, must be the same.
struct Client {
    name: &'static str,
    both: Both,
    git: Git,
    plain_url: String,
}

impl Client {
    fn new(name: &'static str) -> Self {
        let both = Both::new();
        let (git, plain_url) = (Git::new(), both.serve_plain());
        Self { name, both, git, plain_url }
    }

    #[track_caller]
    fn push(&self, refspecs: &[&str]) -> Option<Value> {
        let [hoist, plain] =
            [self.both.hoist.url(), self.plain_url.clone()].map(|url| push(self.name, &self.git.dir, &url, refspecs));
        let (hoist, plain) = (hoist?, plain?);
        assert_eq!(hoist["refs"], plain["refs"], "{refspecs:?}: {hoist} {plain}");
        assert_eq!(hoist["error"].is_null(), plain["error"].is_null(), "{refspecs:?}: {hoist} {plain}");
        self.both.same_refs();
        Some(hoist)
    }
}

fn story(name: &'static str) -> Option<()> {
    let client = Client::new(name);
    let git = &client.git;
    for number in 0..3 {
        git.write("a", noise(number, 2000));
        git.write(&format!("dir/{number}"), "text");
        git.commit(&format!("{number}"));
    }
    git.run(&["branch", "before", "HEAD~1"]);
    git.run(&["tag", "-a", "-m", "annotated", "v1"]);
    git.run(&["tag", "-a", "-m", "nested", "v2", "v1"]);
    let main = "refs/heads/main:refs/heads/main";
    client.push(&["refs/heads/before:refs/heads/main"])?;
    let pushed = client.push(&[main])?;
    assert_eq!(pushed["refs"], json!({"refs/heads/main": null}));
    client.push(&["refs/tags/v2:refs/tags/v2", "refs/heads/before:refs/heads/topic"])?;
    client.push(&["+refs/heads/before:refs/heads/main"])?;
    client.push(&[":refs/heads/topic", main])?;
    // What only the server can see.
    let refused = push(name, &git.dir, &client.both.hoist.url(), &["refs/heads/main:refs/heads/main/below"])?;
    let reason = refused["refs"]["refs/heads/main/below"].as_str().unwrap_or_default();
    assert_eq!(reason, "'refs/heads/main' exists; cannot create 'refs/heads/main/below'", "{refused}");
    client.both.same_objects();

    git.write(".gitmodules", "[submodule \"x\"]\n\tpath = -x\n");
    git.commit("hostile");
    let refused = client.push(&[main])?;
    let said = refused["said"].as_str().unwrap().to_owned() + refused["error"].as_str().unwrap_or_default();
    assert!(said.contains("gitmodulesPath: disallowed submodule path: -x"), "{refused}");
    assert_eq!(client.both.same_refs(), ["refs/heads/main", "refs/tags/v2"]);
    Some(())
}

#[test]
fn libgit2() {
    story("pygit2");
}

#[test]
fn dulwich() {
    story("dulwich");
}

#[test]
fn libgit2_may_delete_what_is_not_there() {
    let client = Client::new("pygit2");
    client.git.commit("a");
    let Some(pushed) = client.push(&[":refs/heads/none"]) else { return };
    assert!(pushed["said"].as_str().unwrap().starts_with("warning: deleting a non-existent ref\n"), "{pushed}");
    assert_eq!(pushed["refs"]["refs/heads/none"], Value::Null);
}
