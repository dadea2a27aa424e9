//! The whole way, with a daemon and git's own server in the place of GitHub: push there, webhook, build, release.

use std::time::Instant;

use serde_json::Value;

use super::{push, sign};
use crate::harness::{Daemon, Forge, User, WorkTree, until};

const CONFIG: &str = "engine = \"local\"\n[network]\nallow = [\"127.0.0.0/8\"]\n[gitea]\n";

/// A daemon whose app `shop` is deployed from a repository.
struct Site {
    daemon: Daemon,
    user: User,
    forge: Forge,
    tree: WorkTree,
    secret: String,
}

impl Site {
    fn new(pack: &str) -> Self {
        let (daemon, forge, tree) = (Daemon::start_with(CONFIG), Forge::start(), WorkTree::with_pack(pack));
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", "shop"]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
        forge.publish("octo/shop", &tree);
        let url = forge.url("octo/shop");
        let connect =
            ["github:connect", "octo/shop", "--provider", "gitea", "--clone-url", &url, "--branch", "main", "--auto-deploy"];
        let made: Value =
            serde_json::from_str(&daemon.client(&user, &[&connect[..], &["--app", "shop", "--json"]].concat())).unwrap();
        let secret = made["webhook_secret"].as_str().unwrap().to_owned();
        Self { daemon, user, forge, tree, secret }
    }

    /// Tells the daemon of a push as Gitea does; returns the answer's status.
    fn tell(&self, id: &str, before: &str, after: &str) -> u16 {
        let body = push("octo/shop", before, after).to_string();
        let request =
            ureq::post(format!("http://{}/gitea/webhook", self.daemon.http)).config().http_status_as_error(false).build();
        let request = request.header("x-gitea-event", "push").header("x-gitea-delivery", id);
        request.header("x-gitea-signature", sign(&self.secret, &body)).send(body).unwrap().status().as_u16()
    }

    fn builds(&self) -> Vec<Value> {
        self.daemon.get(&self.user, "/apps/shop/builds").as_array().unwrap().clone()
    }

    fn statuses(&self) -> Vec<String> {
        self.builds().iter().map(|build| build["status"].as_str().unwrap().to_owned()).collect()
    }

    fn deploys(&self) -> Vec<String> {
        let releases = self.daemon.releases(&self.user, "shop").into_iter();
        releases.map(|(_, what)| what).filter(|what| what.starts_with("Deploy")).collect()
    }

    /// Commits and publishes; returns the commits before and after.
    fn publish(&self, name: &str) -> (String, String) {
        let before = self.tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
        self.tree.write(name, name);
        let after = self.tree.commit(name);
        self.forge.publish("octo/shop", &self.tree);
        (before, after)
    }
}

#[test]
fn a_push_there_is_released_here() {
    let site = Site::new("null");
    let (before, after) = site.publish("second");
    let start = Instant::now();
    assert_eq!(site.tell("1", &before, &after), 202);
    let answered = start.elapsed();
    until(|| !site.builds().is_empty());
    let accepted = start.elapsed();
    until(|| site.deploys().len() == 1);
    eprintln!("answered after {answered:?}, accepted after {accepted:?}, released after {:?}", start.elapsed());
    assert_eq!(site.deploys(), [format!("Deploy {}", &after[..8])]);
    assert_eq!(site.tell("1", &before, &after), 202);
    let (before, after) = site.publish("third");
    assert_eq!(site.tell("2", &before, &after), 202);
    until(|| site.deploys().len() == 2);
    assert_eq!(site.statuses(), ["succeeded", "succeeded"], "the copy has built nothing");
}

#[test]
fn a_branch_is_deployed_by_hand() {
    let site = Site::new("null");
    site.daemon.client(&site.user, &["github:deploy", "--app", "shop"]);
    let head = site.tree.git(&["rev-parse", "HEAD"]);
    assert_eq!(site.deploys(), [format!("Deploy {}", &head[..8])]);
    let listed = site.daemon.client(&site.user, &["github:deploys", "--app", "shop"]);
    assert!(listed.contains("manual") && listed.contains(&head[..8]), "{listed}");
    let mut missing = site.daemon.hoist(&["github:deploy", "nowhere", "--app", "shop"]);
    missing.env("HOIST_URL", format!("http://{}", site.daemon.http)).env("HOIST_API_KEY", &site.user.token);
    let output = missing.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("It was not deployed: "), "{said}");
}

#[test]
fn what_was_heard_is_deployed_after_a_crash() {
    let mut site = Site::new("null");
    let (before, after) = site.publish("second");
    assert_eq!(site.tell("1", &before, &after), 202);
    site.daemon.kill_and_restart();
    until(|| site.statuses().first().is_some_and(|status| status != "pending"));
    assert_eq!(site.tell("1", &before, &after), 202);
    let (before, after) = site.publish("third");
    assert_eq!(site.tell("2", &before, &after), 202);
    until(|| site.statuses().len() == 2 && !site.statuses().contains(&"pending".to_owned()));
    assert_eq!(site.statuses().len(), 2, "one build for each push, whether it was cut off or not");
}

#[test]
fn a_key_that_hoist_has_made_opens_a_repository_over_ssh() {
    let (daemon, forge, tree) = (Daemon::start_with(CONFIG), Forge::start(), WorkTree::with_pack("null"));
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    forge.publish("octo/shop", &tree);
    let known_hosts = daemon.data_dir().join("known_hosts");
    std::fs::write(&known_hosts, forge.known_hosts("host_key")).unwrap();
    let (url, known_hosts) = (forge.ssh_url("octo/shop"), known_hosts.to_str().unwrap().to_owned());
    let connect = ["github:connect", "octo/shop", "--provider", "gitea", "--clone-url", &url, "--branch", "main"];
    let with = ["--new-deploy-key", "--known-hosts", &known_hosts, "--app", "shop"];
    let said = daemon.client(&user, &[&connect[..], &with].concat());
    let (_, key) = said.split_once("=== Deploy key for octo/shop\n\n").unwrap_or_else(|| panic!("{said}"));
    forge.authorize(key.trim());
    daemon.client(&user, &["github:deploy", "--app", "shop"]);
    let deployed = daemon.releases(&user, "shop").into_iter().filter(|(_, what)| what.starts_with("Deploy")).count();
    assert_eq!(deployed, 1);
}
