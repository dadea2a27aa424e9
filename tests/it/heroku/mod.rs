//! The Heroku CLI itself, from npm, against a daemon: what it prints and how it exits, whole. A story per test, because each
//! command costs a start of node.

mod absent;
mod addons;
mod apps;
mod ci;
mod containers;
mod logs;
mod people;
mod pipelines;
mod releases;
mod review_apps;
mod run;
mod side_by_side;
mod tokens;
mod webhooks;

use crate::harness::Heroku;

/// A developer with a released app `shop`, whose checkout has the remote `heroku`.
fn shop(procfile: &str) -> Option<Heroku> {
    let heroku = Heroku::new("", "null")?;
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    heroku.daemon.client(&heroku.user, &["buildpacks:set", "./pack", "--app", "shop"]);
    heroku.tree.write("Procfile", procfile);
    heroku.tree.commit("processes");
    let pushed = heroku.tree.push_http(&heroku.daemon, &heroku.user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    heroku.git(&format!("remote add heroku https://{}/shop.git", heroku.daemon.http));
    Some(heroku)
}
