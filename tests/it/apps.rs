//! Real apps: pushed with the real git over both doors, and run from what was released.

use crate::harness::{Daemon, WorkTree, page_of};

/// Pushes a fixture over SSH, fetches a page from what was released; pushes the same tree again over HTTP and expects
/// the same slug.
fn check(fixture: &str, buildpacks: &[&str], path: &str, expected: &str) {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", fixture]);
    for buildpack in buildpacks {
        daemon.client(&user, &["buildpacks:add", buildpack, "--app", fixture]);
    }
    let tree = WorkTree::of_fixture(fixture);
    let first = tree.push_ssh(&daemon, &user, fixture);
    assert!(first.ok, "{}", first.transcript);
    let page = page_of(&daemon, &user, fixture, path);
    assert!(page.contains(expected), "{page}");

    let slug = daemon.newest_slug(&user, fixture);
    tree.commit("the same tree again");
    let second = tree.push_http(&daemon, &user, fixture);
    assert!(second.ok, "{}", second.transcript);
    assert_eq!(daemon.newest_slug(&user, fixture)["checksum"], slug["checksum"], "{}", second.transcript);
    assert_eq!(daemon.releases(&user, fixture).len(), 3);
}

#[test]
fn express() {
    check("nodejs-express", &[], "/", "Express");
}

#[test]
fn flask() {
    check("python-flask", &[], "/", "Flask");
}

#[test]
fn ruby() {
    check("ruby-rack", &[], "/", "Ruby");
}

#[test]
fn go() {
    check("go-http", &[], "/", "Hello from Go");
}

#[test]
fn scala() {
    check("scala-web", &[], "/", "Hello from Scala 2.11.12");
}

#[test]
fn php() {
    check("php-page", &[], "/any/path", "Hello from PHP, 2 processes");
}

#[test]
fn clojure() {
    check("clojure-lein", &[], "/", "Hello from Clojure 1");
}

#[test]
fn java() {
    check("java-maven", &[], "/", "Hello from Java 17");
}

#[test]
fn gradle() {
    check("java-gradle", &[], "/", "Hello from Gradle and Java 17");
}

#[test]
fn rust() {
    check("rust-http", &[], "/", "Hello from Rust");
}

#[test]
fn static_site() {
    check("static-site", &[], "/", "static");
}

#[test]
fn procfile_only() {
    check("procfile-only", &[], "/hello.html", "Hello");
}

#[test]
fn two_buildpacks() {
    check("two-buildpacks", &["hoist/nodejs", "hoist/python"], "/", "Served by Python: BuiltByNode");
}
