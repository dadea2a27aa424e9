//! The API's shapes, which are Heroku's, and what it refuses.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{attach, create, postgresql_world, releases, var, world_of};
use crate::ledger::create_app;

fn named(text: &str, value: &Value) -> String {
    text.replace(value["name"].as_str().unwrap(), "NAME")
}

#[tokio::test]
async fn an_add_on_as_heroku_shows_one() {
    let (world, user, _) = postgresql_world().await;
    let addon = create(&world, &user, "example", json!({"plan": {"name": "heroku-postgresql"}})).await;
    let name = addon["name"].as_str().unwrap().to_owned();
    let shown = world.get(&user, &format!("/apps/example/addons/{name}")).await;
    assert_snapshot!(named(&shown.normal(), &addon), @r#"
    {
      "actions": [],
      "addon_service": {
        "id": "ID",
        "name": "hoist-postgresql"
      },
      "app": {
        "id": "ID",
        "name": "example"
      },
      "billed_price": {
        "cents": 0,
        "contract": false,
        "unit": "month"
      },
      "billing_entity": {
        "id": "ID",
        "name": "example",
        "type": "app"
      },
      "config_vars": [
        "DATABASE_URL"
      ],
      "created_at": "TIME",
      "id": "ID",
      "name": "NAME",
      "plan": {
        "id": "ID",
        "name": "hoist-postgresql:essential-0"
      },
      "provider_id": "ID",
      "provision_message": null,
      "state": "provisioned",
      "updated_at": "TIME",
      "web_url": null
    }
    "#);
    for path in ["/addons/DATABASE", "/apps/example/addons/nothing"] {
        assert_eq!(world.get(&user, path).await.error(), "404 not_found: Couldn't find that add on.", "{path}");
    }
    for path in [format!("/addons/{name}"), "/addons/example::DATABASE".into(), "/apps/example/addons/DATABASE".into()] {
        assert_eq!(world.get(&user, &path).await.body, shown.body, "{path}");
    }
    for path in ["/addons", "/apps/example/addons"] {
        assert_eq!(world.get(&user, path).await.body, json!([shown.body]), "{path}");
    }
    let expand = [("accept-expansion", "addon_service, plan")];
    let whole = world.send(&user, axum::http::Method::GET, &format!("/addons/{name}"), &expand, "").await.body;
    assert_eq!(whole["plan"]["price"], json!({"cents": 0, "contract": false, "unit": "month"}));
    assert_eq!(whole["addon_service"]["human_name"], "PostgreSQL");
    let config = world.get(&user, &format!("/addons/{name}/config")).await.body;
    assert_eq!(config, json!([{"name": "URL", "value": var(&world, &user, "example", "DATABASE_URL").await}]));
    let attachments = world.get(&user, "/apps/example/addon-attachments").await;
    assert_snapshot!(named(&attachments.normal(), &addon), @r#"
    [
      {
        "addon": {
          "app": {
            "id": "ID",
            "name": "example"
          },
          "id": "ID",
          "name": "NAME",
          "plan": {
            "id": "ID",
            "name": "hoist-postgresql:essential-0"
          }
        },
        "app": {
          "id": "ID",
          "name": "example"
        },
        "config_vars": [
          "DATABASE_URL"
        ],
        "created_at": "TIME",
        "id": "ID",
        "log_input_url": null,
        "name": "DATABASE",
        "namespace": null,
        "updated_at": "TIME",
        "web_url": null
      }
    ]
    "#);
    for path in ["/addon-attachments".to_owned(), format!("/addons/{name}/addon-attachments")] {
        assert_eq!(world.get(&user, &path).await.body, attachments.body, "{path}");
    }
}

#[tokio::test]
async fn texts_are_resolved_as_the_heroku_cli_expects() {
    let (world, user, _) = postgresql_world().await;
    let addon = create(&world, &user, "example", json!({"plan": "hoist-postgresql", "name": "main-db"})).await;
    let id = addon["id"].as_str().unwrap();
    for (text, app) in [
        ("main-db", None),
        (id, None),
        ("example::DATABASE", None),
        ("DATABASE", Some("example")),
        ("DATABASE_URL", Some("example")),
        ("heroku-postgresql", Some("example")),
    ] {
        let found = world.post(&user, "/actions/addons/resolve", json!({"addon": text, "app": app})).await.body;
        assert_eq!(found[0]["id"], id, "{text}: {found}");
    }
    let none = world.post(&user, "/actions/addons/resolve", json!({"addon": "DATABASE", "app": null})).await;
    assert_eq!((none.error().as_str(), &none.body["resource"]), ("404 not_found: Couldn't find that add on.", &json!("add_on")));
    let asked = json!({"addon_attachment": "DATABASE", "app": "example"});
    let found = world.post(&user, "/actions/addon-attachments/resolve", asked).await.body;
    assert_eq!(found[0]["addon"]["name"], "main-db");
    let none = world.post(&user, "/actions/addon-attachments/resolve", json!({"addon_attachment": "X", "app": "example"})).await;
    assert_eq!(none.body["resource"], "add_on attachment");
}

#[tokio::test]
async fn what_is_not_configured_is_not_offered() {
    let (world, user, _) = postgresql_world().await;
    let services = world.get(&user, "/addon-services").await.body;
    assert_eq!(services.as_array().unwrap().iter().map(|it| &it["name"]).collect::<Vec<_>>(), ["hoist-postgresql"]);
    let plans = world.get(&user, "/addon-services/heroku-postgresql/plans").await.body;
    assert_eq!(plans[0]["name"], "hoist-postgresql:essential-0");
    let plan = world.get(&user, "/addon-services/hoist-postgresql/plans/hoist-postgresql:essential-0").await.body;
    assert_eq!(plan, plans[0]);
    assert_eq!(
        world.get(&user, "/addon-services/hoist-redis").await.error(),
        "404 not_found: Couldn't find that add-on service."
    );
    let refused = world.post(&user, "/apps/example/addons", json!({"plan": "heroku-redis"})).await;
    assert_snapshot!(refused.error(), @"422 invalid_params: hoist-redis is not offered here: this installation has no Redis server. Whoever runs it can name one as redis_url in the section [addons] of hoist.toml, or in HOIST_ADDONS_REDIS_URL.");
    let refused = world.post(&user, "/apps/example/addons", json!({"plan": "papertrail"})).await;
    assert_snapshot!(refused.error(), @r#"422 invalid_params: Couldn't find either the add-on service or the add-on plan of "papertrail". There are: hoist-postgresql:essential-0, hoist-redis:mini."#);
}

#[tokio::test]
async fn a_server_that_is_away_is_not_the_users_fault_and_nothing_is_recorded() {
    // A port that nothing listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[addons]\npostgresql_url = \"postgres://root:hush@127.0.0.1:{port}\"\nredis_url = \"redis://:hush@127.0.0.1:{port}\"\n"
    );
    let (world, user, _) = world_of(&config).await;
    for (plan, name) in [("hoist-postgresql", "PostgreSQL"), ("hoist-redis", "Redis")] {
        let away = world.post(&user, "/apps/example/addons", json!({"plan": plan})).await;
        let expected = format!("503 unavailable: This is not your fault: the {name} server can't be reached.");
        assert!(away.error().starts_with(&expected), "{}", away.error());
    }
    assert_eq!(world.get(&user, "/apps/example/addons").await.body, json!([]));
    assert_eq!(world.get(&user, "/addon-attachments").await.body, json!([]));
    assert_eq!(world.get(&user, "/apps/example/config-vars").await.body, json!({}));
    assert_eq!(releases(&world, &user, "example").await, "v1 Initial release\n");
}

#[tokio::test]
async fn names_that_are_taken_want_a_confirmation() {
    let (world, user, _) = postgresql_world().await;
    create_app(&world, &user, "other").await;
    world.patch(&user, "/apps/other/config-vars", json!({"DB_URL": "mine", "DATABASE_URL": "mine"})).await;
    let addon = create(&world, &user, "example", json!({"plan": "hoist-postgresql", "name": "shared-db"})).await;
    assert_eq!(addon["config_vars"], json!(["DATABASE_URL"]));
    // A config var that somebody has set is not a name that hoist takes by itself.
    let made = attach(&world, &user, "other", json!({"addon": "shared-db"})).await;
    assert_eq!(made.body["name"], "HOIST_POSTGRESQL_AMBER");
    let asked = attach(&world, &user, "other", json!({"addon": "shared-db", "name": "db"})).await;
    assert_eq!(asked.error(), "422 confirmation_required: DB_URL is set on other already; this overwrites it.");
    let wrong = attach(&world, &user, "other", json!({"addon": "shared-db", "name": "db", "confirm": "example"})).await;
    assert_eq!(wrong.error(), "422 invalid_params: Confirmation example did not match other.");
    let done = attach(&world, &user, "other", json!({"addon": "shared-db", "name": "db", "confirm": "other"})).await;
    assert_eq!((done.status.as_u16(), &done.body["name"]), (201, &json!("DB")));
    let shared = var(&world, &user, "example", "DATABASE_URL").await;
    assert_eq!(var(&world, &user, "other", "DB_URL").await, shared);

    create(&world, &user, "example", json!({"plan": "hoist-postgresql", "name": "second-db"})).await;
    let asked = attach(&world, &user, "other", json!({"addon": "second-db", "name": "DB"})).await;
    assert_eq!(asked.error(), "422 confirmation_required: DB is attached to other already; this replaces it.");
    attach(&world, &user, "other", json!({"addon": "second-db", "name": "DB", "confirm": "other"})).await;
    assert_ne!(var(&world, &user, "other", "DB_URL").await, shared);
    let taken = world.post(&user, "/apps/other/addons", json!({"plan": "hoist-postgresql", "name": "second-db"})).await;
    assert_eq!(taken.error(), "422 invalid_params: Name second-db is already taken");
    let taken = json!({"plan": "hoist-postgresql", "attachment": {"name": "DB"}});
    let taken = world.post(&user, "/apps/other/addons", taken).await;
    assert!(taken.error().contains("DB is attached to other already"), "{}", taken.error());
}

#[tokio::test]
async fn others_add_ons_are_like_those_that_do_not_exist() {
    let (world, user, _) = postgresql_world().await;
    let addon = create(&world, &user, "example", json!({"plan": "hoist-postgresql", "name": "secret-db"})).await;
    let stranger = world.user("stranger@example.com").await;
    create_app(&world, &stranger, "theirs").await;
    let attachment = world.get(&user, "/addon-attachments").await.body[0]["id"].as_str().unwrap().to_owned();
    for text in ["secret-db", addon["id"].as_str().unwrap(), "example::DATABASE"] {
        for path in [format!("/addons/{text}"), format!("/addons/{text}/config"), format!("/addons/{text}/addon-attachments")] {
            assert_eq!(world.get(&stranger, &path).await.status, 404, "{path}");
        }
        assert_eq!(attach(&world, &stranger, "theirs", json!({"addon": text})).await.status, 404, "{text}");
    }
    let path = format!("/addon-attachments/{attachment}");
    assert_eq!(world.get(&stranger, &path).await.status, 404);
    assert_eq!(world.delete(&stranger, &path).await.status, 404);
    assert_eq!(world.get(&stranger, "/addons").await.body, json!([]));
    assert_eq!(world.get(&stranger, "/addon-attachments").await.body, json!([]));
    // Nor can it be reached by way of one's own app.
    assert_eq!(world.delete(&stranger, "/apps/theirs/addons/secret-db").await.status, 404);
}

#[tokio::test]
async fn an_add_on_is_renamed() {
    let (world, user, _) = postgresql_world().await;
    create(&world, &user, "example", json!({"plan": "hoist-postgresql", "name": "old-name"})).await;
    let renamed = world.patch(&user, "/apps/example/addons/old-name", json!({"name": "new-name"})).await.body;
    assert_eq!(renamed["name"], "new-name");
    assert_eq!(world.get(&user, "/addons/old-name").await.status, 404);
    let bad = world.patch(&user, "/apps/example/addons/new-name", json!({"name": "1"})).await;
    assert!(bad.error().starts_with("422 invalid_params: An add-on's name must"), "{}", bad.error());
}
