//! Pipelines and promotions, over the API.

use axum::http::StatusCode;
use hoist::model::BuildStatus;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api::{build, world_with_app};
use crate::api_world::{User, World};

/// A user with the apps `example` (with code), `live` and `other`; the first two in the pipeline `pipe`.
async fn world_with_pipeline() -> (World, User, Value) {
    let (world, user) = world_with_app().await;
    build(&world, &user, BuildStatus::Succeeded).await;
    for app in ["live", "other"] {
        world.post(&user, "/apps", json!({ "name": app })).await;
    }
    let made = world
        .post(&user, "/pipelines", json!({"name": "pipe", "owner": {"id": user.account.id.to_string(), "type": "user"}}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    for (app, stage) in [("example", "staging"), ("live", "production")] {
        let coupled = couple(&world, &user, &made.body, app, stage).await;
        assert_eq!(coupled.status, StatusCode::CREATED, "{coupled:?}");
    }
    (world, user, made.body)
}

async fn couple(world: &World, user: &User, pipeline: &Value, app: &str, stage: &str) -> crate::api_world::Answer {
    world.post(user, "/pipeline-couplings", json!({"app": app, "pipeline": pipeline["id"], "stage": stage})).await
}

async fn app_id(world: &World, user: &User, app: &str) -> Value {
    world.get(user, &format!("/apps/{app}")).await.body["id"].clone()
}

async fn promotion(world: &World, user: &User, pipeline: &Value, from: &str, to: &[&str]) -> Value {
    let mut targets = Vec::new();
    for app in to {
        targets.push(json!({"app": {"id": app_id(world, user, app).await}}));
    }
    json!({"pipeline": {"id": pipeline["id"]}, "source": {"app": {"id": app_id(world, user, from).await}}, "targets": targets})
}

#[tokio::test]
async fn a_pipeline_lives_and_ends() {
    let (world, user, pipeline) = world_with_pipeline().await;
    let text = serde_json::to_string_pretty(&pipeline).unwrap();
    assert_snapshot!(crate::api_world::normal(&text), @r#"
    {
      "created_at": "TIME",
      "generation": {
        "id": "ID",
        "name": "cedar"
      },
      "id": "ID",
      "name": "pipe",
      "owner": {
        "id": "ID",
        "type": "user"
      },
      "updated_at": "TIME"
    }
    "#);
    let path = format!("/pipelines/{}", pipeline["id"].as_str().unwrap());
    assert_eq!(world.get(&user, &path).await.body, pipeline);
    assert_eq!(world.get(&user, "/pipelines/pipe").await.body, pipeline);
    assert_eq!(world.get(&user, "/pipelines?eq[name]=pipe").await.body, json!([pipeline]));
    assert_eq!(world.get(&user, "/pipelines?eq[name]=none").await.body, json!([]));
    assert_snapshot!(world.post(&user, "/pipelines", json!({"name": "pipe"})).await.error(), @"422 invalid_params: Name pipe is already taken");
    assert_snapshot!(world.post(&user, "/pipelines", json!({"name": "No"})).await.error(), @"422 invalid_params: Name must start with a letter and can only contain lowercase letters, digits, and dashes (3 to 30 characters).");
    let team = json!({"name": "team-pipe", "owner": {"id": "01234567-89ab-cdef-0123-456789abcdef", "type": "team"}});
    assert_eq!(world.post(&user, "/pipelines", team).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.patch(&user, &path, json!({"name": "pipe-2"})).await.body["name"], "pipe-2");
    let destroyed = world.send(&user, axum::http::Method::DELETE, &path, &[], "{\"name\": \"pipe-2\"}").await;
    assert_eq!((destroyed.status, &destroyed.body["id"]), (StatusCode::OK, &pipeline["id"]));
    assert_eq!(world.get(&user, &path).await.status, StatusCode::NOT_FOUND);
    let uncoupled = world.get(&user, "/apps/example/pipeline-couplings").await;
    assert_eq!(uncoupled.error(), "404 not_found: Couldn't find that pipeline coupling.");
    assert_eq!(world.post(&user, "/pipelines", json!({"name": "pipe-2"})).await.status, StatusCode::CREATED, "the name is free");
}

#[tokio::test]
async fn apps_have_places_in_one_pipeline() {
    let (world, user, pipeline) = world_with_pipeline().await;
    let one = world.get(&user, "/apps/example/pipeline-couplings").await;
    assert_snapshot!(one.normal(), @r#"
    {
      "app": {
        "id": "ID"
      },
      "created_at": "TIME",
      "id": "ID",
      "pipeline": {
        "id": "ID",
        "name": "pipe"
      },
      "stage": "staging",
      "updated_at": "TIME"
    }
    "#);
    assert_eq!(one.body["pipeline"]["name"], "pipe");
    let of_pipeline = format!("/pipelines/{}/pipeline-couplings", pipeline["id"].as_str().unwrap());
    for list in ["/pipeline-couplings", "/users/~/pipeline-couplings", &of_pipeline] {
        assert_eq!(world.get(&user, list).await.body.as_array().unwrap().len(), 2, "{list}");
    }
    assert_snapshot!(couple(&world, &user, &pipeline, "example", "staging").await.error(), @"422 invalid_params: example is in a pipeline already. Remove it from there first.");
    assert_snapshot!(couple(&world, &user, &pipeline, "other", "nowhere").await.error(), @"422 invalid_params: `nowhere` is not a stage: use one of test, review, development, staging, production");
    let path = format!("/pipeline-couplings/{}", one.body["id"].as_str().unwrap());
    assert_eq!(world.patch(&user, &path, json!({"stage": "development"})).await.body["stage"], "development");
    assert_eq!(world.get(&user, &path).await.body["stage"], "development");
    assert_eq!(world.delete(&user, &path).await.body["id"], one.body["id"]);
    assert_eq!(world.get(&user, &of_pipeline).await.body.as_array().unwrap().len(), 1);
    // The app that goes takes its place with it.
    world.delete(&user, "/apps/live").await;
    assert_eq!(world.get(&user, &of_pipeline).await.body, json!([]));

    let ids = json!([app_id(&world, &user, "example").await, app_id(&world, &user, "other").await, "nothing"]);
    let apps = world
        .send(
            &user,
            axum::http::Method::POST,
            "/filters/apps",
            &[("range", "id ..; max=1000;")],
            &json!({"in": {"id": ids}}).to_string(),
        )
        .await;
    let mut names: Vec<_> = apps.body.as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["example", "other"]);
}

#[tokio::test]
async fn a_promotion_releases_the_same_code_with_the_targets_own_config() {
    let (world, user, pipeline) = world_with_pipeline().await;
    world.patch(&user, "/apps/example/config-vars", json!({"WHERE": "staging"})).await;
    world.patch(&user, "/apps/live/config-vars", json!({"WHERE": "production"})).await;
    let body = promotion(&world, &user, &pipeline, "example", &["live"]).await;
    let made = world.post(&user, "/pipeline-promotions", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_snapshot!(made.normal(), @r#"
    {
      "created_at": "TIME",
      "id": "ID",
      "pipeline": {
        "id": "ID"
      },
      "source": {
        "app": {
          "id": "ID"
        },
        "release": {
          "id": "ID"
        }
      },
      "status": "completed",
      "updated_at": "TIME"
    }
    "#);
    let path = format!("/pipeline-promotions/{}", made.body["id"].as_str().unwrap());
    assert_eq!(world.get(&user, &path).await.body, made.body);
    let targets = world.get(&user, &format!("{path}/promotion-targets")).await;
    assert_snapshot!(targets.normal(), @r#"
    [
      {
        "app": {
          "id": "ID"
        },
        "error_message": null,
        "id": "ID",
        "pipeline_promotion": {
          "id": "ID"
        },
        "release": {
          "id": "ID"
        },
        "status": "succeeded"
      }
    ]
    "#);
    let release = world.get(&user, &format!("/apps/live/releases/{}", targets.body[0]["release"]["id"].as_str().unwrap())).await;
    assert_eq!((&release.body["description"], &release.body["current"]), (&json!("Promote example v3 32345678"), &json!(true)));
    assert_eq!(world.get(&user, "/apps/live/releases/3/config-vars").await.body, json!({"WHERE": "production"}));
    let slug = world.get(&user, &format!("/apps/live/slugs/{}", release.body["slug"]["id"].as_str().unwrap())).await.body;
    let source = world.get(&user, "/apps/example/releases/3").await.body;
    let source = world.get(&user, &format!("/apps/example/slugs/{}", source["slug"]["id"].as_str().unwrap())).await.body;
    for same in ["checksum", "commit", "process_types", "size", "stack"] {
        assert_eq!(slug[same], source[same], "{same}");
    }
    let latest = world.get(&user, "/pipelines/pipe/latest-releases").await.body;
    assert_eq!(latest.as_array().unwrap().len(), 2);
    let builds = world.get(&user, "/pipelines/pipe/latest-builds").await.body;
    assert_eq!((builds.as_array().unwrap().len(), &builds[0]["status"]), (1, &json!("succeeded")));
    let stranger = world.user("else@example.com").await;
    assert_eq!(world.get(&stranger, &path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_cannot_be_promoted_is_told_and_leaves_nothing() {
    let (world, user, pipeline) = world_with_pipeline().await;
    let check = async |from: &str, to: &[&str]| {
        let body = promotion(&world, &user, &pipeline, from, to).await;
        world.post(&user, "/pipeline-promotions", body).await.error()
    };
    assert_snapshot!(check("live", &["example"]).await, @"422 invalid_params: v1 of live has no code to promote.");
    assert_snapshot!(check("example", &["other"]).await, @"404 not_found: Couldn't find that app.");
    assert_snapshot!(check("example", &["example"]).await, @"422 invalid_params: example can be promoted to only once, and not from itself.");
    assert_snapshot!(check("example", &["live", "live"]).await, @"422 invalid_params: live can be promoted to only once, and not from itself.");
    assert_snapshot!(check("example", &[]).await, @"422 invalid_params: `targets` must name at least one app.");
    for app in ["example", "live", "other"] {
        let releases = world.get(&user, &format!("/apps/{app}/releases")).await.body;
        let promoted =
            releases.as_array().unwrap().iter().filter(|release| release["description"].as_str().unwrap().starts_with("Promote"));
        assert_eq!(promoted.count(), 0, "{app}");
    }
}

#[tokio::test]
async fn every_app_of_a_promotion_must_be_ones_own() {
    let (world, user, pipeline) = world_with_pipeline().await;
    let other = world.user("else@example.com").await;
    let path = format!("/pipelines/{}", pipeline["id"].as_str().unwrap());
    assert_eq!(world.get(&other, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(&other, "/pipelines").await.body, json!([]));
    let body = promotion(&world, &user, &pipeline, "example", &["live"]).await;
    assert_eq!(
        world.post(&other, "/pipeline-promotions", body.clone()).await.error(),
        "404 not_found: Couldn't find that pipeline."
    );

    // Who works on one of its apps sees the pipeline, and of it that app.
    world.post(&user, "/apps/example/collaborators", json!({"user": "else@example.com"})).await;
    assert_eq!(world.get(&other, &path).await.status, StatusCode::OK);
    assert_eq!(world.get(&other, &format!("{path}/pipeline-couplings")).await.body.as_array().unwrap().len(), 1);
    assert_eq!(world.post(&other, "/pipeline-promotions", body).await.error(), "404 not_found: Couldn't find that app.");
    for (method, change) in [(axum::http::Method::PATCH, "{\"name\": \"mine-now\"}"), (axum::http::Method::DELETE, "{}")] {
        let refused = world.send(&other, method, &path, &[], change).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    let live = world.get(&user, "/apps/live/pipeline-couplings").await.body;
    let of_live = format!("/pipeline-couplings/{}", live["id"].as_str().unwrap());
    assert_eq!(world.delete(&other, &of_live).await.status, StatusCode::NOT_FOUND);
    assert_eq!(couple(&world, &other, &pipeline, "live", "staging").await.error(), "404 not_found: Couldn't find that app.");
}
