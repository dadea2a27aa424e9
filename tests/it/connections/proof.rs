//! What hoist's GitHub App may read is not for everybody who deploys here: who connects a repository over it shows that they may
//! read it, to a stand-in for GitHub.

use std::process::Command;

use axum::http::StatusCode;
use hoist::connections::{self, Change};
use hoist::db;
use hoist::model::{ConnectionId, NamedRepository, Provider};
use hoist::tell::Place;
use serde_json::{Value, json};

use super::{A, B, Connected, push};
use crate::api_world::{User, World};
use crate::harness::{Daemon, ForgeApi, run};

/// The lines that make hoist an App of a GitHub, at the end of its section.
fn app(dir: &tempfile::TempDir) -> String {
    let key = dir.path().join("app.pem");
    run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"]).arg(&key));
    format!("app_id = 12345\nprivate_key = \"{}\"\nwebhook_secret = \"the-apps-own\"\n", key.display())
}

/// An installation that is a GitHub App, with two users, of whom one may read `octo/private`.
struct Site {
    world: World,
    forge: ForgeApi,
    alice: User,
    bob: User,
    _dir: tempfile::TempDir,
}

impl Site {
    async fn open() -> Self {
        let (forge, dir) = (ForgeApi::start(), tempfile::tempdir().unwrap());
        forge.kept.state.lock().unwrap().readers = vec![("ghp_alice", "octo/private"), ("ghp_bob", "octo/own")];
        let world = World::configured(&format!("{}{}", forge.config("github"), app(&dir)), None).await;
        let (alice, bob) = (world.user("alice@example.com").await, world.user("bob@example.com").await);
        world.post(&alice, "/apps", json!({ "name": "alices" })).await;
        world.post(&bob, "/apps", json!({ "name": "bobs" })).await;
        Self { world, forge, alice, bob, _dir: dir }
    }

    /// What of the App's opens the repository that an app is connected to.
    async fn opens(&self, user: &User, app: &str) -> Option<String> {
        let app = self.world.get(user, &format!("/apps/{app}")).await.body["id"].as_str().unwrap().parse().unwrap();
        let ctx = &self.world.ctx;
        let mut db = ctx.db.read().await.unwrap();
        let connection = db::connections::of_app(&mut db, app).await.unwrap().unwrap();
        let secrets = db::connections::secrets(&mut db, ctx.db.cipher(), connection.id).await.unwrap().unwrap();
        drop(db);
        let token = ctx.providers.token(&Place::new(connection, secrets)).await.unwrap();
        token.map(|token| token.expose().to_owned())
    }

    async fn credentials(&self, user: &User, app: &str) -> Value {
        self.world.get(user, &format!("/apps/{app}/github")).await.body["credentials"].clone()
    }
}

#[tokio::test]
async fn who_may_read_a_repository_connects_it_over_the_app() {
    let mut at = Site::open().await;
    let made = at.world.post(&at.alice, "/apps/alices/github", json!({ "repo": "octo/private", "proof": "ghp_alice" })).await;
    assert_eq!((made.status, &made.body["credentials"]), (StatusCode::CREATED, &json!("github_app")), "{}", made.error());
    let asked = at.forge.next().await;
    assert_eq!(asked.line, "GET /repos/octo/private/branches?per_page=1");
    assert_eq!(asked.headers["authorization"], "Bearer ghp_alice");
    assert_eq!(at.opens(&at.alice, "alices").await.as_deref(), Some("ghs_opens"));
    // It was shown, and not kept.
    let mut db = at.world.ctx.db.read().await.unwrap();
    let named = NamedRepository { full_name: "octo/private".parse().unwrap(), id: None };
    let connections = db::connections::by_repository(&mut db, Provider::GitHub, &named).await.unwrap();
    let secrets = db::connections::secrets(&mut db, at.world.ctx.db.cipher(), connections[0].0.id).await.unwrap().unwrap();
    assert!(secrets.token.is_none());
}

#[tokio::test]
async fn who_may_not_read_it_gets_nothing_of_the_apps() {
    let at = Site::open().await;
    let connect = async |new: Value| at.world.post(&at.bob, "/apps/bobs/github", new).await;
    for (field, other) in [("proof", "ghp_bob"), ("token", "ghp_bob"), ("proof", "ghp_made_up")] {
        let refused = connect(json!({ "repo": "octo/private", field: other })).await;
        let why = format!(
            "422 invalid_params: GitHub does not show the code of octo/private to whoever has this `{field}` (it answered 404: Not \
             Found). Give one that may read the contents of the repository."
        );
        assert_eq!(refused.error(), why);
        assert!(!refused.body.to_string().contains(other));
    }
    assert_eq!(at.world.get(&at.bob, "/apps/bobs/github").await.status, StatusCode::NOT_FOUND);
    let made = connect(json!({ "repo": "octo/private", "branch": "main", "auto_deploy": true })).await;
    assert_eq!((made.status, &made.body["credentials"]), (StatusCode::CREATED, &json!(null)), "as a public one");
    assert_eq!(at.opens(&at.bob, "bobs").await, None);
    // Nor by a change: a proof is of the connection's own repository.
    let change = async |change: Value| at.world.patch(&at.bob, "/apps/bobs/github", change).await;
    assert_eq!(change(json!({ "proof": "ghp_bob" })).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(change(json!({ "clone_url": "https://github.com/octo/own.git", "proof": "ghp_bob" })).await.status, 422);
    assert_eq!(at.opens(&at.bob, "bobs").await, None);
    assert_eq!(change(json!({ "proof": "ghp_alice" })).await.body["credentials"], "github_app");
    assert_eq!(at.opens(&at.bob, "bobs").await.as_deref(), Some("ghs_opens"));
}

#[tokio::test]
async fn a_token_that_is_kept_shows_it_too() {
    let at = Site::open().await;
    at.world.post(&at.alice, "/apps/alices/github", json!({ "repo": "octo/private", "token": "ghp_alice" })).await;
    assert_eq!(at.credentials(&at.alice, "alices").await, "token");
    assert_eq!(at.opens(&at.alice, "alices").await.as_deref(), Some("ghp_alice"));
    at.world.patch(&at.alice, "/apps/alices/github", json!({ "token": null })).await;
    assert_eq!(at.credentials(&at.alice, "alices").await, "github_app");
    let both = json!({ "repo": "octo/own", "token": "ghp_bob", "proof": "ghp_bob" });
    let refused = at.world.post(&at.bob, "/apps/bobs/github", both).await.error();
    assert!(refused.contains("which is kept, or a `proof`, which is not"), "{refused}");
    let without = Connected::new().await;
    without.world.post(&without.alice, "/apps", json!({ "name": "shop" })).await;
    let refused = without.world.post(&without.alice, "/apps/shop/github", json!({ "repo": "a/b", "proof": "x" })).await.error();
    assert!(refused.contains("hoist is no GitHub App there"), "{refused}");
}

#[tokio::test]
async fn a_github_that_is_away_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!("[network]\nallow = [\"127.0.0.1\"]\n[github]\napi_url = \"http://127.0.0.1:1\"\n{}", app(&dir));
    let world = World::configured(&config, None).await;
    let alice = world.user("alice@example.com").await;
    world.post(&alice, "/apps", json!({ "name": "shop" })).await;
    let refused = world.post(&alice, "/apps/shop/github", json!({ "repo": "octo/private", "proof": "ghp_alice" })).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.error().contains("GitHub can't be asked now whether you may read octo/private"), "{}", refused.error());
    assert_eq!(world.get(&alice, "/apps/shop/github").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_proof_is_of_one_connection() {
    let at = Site::open().await;
    at.world.post(&at.bob, "/apps/bobs/github", json!({ "repo": "octo/private" })).await;
    let app = at.world.get(&at.bob, "/apps/bobs").await.body["id"].as_str().unwrap().parse().unwrap();
    // While GitHub was asked, the app was connected to another repository, or the repository has got another name.
    let (ctx, by) = (&at.world.ctx, at.bob.account.id);
    let id = db::connections::of_app(&mut ctx.db.read().await.unwrap(), app).await.unwrap().unwrap().id;
    for proved in [(ConnectionId::new(), "octo/private"), (id, "octo/own")] {
        let proved = Change { proved: Some((proved.0, proved.1.parse().unwrap())), ..Change::default() };
        assert!(!connections::change(&ctx.db, app, by, proved, ctx.now()).await.unwrap().is_proved);
    }
    assert_eq!(at.opens(&at.bob, "bobs").await, None);
}

#[tokio::test]
async fn the_apps_tokens_are_for_its_own_github() {
    let dir = tempfile::tempdir().unwrap();
    // None is configured, so that it is github.com's App.
    let world = World::configured(&format!("[github]\n{}", app(&dir)), None).await;
    let place = |clone_url: &str| Place {
        provider: Provider::GitHub,
        full_name: "octo/private".parse().unwrap(),
        clone_url: clone_url.into(),
        token: None,
        is_proved: true,
    };
    assert!(world.ctx.providers.has_app_at(&place("https://github.com/octo/private.git")));
    assert!(world.ctx.providers.has_app_at(&place("git@github.com:octo/private.git")));
    for elsewhere in ["https://evil.example/octo/private.git", "http://127.0.0.1:1/octo/private.git"] {
        let place = place(elsewhere);
        assert!(!world.ctx.providers.has_app_at(&place), "{elsewhere}");
        assert!(world.ctx.providers.token(&place).await.unwrap().is_none(), "{elsewhere}");
    }
}

#[tokio::test]
async fn what_the_app_hears_is_for_those_that_were_proved() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    let body = push("octo/shop", A, B);
    assert!(at.github("1", "push", "the-apps-own", &body).await.outcomes().is_empty());
    assert!(at.triggers().await.is_empty());
    at.allow("shop").await;
    assert_eq!(at.github("1", "push", "the-apps-own", &body).await.outcomes(), ["will be deployed"]);
}

#[test]
fn whoever_runs_hoist_may_say_so() {
    let (forge, dir) = (ForgeApi::start(), tempfile::tempdir().unwrap());
    let daemon = Daemon::start_with(&format!("{}{}", forge.config("github"), app(&dir)));
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let allow = || daemon.hoist(&["admin", "github:allow", "shop"]).output().unwrap();
    let early = allow();
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(!early.status.success() && said.contains("first comes hoist github:connect"), "{said}");
    daemon.client(&user, &["github:connect", "octo/private", "--app", "shop"]);
    assert_eq!(daemon.get(&user, "/apps/shop/github")["credentials"], json!(null));
    let done = allow();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "The GitHub App acts for shop at octo/private.\n");
    assert_eq!(daemon.get(&user, "/apps/shop/github")["credentials"], "github_app");
    let audit = daemon.client(&user, &["audit", "--app", "shop", "--json"]);
    assert!(audit.contains("is_proved"), "{audit}");
}
