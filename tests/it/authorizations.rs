//! API tokens: what each may be used for, for how long and how often.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hoist::auth::{self, NewAuthorization};
use hoist::model::{Limits, Peer, Secret};
use serde_json::{Value, json};
use time::Duration;

use crate::api::world_with_app;
use crate::api_world::{Answer, User, World};
use crate::harness::{self, Daemon, WorkTree};

const ALL: &str = "/oauth/authorizations";

fn with_token(user: &User, token: &Value) -> User {
    User { account: user.account.clone(), token: Secret::new(token.as_str().unwrap()) }
}

/// The user, with a new token of this scope.
pub(crate) async fn scoped(world: &World, user: &User, scope: &[&str]) -> User {
    let made = world.post(user, ALL, json!({"scope": scope})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    with_token(user, &made.body["access_token"]["token"])
}

#[tokio::test]
async fn an_authorization_lives_and_ends() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let new = json!({"description": "for CI", "scope": ["read", "write"], "expires_in": "3600"});
    let made = world.post(&user, ALL, new).await;
    let token = made.body["access_token"]["token"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(made.normal().replace(&token, "TOKEN"), @r#"
    {
      "access_token": {
        "expires_in": 3600,
        "id": "ID",
        "token": "TOKEN"
      },
      "client": null,
      "created_at": "TIME",
      "description": "for CI",
      "grant": null,
      "id": "ID",
      "refresh_token": null,
      "scope": [
        "read",
        "write"
      ],
      "session": null,
      "updated_at": "TIME",
      "user": {
        "email": "dev@example.com",
        "full_name": null,
        "id": "ID"
      }
    }
    "#);
    let mask = format!("{}**********{}", &token[..10], &token[token.len() - 4..]);
    let path = format!("{ALL}/{}", made.body["id"].as_str().unwrap());
    let list = world.get(&user, ALL).await.body;
    let listed = list.as_array().unwrap().iter().find(|one| one["id"] == made.body["id"]).unwrap();
    for shown in [&world.get(&user, &path).await.body, listed] {
        assert_eq!((&shown["access_token"]["token"], &shown["description"]), (&json!(mask), &json!("for CI")));
    }

    let described = world.patch(&user, &path, json!({"description": "for tests"})).await;
    assert_eq!(described.body["description"], "for tests");
    let renewed = world.send(&user, Method::POST, &format!("{path}/actions/regenerate-tokens"), &[], "").await;
    assert_eq!((renewed.status, &renewed.body["id"]), (StatusCode::OK, &made.body["id"]));
    let old = with_token(&user, &json!(token));
    let new = with_token(&user, &renewed.body["access_token"]["token"]);
    assert_eq!(world.get(&old, "/apps").await.error(), "401 unauthorized: Invalid credentials provided.");
    assert_eq!(world.get(&new, "/apps").await.status, StatusCode::OK);

    assert_eq!(world.delete(&user, &path).await.body["id"], made.body["id"]);
    assert_eq!(world.get(&new, "/apps").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.get(&user, &path).await.error(), "404 not_found: Couldn't find that authorization.");
}

#[tokio::test]
async fn what_cannot_be_authorized_is_told() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let other = world.user("other@example.com").await;
    let refused = async |body: Value| world.post(&user, ALL, body).await.error();
    insta::assert_snapshot!(refused(json!({"scope": ["all"]})).await, @"422 invalid_params: `all` is not a scope: use some of global, identity, read, read-protected, write, write-protected");
    insta::assert_snapshot!(refused(json!({"expires_in": "soon"})).await, @"422 invalid_params: `soon` is not a number of seconds");
    insta::assert_snapshot!(refused(json!({"expires_in": 0})).await, @"422 invalid_params: A token's life must be between one second and ten years; leave it out for no end.");
    insta::assert_snapshot!(refused(json!({"client": "x"})).await, @"422 invalid_params: hoist has no OAuth clients; leave `client` out.");
    insta::assert_snapshot!(refused(json!({"description": "a\nb"})).await, @"422 invalid_params: The description can't be used: it must be one line without control characters.");
    let made = world.post(&user, ALL, json!({})).await;
    let path = format!("{ALL}/{}", made.body["id"].as_str().unwrap());
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        assert_eq!(world.send(&other, method, &path, &[], "").await.status, StatusCode::NOT_FOUND, "somebody else's");
    }
}

/// What each scope opens, after Heroku's rules: kinds of requests in the columns.
#[tokio::test]
async fn scopes_open_what_they_say() {
    let (world, user) = world_with_app().await;
    let requests = [
        ("who", Method::GET, "/account", ""),
        ("keys", Method::GET, "/account/keys", ""),
        ("list", Method::GET, "/apps", ""),
        ("read", Method::GET, "/apps/example/releases", ""),
        ("filter", Method::POST, "/filters/apps", r#"{"in":{"id":[]}}"#),
        ("config", Method::GET, "/apps/example/config-vars", ""),
        ("release-config", Method::GET, "/apps/example/releases/1/config-vars", ""),
        ("test-config", Method::GET, "/pipelines/line/stage/test/config-vars", ""),
        ("log", Method::POST, "/apps/example/log-sessions", "{}"),
        ("write", Method::PATCH, "/apps/example", r#"{"name":"example"}"#),
        ("create", Method::POST, "/pipelines", r#"{"name":"No_Name"}"#),
        ("set", Method::PATCH, "/apps/example/config-vars", "{}"),
        ("set-test", Method::PATCH, "/pipelines/line/stage/test/config-vars", "{}"),
        ("key", Method::POST, "/account/keys", r#"{"public_key":""}"#),
        ("name", Method::PATCH, "/account", "{}"),
        ("tokens", Method::GET, ALL, ""),
        ("token", Method::POST, ALL, r#"{"scope":["all"]}"#),
        ("logout", Method::DELETE, "/oauth/sessions/~", ""),
    ];
    world.post(&user, "/pipelines", json!({"name": "line"})).await;
    let mut table = Vec::new();
    for scope in ["identity", "read", "write", "read-protected", "write-protected", "global"] {
        let holder = scoped(&world, &user, &[scope]).await;
        let mut open = Vec::new();
        for (name, method, path, body) in &requests {
            let answer = world.send(&holder, method.clone(), path, &[], body).await;
            if answer.status == StatusCode::FORBIDDEN {
                assert!(
                    answer.body["message"]
                        .as_str()
                        .unwrap()
                        .starts_with(&format!("Your token's scope is {scope}, and this takes "))
                );
            } else {
                open.push(*name);
            }
        }
        table.push(format!("{scope}: {}", open.join(" ")));
    }
    insta::assert_snapshot!(table.join("\n"), @"
        identity: who keys
        read: who keys list read filter log
        write: who keys list read filter log write create
        read-protected: who keys list read filter config release-config test-config log
        write-protected: who keys list read filter config release-config test-config log write create set set-test
        global: who keys list read filter config release-config test-config log write create set set-test key name tokens token logout
        ");
}

#[test]
fn a_push_takes_a_token_that_may_write() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "example"]);
    let tree = WorkTree::new();
    tree.commit("first");
    for (scope, may) in [("read", false), ("read-protected", false), ("identity", false), ("write", true), ("global", true)] {
        let token = daemon.client(&user, &["authorizations:create", "-S", "-s", scope]);
        let holder = harness::User { token: token.trim().into(), key: user.key.clone() };
        let pushed = tree.push_http_to(&daemon, &holder, "example", &format!("main:refs/heads/{scope}"));
        assert_eq!(pushed.ok, may, "{scope}: {}", pushed.transcript);
        assert_eq!(pushed.transcript.contains("and a push takes write or global"), !may, "{}", pushed.transcript);
    }
}

#[tokio::test]
async fn an_expired_token_is_like_none() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let now = world.ctx.now();
    let new = |minutes| NewAuthorization {
        description: "short".parse().unwrap(),
        scopes: [].into_iter().collect(),
        expires_in: Some(Duration::minutes(minutes)),
    };
    for (minutes, status) in [(59, StatusCode::UNAUTHORIZED), (61, StatusCode::OK)] {
        let made = auth::authorize(&world.ctx.db, user.account.id, new(minutes), now - Duration::HOUR).await.unwrap();
        let holder = User { account: user.account.clone(), token: made.1 };
        assert_eq!(world.get(&holder, "/account").await.status, status, "{minutes} minutes, an hour ago");
    }
}

async fn log_in(world: &World, user: &str, password: &str, from: &str) -> Answer {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
    let body = json!({"description": "login", "expires_in": 2_592_000, "scope": ["global"]}).to_string();
    let mut request = Request::post(ALL).header(header::AUTHORIZATION, basic).body(Body::from(body)).unwrap();
    request.extensions_mut().insert(Peer(from.parse().unwrap()));
    world.raw(request).await
}

#[tokio::test]
async fn a_login_exchanges_a_token_for_one_of_its_own() {
    let mut world = World::new().await;
    let user = world.user("dev@example.com").await;
    let limits = Limits { logins_per_hour: 3, ..Limits::default() };
    world.limit(&limits);
    let made = log_in(&world, "Dev@example.com", user.token.expose(), "192.0.2.1").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.body["user"]["email"], "dev@example.com");
    let own = with_token(&user, &made.body["access_token"]["token"]);
    assert_eq!(world.get(&own, "/account").await.status, StatusCode::OK);

    let other = log_in(&world, "other@example.com", user.token.expose(), "192.0.2.1").await;
    insta::assert_snapshot!(other.error(), @"401 unauthorized: This token is not of that account. Log in with the account's own address.");
    assert_eq!(log_in(&world, "dev@example.com", "guess", "192.0.2.1").await.status, StatusCode::UNAUTHORIZED);
    let limited = log_in(&world, "dev@example.com", user.token.expose(), "192.0.2.1").await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS, "also with the right one");
    assert_eq!(log_in(&world, "dev@example.com", user.token.expose(), "192.0.2.2").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_logout_finds_the_key_that_it_must_not_revoke() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let own = scoped(&world, &user, &["global"]).await;
    let default = world.get(&own, &format!("{ALL}/~")).await;
    assert_eq!(default.body["description"], "made by hoist admin user:add");
    let shown = default.body["access_token"]["token"].as_str().unwrap();
    assert!(user.token.expose().starts_with(shown.split_once('*').unwrap().0));
    assert_eq!(world.delete(&own, "/oauth/sessions/~").await.body["resource"], "session");
    world.delete(&user, &format!("{ALL}/~")).await;
    assert_eq!(world.get(&own, &format!("{ALL}/~")).await.body["resource"], "authorization");
}

#[tokio::test]
async fn requests_are_counted_by_token() {
    let mut world = World::new().await;
    let user = world.user("dev@example.com").await;
    let other = scoped(&world, &user, &["global"]).await;
    world.limit(&Limits { api_requests_per_hour: 3, ..Limits::default() });
    let left = |answer: &Answer| answer.header("ratelimit-remaining").map(str::to_owned);
    assert_eq!(left(&world.get(&user, "/account").await).as_deref(), Some("2"));
    assert_eq!(left(&world.get(&user, "/apps/nowhere").await).as_deref(), Some("1"), "errors count, too");
    for _ in 0..3 {
        assert_eq!(world.get(&user, "/account/rate-limits").await.body, json!({"remaining": 1}), "to ask costs nothing");
    }
    assert_eq!(left(&world.get(&user, "/account").await).as_deref(), Some("0"));
    let limited = world.get(&user, "/account").await;
    insta::assert_snapshot!(limited.error(), @"429 rate_limit: You have made too many requests. Try again in 1200 seconds.");
    assert_eq!((limited.header("retry-after"), left(&limited).as_deref()), (Some("1200"), Some("0")));
    assert_eq!(world.get(&user, "/account/rate-limits").await.body, json!({"remaining": 0}));
    assert_eq!(world.get(&other, "/account").await.status, StatusCode::OK, "another token");
}

#[tokio::test]
async fn an_account_has_a_name() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    assert_eq!(world.patch(&user, "/account", json!({"name": "Dev Eloper", "beta": true})).await.body["name"], "Dev Eloper");
    let account = world.get(&user, "/users/~").await;
    assert_eq!((&account.body["name"], &account.body["beta"]), (&json!("Dev Eloper"), &json!(false)));
    assert_eq!(world.patch(&user, "/account", json!({"name": ""})).await.body["name"], Value::Null);
    assert_eq!(world.get(&user, "/account/features").await.body, json!([]));
    assert_eq!(world.get(&user, "/account/features/x").await.error(), "404 not_found: hoist has no features to turn on or off.");
}

#[test]
fn hoists_own_client_logs_in_and_out() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    let url = format!("http://{}", daemon.http);
    let command = |args: &[&str]| {
        let mut command = daemon.hoist(args);
        command.env("HOIST_URL", &url);
        command
    };
    let netrc = daemon.data_dir().join(".netrc");
    std::fs::write(&netrc, "machine github.com login me password mine\n").unwrap();
    let mut login = command(&["login"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut login.stdin.take().unwrap(), format!("{}\n", user.token).as_bytes()).unwrap();
    let output = login.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "Logged in as alice@example.com\n");
    let text = std::fs::read_to_string(&netrc).unwrap();
    assert!(text.starts_with("machine github.com login me password mine\n") && !text.contains(&user.token), "{text}");
    assert_eq!(std::fs::metadata(&netrc).unwrap().permissions().mode() & 0o777, 0o600);

    let run = |args: &[&str]| harness::run(&mut command(args));
    assert_eq!(run(&["whoami"]), "alice@example.com\n");
    let token = run(&["auth:token"]);
    let listed = run(&["authorizations"]);
    assert!(listed.contains("hoist login from ") && listed.contains("made by hoist admin user:add"), "{listed}");
    run(&["logout"]);
    assert_eq!(std::fs::read_to_string(&netrc).unwrap(), "machine github.com login me password mine\n");
    let after = daemon.hoist(&["whoami"]).env("HOIST_URL", &url).output().unwrap();
    assert_eq!(after.status.code(), Some(100));
    let revoked = daemon.hoist(&["whoami"]).env("HOIST_URL", &url).env("HOIST_API_KEY", token.trim()).output().unwrap();
    assert!(String::from_utf8_lossy(&revoked.stderr).contains("Invalid credentials"), "{revoked:?}");
    assert_eq!(daemon.client(&user, &["whoami"]), "alice@example.com\n", "the key of the account is not revoked");
}

#[test]
fn hoists_own_client_manages_authorizations() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    let run = |args: &[&str]| daemon.client(&user, args);
    let made: Value = serde_json::from_str(&run(&["authorizations:create", "-d", "for CI", "-s", "read,write", "-j"])).unwrap();
    let id = made["id"].as_str().unwrap();
    let shown = |text: &str| {
        let without_times = |line: &&str| !line.starts_with("Updated at:");
        text.replace(id, "ID").lines().filter(without_times).collect::<Vec<_>>().join("\n")
    };
    let token = made["access_token"]["token"].as_str().unwrap();
    let mask = format!("{}**********{}", &token[..10], &token[token.len() - 4..]);
    insta::assert_snapshot!(shown(&run(&["authorizations:info", id])).replace(&mask, "MASK"), @"
    Client:      <none>
    ID:          ID
    Description: for CI
    Scope:       read,write
    Token:       MASK
    ");
    assert!(run(&["authorizations:update", id, "-d", "for tests"]).contains("for tests"));
    assert!(!run(&["authorizations:rotate", id]).contains(&mask));
    run(&["authorizations:revoke", id]);
    assert!(!run(&["authorizations"]).contains(id));
}
