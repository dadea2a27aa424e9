//! Releases that run no build.

use hoist::model::{ArtifactId, ReleaseStatus};
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Code, create_app, deploy, happen, release};
use crate::api_world::{User, World};

/// v2 has code, v3 code and config, v4 other code.
async fn world() -> (World, User, hoist::model::AppId) {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let app = create_app(&world, &user, "example").await;
    deploy(&world, &user, app, Code::of('a')).await;
    world.patch(&user, "/apps/example/config-vars", json!({"LANG": "C"})).await;
    deploy(&world, &user, app, Code::of('b')).await;
    (world, user, app)
}

async fn roll_back(world: &World, user: &User, target: &Value) -> String {
    let answer = world.post(user, "/apps/example/releases", json!({"release": target["id"]})).await;
    if answer.status.is_success() { answer.body["description"].as_str().unwrap().to_owned() } else { answer.error() }
}

#[tokio::test]
async fn a_rollback_takes_code_and_config_and_leaves_git_alone() {
    let (world, user, app) = world().await;
    let target = release(&world, &user, 2).await;
    let made = world.post(&user, "/apps/example/releases", json!({"release": target["id"]})).await;
    assert_eq!(made.status, 201);
    assert_eq!((&made.body["version"], &made.body["description"]), (&json!(5), &json!("Rollback to v2")));
    assert_eq!((&made.body["slug"], &made.body["current"]), (&target["slug"], &json!(true)));
    assert_eq!(world.get(&user, "/apps/example/config-vars").await.body, json!({}), "v2 had no LANG");
    let main = hoist::db::refs::get(&mut world.ctx.db.read().await.unwrap(), app, &"refs/heads/main".parse().unwrap()).await;
    assert_eq!(main.unwrap().unwrap().as_str(), "b".repeat(40), "what is pushed next builds on what was pushed last");
    // And back again.
    let v4 = release(&world, &user, 4).await;
    assert_eq!(roll_back(&world, &user, &v4).await, "Rollback to v4");
    assert_eq!(world.get(&user, "/apps/example/config-vars").await.body, json!({"LANG": "C"}));
    let by_version = world.post(&user, "/apps/example/releases", json!({"release": "v3"})).await;
    assert_eq!(by_version.body["description"], "Rollback to v3");
}

#[tokio::test]
async fn a_rollback_that_can_not_be_says_why() {
    let (world, user, app) = world().await;
    deploy(&world, &user, app, Code::of('c')).await;
    deploy(&world, &user, app, Code::of('d')).await;
    deploy(&world, &user, app, Code::of('e')).await;
    happen(&world, app, 2, ReleaseStatus::Expired).await;
    happen(&world, app, 4, ReleaseStatus::Failed).await;
    happen(&world, app, 5, ReleaseStatus::Pending).await;
    let blocked =
        world.send(&user, axum::http::Method::PUT, "/apps/example/releases/6/block", &[], r#"{"reason":"loses orders"}"#).await;
    assert_eq!(blocked.status, 200);
    let mut refusals = Vec::new();
    for version in [1, 2, 4, 5, 6, 7] {
        refusals.push(roll_back(&world, &user, &release(&world, &user, version).await).await);
    }
    assert_snapshot!(refusals.join("\n"), @r"
    422 invalid_params: Cannot roll back to v1: there is no code in it. Name one with a slug or an image.
    422 invalid_params: Cannot roll back to v2: it has expired, something else was released before its command had ended. Deploy its commit again.
    422 invalid_params: Cannot roll back to v4: it failed. Name one that succeeded.
    422 invalid_params: Cannot roll back to v5: its release command has not ended yet. Wait for it, or name another one.
    422 invalid_params: Cannot roll back to v6: it is blocked (loses orders). Name another one.
    422 invalid_params: Cannot roll back to v7: it is the current release. Name an earlier one.
    ");
    let unknown = world.post(&user, "/apps/example/releases", json!({"release": "0f0e0d0c-0b0a-4908-8706-050403020100"})).await;
    assert_eq!(unknown.error(), "404 not_found: Couldn't find that release.");
    create_app(&world, &user, "other").await;
    let theirs = world.post(&user, "/apps/other/releases", json!({"release": release(&world, &user, 3).await["id"]})).await;
    assert_eq!(theirs.error(), "404 not_found: Couldn't find that release.");
    assert_eq!(world.get(&user, "/apps/example/releases").await.body.as_array().unwrap().len(), 7, "nothing was recorded");
    // The same truth in the list. The current one counts: the Heroku CLI takes the second eligible one.
    let list = world.get(&user, "/apps/example/releases").await.body;
    let eligible = list.as_array().unwrap().iter().filter(|release| release["eligible_for_rollback"] == true);
    assert_eq!(json!(eligible.map(|release| &release["version"]).collect::<Vec<_>>()), json!([3, 7]));
}

#[tokio::test]
async fn a_current_release_that_is_blocked_is_left_for_the_one_before() {
    let (world, user, _) = world().await;
    world.post(&user, "/apps/example/releases/4/block", json!({"reason": "loses orders"})).await;
    let eligible = async || {
        let list = world.get(&user, "/apps/example/releases").await.body;
        let eligible = list.as_array().unwrap().iter().filter(|release| release["eligible_for_rollback"] == true);
        json!(eligible.map(|release| release["version"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(eligible().await, json!([2, 3, 4]), "the second from the end is where to go");
    assert_eq!(roll_back(&world, &user, &release(&world, &user, 3).await).await, "Rollback to v3");
    assert_eq!(eligible().await, json!([2, 3, 5]));
}

#[tokio::test]
async fn a_block_is_for_good() {
    let (world, user, _) = world().await;
    let put = async |reason: &str| {
        world
            .send(&user, axum::http::Method::PUT, "/apps/example/releases/v2/block", &[], &json!({"reason": reason}).to_string())
            .await
    };
    assert_eq!(world.get(&user, "/apps/example/releases/2/block").await.error(), "404 not_found: Couldn't find that block.");
    let made = put("loses orders").await;
    assert_snapshot!(made.normal(), @r#"
    {
      "created_at": "TIME",
      "reason": "loses orders",
      "user": {
        "email": "dev@example.com",
        "id": "ID"
      }
    }
    "#);
    assert_eq!(put("loses orders").await.body, made.body, "sent twice, as clients do whose connection broke");
    assert_eq!(world.get(&user, "/apps/example/releases/2/block").await.body, made.body);
    assert_eq!(release(&world, &user, 2).await["blocked_reason"], "loses orders");
    assert_eq!(release(&world, &user, 3).await.get("blocked_reason"), None, "Heroku's shape where there is none");
    assert_snapshot!(put("never mind").await.error(), @"422 invalid_params: This release is blocked already, which can't be changed: loses orders");
    assert_snapshot!(put("").await.error(), @"422 invalid_params: The reason can't be used: it must not be empty.");
    assert_snapshot!(put("two\nlines").await.error(), @"422 invalid_params: The reason can't be used: it must be one line without control characters.");
    for sql in ["UPDATE release_blocks SET reason = 'x'", "DELETE FROM release_blocks"] {
        let mut tx = world.ctx.db.write().await.unwrap();
        let error = sqlx::query(sql).execute(&mut *tx).await.unwrap_err();
        assert!(error.to_string().contains("the ledger is append-only"), "{error}");
    }
}

#[tokio::test]
async fn a_slug_is_released_once_more() {
    let (world, user, app) = world().await;
    let post = async |body: Value| world.post(&user, "/apps/example/releases", body).await;
    let (v2, v4) = (release(&world, &user, 2).await, release(&world, &user, 4).await);
    let by_slug = post(json!({"slug": v2["slug"]["id"]})).await;
    assert_eq!(by_slug.status, 201);
    assert_eq!((&by_slug.body["description"], &by_slug.body["slug"]), (&json!("Deploy aaaaaaaa"), &v2["slug"]));
    assert_eq!(world.get(&user, "/apps/example/config-vars").await.body, json!({"LANG": "C"}), "the app's config stays");
    let retried = post(json!({"slug": v4["slug"]["id"], "description": "Retry of v4: Deploy bbbbbbbb"})).await;
    assert_eq!((&retried.body["description"], &retried.body["slug"]), (&json!("Retry of v4: Deploy bbbbbbbb"), &v4["slug"]));
    let again = post(json!({"description": "Retry of v6: Retry of v4: Deploy bbbbbbbb"})).await;
    assert_eq!((&again.body["version"], &again.body["slug"]), (&json!(7), &v4["slug"]));
    let build = world.get(&user, "/apps/example/builds").await.body[1]["release"]["id"].clone();
    assert_eq!(build, v4["id"], "the build made v4, whatever was made of its slug later");

    let both = json!({"slug": v4["slug"]["id"], "release": v2["id"]});
    for (body, why) in [
        (json!({}), "422 invalid_params: Name a `slug` or an `oci_image` to release, or a `release` to roll back to."),
        (both, "422 invalid_params: Name a `slug`, an `oci_image` or a `release`, and not two of them."),
        (json!({"slug": "x"}), "404 not_found: Couldn't find that slug."),
        (json!({"slug": v2["id"]}), "404 not_found: Couldn't find that slug."),
        (
            json!({"slug": v2["slug"]["id"], "description": "a\u{1b}[2J"}),
            "422 invalid_params: The description can't be used: it must be one line without control characters.",
        ),
    ] {
        assert_eq!(post(body).await.error(), why);
    }
    let stranger = world.user("stranger@example.com").await;
    create_app(&world, &stranger, "theirs").await;
    let stolen = world.post(&stranger, "/apps/theirs/releases", json!({"slug": v2["slug"]["id"]})).await;
    assert_eq!(stolen.error(), "404 not_found: Couldn't find that slug.");
    let no_code = world.post(&stranger, "/apps/theirs/releases", json!({"description": "Retry of v1: Initial release"})).await;
    assert_snapshot!(no_code.error(), @"422 invalid_params: The newest release has no code to release again. Deploy some first.");
    assert_eq!(hoist::db::releases::verify(&mut world.ctx.db.read().await.unwrap(), app).await.unwrap().broken, []);
}

#[tokio::test]
async fn another_apps_slug_can_be_released_by_who_may_see_both() {
    let (world, user, _) = world().await;
    let production = create_app(&world, &user, "production").await;
    world.patch(&user, "/apps/production/config-vars", json!({"STAGE": "production"})).await;
    let slug = release(&world, &user, 4).await["slug"]["id"].as_str().unwrap().to_owned();
    let cause = hoist::release::Cause { app: production, by: user.account.id, at: world.ctx.now() };
    let description = "Promote example v4".parse().unwrap();
    hoist::release::release_artifact(&world.ctx.db, cause, ArtifactId::Slug(slug.parse().unwrap()), Some(description))
        .await
        .unwrap();
    assert_eq!(world.get(&user, "/apps/production/config-vars").await.body, json!({"STAGE": "production"}));
    let promoted = world.get(&user, &format!("/apps/production/slugs/{slug}")).await;
    assert_eq!(promoted.body, world.get(&user, &format!("/apps/example/slugs/{slug}")).await.body);
    let again = world.post(&user, "/apps/production/releases", json!({"slug": slug})).await;
    assert_eq!(again.status, 201, "once released it is the app's own");
}
