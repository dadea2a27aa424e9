//! A push of one small commit that a do-nothing buildpack builds, until it is released, against the same push into a
//! bare repository of plain git.

use std::time::Duration;

use crate::harness::{Daemon, WorkTree};
use crate::measure::{in_turns, time};
use crate::peers::{Peers, Remote};
use crate::table;

const ROUNDS: usize = 25;

pub(crate) fn measure(peers: &Peers) {
    let Some(git) = peers.git() else { return };
    let daemon = Daemon::start();
    let user = daemon.user("bench@example.com");
    let tree = WorkTree::with_pack("null");
    for app in ["over-ssh", "over-http"] {
        daemon.client(&user, &["apps:create", app]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", app]);
        git.create(app);
    }
    let hoist = Remote::hoist_over_ssh(&daemon, &user, "over-ssh");
    compare("tiny push over SSH", &tree, &hoist, &git.over_ssh("over-ssh"), 0.7);
    let hoist = Remote::hoist_over_http(&daemon, &user, "over-http");
    compare("tiny push over HTTP", &tree, &hoist, &git.over_http("over-http"), 1.5);
    for app in ["over-ssh", "over-http"] {
        let releases = daemon.releases(&user, app).into_iter().filter(|(_, what)| what.starts_with("Deploy ")).count();
        assert_eq!(releases, ROUNDS + 1, "every push to {app} is released");
    }
}

fn compare(name: &str, tree: &WorkTree, hoist: &Remote, peer: &Remote, goal: f64) {
    let medians = in_turns(ROUNDS, |round| push(tree, hoist, round), |round| push(tree, peer, round));
    table::compare(name, medians.hoist, medians.peer, goal);
}

/// Pushes a commit that has not been anywhere.
fn push(tree: &WorkTree, to: &Remote, round: usize) -> Duration {
    tree.write("round", &format!("{round}\n"));
    tree.commit("another");
    time(&mut to.push(tree.path(), "main"))
}
