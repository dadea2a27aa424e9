//! How apps are scaled, over the API.

use axum::http::StatusCode;
use hoist::model::BuildStatus;
use insta::assert_snapshot;
use serde_json::json;

use crate::api::{build, world_with_app};

#[tokio::test]
async fn the_formation_is_of_the_current_release() {
    let (world, user) = world_with_app().await;
    assert_eq!(world.get(&user, "/apps/example/formation").await.body, json!([]));
    build(&world, &user, BuildStatus::Succeeded).await;
    let one = world.get(&user, "/apps/example/formation/web").await;
    assert_snapshot!(one.normal(), @r#"
    {
      "app": {
        "id": "ID",
        "name": "example"
      },
      "command": "node server.js",
      "created_at": "TIME",
      "dyno_size": {
        "id": "ID",
        "name": "Basic"
      },
      "id": "ID",
      "quantity": 1,
      "size": "Basic",
      "type": "web",
      "updated_at": "TIME"
    }
    "#);
    assert_eq!(world.get(&user, "/apps/example/formation").await.body, json!([one.body]));
    let by_id = format!("/apps/example/formation/{}", one.body["id"].as_str().unwrap());
    assert_eq!(world.get(&user, &by_id).await.body, one.body);
    let unknown = world.get(&user, "/apps/example/formation/worker").await;
    assert_eq!(unknown.error(), "404 not_found: Couldn't find that process type.");
}

#[tokio::test]
async fn scaling_is_kept_as_data() {
    let (world, user) = world_with_app().await;
    build(&world, &user, BuildStatus::Succeeded).await;
    let scaled = world.patch(&user, "/apps/example/formation", json!({"updates": [{"type": "web", "quantity": "+2"}]})).await;
    assert_eq!(
        (scaled.status, &scaled.body[0]["quantity"], &scaled.body[0]["size"]),
        (StatusCode::OK, &json!(3), &json!("Basic"))
    );
    let sized = world.patch(&user, "/apps/example/formation/web", json!({"size": "standard-2x"})).await;
    assert_eq!((&sized.body["quantity"], &sized.body["size"]), (&json!(3), &json!("Standard-2X")));
    assert_eq!(world.get(&user, "/apps/example/formation/web").await.body, sized.body);
    // A new release does not scale back.
    build(&world, &user, BuildStatus::Succeeded).await;
    assert_eq!(world.get(&user, "/apps/example/formation/web").await.body["quantity"], 3);

    let updates = |update: serde_json::Value| json!({"updates": [{"type": "web", "quantity": 9}, update]});
    for bad in [
        json!({"type": "worker", "quantity": 1}),
        json!({"type": "web", "quantity": "many"}),
        json!({"type": "web", "size": "huge"}),
        json!({"quantity": 1}),
    ] {
        let refused = world.patch(&user, "/apps/example/formation", updates(bad)).await;
        assert!(refused.status.is_client_error(), "{refused:?}");
    }
    assert_eq!(world.get(&user, "/apps/example/formation/web").await.body["quantity"], 3, "all of the updates or none");
    let stranger = world.user("else@example.com").await;
    assert_eq!(world.patch(&stranger, "/apps/example/formation/web", json!({"quantity": 0})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn dyno_sizes_are_those_that_clients_know() {
    let (world, user) = world_with_app().await;
    let sizes = world.get(&user, "/dyno-sizes").await;
    let names: Vec<_> = sizes.body.as_array().unwrap().iter().map(|size| size["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Basic", "Eco", "Performance-L", "Performance-M", "Standard-1X", "Standard-2X"]);
    assert_eq!(world.get(&user, "/apps/example/available-dyno-sizes").await.body, sizes.body);
    assert_eq!(world.get(&user, "/dyno-sizes/basic").await.body, sizes.body[0]);
    assert_eq!(world.get(&user, "/dyno-sizes/nothing").await.status, StatusCode::NOT_FOUND);
}
