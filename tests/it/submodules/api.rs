//! Credentials for submodules: given, listed and taken away, and never shown.

use axum::http::{Method, StatusCode};
use hoist::model::{Secret, generate_deploy_key};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api::world_with_app;
use crate::api_world::{User, World, normal};
use crate::cli::Desk;

const PATH: &str = "/apps/example/git-credentials";

async fn give(world: &World, user: &User, body: Value) -> Value {
    let given = world.post(user, PATH, body).await;
    assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
    given.body
}

fn key() -> Secret {
    generate_deploy_key("laptop")
}

#[tokio::test]
async fn a_credential_is_given_listed_and_taken_away() {
    let (world, owner) = world_with_app().await;
    let token = json!({"url": "https://GitHub.com/acme/", "token": "ghp_very_secret", "username": "bob"});
    let given = world.post(&owner, PATH, token.clone()).await;
    assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
    assert_snapshot!(normal(&given.body.to_string()), @r#"{"app":{"id":"ID","name":"example"},"created_at":"TIME","deploy_public_key":null,"id":"ID","kind":"token","known_hosts":null,"last_used_at":null,"url":"https://github.com/acme","user":{"email":"dev@example.com","id":"ID"},"username":"bob"}"#);
    let made = give(&world, &owner, json!({"url": "git@github.com:acme/lib.git", "new_deploy_key": true})).await;
    assert!(made["deploy_public_key"].as_str().unwrap().starts_with("ssh-ed25519 AAAA"), "{made}");
    give(&world, &owner, json!({"url": "git@gitlab.com:acme", "deploy_key": key().expose()})).await;
    assert_snapshot!(world.post(&owner, PATH, token).await.error(), @"409 conflict: The app has a git credential for https://github.com/acme already: remove it first (hoist git-credentials:remove https://github.com/acme).");

    let listed = world.get(&owner, PATH).await.body;
    let mut lines: Vec<_> = listed.as_array().unwrap().iter().map(|one| format!("{} {}", one["url"], one["kind"])).collect();
    lines.sort();
    assert_snapshot!(lines.join("\n"), @r#"
    "https://github.com/acme" "token"
    "ssh://github.com/acme/lib" "deploy_key"
    "ssh://gitlab.com/acme" "deploy_key"
    "#);

    let one = format!("{PATH}/{}", made["id"].as_str().unwrap());
    world.post(&owner, "/apps", json!({"name": "other"})).await;
    let elsewhere = one.replace("example", "other");
    assert_eq!(world.delete(&owner, &elsewhere).await.status, StatusCode::NOT_FOUND, "it is another app's");
    assert_eq!(world.delete(&owner, &one).await.body["id"], made["id"]);
    assert_snapshot!(world.delete(&owner, &one).await.error(), @"404 not_found: Couldn't find that git credential.");
    assert_eq!(world.get(&owner, PATH).await.body.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_not_taken() {
    let (world, owner) = world_with_app().await;
    let refused = async |body: Value| world.post(&owner, PATH, body).await.error();
    assert_snapshot!(refused(json!({"url": "https://h/acme"})).await, @"422 invalid_params: Give a `token`, with a `username` if the server wants one, or a `deploy_key` or `new_deploy_key`, with `known_hosts` if hoist does not know the host.");
    assert_snapshot!(refused(json!({"url": "github.com/acme", "token": "x"})).await, @"422 invalid_params: `github.com/acme` is no repository's URL: it must be https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH");
    assert_snapshot!(refused(json!({"url": "https://me:ghp_secret@h/acme", "token": "x"})).await, @"422 invalid_params: `https://h/acme` is no repository's URL: give the token by itself, not in the URL");
    assert_snapshot!(refused(json!({"url": "http://example.com/acme", "token": "x"})).await, @"422 invalid_params: A token is shown over HTTPS only: give a `url` such as https://HOST/OWNER, or a `deploy_key` for SSH.");
    assert_snapshot!(refused(json!({"url": "https://h/acme", "token": "a b"})).await, @"422 invalid_params: `token` must be 1 to 4096 printable ASCII characters without spaces.");
    assert_snapshot!(refused(json!({"url": "https://h/acme", "token": "x", "username": "a:b"})).await, @"422 invalid_params: The `username` can't have a colon in it.");
    assert_snapshot!(refused(json!({"url": "https://h/acme", "new_deploy_key": true})).await, @"422 invalid_params: A deploy key is of use over SSH only: give a `url` such as git@HOST:OWNER, or a `token`.");
    assert_snapshot!(refused(json!({"url": "git@github.com:acme", "token": "x"})).await, @"422 invalid_params: A token is shown over HTTPS only: give a `url` such as https://HOST/OWNER, or a `deploy_key` for SSH.");
    assert_snapshot!(refused(json!({"url": "git@h:acme", "new_deploy_key": true})).await, @"422 invalid_params: hoist does not know the SSH keys of h: give `known_hosts`, as printed by `ssh-keyscan h` and compared with what its administrator says.");
    assert_snapshot!(refused(json!({"url": "git@github.com:acme", "deploy_key": "x"})).await, @"422 invalid_params: The deploy key is not a private key in OpenSSH's format. Give what ssh-keygen has written, not the file that ends in .pub; `ssh-keygen -p -N '' -f COPY` rewrites a copy of a key that is in an older format.");
    for mixed in [
        json!({"url": "https://h/acme", "token": "x", "new_deploy_key": true}),
        json!({"url": "https://h/acme", "token": "x", "known_hosts": ""}),
        json!({"url": "git@github.com:acme", "new_deploy_key": true, "username": "bob"}),
    ] {
        let error = refused(mixed).await;
        assert!(error.starts_with("422 invalid_params: Give a `token`"), "{error}");
    }
    assert_eq!(world.get(&owner, PATH).await.body, json!([]));
}

#[tokio::test]
async fn they_are_for_those_who_may_change_config_vars_and_leave_no_secret_in_the_trail() {
    let (world, owner) = world_with_app().await;
    let secret_key = key();
    let body = json!({"url": "https://h/acme", "token": "ghp_very_secret"});
    let given = give(&world, &owner, body.clone()).await;
    give(&world, &owner, json!({"url": "git@github.com:acme", "deploy_key": secret_key.expose()})).await;
    let one = format!("{PATH}/{}", given["id"].as_str().unwrap());
    let mut table = Vec::new();
    for permission in ["view", "manage", "operate", "deploy"] {
        let email = format!("{permission}@example.com");
        let user = world.user(&email).await;
        world.post(&owner, "/apps/example/collaborators", json!({"user": email, "permissions": [permission]})).await;
        let new = json!({"url": format!("https://h/{permission}"), "token": "ghp_very_secret"}).to_string();
        let requests = [(Method::GET, PATH, ""), (Method::POST, PATH, new.as_str()), (Method::DELETE, one.as_str(), "")];
        let mut statuses = Vec::new();
        for (method, path, body) in requests {
            statuses.push(world.send(&user, method, path, &[], body).await.status.as_u16().to_string());
        }
        table.push(format!("{permission}: {}", statuses.join(" ")));
    }
    assert_snapshot!(table.join("\n"), @"
    view: 403 403 403
    manage: 403 403 403
    operate: 200 201 200
    deploy: 200 201 404
    ");

    let trail = world.get(&owner, "/apps/example/audit-events").await.body;
    let added = trail.as_array().unwrap().iter().find(|event| event["type"] == "git-credentials").expect("it is recorded");
    assert_eq!((&added["action"], &added["data"]["fields"]), (&json!("create"), &json!(["token", "url"])));
    assert_eq!(added["data"].get("values"), None);
    let told = trail.to_string() + &world.get(&owner, PATH).await.body.to_string();
    let middle = &secret_key.expose()[100..140];
    assert!(!told.contains("ghp_very_secret") && !told.contains(middle));
}

#[tokio::test]
async fn commands_give_and_take_away() {
    let desk = Desk::new().await;
    desk.run(&["create", "example"]).await;
    let file = desk.home.path().join("token");
    std::fs::write(&file, "ghp_very_secret\n").unwrap();
    let file = file.to_str().unwrap();
    let run = async |args: &[&str]| desk.run(&[args, &["-a", "example"]].concat()).await.all();
    assert_snapshot!(run(&["git-credentials"]).await, @"
    example has no git credentials
    Use hoist git-credentials:add to add one.
    ");
    assert_snapshot!(run(&["git-credentials:add", "https://github.com/acme"]).await, @"
    [exit 1]
    error: the following required arguments were not provided:
      <--token-file <FILE>|--key-file <FILE>|--new-deploy-key>

    Usage: hoist git-credentials:add --app <APP> <--token-file <FILE>|--key-file <FILE>|--new-deploy-key> <URL>

    For more information, try '--help'.
    ");
    assert_snapshot!(run(&["git-credentials:add", "https://github.com/acme", "--user", "bob", "--token-file", file]).await, @"Adding git credential to example... done");
    let made = run(&["git-credentials:add", "git@github.com:acme/lib", "--new-deploy-key"]).await;
    let (said, key) = made.split_once("ssh-ed25519 AAAA").unwrap_or_else(|| panic!("{made}"));
    assert_snapshot!(said, @"
    Adding git credential to example... done
    === Deploy key for ssh://github.com/acme/lib
    ");
    assert!(key.ends_with(" hoist, for example\n"), "{key}");
    let listed = run(&["git-credentials"]).await;
    let shown: Vec<_> =
        listed.lines().filter(|line| line.contains("://")).map(|line| line.trim().split("   ").next().unwrap()).collect();
    assert_eq!(shown, ["https://github.com/acme", "ssh://github.com/acme/lib"], "{listed}");
    assert_snapshot!(run(&["git-credentials:remove", "https://github.com/other"]).await, @"
    [exit 1]
    Removing git credential https://github.com/other from example... !
     ›   Error: example has no git credential for https://github.com/other. It has some for: https://github.com/acme, ssh://github.com/acme/lib.
    ");
    assert_snapshot!(run(&["git-credentials:remove", "git@github.com:acme/lib.git"]).await, @"Removing git credential git@github.com:acme/lib.git from example... done");
    assert_snapshot!(run(&["git-credentials:remove", "https://github.com/acme/"]).await, @"Removing git credential https://github.com/acme/ from example... done");
    assert!(run(&["git-credentials"]).await.starts_with("example has no git credentials"));
}
