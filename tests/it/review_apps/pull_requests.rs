//! Review apps of pull requests, with git's own server in the place of a forge: opened, pushed to, closed.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::CONFIG;
use crate::builds_api::send;
use crate::connections::sign;
use crate::harness::{Daemon, Forge, User, WorkTree, until};

const MORE: &str = "engine = \"local\"\n[network]\nallow = [\"127.0.0.0/8\"]\n[gitea]\n";

/// A daemon whose pipeline `pipe` makes review apps of a repository's pull requests, of which there is one, number 7.
pub(super) struct Site {
    pub(super) daemon: Daemon,
    pub(super) user: User,
    forge: Forge,
    pub(super) tree: WorkTree,
    secret: String,
}

impl Site {
    pub(super) fn new(pack: &str, app_json: &Value) -> Self {
        let (daemon, forge, tree) = (Daemon::start_with(MORE), Forge::start(), WorkTree::with_pack(pack));
        let user = daemon.user("alice@example.com");
        forge.publish("octo/shop", &tree);
        send(&daemon, &user, "POST", "/pipelines", &json!({"name": "pipe"}));
        let url = forge.url("octo/shop");
        let connect = ["pipelines:connect", "pipe", "--repo", "octo/shop", "--provider", "gitea", "--clone-url", &url, "--json"];
        let made: Value = serde_json::from_str(&daemon.client(&user, &connect)).unwrap();
        let secret = made["webhook_secret"].as_str().unwrap().to_owned();
        daemon.client(&user, &["reviewapps:enable", "-p", "pipe", "--autodeploy", "--base-name", "shop"]);
        let vars = json!({"SECRET": "parent's", "WORK": daemon.data_dir()});
        send(&daemon, &user, "PATCH", "/pipelines/pipe/stage/review/config-vars", &vars);
        tree.write("app.json", &app_json.to_string());
        Self { daemon, user, forge, tree, secret }
    }

    /// Commits, and puts that into the pull request; returns the commit.
    pub(super) fn change(&self) -> String {
        self.tree.commit("a change");
        self.publish()
    }

    /// Puts what is committed into the pull request; returns the commit.
    pub(super) fn publish(&self) -> String {
        self.forge.publish_as("octo/shop", &self.tree, "refs/pull/7/head");
        self.tree.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Tells of the pull request as Gitea does, and returns what was heard of it.
    pub(super) fn tell(&self, action: &str, second: u32, commit: &str, from: &str) -> Value {
        let body = json!({
            "action": action, "number": 7, "repository": {"full_name": "octo/shop"},
            "pull_request": {
                "title": "A change", "user": {"login": "octo"}, "updated_at": format!("2026-01-01T00:00:{second:02}Z"),
                "head": {"ref": "fix", "sha": commit, "repo": {"id": from.len(), "full_name": from}}, "base": {"ref": "main"},
            },
        })
        .to_string();
        let request = ureq::post(format!("http://{}/gitea/webhook", self.daemon.http));
        let request = request.header("x-gitea-event", "pull_request").header("x-gitea-delivery", format!("{action}-{second}"));
        let mut answer = request.header("x-gitea-signature", sign(&self.secret, &body)).send(body).unwrap();
        answer.body_mut().read_json::<Value>().unwrap()["outcomes"][0].clone()
    }

    pub(super) fn review_app(&self) -> Value {
        self.daemon.get(&self.user, "/pipelines/pipe/review-apps")[0].clone()
    }

    pub(super) fn until_it_is(&self, status: &str) {
        until(|| {
            let now = self.review_app();
            assert!(now["status"] == status || now["message"].is_null(), "{now}");
            now["status"] == status
        });
    }

    pub(super) fn deploys(&self) -> Vec<String> {
        let releases = self.daemon.releases(&self.user, "shop-pr-7").into_iter();
        releases.map(|(_, what)| what).filter(|what| what.starts_with("Deploy")).collect()
    }

    fn gate(&self) -> PathBuf {
        self.daemon.data_dir().join("gate")
    }
}

pub(super) fn deploy(commit: &str) -> String {
    format!("Deploy {}", &commit[..8])
}

#[test]
fn a_pull_request_is_deployed_updated_and_cleared_away() {
    let app_json = json!({
        "buildpacks": [{"url": "./pack"}],
        "scripts": {"pr-predestroy": "echo goodbye from $HEROKU_APP_NAME > $WORK/goodbye"},
    });
    let site = Site::new("null", &app_json);
    let first = site.change();
    assert_eq!(site.tell("opened", 1, &first, "octo/shop"), "a review app is made");
    assert_eq!(site.tell("opened", 1, &first, "octo/shop"), "was delivered before");
    site.until_it_is("created");
    assert_eq!(site.deploys(), [deploy(&first)]);
    let config = site.daemon.get(&site.user, "/apps/shop-pr-7/config-vars");
    assert_eq!((&config["SECRET"], &config["HEROKU_PR_NUMBER"]), (&json!("parent's"), &json!("7")));

    let second = site.change();
    assert_eq!(site.tell("synchronized", 2, &second, "octo/shop"), "its review app is updated");
    until(|| site.deploys().len() == 2);
    assert!(site.deploys().contains(&deploy(&second)));

    // What can't be built leaves the app as it was, and says so.
    site.tree.write_program("pack/bin/compile", "#!/bin/sh\necho ' !     No way'\nexit 1\n");
    let third = site.change();
    site.tell("synchronized", 3, &third, "octo/shop");
    until(|| !site.review_app()["message"].is_null());
    let now = site.review_app();
    assert_eq!(now["status"], "created");
    assert!(now["message"].as_str().unwrap().starts_with("build failed: "), "{now}");
    assert_eq!(site.deploys().len(), 2);

    assert_eq!(site.tell("closed", 4, &third, "octo/shop"), "its review app is destroyed");
    until(|| site.review_app().is_null());
    assert_eq!(send(&site.daemon, &site.user, "GET", "/apps/shop-pr-7", &json!({})).status, 404);
    let goodbye = std::fs::read_to_string(site.daemon.data_dir().join("goodbye")).unwrap();
    assert_eq!(goodbye, "goodbye from shop-pr-7\n");
}

#[test]
fn a_forks_pull_request_gets_what_the_pipeline_allows() {
    let site = Site::new("null", &json!({"buildpacks": [{"url": "./pack"}]}));
    let commit = site.change();
    assert_eq!(site.tell("opened", 1, &commit, "mallory/shop"), "nothing: forks get no review apps");
    let allow = json!({"forks": "without_config_vars"});
    assert_eq!(send(&site.daemon, &site.user, "PATCH", CONFIG, &allow).status, 200);
    assert_eq!(site.tell("reopened", 2, &commit, "mallory/shop"), "a review app is made");
    site.until_it_is("created");
    assert_eq!(site.deploys(), [deploy(&commit)]);
    let config = site.daemon.get(&site.user, "/apps/shop-pr-7/config-vars");
    assert_eq!((&config["SECRET"], &config["HEROKU_BRANCH"]), (&Value::Null, &json!("fix")));
}

#[test]
fn a_killed_daemon_deploys_what_the_pull_request_is_at() {
    let mut site = Site::new("gated", &Value::Null);
    let gate = site.gate();
    site.tree.write("app.json", &json!({"buildpacks": [{"url": "./pack"}], "env": {"GATE": gate}}).to_string());
    std::fs::write(&gate, "").unwrap();
    let first = site.change();
    site.tell("opened", 1, &first, "octo/shop");
    site.until_it_is("created");
    std::fs::remove_file(&gate).unwrap();
    let second = site.change();
    site.tell("synchronized", 2, &second, "octo/shop");
    let builds = |site: &Site| site.daemon.get(&site.user, "/apps/shop-pr-7/builds").as_array().unwrap().clone();
    until(|| builds(&site).iter().any(|build| build["status"] == "pending"));
    site.daemon.kill_and_restart();
    std::fs::write(&gate, "").unwrap();
    until(|| site.deploys().contains(&deploy(&second)));
    assert_eq!(site.deploys().len(), 2, "what was cut off is built once more, and released once");
    // Nothing is left to be done, also not to the one that is closed while it is not there.
    assert_eq!(site.tell("closed", 3, &second, "octo/shop"), "its review app is destroyed");
    site.daemon.kill_and_restart();
    until(|| site.review_app().is_null());
}
