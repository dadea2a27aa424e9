//! Apps connected to repositories on GitHub, GitLab, Gitea and Forgejo: what is told, and what comes of it.

mod ci;
mod crash;
mod deliveries;
mod end_to_end;
mod examples;
mod forgetting;
mod limits;
mod overtaking;
mod proof;
mod renamed;
mod settings;
mod site;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use hoist::db;
use hoist::db::triggers::Trigger;
use ring::hmac;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::api_world::{User, World};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccc";
const NONE: &str = "0000000000000000000000000000000000000000";
const SECTIONS: &str = "[github]\nwebhook_secret = \"the-apps-own\"\n[gitlab]\n[gitea]\n[forgejo]\n";

/// An installation without workers, so that what was triggered stays where it is; and its webhooks' door.
struct Connected {
    world: World,
    alice: User,
    door: Router,
}

/// What a forge hears.
struct Heard {
    status: StatusCode,
    body: Value,
}

impl Connected {
    async fn new() -> Self {
        let world = World::configured(SECTIONS, None).await;
        let alice = world.user("alice@example.com").await;
        let door = hoist::forge::routes(world.ctx.clone());
        Self { world, alice, door }
    }

    /// An app that is connected; what differs from a connection on GitHub whose `main` is deployed is `more`.
    async fn connect(&self, app: &str, repo: &str, more: Value) {
        self.world.post(&self.alice, "/apps", json!({ "name": app })).await;
        let mut new = json!({ "repo": repo, "branch": "main", "auto_deploy": true, "webhook_secret": format!("{app}-hush") });
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.world.post(&self.alice, &format!("/apps/{app}/github"), new).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.error());
    }

    /// Has the GitHub App act for an app's connection, as its administrator can.
    async fn allow(&self, app: &str) {
        let id = self.world.get(&self.alice, &format!("/apps/{app}")).await.body["id"].as_str().unwrap().parse().unwrap();
        hoist::connections::allow(&self.world.ctx.db, id, self.world.ctx.now()).await.unwrap();
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Heard {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.door.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Heard { status: parts.status, body: serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap() }
    }

    /// Delivers as GitHub does, signed with a secret.
    async fn github(&self, id: &str, event: &str, secret: &str, body: &Value) -> Heard {
        let body = body.to_string();
        let signature = format!("sha256={}", sign(secret, &body));
        let headers = [("x-github-delivery", id), ("x-github-event", event), ("x-hub-signature-256", &signature)];
        self.send("/github/webhook", &headers, body).await
    }

    /// What is to be deployed, in the order in which it was asked for.
    async fn triggers(&self) -> Vec<Trigger> {
        db::triggers::open(&mut self.world.ctx.db.read().await.unwrap()).await.unwrap()
    }

    /// The commits that are to be deployed.
    async fn commits(&self) -> Vec<String> {
        self.triggers().await.into_iter().map(|trigger| trigger.commit.unwrap().to_string()).collect()
    }
}

impl Heard {
    fn outcomes(&self) -> Vec<&str> {
        assert_eq!(self.status, StatusCode::ACCEPTED, "{}", self.body);
        self.body["outcomes"].as_array().unwrap().iter().map(|outcome| outcome.as_str().unwrap()).collect()
    }
}

pub(crate) fn sign(secret: &str, body: &str) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes()))
}

fn push(repo: &str, before: &str, after: &str) -> Value {
    json!({ "ref": "refs/heads/main", "before": before, "after": after, "repository": { "full_name": repo } })
}
