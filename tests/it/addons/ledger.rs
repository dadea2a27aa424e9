//! What the ledger says of add-ons, and what it does with their config vars.

use axum::http::Method;
use hoist::model::ReleaseStatus;
use serde_json::{Value, json};

use super::{attach, create, postgresql_url, postgresql_world, psql, releases, var};
use crate::api_world::{User, World};
use crate::ledger::{Code, create_app, deploy, happen};

const PLAN: &str = "hoist-postgresql";

async fn rotate(world: &World, user: &User, addon: &str) -> Value {
    let path = format!("/apps/example/addons/{addon}/actions/rotate-credentials");
    world.post(user, &path, json!({})).await.body
}

async fn release(world: &World, user: &User, version: u32) -> Value {
    world.get(user, &format!("/apps/example/releases/{version}")).await.body
}

#[tokio::test]
async fn every_change_is_a_release_in_herokus_words() {
    let (world, user, _) = postgresql_world().await;
    create(&world, &user, "example", json!({"plan": PLAN, "name": "main-db"})).await;
    rotate(&world, &user, "main-db").await;
    attach(&world, &user, "example", json!({"addon": {"name": "main-db"}, "name": "second"})).await;
    let second = world.get(&user, "/apps/example/addon-attachments/SECOND").await.body;
    let last = world.delete(&user, &format!("/addon-attachments/{}", second["id"].as_str().unwrap())).await;
    assert_eq!(last.body, second);
    world.delete(&user, "/apps/example/addons/main-db").await;
    insta::assert_snapshot!(releases(&world, &user, "example").await, @r"
    v1 Initial release
    v2 Attach DATABASE (@ref:main-db)
    v3 @ref:main-db completed provisioning, setting DATABASE_URL.
    v4 Update DATABASE by hoist-postgresql
    v5 Attach SECOND (@ref:main-db)
    v6 Detach SECOND (@ref:main-db)
    v7 Detach DATABASE (@ref:main-db)
    ");
    let plans = async |version| release(&world, &user, version).await["addon_plan_names"].clone();
    let plan = "hoist-postgresql:essential-0";
    assert_eq!(
        (plans(1).await, plans(3).await, plans(5).await, plans(7).await),
        (json!([]), json!([plan]), json!([plan, plan]), json!([]))
    );
    assert_eq!(world.get(&user, "/apps/example/config-vars").await.body, json!({}));
    let then = world.get(&user, "/apps/example/releases/5/config-vars").await.body;
    assert_eq!(then["DATABASE_URL"], then["SECOND_URL"]);
    let diff = world.get(&user, "/apps/example/releases/1/diff/5").await.body;
    assert_eq!(diff["addons"], json!({"added": ["main-db as DATABASE", "main-db as SECOND"], "removed": [], "changed": []}));
}

#[tokio::test]
async fn config_vars_of_attachments_are_not_the_users_to_change() {
    let (world, user, _) = postgresql_world().await;
    create(&world, &user, "example", json!({"plan": PLAN})).await;
    let url = var(&world, &user, "example", "DATABASE_URL").await;
    for value in [json!("postgres://mine"), Value::Null] {
        let refused = world.patch(&user, "/apps/example/config-vars", json!({"A": "1", "DATABASE_URL": value})).await;
        assert_eq!(refused.error(), "422 invalid_params: Cannot overwrite attachment values DATABASE_URL.");
    }
    let vars = world.patch(&user, "/apps/example/config-vars", json!({"A": "1"})).await.body;
    assert_eq!(vars, json!({"A": "1", "DATABASE_URL": url}));
    assert_eq!(release(&world, &user, 4).await["addon_plan_names"], json!(["hoist-postgresql:essential-0"]));
}

#[tokio::test]
async fn a_rollback_takes_the_add_ons_as_they_are_now_or_is_refused() {
    let (world, user, app) = postgresql_world().await;
    deploy(&world, &user, app, Code::of('a')).await;
    world.patch(&user, "/apps/example/config-vars", json!({"A": "old"})).await;
    create(&world, &user, "example", json!({"plan": PLAN, "name": "main-db"})).await;
    deploy(&world, &user, app, Code::of('b')).await;
    world.patch(&user, "/apps/example/config-vars", json!({"A": "new"})).await;
    let old = var(&world, &user, "example", "DATABASE_URL").await;
    rotate(&world, &user, "main-db").await;
    let new = var(&world, &user, "example", "DATABASE_URL").await;
    assert_ne!(old, new);
    let refused = world.post(&user, "/apps/example/releases", json!({"release": "v3"})).await;
    assert_eq!(
        refused.error(),
        "422 invalid_params: Cannot roll back to v3: its add-ons are not those of now: main-db is attached as DATABASE now. \
         Attach and detach until they are the same, or name another."
    );
    let back = world.post(&user, "/apps/example/releases", json!({"release": "v6"})).await;
    assert_eq!((back.status.as_u16(), &back.body["description"]), (201, &json!("Rollback to v6")));
    assert_eq!(world.get(&user, "/apps/example/config-vars").await.body, json!({"A": "old", "DATABASE_URL": new}));
    assert!(psql(&new, "SELECT 1").is_ok());
}

#[tokio::test]
async fn a_changed_snapshot_is_found() {
    let (world, user, _) = postgresql_world().await;
    create(&world, &user, "example", json!({"plan": PLAN})).await;
    let valid = async || world.get(&user, "/apps/example/releases/verification").await.body;
    assert_eq!(valid().await["valid"], true);
    let mut tx = world.ctx.db.write().await.unwrap();
    for statement in ["DROP TRIGGER releases_no_update", "UPDATE releases SET addons = '[]' WHERE version = 3"] {
        sqlx::query(statement).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(valid().await["broken"][0]["version"], 3);
}

#[tokio::test]
async fn a_promotion_carries_no_credentials() {
    let (world, user, app) = postgresql_world().await;
    create_app(&world, &user, "prod").await;
    deploy(&world, &user, app, Code::of('a')).await;
    create(&world, &user, "example", json!({"plan": PLAN})).await;
    let pipeline = world.post(&user, "/pipelines", json!({"name": "pipe"})).await.body["id"].clone();
    for (app, stage) in [("example", "staging"), ("prod", "production")] {
        world.post(&user, "/pipeline-couplings", json!({"app": app, "pipeline": pipeline, "stage": stage})).await;
    }
    let id = async |app: &str| world.get(&user, &format!("/apps/{app}")).await.body["id"].clone();
    let (source, target) = (id("example").await, id("prod").await);
    let body = json!({
        "pipeline": {"id": pipeline}, "source": {"app": {"id": source}}, "targets": [{"app": {"id": target}}]
    });
    let promoted = world.post(&user, "/pipeline-promotions", body).await;
    assert_eq!(promoted.status, 201, "{:?}", promoted.body);
    assert_eq!(world.get(&user, "/apps/prod/config-vars").await.body, json!({}));
    assert_eq!(world.get(&user, "/apps/prod/releases/2").await.body["addon_plan_names"], json!([]));
}

#[tokio::test]
async fn the_last_attachment_stays_with_the_app_that_an_add_on_was_made_for() {
    let (world, user, _) = postgresql_world().await;
    create_app(&world, &user, "other").await;
    create(&world, &user, "example", json!({"plan": PLAN, "name": "last-db"})).await;
    attach(&world, &user, "other", json!({"addon": "last-db"})).await;
    let own = world.get(&user, "/apps/example/addon-attachments/DATABASE").await.body["id"].clone();
    let refused = world.delete(&user, &format!("/addon-attachments/{}", own.as_str().unwrap())).await;
    assert_eq!(
        refused.error(),
        "422 invalid_params: Cannot destroy last attachment to billing app for resource last-db. To destroy it with all its \
         data, run addons:destroy last-db."
    );
    let refused = world.delete(&user, "/apps/example/addons/last-db").await;
    assert_eq!(
        refused.error(),
        "422 invalid_params: Cannot destroy last-db while it is attached to other apps (other). Detach it there, or force it"
    );
    let forced = world.send(&user, Method::DELETE, "/apps/example/addons/last-db", &[], "{\"force\": true}").await;
    assert_eq!(forced.body["state"], "deprovisioned", "{:?}", forced.body);
    insta::assert_snapshot!(releases(&world, &user, "other").await, @r"
    v1 Initial release
    v2 Attach DATABASE (@ref:last-db)
    v3 Detach DATABASE (@ref:last-db)
    ");
}

#[tokio::test]
async fn a_destroyed_app_takes_its_add_ons_with_it() {
    let (world, user, _) = postgresql_world().await;
    create_app(&world, &user, "other").await;
    create(&world, &user, "example", json!({"plan": PLAN, "name": "doomed-db"})).await;
    attach(&world, &user, "other", json!({"addon": "doomed-db", "name": "THEIRS"})).await;
    create(&world, &user, "other", json!({"plan": PLAN, "name": "kept-db"})).await;
    attach(&world, &user, "example", json!({"addon": "kept-db", "name": "KEPT"})).await;
    let doomed = var(&world, &user, "other", "THEIRS_URL").await;
    assert_eq!(world.delete(&user, "/apps/example").await.status, 200);
    let name = doomed.rsplit('/').next().unwrap();
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(psql(&postgresql_url(), &count), Ok("0".into()));
    let vars = world.get(&user, "/apps/other/config-vars").await.body;
    assert_eq!(vars.as_object().unwrap().keys().collect::<Vec<_>>(), ["DATABASE_URL"]);
    assert!(releases(&world, &user, "other").await.ends_with(" Detach THEIRS (@ref:doomed-db)\n"));
    let left = world.get(&user, "/addon-attachments").await.body;
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
}

#[tokio::test]
async fn a_release_command_is_run_for_what_a_user_does_and_not_for_a_new_password() {
    let (world, user, app) = postgresql_world().await;
    let process_types = [("web", "./web"), ("release", "./migrate")].as_slice();
    deploy(&world, &user, app, Code { process_types, ..Code::of('a') }).await;
    happen(&world, app, 2, ReleaseStatus::Succeeded).await;
    create(&world, &user, "example", json!({"plan": PLAN, "name": "main-db"})).await;
    let (attached, completed) = (release(&world, &user, 3).await, release(&world, &user, 4).await);
    assert_eq!((&attached["status"], &attached["output_stream_url"]), (&json!("succeeded"), &Value::Null), "{attached}");
    assert!(completed["output_stream_url"].is_string(), "{completed}");
    // There is no stack here, so that no command succeeds.
    let refused = rotate(&world, &user, "main-db").await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.starts_with("v4 of example has not become current"), "{message}");
    happen(&world, app, 4, ReleaseStatus::Succeeded).await;
    rotate(&world, &user, "main-db").await;
    let rotated = release(&world, &user, 5).await;
    assert_eq!((&rotated["status"], &rotated["current"]), (&json!("succeeded"), &json!(true)), "{rotated}");
    assert_eq!(rotated["output_stream_url"], Value::Null);
}
