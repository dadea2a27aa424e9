//! A daemon whose app is deployed from a repository, with git's own server and a stand-in for the forge's API.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::sign;
use crate::harness::{Ci, Daemon, Forge, ForgeApi, Manner, Stop, User, WorkTree, run, until};

/// How the site is made.
pub(super) struct Wanted {
    pub(super) provider: &'static str,
    pub(super) pack: &'static str,
    pub(super) way: Way,
    /// More arguments of `github:connect`.
    pub(super) more: &'static [&'static str],
}

/// How hoist gets at the repository, and asks the API.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// With a token of the connection's, both.
    Token,
    /// With a deploy key, and as a GitHub App, which makes its tokens itself.
    Ssh,
    /// With a deploy key, and a token for the API alone.
    SshAndToken,
    /// As a GitHub App; anybody may have the repository.
    App,
}

impl Way {
    fn has_token(self) -> bool {
        matches!(self, Self::Token | Self::SshAndToken)
    }
}

impl Default for Wanted {
    fn default() -> Self {
        Self { provider: "gitea", pack: "null", way: Way::Token, more: &[] }
    }
}

/// A daemon with the app `shop`, deployed from `octo/shop`.
pub(super) struct Site {
    pub(super) daemon: Daemon,
    pub(super) user: User,
    pub(super) forge: Forge,
    pub(super) api: ForgeApi,
    pub(super) tree: WorkTree,
    pub(super) stop: Arc<Stop>,
    provider: &'static str,
    secret: String,
    /// The GitHub App's, which each start reads.
    _keys: TempDir,
}

impl Site {
    pub(super) fn new(wanted: &Wanted) -> Self {
        let stop = Arc::<Stop>::default();
        let api = ForgeApi::start_with(Arc::clone(&stop));
        let forge = Forge::with(Manner { stop: Arc::clone(&stop), ..Manner::default() });
        let keys = tempfile::tempdir().unwrap();
        let app = if wanted.way.has_token() { String::new() } else { github_app(keys.path()) };
        // The tests ask often.
        let limits = "[limits]\napi_requests_per_hour = 0\n";
        let daemon = Daemon::start_with(&format!("engine = \"local\"\n{limits}{}{app}", api.config(wanted.provider)));
        let (user, tree) = (daemon.user("alice@example.com"), WorkTree::with_pack(wanted.pack));
        daemon.client(&user, &["apps:create", "shop"]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
        forge.publish("octo/shop", &tree);
        let mut site =
            Self { daemon, user, forge, api, tree, stop, provider: wanted.provider, secret: String::new(), _keys: keys };
        site.secret = site.connect(wanted);
        if !wanted.way.has_token() {
            run(&mut site.daemon.hoist(&["admin", "github:allow", "shop"]));
        }
        site
    }

    /// Returns the webhook's secret.
    fn connect(&self, wanted: &Wanted) -> String {
        let write = |name: &str, text: &str| {
            let file = self.daemon.data_dir().join(name);
            std::fs::write(&file, text).unwrap();
            file.display().to_string()
        };
        let mut args =
            ["github:connect", "octo/shop", "--provider", wanted.provider, "--branch", "main"].map(str::to_owned).to_vec();
        args.extend(["--auto-deploy", "--app", "shop", "--json", "--clone-url"].map(str::to_owned));
        match wanted.way {
            Way::Ssh | Way::SshAndToken => {
                let (key, hosts) = (write("deploy_key", &self.forge.key()), write("hosts", &self.forge.known_hosts("host_key")));
                args.extend([self.forge.ssh_url("octo/shop"), "--deploy-key".into(), key, "--known-hosts".into(), hosts]);
            }
            Way::Token | Way::App => args.push(self.forge.url("octo/shop")),
        }
        if wanted.way.has_token() {
            args.extend(["--token-file".into(), write("token", "sesame")]);
        }
        args.extend(wanted.more.iter().map(|arg| (*arg).to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let made: Value = serde_json::from_str(&self.daemon.client(&self.user, &args)).unwrap();
        made["webhook_secret"].as_str().unwrap().to_owned()
    }

    /// Commits and publishes; returns the commits before and after.
    pub(super) fn publish(&self, name: &str) -> (String, String) {
        let before = self.tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
        self.tree.write(name, name);
        let after = self.tree.commit(name);
        self.forge.publish("octo/shop", &self.tree);
        (before, after)
    }

    /// Tells the daemon of a push as the provider does; it must be taken.
    pub(super) fn tell_push(&self, id: &str, before: &str, after: &str) {
        let mut body = self.body();
        body["ref"] = json!("refs/heads/main");
        body["before"] = json!(before);
        body["after"] = json!(after);
        assert_eq!(self.tell(id, if self.provider == "gitlab" { "Push Hook" } else { "push" }, &body), 202);
    }

    /// The same of a change of a commit's CI.
    pub(super) fn tell_ci(&self, id: &str, commit: &str) {
        let mut body = self.body();
        body["sha"] = json!(commit);
        body["object_attributes"] = json!({ "sha": commit });
        assert_eq!(self.tell(id, if self.provider == "gitlab" { "Pipeline Hook" } else { "status" }, &body), 202);
    }

    fn body(&self) -> Value {
        match self.provider {
            "gitlab" => json!({ "project": { "id": 7, "path_with_namespace": "octo/shop" } }),
            _ => json!({ "repository": { "id": 7, "full_name": "octo/shop" } }),
        }
    }

    /// Delivers as the provider does; returns the answer's status.
    pub(super) fn tell(&self, id: &str, event: &str, body: &Value) -> u16 {
        let body = body.to_string();
        let url = format!("http://{}/{}/webhook", self.daemon.http, self.provider);
        let mut request = ureq::post(url).config().http_status_as_error(false).build();
        for (name, value) in self.headers(id, event, &body) {
            request = request.header(name, value);
        }
        request.send(body).unwrap().status().as_u16()
    }

    /// What a delivery has for headers.
    pub(super) fn headers(&self, id: &str, event: &str, body: &str) -> [(String, String); 3] {
        let (provider, signature) = (self.provider, sign(&self.secret, body));
        let named = |name: &str, value: &str| (format!("x-{provider}-{name}"), value.to_owned());
        match provider {
            "gitlab" => [named("event", event), named("event-uuid", id), named("token", &self.secret)],
            "github" => {
                [named("event", event), named("delivery", id), ("x-hub-signature-256".into(), format!("sha256={signature}"))]
            }
            _ => [named("event", event), named("delivery", id), named("signature", &signature)],
        }
    }

    /// From now on a commit's CI says so.
    pub(super) fn set_ci(&self, commit: &str, ci: Ci) {
        self.api.kept.state.lock().unwrap().ci.insert(commit.to_owned(), ci);
    }

    /// Builds of a commit, oldest first.
    pub(super) fn builds_of(&self, commit: &str) -> Vec<Value> {
        let builds = self.daemon.get(&self.user, "/apps/shop/builds");
        builds.as_array().unwrap().iter().filter(|build| build["source_blob"]["version"] == commit).cloned().collect()
    }

    pub(super) fn statuses(&self) -> Vec<String> {
        let builds = self.daemon.get(&self.user, "/apps/shop/builds");
        builds.as_array().unwrap().iter().map(|build| build["status"].as_str().unwrap().to_owned()).collect()
    }

    /// What was released of pushes, oldest first.
    pub(super) fn deploys(&self) -> Vec<String> {
        let releases = self.daemon.releases(&self.user, "shop").into_iter();
        releases.map(|(_, what)| what).filter(|what| what.starts_with("Deploy")).collect()
    }

    /// The deploys that were asked for.
    pub(super) fn asked_for(&self) -> Vec<Value> {
        self.daemon.get(&self.user, "/apps/shop/github/deploys").as_array().unwrap().clone()
    }

    /// The deploy of a commit that was asked for.
    pub(super) fn asked_for_of(&self, commit: &str) -> Value {
        self.asked_for().into_iter().find(|deploy| deploy["commit"] == commit).unwrap_or_default()
    }

    /// Waits until it says why a commit waits, or is not deployed.
    pub(super) fn until_reason(&self, commit: &str, reason: &str) {
        until(|| self.asked_for_of(commit)["reason"].as_str().is_some_and(|why| why.contains(reason)));
    }
}

/// The lines of `[github]` that make hoist a GitHub App, with a key of its own in a folder.
fn github_app(dir: &Path) -> String {
    let key = dir.join("app.pem");
    run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"]).arg(&key));
    format!("app_id = 12345\nprivate_key = \"{}\"\n", key.display())
}
