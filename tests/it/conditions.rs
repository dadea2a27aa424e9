//! What HTTP itself lets clients of the API say.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;
use tower::ServiceExt as _;

use crate::api::world_with_app;
use crate::api_world::{Answer, User};
use crate::harness::Daemon;

#[tokio::test]
async fn what_one_has_already_is_not_sent_again() {
    let (world, user) = world_with_app().await;
    for path in ["/apps/example", "/apps", "/account", "/apps/example/releases", "/apps/example/config-vars", "/stacks"] {
        let first = world.get(&user, path).await;
        let etag = first.header("etag").unwrap_or_else(|| panic!("{path} has no tag"));
        let again = world.send(&user, Method::GET, path, &[("if-none-match", etag)], "").await;
        assert_eq!((again.status, again.header("etag")), (StatusCode::NOT_MODIFIED, Some(etag)), "{path}");
    }
}

#[tokio::test]
async fn a_change_can_be_made_to_depend_on_what_is_there() {
    let (world, user) = world_with_app().await;
    let path = "/apps/example/config-vars";
    let etag = world.get(&user, path).await.header("etag").unwrap().to_owned();
    let set = async |tag: &str, value: &str| {
        world.send(&user, Method::PATCH, path, &[("if-match", tag)], &json!({"A": value}).to_string()).await
    };
    assert_eq!(set(&etag, "1").await.status, StatusCode::OK);
    let late = set(&etag, "2").await;
    insta::assert_snapshot!(late.error(), @"412 precondition_failed: What is there now is not what If-Match names. Read it again, and repeat the change with its new ETag.");
    assert_eq!(world.get(&user, path).await.body, json!({"A": "1"}));
    assert_eq!(set("*", "3").await.status, StatusCode::OK);
    let gone = world.send(&user, Method::DELETE, "/apps/nowhere", &[("if-match", "*")], "").await;
    assert_eq!(gone.status, StatusCode::PRECONDITION_FAILED);
    let nobody = Request::delete("/apps/example").header("if-match", "*").body(Body::empty()).unwrap();
    assert_eq!(world.raw(nobody).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_change_that_is_not_made_is_counted_once_and_recorded() {
    let (world, owner) = world_with_app().await;
    let viewer = world.user("viewer@example.com").await;
    world.post(&owner, "/apps/example/collaborators", json!({"user": "viewer@example.com", "permissions": ["view"]})).await;
    let path = "/apps/example/config-vars";
    let late = async |user: &User| world.send(user, Method::PATCH, path, &[("if-match", "\"old\"")], "{\"A\":\"1\"}").await;
    let remaining = |answer: &Answer| answer.header("ratelimit-remaining").unwrap().parse::<u32>().unwrap();
    let before = remaining(&world.get(&owner, path).await);
    let refused = late(&owner).await;
    assert_eq!((refused.status, remaining(&refused)), (StatusCode::PRECONDITION_FAILED, before - 1));
    assert!(refused.header("request-id").is_some() && refused.header("access-control-allow-origin").is_some());
    assert!(late(&viewer).await.error().starts_with("403 forbidden: You need the deploy or operate permission"));
    let range = [("range", "number ..; max=2, order=desc")];
    let events = world.send(&owner, Method::GET, "/apps/example/audit-events", &range, "").await.body;
    let details: Vec<_> = events.as_array().unwrap().iter().map(|event| event["outcome"]["detail"].clone()).collect();
    assert_eq!(details, ["403", "412"]);
}

#[tokio::test]
async fn a_post_may_mean_another_method() {
    let (world, user) = world_with_app().await;
    let routes = hoist::api::with_method_override(world.router.clone());
    let ask = async |method: Method, meant: &str, body: &str| {
        let request = Request::builder().method(method).uri("/apps/example");
        let request = request.header("authorization", format!("Bearer {}", user.token.expose()));
        let request = request.header("x-http-method-override", meant).body(Body::from(body.to_owned())).unwrap();
        routes.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(ask(Method::POST, "GET", "").await, StatusCode::NOT_FOUND, "only what changes something");
    assert_eq!(ask(Method::GET, "DELETE", "").await, StatusCode::OK, "only a POST");
    assert_eq!(ask(Method::POST, "patch", r#"{"name":"sample"}"#).await, StatusCode::OK);
    assert_eq!(world.get(&user, "/apps/sample").await.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_from_anywhere_may_ask() {
    let (world, user) = world_with_app().await;
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri("/apps/example")
        .header("origin", "https://page.example")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type");
    let allowed = world.raw(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(allowed.status, StatusCode::OK);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("*"));
    assert_eq!(allowed.header("access-control-allow-headers"), Some("authorization,content-type"));
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("PATCH"));
    let read = world.send(&user, Method::GET, "/account", &[("origin", "https://page.example")], "").await;
    assert_eq!(read.header("access-control-allow-origin"), Some("*"));
    assert!(read.header("access-control-expose-headers").unwrap().contains("next-range"));
}

#[tokio::test]
async fn other_media_types_and_versions_are_refused() {
    let (world, user) = world_with_app().await;
    let refused = world.send(&user, Method::GET, "/apps", &[("accept", "application/vnd.heroku+json; version=2")], "").await;
    insta::assert_snapshot!(refused.error(), @"406 not_acceptable: hoist speaks version 3 of the API, in JSON. Send `Accept: application/vnd.heroku+json; version=3`.");
    let understood =
        world.send(&user, Method::GET, "/apps", &[("accept", "application/vnd.heroku+json; version=3.sdk")], "").await;
    assert_eq!(understood.status, StatusCode::OK);
}

#[test]
fn headers_may_be_long() {
    let daemon = Daemon::start();
    let mut stream = TcpStream::connect(&daemon.http).unwrap();
    // What the Heroku CLI's list of request ids grows to.
    let ids = "x".repeat(16 * 1024);
    write!(stream, "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRequest-Id: {ids}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}
