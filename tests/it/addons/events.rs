//! What an app's webhooks and its log tell of add-ons.

use serde_json::{Value, json};

use super::{attach, create, postgresql_world, var};
use crate::api_world::{User, World};
use crate::ledger::create_app;
use crate::logs;

/// The payloads of an app's events of add-ons and attachments, oldest first.
async fn payloads(world: &World, user: &User, app: &str) -> Vec<Value> {
    let events = world.get(user, &format!("/apps/{app}/webhook-events")).await.body;
    let mut events = events.as_array().unwrap().clone();
    events.retain(|event| event["include"].as_str().unwrap().starts_with("api:addon"));
    events.into_iter().map(|event| event["payload"].clone()).collect()
}

/// `RESOURCE ACTION NAME STATE CONFIG-VARS was PREVIOUS` of each.
fn told(payloads: &[Value]) -> String {
    let line = |payload: &Value| {
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let data = &payload["data"];
        let (what, action) = (word(&payload["resource"]), word(&payload["action"]));
        let (name, state) = (word(&data["name"]), word(&data["state"]));
        format!("{what} {action}: {name} {state} {} was {}\n", data["config_vars"], payload["previous_data"])
    };
    payloads.iter().map(line).collect()
}

#[tokio::test]
async fn each_app_is_told_of_what_it_has_and_uses_and_never_a_secret() {
    let (world, user, _) = postgresql_world().await;
    create_app(&world, &user, "other").await;
    let addon = create(&world, &user, "example", json!({"plan": "hoist-postgresql", "name": "main-db"})).await;
    let url = var(&world, &user, "example", "DATABASE_URL").await;
    attach(&world, &user, "other", json!({"addon": "main-db", "name": "shared"})).await;
    world.patch(&user, "/apps/example/addons/main-db", json!({"name": "big-db"})).await;
    let forced = world.send(&user, axum::http::Method::DELETE, "/apps/example/addons/big-db", &[], r#"{"force": true}"#).await;
    assert_eq!((forced.status.as_u16(), &forced.body["state"]), (200, &json!("deprovisioned")));

    let (own, others) = (payloads(&world, &user, "example").await, payloads(&world, &user, "other").await);
    insta::assert_snapshot!(told(&own), @r#"
    addon create: main-db provisioning [] was {}
    addon-attachment create: DATABASE - ["DATABASE_URL"] was {}
    addon update: main-db provisioned ["DATABASE_URL"] was {"state":"provisioning"}
    addon update: big-db provisioned ["DATABASE_URL"] was {"name":"main-db"}
    addon-attachment destroy: DATABASE - ["DATABASE_URL"] was {}
    addon destroy: big-db deprovisioned [] was {}
    "#);
    insta::assert_snapshot!(told(&others), @r#"
    addon-attachment create: SHARED - ["SHARED_URL"] was {}
    addon-attachment destroy: SHARED - ["SHARED_URL"] was {}
    "#);
    // As the API itself has shown it.
    assert_eq!(own[2]["data"], addon);
    assert_eq!(
        (&others[0]["data"]["addon"]["app"]["name"], &others[0]["data"]["app"]["name"]),
        (&json!("example"), &json!("other"))
    );
    assert_eq!((&others[0]["data"]["addon"]["name"], &others[1]["data"]["addon"]["name"]), (&json!("main-db"), &json!("big-db")));
    let password = url.split([':', '@']).nth(2).unwrap();
    for payload in own.iter().chain(&others) {
        assert_eq!(payload["actor"]["email"], "dev@example.com");
        assert!(!payload.to_string().contains(password), "{payload}");
    }
}

#[tokio::test]
async fn an_apps_log_tells_what_no_release_does() {
    let (world, user, _) = postgresql_world().await;
    create(&world, &user, "example", json!({"plan": "hoist-postgresql", "name": "main-db"})).await;
    world.patch(&user, "/apps/example/addons/main-db", json!({"name": "big-db"})).await;
    world.delete(&user, "/apps/example/addons/big-db").await;
    let path = logs::session(&world, &user, json!({})).await;
    let (_, events) = logs::read(&world, &path, None).await;
    let (lines, _) = logs::data(&events);
    insta::assert_snapshot!(logs::plain(&lines), @r"
    app[api]: Release v1 created by user dev@example.com
    app[api]: Initial release by user dev@example.com
    app[api]: Creating add-on main-db by user dev@example.com
    app[api]: Release v2 created by user dev@example.com
    app[api]: Attach DATABASE (@ref:main-db) by user dev@example.com
    app[api]: Release v3 created by user dev@example.com
    app[api]: @ref:main-db completed provisioning, setting DATABASE_URL. by user dev@example.com
    app[api]: Renamed add-on main-db to big-db by user dev@example.com
    app[api]: Release v4 created by user dev@example.com
    app[api]: Detach DATABASE (@ref:big-db) by user dev@example.com
    app[api]: Destroyed add-on big-db by user dev@example.com
    ");
}
