//! Who may do what, by API tokens and by those of the token service.

use serde_json::{Value, json};

use super::world::{Answer, World, basic, digest, send};
use crate::harness::User;

/// As somebody, with an API token.
fn ask(world: &World, user: &User, method: &str, path: &str) -> Answer {
    send(&world.daemon, method, path, &[("authorization", &basic("_", &user.token))], b"")
}

/// Gets a token of the token service for some scopes.
fn token(world: &World, user: &User, scopes: &[&str]) -> String {
    let scopes = scopes.join("&scope=");
    let answer = ask(world, user, "GET", &format!("/v2/token?service=here&scope={scopes}")).is(200).json();
    assert_eq!(answer["token"], answer["access_token"]);
    answer["token"].as_str().unwrap().to_owned()
}

fn with(world: &World, token: &str, method: &str, path: &str) -> Answer {
    send(&world.daemon, method, path, &[("authorization", &format!("Bearer {token}"))], b"")
}

#[test]
fn an_app_of_somebody_else_is_like_none() {
    let world = World::start();
    let manifest = world.push_image("shop/web", "latest", b"layer");
    let mallory = world.daemon.user("mallory@example.com");
    let told = |method: &str, app: &str, path: &str| {
        let answer = ask(&world, &mallory, method, &format!("/v2/{app}/web/{path}"));
        (answer.status, String::from_utf8_lossy(&answer.body).replace(app, "APP"))
    };
    let blob = format!("blobs/{}", digest(b"layer"));
    let manifest = format!("manifests/{manifest}");
    for (method, path, status) in [
        ("GET", "manifests/latest", 404),
        ("GET", manifest.as_str(), 404),
        ("GET", blob.as_str(), 404),
        ("GET", "tags/list", 404),
        ("POST", "blobs/uploads/", 403),
        ("PUT", "manifests/latest", 403),
        ("DELETE", "manifests/latest", 403),
        ("DELETE", blob.as_str(), 403),
    ] {
        let (theirs, none) = (told(method, "shop", path), told(method, "none", path));
        assert_eq!(theirs, none, "{method} {path}");
        assert_eq!(theirs.0, status, "{method} {path}: {}", theirs.1);
    }
    let (_, words) = told("POST", "none", "blobs/uploads/");
    assert!(words.contains("DENIED") && words.contains("requested access to the resource is denied"), "{words}");
    assert_eq!(ask(&world, &mallory, "GET", "/v2/_catalog").is(200).json(), json!({"repositories": []}));
    // Nothing was made by asking for it.
    let apps = world.daemon.get(&mallory, "/apps");
    assert_eq!(apps, json!([]));
}

#[test]
fn collaborators_pull_and_push_with_the_permission_to_deploy() {
    let world = World::start();
    world.push_image("shop/web", "latest", b"layer");
    let bob = world.daemon.user("bob@example.com");
    let give = |permissions: &str| {
        let args = ["access:add", "bob@example.com", "--app", "shop", "--permissions", permissions];
        world.daemon.client(&world.user, &args);
    };
    give("view");
    let (code, words) = ask(&world, &bob, "GET", "/v2/shop/web/manifests/latest").is(403).error();
    assert_eq!(code, "DENIED");
    assert!(words.contains("You need the deploy permission in shop"), "{words}");
    ask(&world, &bob, "POST", "/v2/shop/web/blobs/uploads/").is(403);
    assert_eq!(ask(&world, &bob, "GET", "/v2/_catalog").is(200).json(), json!({"repositories": []}));
    let update = ["access:update", "bob@example.com", "--app", "shop", "--permissions", "deploy"];
    world.daemon.client(&world.user, &update);
    ask(&world, &bob, "GET", "/v2/shop/web/manifests/latest").is(200);
    ask(&world, &bob, "POST", "/v2/shop/web/blobs/uploads/").is(202);
    assert_eq!(ask(&world, &bob, "GET", "/v2/_catalog").is(200).json(), json!({"repositories": ["shop/web"]}));
}

#[test]
fn a_token_of_the_token_service_is_for_what_it_was_given_for() {
    let world = World::start();
    world.push_image("shop/web", "latest", b"layer");
    let alice = &world.user;
    let pull = token(&world, alice, &["repository:shop/web:pull"]);
    with(&world, &pull, "GET", "/v2/").is(200);
    with(&world, &pull, "GET", "/v2/shop/web/manifests/latest").is(200);
    for (method, path, scope) in [
        ("POST", "/v2/shop/web/blobs/uploads/", "repository:shop/web:pull,push"),
        ("GET", "/v2/other/web/tags/list", "repository:other/web:pull"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
    ] {
        let answer = with(&world, &pull, method, path).is(401);
        assert_eq!(answer.error().0, "DENIED");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.ends_with(&format!(",scope=\"{scope}\",error=\"insufficient_scope\"")), "{challenge}");
    }
    with(&world, &pull, "GET", "/v2/token").is(401);
    let both = token(&world, alice, &["repository:shop/web:pull,push", "repository:other/web:pull"]);
    with(&world, &both, "POST", "/v2/shop/web/blobs/uploads/").is(202);
    with(&world, &both, "GET", "/v2/other/web/tags/list").is(200);
    with(&world, &both, "DELETE", "/v2/shop/web/manifests/latest").is(401);
    let delete = token(&world, alice, &["repository:shop/web:*"]);
    with(&world, &delete, "DELETE", "/v2/shop/web/manifests/latest").is(202);
    // It is no API token, and nobody gets one for an app that is not theirs.
    send(&world.daemon, "GET", "/apps", &[("authorization", &format!("Bearer {both}"))], b"").is(401);
    let mallory = world.daemon.user("mallory@example.com");
    let stolen = token(&world, &mallory, &["repository:shop/web:pull,push"]);
    with(&world, &stolen, "GET", "/v2/shop/web/tags/list").is(404);
}

#[test]
fn a_revoked_authorization_ends_the_tokens_that_it_gave() {
    let world = World::start();
    let made = world.daemon.client(&world.user, &["authorizations:create", "--description", "ci", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let key = world.user.key.clone();
    let ci = User { token: made["access_token"]["token"].as_str().unwrap().to_owned(), key };
    let token = token(&world, &ci, &["repository:shop/web:pull"]);
    with(&world, &token, "GET", "/v2/shop/web/tags/list").is(200);
    world.daemon.client(&world.user, &["authorizations:revoke", made["id"].as_str().unwrap()]);
    with(&world, &token, "GET", "/v2/shop/web/tags/list").is(401);
}

#[test]
fn a_token_that_only_reads_pulls_and_does_not_push() {
    let world = World::start();
    world.push_image("shop/web", "latest", b"layer");
    let args = ["authorizations:create", "--description", "reader", "--scope", "read", "--json"];
    let made: Value = serde_json::from_str(&world.daemon.client(&world.user, &args)).unwrap();
    let key = world.user.key.clone();
    let reader = User { token: made["access_token"]["token"].as_str().unwrap().to_owned(), key };
    ask(&world, &reader, "GET", "/v2/shop/web/manifests/latest").is(200);
    let (code, words) = ask(&world, &reader, "POST", "/v2/shop/web/blobs/uploads/").is(403).error();
    assert_eq!(code, "DENIED");
    assert!(words.contains("this takes write"), "{words}");
    let token = token(&world, &reader, &["repository:shop/web:pull,push"]);
    with(&world, &token, "GET", "/v2/shop/web/manifests/latest").is(200);
}

#[test]
fn nothing_is_mounted_from_where_one_may_not_pull() {
    let world = World::start();
    let blob = world.push_blob("shop/web", b"secret");
    let mallory = world.daemon.user("mallory@example.com");
    world.daemon.client(&mallory, &["apps:create", "lair"]);
    for query in [format!("mount={blob}&from=shop/web"), format!("mount={blob}")] {
        ask(&world, &mallory, "POST", &format!("/v2/lair/web/blobs/uploads/?{query}")).is(202);
        ask(&world, &mallory, "GET", &format!("/v2/lair/web/blobs/{blob}")).is(404);
    }
}

#[test]
fn changes_are_in_the_audit_trail() {
    let world = World::start();
    world.push_image("shop/web", "latest", b"layer");
    world.ask("DELETE", "/v2/shop/web/manifests/latest").is(202);
    let mallory = world.daemon.user("mallory@example.com");
    world.daemon.client(&world.user, &["access:add", "mallory@example.com", "--app", "shop", "--permissions", "view"]);
    ask(&world, &mallory, "GET", "/v2/shop/web/manifests/latest").is(403);
    let told = world.daemon.client(&world.user, &["audit", "--app", "shop", "--json"]);
    for word in ["\"blobs\"", "\"manifests\"", "\"images\"", "shop/web", "refused"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}
