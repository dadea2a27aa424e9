//! Which stack an app's next build uses.

use hoist::db;
use hoist::model::Digest;
use serde_json::json;

use crate::api_world::World;

#[tokio::test]
async fn the_next_builds_stack_is_set_and_what_was_cached_for_another_goes() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    world.post(&user, "/apps", json!({ "name": "example" })).await;
    // As `hoist stack:build` leaves a stack.
    let (home, digest) = (world.ctx.config.stacks_dir.join("debian-13"), Digest::from_bytes([7; 32]));
    for root in ["build", "run"] {
        std::fs::create_dir_all(home.join(digest.hex()).join(root)).unwrap();
    }
    let current = json!({ "digest": digest.to_string(), "recipe": digest.to_string() });
    std::fs::write(home.join("current.json"), current.to_string()).unwrap();
    let app = world.get(&user, "/apps/example").await.body["id"].as_str().unwrap().parse().unwrap();
    let mut tx = world.ctx.db.write().await.unwrap();
    db::apps::set_cache(&mut tx, app, Some(&digest)).await.unwrap();
    tx.commit().await.unwrap();
    let cache = async || db::apps::cache(&mut world.ctx.db.read().await.unwrap(), app).await.unwrap();

    let same = world.patch(&user, "/apps/example", json!({ "build_stack": "debian-12" })).await;
    assert_eq!(same.body["build_stack"]["name"], "debian-12");
    assert_eq!(cache().await, Some(digest));
    let unknown = world.patch(&user, "/apps/example", json!({ "build_stack": "heroku-24", "name": "other" })).await;
    assert_eq!(unknown.error(), "422 invalid_params: There is no stack `heroku-24` here. `hoist stacks` lists those there are.");
    world.patch(&user, "/apps/example", json!({ "build_stack": "debian-13" })).await;
    assert_eq!(world.get(&user, "/apps/example").await.body["build_stack"]["name"], "debian-13");
    assert_eq!(cache().await, None);
}
