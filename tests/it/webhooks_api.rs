//! Webhooks and events over the API: what is shown, what is refused, what is kept from whom.

use axum::http::{Method, StatusCode};
use hoist::model::{BuildStatus, ReleaseStatus};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api::build;
use crate::api_world::{User, World};

async fn shop() -> (World, User) {
    world_with("shop").await
}

async fn world_with(app: &str) -> (World, User) {
    let world = World::new().await;
    let alice = world.user("alice@example.com").await;
    world.post(&alice, "/apps", json!({ "name": app })).await;
    (world, alice)
}

fn hook(change: &Value) -> Value {
    let mut hook = json!({ "url": "https://example.com/hook", "include": ["api:release"], "level": "sync" });
    hook.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    hook
}

#[tokio::test]
async fn a_webhook_is_made_changed_and_removed_and_its_secrets_are_shown_once() {
    let (world, alice) = shop().await;
    let new = hook(&json!({ "include": ["dyno", "api:build", "dyno"], "authorization": "Bearer sesame" }));
    let made = world.post(&alice, "/apps/shop/webhooks", new).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_snapshot!(made.normal(), @r#"
    {
      "app": {
        "id": "ID",
        "name": "shop"
      },
      "created_at": "TIME",
      "id": "ID",
      "include": [
        "api:build",
        "dyno"
      ],
      "level": "sync",
      "updated_at": "TIME",
      "url": "https://example.com/hook"
    }
    "#);
    let secret = made.header("heroku-webhook-secret").unwrap().to_owned();
    assert_eq!(secret.len(), 64);
    let path = format!("/apps/shop/webhooks/{}", made.body["id"].as_str().unwrap());
    let seen = world.get(&alice, &path).await;
    assert_eq!((seen.body, seen.headers.get("heroku-webhook-secret")), (made.body, None));

    let changed = world.patch(&alice, &path, json!({ "level": "notify", "secret": "hush-hush-hush" })).await;
    assert_eq!((&changed.body["level"], &changed.body["include"]), (&json!("notify"), &json!(["api:build", "dyno"])));
    assert_eq!(changed.headers.get("heroku-webhook-secret"), None);
    let credentials = credentials(&world).await;
    assert_eq!(credentials.secret.expose(), "hush-hush-hush");
    assert_eq!(credentials.authorization.unwrap().expose(), "Bearer sesame");
    world.patch(&alice, &path, json!({ "authorization": null })).await;
    assert!(self::credentials(&world).await.authorization.is_none());

    let files = ["hoist.db", "hoist.db-wal"].map(|name| std::fs::read(world.ctx.config.data_dir.join(name)).unwrap_or_default());
    for hidden in [secret.as_bytes(), b"hush-hush-hush", b"Bearer sesame"] {
        assert!(!files.concat().windows(hidden.len()).any(|window| window == hidden));
    }
    assert_eq!(world.delete(&alice, &path).await.status, StatusCode::OK);
    assert_eq!(world.get(&alice, "/apps/shop/webhooks").await.body, json!([]));
}

async fn credentials(world: &World) -> hoist::db::webhooks::Credentials {
    let mut db = world.ctx.db.read().await.unwrap();
    let app = hoist::db::apps::by_name(&mut db, &"shop".parse().unwrap()).await.unwrap().unwrap();
    let webhook = hoist::db::webhooks::list_of(&mut db, app.id).await.unwrap().remove(0);
    hoist::db::webhooks::credentials(&mut db, world.ctx.db.cipher(), webhook.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_can_not_be_a_webhook_is_refused() {
    let (world, alice) = shop().await;
    let refused = async |change: Value| world.post(&alice, "/apps/shop/webhooks", hook(&change)).await.error();
    let known =
        "api:addon, api:addon-attachment, api:app, api:build, api:collaborator, api:dyno, api:formation, api:release, dyno.";
    assert_eq!(
        refused(json!({ "include": ["api:release", "api:domain"] })).await,
        format!("422 invalid_params: `api:domain` is nothing that a webhook can include. Known are: {known}")
    );
    assert!(refused(json!({ "include": [] })).await.starts_with("422 invalid_params: `include` is empty."));
    assert!(refused(json!({ "level": "often" })).await.contains("it is `notify` or `sync`"));
    assert!(refused(json!({ "url": "ftp://example.com" })).await.contains("not an http or https URL"));
    assert!(refused(json!({ "url": "https://me:secret@example.com/" })).await.contains("a user name or password"));
    assert!(refused(json!({ "secret": "two\nlines" })).await.contains("printable ASCII"));
    assert!(refused(json!({ "authorization": "a\r\nb: c" })).await.contains("printable ASCII"));
    let status = world.get(&alice, "/apps/shop/webhook-deliveries?eq[status]=lost").await.error();
    assert_eq!(
        status,
        "422 invalid_params: `lost` is not a status of deliveries. Known are: pending, retrying, succeeded, failed."
    );

    for _ in 0..20 {
        assert_eq!(world.post(&alice, "/apps/shop/webhooks", hook(&json!({}))).await.status, StatusCode::CREATED);
    }
    assert!(refused(json!({})).await.contains("at most 20 webhooks"));
}

#[tokio::test]
async fn a_stranger_finds_nothing() {
    let (world, alice) = shop().await;
    let mallory = world.user("mallory@example.com").await;
    let made = world.post(&alice, "/apps/shop/webhooks", hook(&json!({ "include": ["api:release"] }))).await;
    world.patch(&alice, "/apps/shop/config-vars", json!({ "A": "1" })).await;
    let delivery = world.get(&alice, "/apps/shop/webhook-deliveries").await.body[0].clone();
    let ids = [
        format!("webhooks/{}", made.body["id"].as_str().unwrap()),
        format!("webhook-deliveries/{}", delivery["id"].as_str().unwrap()),
        format!("webhook-events/{}", delivery["event"]["id"].as_str().unwrap()),
    ];
    world.post(&mallory, "/apps", json!({ "name": "stall" })).await;
    for id in ids {
        assert_eq!(world.get(&alice, &format!("/apps/shop/{id}")).await.status, StatusCode::OK, "{id}");
        assert_eq!(world.get(&mallory, &format!("/apps/shop/{id}")).await.status, StatusCode::NOT_FOUND, "{id}");
        assert_eq!(world.get(&mallory, &format!("/apps/stall/{id}")).await.status, StatusCode::NOT_FOUND, "{id}");
    }
}

/// The app's events, oldest first, as `resource action: FIELDS of data, before: previous data`.
async fn events(world: &World, user: &User, app: &str) -> Vec<String> {
    let events = world.get(user, &format!("/apps/{app}/webhook-events")).await.body;
    let line = |event: &Value| {
        let payload = &event["payload"];
        let fields = ["name", "status", "current", "version", "quantity", "state", "exit_status"];
        let data = fields.iter().filter_map(|field| {
            payload["data"].get(field).filter(|value| !value.is_null()).map(|value| format!("{field}={value}"))
        });
        let before = &payload["previous_data"];
        let before = if before == &json!({}) { String::new() } else { format!(", before: {before}") };
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        format!("{} {}: {}{before}", word(&event["include"]), word(&payload["action"]), data.collect::<Vec<_>>().join(" "))
    };
    events.as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn what_happens_to_an_app_is_told_as_it_was_then() {
    let (world, alice) = world_with("example").await;
    let bob = world.user("bob@example.com").await;
    world.post(&alice, "/apps/example/collaborators", json!({ "user": "bob@example.com" })).await;
    world.post(&alice, "/apps/example/collaborators", json!({ "user": "bob@example.com" })).await;
    build(&world, &alice, BuildStatus::Failed).await;
    world.patch(&bob, "/apps/example/config-vars", json!({ "A": "correct-horse" })).await;
    world.patch(&alice, "/apps/example", json!({ "name": "store" })).await;
    world.delete(&alice, "/apps/store/collaborators/bob@example.com").await;
    let told = events(&world, &alice, "store").await;
    assert_eq!(
        told,
        [
            r#"api:app create: name="example""#,
            r#"api:release create: status="succeeded" current=true version=1"#,
            "api:collaborator create: ",
            r#"api:build create: status="pending""#,
            r#"api:build update: status="failed", before: {"release":null,"slug":null,"status":"pending"}"#,
            r#"api:release create: status="succeeded" current=true version=2"#,
            r#"api:app update: name="store", before: {"name":"example"}"#,
            "api:collaborator destroy: ",
        ]
    );
    let all = world.get(&alice, "/apps/store/webhook-events").await.body;
    assert_eq!(all[2]["payload"]["data"]["user"]["email"], "bob@example.com");
    assert_eq!(all[5]["payload"]["actor"]["email"], "bob@example.com");
    assert_eq!(
        (&all[5]["payload"]["data"]["app"]["name"], &all[7]["payload"]["data"]["app"]["name"]),
        (&json!("example"), &json!("store"))
    );
    assert!(!all.to_string().contains("correct-horse"));
}

#[tokio::test]
async fn lists_are_cut_and_filtered() {
    let (world, alice) = shop().await;
    world.post(&alice, "/apps/shop/webhooks", hook(&json!({}))).await;
    for value in 0..3 {
        world.patch(&alice, "/apps/shop/config-vars", json!({ "A": value.to_string() })).await;
    }
    let range = [("range", "seq ..; order=desc,max=2")];
    let newest = world.send(&alice, Method::GET, "/apps/shop/webhook-deliveries", &range, "").await;
    assert_eq!(newest.status, StatusCode::PARTIAL_CONTENT);
    let next = newest.header("next-range").unwrap().to_owned();
    let oldest = world.send(&alice, Method::GET, "/apps/shop/webhook-deliveries", &[("range", &next)], "").await;
    assert_eq!((newest.body.as_array().unwrap().len(), oldest.body.as_array().unwrap().len()), (2, 1));
    let of = async |status: &str| {
        world.get(&alice, &format!("/apps/shop/webhook-deliveries?eq[status]={status}")).await.body.as_array().unwrap().len()
    };
    assert_eq!((of("pending").await, of("failed").await), (3, 0));
}

#[tokio::test]
async fn old_events_are_forgotten_with_their_deliveries() {
    let (world, alice) = shop().await;
    world.post(&alice, "/apps", json!({ "name": "stall" })).await;
    world.post(&alice, "/apps/shop/webhooks", hook(&json!({}))).await;
    for value in 0..5 {
        world.patch(&alice, "/apps/shop/config-vars", json!({ "A": value.to_string() })).await;
    }
    let count = async |list: &str| world.get(&alice, &format!("/apps/{list}")).await.body.as_array().unwrap().len();
    assert_eq!((count("shop/webhook-events").await, count("shop/webhook-deliveries").await), (7, 5));
    let prune = async |before, most| hoist::launch::prune(&world.ctx.db, before, most).await.unwrap();
    let long_ago = world.ctx.now() - time::Duration::hours(1);
    prune(long_ago, 3).await;
    assert_eq!((count("shop/webhook-events").await, count("shop/webhook-deliveries").await), (3, 3));
    assert_eq!(count("stall/webhook-events").await, 2, "another app's few stay");
    prune(world.ctx.now() + time::Duration::hours(1), 3).await;
    assert_eq!((count("shop/webhook-events").await, count("shop/webhook-deliveries").await), (0, 0));
    let releases = world.get(&alice, "/apps/shop/releases").await;
    assert_eq!(releases.body.as_array().unwrap().len(), 6, "the ledger stays");
}

#[tokio::test]
async fn an_event_without_its_change_is_not_recorded() {
    let (world, alice) = shop().await;
    let app = hoist::auth::find_app(&world.ctx.db, alice.account.id, "shop").await.unwrap().unwrap().0;
    let mut tx = world.ctx.db.write().await.unwrap();
    hoist::db::apps::destroy(&mut tx, app.id, alice.account.id, world.ctx.now()).await.unwrap();
    drop(tx);
    assert_eq!(events(&world, &alice, "shop").await.len(), 2);
    assert_eq!(world.get(&alice, "/apps/shop/releases").await.body[0]["status"], ReleaseStatus::Succeeded.as_str());
}

#[tokio::test]
async fn a_destroyed_apps_webhook_goes_when_nothing_is_on_its_way() {
    let (world, alice) = shop().await;
    let app = hoist::auth::find_app(&world.ctx.db, alice.account.id, "shop").await.unwrap().unwrap().0;
    world.post(&alice, "/apps/shop/webhooks", hook(&json!({ "include": ["api:app"] }))).await;
    world.post(&alice, "/apps/shop/webhooks", hook(&json!({ "include": ["dyno"] }))).await;
    let left = async || {
        let mut tx = world.ctx.db.write().await.unwrap();
        hoist::db::webhooks::delete_useless(&mut tx).await.unwrap();
        let left = hoist::db::webhooks::list_of(&mut tx, app.id).await.unwrap().len();
        tx.commit().await.unwrap();
        left
    };
    assert_eq!(left().await, 2, "the app lives");
    world.delete(&alice, "/apps/shop").await;
    assert_eq!(left().await, 1, "one is still to hear of the end");
}
