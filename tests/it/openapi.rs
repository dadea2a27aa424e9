//! The API's description. That answers are as it says is held by [`crate::contract`] in every test of the API.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api_world::World;
use crate::contract::Contract;

/// The one route that needs no token: a registry of buildpacks for Heroku's CLI.
const OPEN: &str = "/buildpacks/{name}";

async fn contract() -> Contract {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let described = world.get(&user, "/openapi.json").await;
    assert_eq!(described.status, StatusCode::OK);
    assert_eq!(described.body["openapi"], "3.1.0");
    Contract::new(described.body)
}

#[tokio::test]
async fn every_operation_says_what_it_is_for_and_what_it_answers() {
    let contract = contract().await;
    let mut count = 0;
    for (method, route, operation) in contract.operations() {
        let name = format!("{method} {route}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name} has no summary");
        let responses = operation["responses"].as_object().unwrap();
        let successes: Vec<_> = responses.iter().filter(|(status, _)| status.starts_with('2')).collect();
        assert!(!successes.is_empty(), "{name} has no success");
        for (status, response) in successes {
            assert!(response["content"]["application/json"]["schema"] != Value::Null, "{name}: {status} has no schema");
        }
        let security = if route == OPEN { Value::Null } else { json!([{"token": []}]) };
        assert_eq!(operation["security"], security, "{name}");
        count += 1;
    }
    assert!(count > 80, "{count} operations");
}

#[tokio::test]
async fn every_name_in_a_path_is_a_parameter() {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let document = world.get(&user, "/openapi.json").await.body;
    let block = &document["paths"]["/apps/{app}/releases/{release}/block"];
    let names: Vec<_> = block["parameters"].as_array().unwrap().iter().map(|parameter| parameter["name"].clone()).collect();
    assert_eq!(names, ["app", "release"]);
    assert_eq!(block["put"]["description"], "Needs the `deploy` or `operate` permission in the app.");
    let body = &block["put"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body, &json!({"$ref": "#/components/schemas/NewBlock"}));
}

#[tokio::test]
#[should_panic(expected = "POST /apps: 201 Created is not as it is described")]
async fn an_answer_that_is_not_as_described_is_found() {
    contract().await.hold(&Method::POST, "/apps", StatusCode::CREATED, &json!({"name": "example"}));
}

#[tokio::test]
#[should_panic(expected = "200 OK is not described")]
async fn a_status_that_is_not_described_is_found() {
    contract().await.hold(&Method::POST, "/apps", StatusCode::OK, &json!({}));
}

#[tokio::test]
#[should_panic(expected = "Additional properties are not allowed")]
async fn a_field_that_is_not_described_is_found() {
    let error = json!({"id": "not_found", "message": "Couldn't find that app.", "secret": "s3cret"});
    contract().await.hold(&Method::GET, "/apps/example", StatusCode::NOT_FOUND, &error);
}
