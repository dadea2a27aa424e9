//! What happens to one thing while another is under way, and what hoist's log says of it.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use hoist::model::{Digest, RequestId};
use uuid::Uuid;

use crate::api_world::World;
use crate::harness::{Daemon, until};
use crate::ledger::{Code, create_app, deploy};

#[tokio::test]
async fn a_build_that_ends_after_its_stack_was_replaced_leaves_no_cache() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let app = create_app(&world, &user, "example").await;
    let cache = Some(Digest::from_bytes([7; 32]));
    let kept = async || hoist::db::apps::cache(&mut world.ctx.db.read().await.unwrap(), app).await.unwrap();
    deploy(&world, &user, app, Code { cache, ..Code::of('a') }).await;
    assert_eq!(kept().await, cache);
    let before = hoist::auth::find_app(&world.ctx.db, user.account.id, "example").await.unwrap().unwrap().0;
    let stack = "debian-13".parse().unwrap();
    hoist::apps::set_stack(&world.ctx.db, &before, stack, user.account.id, world.ctx.now()).await.unwrap();
    deploy(&world, &user, app, Code { cache, ..Code::of('b') }).await;
    assert_eq!(kept().await, None, "it is the old stack's");
    deploy(&world, &user, app, Code { cache, stack: "debian-13", ..Code::of('c') }).await;
    assert_eq!(kept().await, cache);
    let list = world.get(&user, "/apps/example/releases").await.body;
    let said: Vec<_> = list.as_array().unwrap().iter().map(|release| release["description"].as_str().unwrap()).collect();
    let last = "Deploy cccccccc, upgrade stack to debian-13";
    assert_eq!(said, ["Initial release", "Deploy aaaaaaaa", "Deploy bbbbbbbb", last]);
}

#[tokio::test]
async fn an_app_without_add_ons_is_destroyed_while_a_server_of_add_ons_is_waited_for() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    create_app(&world, &user, "example").await;
    let _turn = world.ctx.addons.turn().await.unwrap();
    assert_eq!(world.delete(&user, "/apps/example").await.status, StatusCode::OK);
    assert_eq!(world.get(&user, "/apps/example").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_failure_names_the_request_that_the_log_names() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    world.ctx.db.close().await;
    let id = Uuid::new_v4();
    let token = format!("Bearer {}", user.token.expose());
    let request = Request::get("/account").header("authorization", token).extension(RequestId(id)).body(Body::empty());
    let answer = world.raw(request.unwrap()).await;
    assert_eq!(answer.header("request-id"), Some(&*id.to_string()));
    assert!(answer.error().ends_with(&format!("the request id {id}.")), "{}", answer.error());
}

#[test]
fn the_log_does_not_tell_what_gives_access_to_a_log_or_an_archive() {
    let daemon = Daemon::start();
    let id = Uuid::new_v4();
    for place in ["streams/builds", "blobs/slugs"] {
        ureq::get(format!("http://{}/{place}/{id}", daemon.http)).call().unwrap_err();
    }
    until(|| daemon.log().contains("/blobs/slugs/*"));
    assert!(daemon.log().contains("/streams/builds/*"));
    assert!(!daemon.log().contains(&id.to_string()));
}
