//! The same files and the same lines as of `git submodule update --init --recursive`.

use serde_json::json;

use super::{Shop, stage, stage_gitmodules};
use crate::builds_api::{archive_of, send, upload};
use crate::git_fetch::submodules::{add, library};
use crate::harness::{Forge, Manner, WorkTree, until};

/// What git does with the submodules of a repository: its lines, and where files called `name` are then.
fn git_update(tree: &WorkTree, url: &str) -> (Vec<String>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let clone = dir.path().join("clone");
    tree.git(&["clone", "-q", url, clone.to_str().unwrap()]);
    let output = tree.command().arg("-C").arg(&clone).args(["submodule", "update", "--init", "--recursive"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // Each kind of line has a stream of its own.
    let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("Submodule") || line.starts_with("Skipping"));
    let found = tree.command().arg("-C").arg(&clone).args(["ls-files", "--recurse-submodules"]).output().unwrap();
    let files = String::from_utf8(found.stdout).unwrap();
    let names = files.lines().filter(|path| path.rsplit('/').next() == Some("name")).map(str::to_owned).collect();
    (lines.map(str::to_owned).collect(), names)
}

/// hoist's lines about submodules in its newest build, those that git has on its error stream first.
fn lines_of(shop: &Shop) -> Vec<String> {
    let log = shop.client(&["builds:output"]);
    let lines: Vec<_> = log.lines().map(|line| line.trim().to_owned()).collect();
    let about = |line: &&String| line.starts_with("Submodule") || line.starts_with("Skipping");
    let (done, begun): (Vec<_>, Vec<_>) = lines.iter().filter(about).cloned().partition(|line| line.contains("checked out"));
    [begun, done].concat()
}

#[test]
fn nested_and_relative_ones_come_as_they_do_with_git() {
    let (shop, forge) = (Shop::new(), Forge::start());
    let (_, inner) = library(&forge, "octo/inner");
    let (outer, _) = library(&forge, "octo/outer");
    let outer_commit = add(&outer, "in/ner", &inner, Some("../inner.git"));
    forge.publish("octo/outer", &outer);
    // Later commits are not taken: the tree says which one it is.
    stage(&outer, "name", "a later one");
    outer.git(&["commit", "-q", "-m", "later"]);
    forge.publish("octo/outer", &outer);
    add(&shop.tree, "vendor/outer", &outer_commit, Some(&forge.url("octo/outer")));
    add(&shop.tree, "same", &inner, Some(&forge.url("octo/inner")));
    // Nothing in the tree is there: git does not look for it.
    stage_gitmodules(&shop.tree, "[submodule \"gone\"]\n\tpath = gone\n\turl = https://example.invalid/gone\n");
    let said = shop.push();
    said.released_with(&["same/name is octo/inner", "vendor/outer/in/ner/name is octo/inner", "vendor/outer/name is octo/outer"]);
    forge.publish("octo/shop", &shop.tree);
    let (lines, files) = git_update(&shop.tree, &forge.url("octo/shop"));
    assert_eq!(lines_of(&shop), lines);
    assert_eq!(files, ["same/name", "vendor/outer/in/ner/name", "vendor/outer/name"]);
    // Before anything is built, and as one step of it.
    let all = said.lines();
    let position = |text: &str| all.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {all:#?}"));
    assert!(position("-----> Building on") < position("-----> Git submodules detected, installing:"), "{all:#?}");
    assert!(position("checked out") < position("app detected"), "{all:#?}");
    assert!(!shop.has_leftovers());
}

#[test]
fn those_that_are_not_to_be_updated_stay_empty() {
    let (shop, forge) = (Shop::new(), Forge::start());
    let ((_, lib), (_, other)) = (library(&forge, "octo/lib"), library(&forge, "octo/other"));
    add(&shop.tree, "lib", &lib, Some(&forge.url("octo/lib")));
    add(&shop.tree, "other", &other, Some(&forge.url("octo/other")));
    stage_gitmodules(&shop.tree, "\tupdate = none\n\tshallow = true\n");
    shop.push().released_with(&["lib/name is octo/lib"]);
    let mut lines = lines_of(&shop);
    forge.publish("octo/shop", &shop.tree);
    let (mut git_lines, _) = git_update(&shop.tree, &forge.url("octo/shop"));
    // git says that it has heard of it, and leaves it alone.
    git_lines.retain(|line| !line.contains('(') || !line.contains("'other'"));
    lines.sort();
    git_lines.sort();
    assert_eq!(lines, git_lines);
    assert!(forge.asked().iter().all(|asked| !asked.contains("octo/other")), "{:?}", forge.asked());
}

#[test]
fn an_old_server_is_asked_by_the_branch_that_gitmodules_names() {
    let (shop, forge) = (Shop::new(), Forge::with(Manner { is_old: true, ..Manner::default() }));
    let (tree, lib) = library(&forge, "octo/lib");
    tree.write("name", "newer");
    tree.commit("newer");
    forge.publish("octo/lib", &tree);
    add(&shop.tree, "lib", &lib, Some(&forge.url("octo/lib")));
    let refused = shop.push().refused_by(&forge);
    assert!(refused.contains(&format!("the server does not give out commit {lib}")), "{refused}");
    stage_gitmodules(&shop.tree, "\tbranch = main\n");
    shop.push().released_with(&["lib/name is octo/lib"]);
}

#[test]
fn an_archive_has_none() {
    let (shop, forge) = (Shop::new(), Forge::start());
    let (_, lib) = library(&forge, "octo/lib");
    add(&shop.tree, "lib", &lib, Some(&forge.url("octo/lib")));
    let url = upload(&shop.daemon, &shop.user, &archive_of(shop.tree.path()));
    let built = send(&shop.daemon, &shop.user, "POST", "/apps/shop/builds", &json!({"source_blob": {"url": url}}));
    assert_eq!(built.status, 201, "{}", built.body);
    let path = format!("/apps/shop/builds/{}", built.body["id"].as_str().unwrap());
    until(|| shop.daemon.get(&shop.user, &path)["status"] != "pending");
    assert_eq!(shop.daemon.get(&shop.user, &path)["status"], "succeeded");
    assert_eq!(forge.asked(), Vec::<String>::new());
}
