//! Connecting, changing and disconnecting over the API.

use std::process::Command;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Connected, SECTIONS};
use crate::api_world::World;
use crate::harness::run;

#[tokio::test]
async fn an_app_is_connected_changed_and_disconnected() {
    let at = Connected::new().await;
    let (world, alice) = (&at.world, &at.alice);
    world.post(alice, "/apps", json!({ "name": "shop" })).await;
    let nothing = world.get(alice, "/apps/shop/github").await;
    assert_eq!(nothing.error(), "404 not_found: Couldn't find that connection to a repository.");
    let made = world.post(alice, "/apps/shop/github", json!({ "repo": "octo/shop", "token": "ghp_hush" })).await;
    assert_eq!((made.status, made.header("hoist-webhook-secret").unwrap().len()), (StatusCode::CREATED, 64));
    let text = |field: &str| made.body[field].as_str().unwrap_or_default().to_owned();
    assert_eq!([text("repo"), text("provider"), text("credentials")], ["octo/shop", "github", "token"]);
    assert_eq!((text("clone_url"), &made.body["auto_deploy"]), ("https://github.com/octo/shop.git".into(), &json!(false)));
    assert!(text("webhook_url").ends_with("/github/webhook") && !made.body.to_string().contains("ghp_hush"), "{}", made.body);
    assert_eq!(world.get(alice, "/apps/shop/github").await.body, made.body);
    let again = world.post(alice, "/apps/shop/github", json!({ "repo": "octo/other" })).await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let missing = world.patch(alice, "/apps/shop/github", json!({ "auto_deploy": true })).await;
    assert_eq!(missing.error(), "422 invalid_params: `branch` is missing: say which one is to be deployed.");
    let changed = world.patch(alice, "/apps/shop/github", json!({ "auto_deploy": true, "branch": "main", "token": null })).await;
    assert_eq!((&changed.body["branch"], &changed.body["credentials"]), (&json!("main"), &json!(null)));
    assert_eq!((&made.body["tells_back"], &changed.body["tells_back"]), (&json!(true), &json!(false)));
    let other = world.post(alice, "/apps/shop/github/webhook-secret", json!({})).await;
    assert_ne!(other.header("hoist-webhook-secret"), made.header("hoist-webhook-secret"));
    assert_eq!(world.delete(alice, "/apps/shop/github").await.status, StatusCode::OK);
    assert_eq!(world.get(alice, "/apps/shop/github").await.status, StatusCode::NOT_FOUND);
}

/// A private key that somebody has protected.
fn encrypted_key() -> String {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "secret", "-f"]).arg(&key));
    std::fs::read_to_string(key).unwrap()
}

#[tokio::test]
async fn hoist_makes_deploy_keys_and_shows_their_public_halves() {
    let at = Connected::new().await;
    let (world, alice) = (&at.world, &at.alice);
    world.post(alice, "/apps", json!({ "name": "shop" })).await;
    let made = world.post(alice, "/apps/shop/github", json!({ "repo": "octo/shop", "new_deploy_key": true })).await;
    assert_eq!(
        (&made.body["clone_url"], &made.body["credentials"]),
        (&json!("git@github.com:octo/shop.git"), &json!("deploy_key"))
    );
    let key = |body: &Value| body["deploy_public_key"].as_str().unwrap().to_owned();
    let first = key(&made.body);
    assert!(first.starts_with("ssh-ed25519 ") && first.ends_with(" hoist, for octo/shop"), "{first}");
    assert!(!made.body.to_string().contains("PRIVATE"), "{}", made.body);
    let same = world.patch(alice, "/apps/shop/github", json!({ "branch": "main" })).await;
    let other = world.patch(alice, "/apps/shop/github", json!({ "new_deploy_key": true })).await;
    assert_eq!((key(&same.body) == first, key(&other.body) == first), (true, false));
    assert_eq!(other.body["tells_back"], json!(false), "a key only fetches");
    let both = world.patch(alice, "/apps/shop/github", json!({ "token": "ghp_hush" })).await;
    assert_eq!((&both.body["credentials"], &both.body["tells_back"]), (&json!("deploy_key"), &json!(true)));
    let without = world.patch(alice, "/apps/shop/github", json!({ "deploy_key": null, "token": null })).await;
    assert_eq!((&without.body["deploy_public_key"], &without.body["credentials"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn what_can_not_be_connected_says_why() {
    let at = Connected::new().await;
    at.world.post(&at.alice, "/apps", json!({ "name": "shop" })).await;
    let why = async |new| at.world.post(&at.alice, "/apps/shop/github", new).await.error();
    assert!(why(json!({ "repo": "shop" })).await.contains("name it as OWNER/NAME"));
    assert!(why(json!({ "repo": "a/b/c" })).await.contains("too many parts"));
    assert!(why(json!({ "repo": "a/b", "provider": "bitbucket" })).await.contains("github, gitlab, gitea, forgejo"));
    assert!(why(json!({ "repo": "a/b", "provider": "gitea" })).await.contains("`clone_url` is missing"));
    assert!(why(json!({ "repo": "a/b", "clone_url": "file:///etc" })).await.contains("422 invalid_params"));
    assert!(why(json!({ "repo": "a/b", "deploy_key": "not a key" })).await.contains("OpenSSH"));
    assert!(why(json!({ "repo": "a/b", "deploy_key": encrypted_key() })).await.contains("has a passphrase"));
    assert!(why(json!({ "repo": "a/b", "deploy_key": "x", "new_deploy_key": true })).await.contains("not both"));
    assert!(
        why(json!({ "repo": "a/b", "clone_url": "git@git.example.com:a/b.git" })).await.contains("ssh-keyscan git.example.com")
    );
    assert!(why(json!({ "repo": "a/b", "branch": "a..b" })).await.contains("is not a branch's name"));
    assert!(why(json!({ "repo": "a/b", "token": "with\nnewline" })).await.contains("`token`"));
    let off = World::new().await;
    let bob = off.user("bob@example.com").await;
    off.post(&bob, "/apps", json!({ "name": "shop" })).await;
    let refused = off.post(&bob, "/apps/shop/github", json!({ "repo": "a/b" })).await.error();
    assert!(refused.contains("section [github] in hoist.toml"), "{refused}");
}

#[tokio::test]
async fn a_token_stays_with_the_server_that_it_was_given_for() {
    let at = Connected::new().await;
    let more = json!({ "provider": "gitea", "clone_url": "https://git.example/octo/shop.git", "token": "sesame" });
    at.connect("shop", "octo/shop", more).await;
    let change = async |change| at.world.patch(&at.alice, "/apps/shop/github", change).await;
    for elsewhere in
        ["https://evil.example/octo/shop.git", "http://git.example/octo/shop.git", "https://git.example:444/octo/shop"]
    {
        let refused = change(json!({ "clone_url": elsewhere })).await.error();
        assert!(refused.contains("was given for another server"), "{elsewhere}: {refused}");
    }
    assert_eq!(change(json!({ "clone_url": "https://git.example/octo/moved.git" })).await.body["credentials"], "token");
    let with_another = change(json!({ "clone_url": "https://i.example/octo/shop.git", "token": "other" })).await;
    assert_eq!(with_another.body["credentials"], "token", "{}", with_another.body);
    let without = change(json!({ "clone_url": "https://j.example/octo/shop.git", "token": null })).await;
    assert_eq!((&without.body["credentials"], without.status), (&json!(null), StatusCode::OK));
    assert_eq!(change(json!({ "clone_url": "https://k.example/octo/shop.git" })).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_branch_is_deployed_when_somebody_asks_for_it() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    let asked = at.world.post(&at.alice, "/apps/shop/github/push", json!({ "branch": "next" })).await;
    assert_eq!(
        (asked.status, &asked.body["cause"], &asked.body["branch"]),
        (StatusCode::ACCEPTED, &json!("manual"), &json!("next"))
    );
    let path = format!("/apps/shop/github/deploys/{}", asked.body["id"].as_str().unwrap());
    assert_eq!(at.world.get(&at.alice, &path).await.body, asked.body);
    assert_eq!(at.world.get(&at.alice, "/apps/shop/github/deploys").await.body, json!([asked.body]));
    at.world.delete(&at.alice, "/apps/shop/github").await;
    assert_eq!(at.world.get(&at.alice, "/apps/shop/github/deploys").await.body, json!([]), "they have gone with it");
}

#[tokio::test]
async fn secrets_are_in_no_file() {
    let world = World::configured(SECTIONS, None).await;
    let alice = world.user("alice@example.com").await;
    world.post(&alice, "/apps", json!({ "name": "shop" })).await;
    let new = json!({ "repo": "octo/shop", "token": "ghp_very_secret", "webhook_secret": "hush-hush-hush" });
    world.post(&alice, "/apps/shop/github", new).await;
    let files = ["hoist.db", "hoist.db-wal"].map(|name| std::fs::read(world.ctx.config.data_dir.join(name)).unwrap_or_default());
    for hidden in [b"ghp_very_secret".as_slice(), b"hush-hush-hush"] {
        assert!(!files.concat().windows(hidden.len()).any(|window| window == hidden));
    }
}
