//! GitHub's own examples of what it delivers, published by its Octokit project: every one of them.

use std::path::PathBuf;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Connected;

/// The examples by event; `None`, with the reason printed, where npm can't be used (see `scripts/install-webhook-examples`).
fn examples() -> Option<Vec<(String, Vec<Value>)>> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".hoist/webhook-examples").into();
    let folder = PathBuf::from(std::env::var_os("HOIST_WEBHOOK_EXAMPLES_DIR").unwrap_or_else(default));
    if let Ok(reason) = std::fs::read_to_string(folder.join("skipped")) {
        eprintln!("skipped: {}", reason.trim());
        return None;
    }
    let file = folder.join("node_modules/@octokit/webhooks-examples/api.github.com/index.json");
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|_| panic!("{} is not there: run the tests with `make test`", file.display()));
    let events: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of = |event: &Value| (event["name"].as_str().unwrap().to_owned(), event["examples"].as_array().unwrap().clone());
    Some(events.iter().map(of).collect())
}

/// Signed with the App's secret, so that GitHub itself is believed whatever the repository.
async fn outcomes_of(at: &Connected, event: &str, examples: &[Value]) -> Vec<String> {
    let mut outcomes = Vec::new();
    for (number, example) in examples.iter().enumerate() {
        let heard = at.github(&format!("{event}-{number}"), event, "the-apps-own", example).await;
        outcomes.extend(heard.outcomes().into_iter().map(str::to_owned));
    }
    outcomes
}

#[tokio::test]
async fn all_of_them_are_understood() {
    let Some(events) = examples() else { return };
    let at = Connected::new().await;
    at.connect("shop", "Codertocat/Hello-World", json!({ "branch": "master" })).await;
    at.allow("shop").await;
    let mut count = 0;
    for (event, examples) in &events {
        outcomes_of(&at, event, examples).await;
        count += examples.len();
    }
    assert!(count > 300, "{count}");
    // Two of its pushes are to the branch, and are the same one.
    assert_eq!(at.commits().await, ["6113728f27ae82c7b1a177c8d03f9e96e0adf246"]);
}

#[tokio::test]
async fn each_event_does_its_own() {
    let Some(events) = examples() else { return };
    let of = |name: &str| events.iter().find(|(event, _)| event == name).unwrap().1.clone();
    let at = Connected::new().await;
    at.connect("shop", "Codertocat/Hello-World", json!({ "branch": "master", "wait_for_ci": true })).await;
    at.connect("blog", "octocat/Hello-World", json!({})).await;
    at.allow("shop").await;
    at.allow("blog").await;
    let pushes = outcomes_of(&at, "push", &of("push")).await;
    assert_eq!(pushes.iter().filter(|outcome| *outcome == "will be deployed").count(), 1, "{pushes:?}");
    let statuses = outcomes_of(&at, "status", &of("status")[..1]).await;
    assert_eq!(statuses, ["CI is looked at again"], "its commit is the one that was pushed");
    for quiet in ["ping", "delete", "pull_request", "check_suite", "check_run"] {
        let outcomes = outcomes_of(&at, quiet, &of(quiet)).await;
        assert!(outcomes.iter().all(|outcome| outcome == "nothing to be done"), "{quiet}: {outcomes:?}");
    }
    // The App was removed there, and nothing of the connection's own lets hoist in.
    let installations = outcomes_of(&at, "installation", &of("installation")).await;
    assert!(installations.iter().any(|outcome| outcome.starts_with("pushes are not deployed any more")), "{installations:?}");
    let blog = at.world.get(&at.alice, "/apps/blog/github").await;
    assert_eq!(blog.body["auto_deploy"], json!(false));
    assert_eq!(at.world.get(&at.alice, "/apps/shop/github").await.body["auto_deploy"], json!(true), "another repository");
}

#[tokio::test]
async fn none_of_them_is_believed_unsigned() {
    let Some(events) = examples() else { return };
    let at = Connected::new().await;
    at.connect("shop", "Codertocat/Hello-World", json!({ "branch": "master" })).await;
    at.allow("shop").await;
    for (event, examples) in &events {
        let heard = at.github("1", event, "guessed", &examples[0]).await;
        assert_eq!(heard.status, StatusCode::FORBIDDEN, "{event}");
    }
    assert!(at.triggers().await.is_empty());
}
