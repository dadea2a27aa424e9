//! Who may do what with a pipeline's tests.

use axum::http::{Method, StatusCode};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api_world::{User, World};
use crate::authorizations::scoped;

/// Alice's pipeline `pipe`, in it the apps `shop` and `blog`; the run that she has started.
async fn world() -> (World, User, Value) {
    let world = World::new().await;
    let alice = world.user("alice@example.com").await;
    let pipeline = world.post(&alice, "/pipelines", json!({"name": "pipe"})).await.body;
    for (app, stage) in [("shop", "staging"), ("blog", "production")] {
        world.post(&alice, "/apps", json!({"name": app})).await;
        world.post(&alice, "/pipeline-couplings", json!({"app": app, "pipeline": pipeline["id"], "stage": stage})).await;
    }
    let made = world.post(&alice, "/test-runs", new_run("https://localhost/app.tar.gz")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    (world, alice, made.body)
}

fn new_run(url: &str) -> Value {
    json!({
        "pipeline": "pipe", "commit_branch": "main", "commit_sha": "0123456789012345678901234567890123456789",
        "commit_message": "Sell", "source_blob_url": url,
    })
}

/// What a user may do, of everything there is. Those that nothing is to be done by are given what is refused later.
async fn open_to(world: &World, user: &User, run: &Value) -> String {
    let run = format!("/test-runs/{}", run["id"].as_str().unwrap());
    let config = "/pipelines/pipe/stage/test/config-vars";
    let bad_run = new_run("ftp://localhost/app").to_string();
    let requests = [
        ("list", Method::GET, "/pipelines/pipe/test-runs", ""),
        ("info", Method::GET, &run, ""),
        ("start", Method::POST, "/test-runs", &bad_run),
        ("cancel", Method::PATCH, &run, r#"{"status": "other"}"#),
        ("config", Method::GET, config, ""),
        ("config:set", Method::PATCH, config, r#"{"A": "1"}"#),
    ];
    let mut open = Vec::new();
    for (name, method, path, body) in requests {
        let answer = world.send(user, method, path, &[], body).await;
        match answer.status {
            StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY => open.push(name),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {}
            other => panic!("{name}: {other} {:?}", answer.body),
        }
    }
    open.join(" ")
}

#[tokio::test]
async fn tests_are_for_those_who_may_deploy_to_an_app_of_the_pipeline() {
    let (world, alice, run) = world().await;
    let mut table = vec![format!("owner: {}", open_to(&world, &alice, &run).await)];
    for permission in ["view", "operate", "manage", "deploy"] {
        let email = format!("{permission}@example.com");
        let user = world.user(&email).await;
        assert_eq!(open_to(&world, &user, &run).await, "", "the pipeline is not there for {permission}");
        // One app is enough; the other gives no more than to see.
        for (app, permission) in [("shop", "view"), ("blog", permission)] {
            world.post(&alice, &format!("/apps/{app}/collaborators"), json!({"user": email, "permissions": [permission]})).await;
        }
        table.push(format!("{permission}: {}", open_to(&world, &user, &run).await));
    }
    assert_snapshot!(table.join("\n"), @r"
    owner: list info start cancel config config:set
    view: list info
    operate: list info config config:set
    manage: list info
    deploy: list info start cancel config config:set
    ");
    let viewer = world.user("other@example.com").await;
    world.post(&alice, "/apps/shop/collaborators", json!({"user": "other@example.com", "permissions": ["view"]})).await;
    assert_snapshot!(world.post(&viewer, "/test-runs", new_run("https://localhost/app.tar.gz")).await.error(), @"403 forbidden: You need the deploy permission for this in an app of pipe that belongs to the pipeline's owner and is not a review app. The owner can give it to you: hoist access:update.");
}

#[tokio::test]
async fn the_secrets_of_tests_take_a_token_that_may_have_them() {
    let (world, alice, run) = world().await;
    let mut table = Vec::new();
    let identity = scoped(&world, &alice, &["identity"]).await;
    assert_eq!(open_to(&world, &identity, &run).await, "");
    for scope in ["read", "write", "read-protected", "write-protected", "global"] {
        let holder = scoped(&world, &alice, &[scope]).await;
        table.push(format!("{scope}: {}", open_to(&world, &holder, &run).await));
    }
    assert_snapshot!(table.join("\n"), @r"
    read: list info
    write: list info start cancel
    read-protected: list info config
    write-protected: list info start cancel config config:set
    global: list info start cancel config config:set
    ");
}
