//! Repositories that are renamed or transferred: the connection follows.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{A, B, C, Connected, push, sign};

const RENAMED: [&str; 1] = ["the repository is known by its new name"];
const DEPLOYS: &str = "will be deployed";

fn named(mut body: Value, id: i64) -> Value {
    body["repository"]["id"] = json!(id);
    body
}

async fn repo_of(at: &Connected, app: &str) -> [String; 2] {
    let connection = at.world.get(&at.alice, &format!("/apps/{app}/github")).await.body;
    ["repo", "clone_url"].map(|field| connection[field].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_renamed_repository_is_followed() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    assert_eq!(at.github("1", "push", "shop-hush", &named(push("octo/shop", A, B), 7)).await.outcomes(), [DEPLOYS]);
    let renamed = json!({ "action": "renamed", "changes": { "repository": { "name": { "from": "shop" } } }, "repository": { "id": 7, "full_name": "octo/store" } });
    assert_eq!(at.github("2", "repository", "shop-hush", &renamed).await.outcomes(), RENAMED);
    assert_eq!(repo_of(&at, "shop").await, ["octo/store", "https://github.com/octo/store.git"]);
    let transferred = json!({ "action": "transferred", "repository": { "id": 7, "full_name": "acme/store" } });
    assert_eq!(at.github("3", "repository", "shop-hush", &transferred).await.outcomes(), RENAMED);
    assert_eq!(repo_of(&at, "shop").await, ["acme/store", "https://github.com/acme/store.git"]);
    assert_eq!(at.github("4", "push", "shop-hush", &named(push("acme/store", B, C), 7)).await.outcomes(), [DEPLOYS]);
    assert_eq!(at.commits().await, [B, C]);
    // What was told before comes again, and changes nothing.
    at.github("1", "push", "shop-hush", &named(push("octo/shop", A, B), 7)).await;
    assert_eq!(repo_of(&at, "shop").await[0], "acme/store");
}

#[tokio::test]
async fn a_push_is_enough_where_nobody_tells_of_the_name() {
    let at = Connected::new().await;
    let on = |provider: &str, url: &str| json!({ "provider": provider, "clone_url": url });
    at.connect("one", "group/shop", on("gitlab", "https://gitlab.com/group/shop.git")).await;
    at.connect("two", "octo/shop", on("gitea", "https://git.example.com/octo/shop.git")).await;
    let gitlab = async |id: &str, name: &str, before: &str, after: &str| {
        let project = json!({ "id": 15, "path_with_namespace": name });
        let body = json!({ "ref": "refs/heads/main", "before": before, "after": after, "project": project });
        let headers = [("x-gitlab-event", "Push Hook"), ("x-gitlab-event-uuid", id), ("x-gitlab-token", "one-hush")];
        at.send("/gitlab/webhook", &headers, body.to_string()).await
    };
    assert_eq!(gitlab("1", "group/shop", A, B).await.outcomes(), [DEPLOYS]);
    assert_eq!(gitlab("2", "group/sub/store", B, C).await.outcomes(), [DEPLOYS]);
    assert_eq!(repo_of(&at, "one").await, ["group/sub/store", "https://gitlab.com/group/sub/store.git"]);
    for (id, name, before, after) in [("1", "octo/shop", A, B), ("2", "octo/store", B, C)] {
        let body = named(push(name, before, after), 9).to_string();
        let signature = sign("two-hush", &body);
        let headers = [("x-gitea-event", "push"), ("x-gitea-delivery", id), ("x-gitea-signature", &signature)];
        assert_eq!(at.send("/gitea/webhook", &headers, body).await.outcomes(), [DEPLOYS]);
    }
    assert_eq!(repo_of(&at, "two").await, ["octo/store", "https://git.example.com/octo/store.git"]);
}

#[tokio::test]
async fn another_repository_under_the_old_name_is_another_one() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    at.allow("shop").await;
    assert_eq!(at.github("1", "push", "the-apps-own", &named(push("octo/shop", A, B), 7)).await.outcomes(), [DEPLOYS]);
    let renamed = json!({ "action": "renamed", "repository": { "id": 7, "full_name": "octo/store" } });
    assert_eq!(at.github("2", "repository", "the-apps-own", &renamed).await.outcomes(), RENAMED);
    assert_eq!(at.github("3", "push", "the-apps-own", &named(push("octo/store", B, C), 7)).await.outcomes(), [DEPLOYS]);
    // A new repository has got the old name, and a third one the new name.
    for (id, name) in [("4", "octo/shop"), ("5", "octo/store")] {
        assert_eq!(at.github(id, "push", "the-apps-own", &named(push(name, C, A), 8)).await.outcomes(), [""; 0]);
    }
    assert_eq!(at.commits().await, [B, C]);
}

/// What the GitHub App may read is not for whoever knows a connection's own secret.
#[tokio::test]
async fn nobody_but_github_gives_a_proved_repository_another_name() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    // Before it is proved, whoever has made the connection says that it is another's repository by its number.
    at.github("1", "repository", "shop-hush", &json!({ "repository": { "id": 99, "full_name": "octo/shop" } })).await;
    at.allow("shop").await;
    let private = json!({ "repository": { "id": 99, "full_name": "octo/private" } });
    assert_eq!(at.github("2", "repository", "the-apps-own", &private).await.outcomes(), [""; 0]);
    // And after it, by its name.
    assert_eq!(at.github("3", "repository", "shop-hush", &named(private.clone(), 7)).await.status, StatusCode::FORBIDDEN);
    at.github("4", "push", "the-apps-own", &named(push("octo/shop", A, B), 7)).await;
    assert_eq!(at.github("5", "repository", "shop-hush", &named(private, 7)).await.outcomes(), ["nothing to be done"]);
    assert_eq!(repo_of(&at, "shop").await[0], "octo/shop");
}

#[tokio::test]
async fn a_number_alone_opens_nothing() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    at.github("1", "push", "shop-hush", &named(push("octo/shop", A, B), 7)).await;
    let guessed = at.github("2", "push", "wrong", &named(push("evil/shop", B, C), 7)).await;
    assert_eq!(guessed.status, StatusCode::FORBIDDEN);
    assert_eq!(repo_of(&at, "shop").await[0], "octo/shop");
}
