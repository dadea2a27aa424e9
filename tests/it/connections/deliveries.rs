//! Deliveries, one by one: who is believed, what is refused, what is done twice.

use axum::http::StatusCode;
use hoist::model::TriggerState;
use serde_json::json;

use super::{A, B, C, Connected, NONE, push, sign};

const DEPLOYS: &str = "will be deployed";
const AGAIN: &str = "was delivered before";

#[tokio::test]
async fn a_push_is_deployed_once_however_often_it_is_told() {
    let at = Connected::new().await;
    at.connect("shop", "Octo/Shop", json!({})).await;
    at.allow("shop").await;
    let mut body = push("octo/shop", A, B);
    body["repository"]["pushed_at"] = json!(1_700_000_000);
    assert_eq!(at.github("1", "push", "shop-hush", &body).await.outcomes(), [DEPLOYS]);
    assert_eq!(at.github("1", "push", "shop-hush", &body).await.outcomes(), [AGAIN]);
    // By the GitHub App, too: the same push under another id.
    assert_eq!(at.github("2", "push", "the-apps-own", &body).await.outcomes(), [AGAIN]);
    assert_eq!(at.commits().await, [B]);
    assert_eq!(at.github("3", "push", "shop-hush", &push("octo/shop", B, C)).await.outcomes(), [DEPLOYS]);
    assert_eq!(at.commits().await, [B, C]);
}

#[tokio::test]
async fn two_copies_at_the_same_time_are_one() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    let body = push("octo/shop", A, B);
    let (one, other) = tokio::join!(at.github("1", "push", "shop-hush", &body), at.github("1", "push", "shop-hush", &body));
    let mut outcomes = [one.outcomes(), other.outcomes()].concat();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [AGAIN, DEPLOYS]);
    assert_eq!(at.commits().await, [B]);
}

#[tokio::test]
async fn a_secret_opens_its_own_app_alone() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    at.connect("blog", "octo/shop", json!({})).await;
    at.allow("shop").await;
    at.allow("blog").await;
    at.github("1", "push", "blog-hush", &push("octo/shop", A, B)).await;
    let apps: Vec<_> = at.triggers().await.iter().map(|trigger| trigger.app).collect();
    let blog = at.world.get(&at.alice, "/apps/blog").await.body["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(apps, [blog]);
    // GitHub itself speaks of the repository, whoever is connected to it.
    assert_eq!(at.github("2", "push", "the-apps-own", &push("octo/shop", B, C)).await.outcomes(), [DEPLOYS, DEPLOYS]);
}

#[tokio::test]
async fn of_the_github_app_only_github_tells() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    at.allow("shop").await;
    let body = json!({ "action": "deleted", "repositories": [{ "full_name": "octo/shop" }] });
    assert_eq!(at.github("1", "installation", "shop-hush", &body).await.status, StatusCode::FORBIDDEN);
    assert_eq!(at.github("2", "installation", "the-apps-own", &body).await.outcomes().len(), 1);
}

#[tokio::test]
async fn who_does_not_know_the_secret_learns_nothing() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    let wrong = at.github("1", "push", "wrong", &push("octo/shop", A, B)).await;
    let unknown = at.github("1", "push", "shop-hush", &push("octo/other", A, B)).await;
    assert_eq!((wrong.status, &wrong.body), (StatusCode::FORBIDDEN, &unknown.body));
    let body = push("octo/shop", A, B).to_string();
    let unsigned = at.send("/github/webhook", &[("x-github-delivery", "1"), ("x-github-event", "push")], body.clone()).await;
    assert_eq!(unsigned.status, StatusCode::FORBIDDEN);
    // Of another body.
    let signature = format!("sha256={}", sign("shop-hush", "{}"));
    let headers = [("x-github-delivery", "1"), ("x-github-event", "push"), ("x-hub-signature-256", signature.as_str())];
    assert_eq!(at.send("/github/webhook", &headers, body).await.status, StatusCode::FORBIDDEN);
    assert!(at.triggers().await.is_empty());
    // What was refused was not remembered.
    assert_eq!(at.github("1", "push", "shop-hush", &push("octo/shop", A, B)).await.outcomes(), [DEPLOYS]);
}

#[tokio::test]
async fn what_can_not_be_read_is_refused() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    let headers = [("x-github-delivery", "1"), ("x-github-event", "push")];
    for broken in ["", "{", "[]", "null", "{\"ref\": 1}", &"[".repeat(100_000)] {
        assert_eq!(at.send("/github/webhook", &headers, broken.to_owned()).await.status, StatusCode::BAD_REQUEST, "{broken:.20}");
    }
    assert_eq!(at.send("/github/webhook", &[], "{}").await.status, StatusCode::BAD_REQUEST);
    let huge = vec![b' '; 25 * 1024 * 1024 + 1];
    assert_eq!(at.send("/github/webhook", &headers, huge).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let without = crate::api_world::World::new().await;
    let off =
        Connected { alice: without.user("a@example.com").await, door: hoist::forge::routes(without.ctx.clone()), world: without };
    let heard = off.send("/github/webhook", &headers, "{}").await;
    assert_eq!(heard.status, StatusCode::NOT_FOUND);
    assert!(heard.body["message"].as_str().unwrap().contains("no section [github]"), "{}", heard.body);
}

#[tokio::test]
async fn only_pushes_to_the_branch_are_deployed() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    let mut other = push("octo/shop", A, B);
    other["ref"] = json!("refs/heads/next");
    let not_wanted = ["is not deployed: the connection is not for pushes to this branch"];
    assert_eq!(at.github("1", "push", "shop-hush", &other).await.outcomes(), not_wanted);
    other["ref"] = json!("refs/tags/main");
    assert_eq!(at.github("2", "push", "shop-hush", &other).await.outcomes(), ["nothing to be done"]);
    at.world.patch(&at.alice, "/apps/shop/github", json!({ "auto_deploy": false })).await;
    assert_eq!(at.github("3", "push", "shop-hush", &push("octo/shop", A, B)).await.outcomes(), not_wanted);
    assert!(at.triggers().await.is_empty());
}

#[tokio::test]
async fn a_deleted_branch_is_not_deployed_any_more() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({})).await;
    at.github("1", "push", "shop-hush", &push("octo/shop", A, B)).await;
    let gone = ["the branch is gone: it will not be deployed"];
    assert_eq!(at.github("2", "push", "shop-hush", &push("octo/shop", B, NONE)).await.outcomes(), gone);
    assert!(at.triggers().await.is_empty());
    at.github("3", "push", "shop-hush", &push("octo/shop", NONE, C)).await;
    let deleted = json!({ "ref": "main", "ref_type": "branch", "repository": { "full_name": "octo/shop" } });
    assert_eq!(at.github("4", "delete", "shop-hush", &deleted).await.outcomes(), gone);
    assert!(at.triggers().await.is_empty());
}

#[tokio::test]
async fn ci_is_looked_at_again_when_it_may_have_changed() {
    let at = Connected::new().await;
    at.connect("shop", "octo/shop", json!({ "wait_for_ci": true })).await;
    at.github("1", "push", "shop-hush", &push("octo/shop", A, B)).await;
    let before = at.triggers().await.remove(0);
    assert_eq!(before.state, TriggerState::WaitingForCi);
    let status = json!({ "sha": B, "state": "success", "repository": { "full_name": "octo/shop" } });
    assert_eq!(at.github("2", "status", "shop-hush", &status).await.outcomes(), ["CI is looked at again"]);
    // At once, and at another time than before, even if that was the same moment: who asks just now sees it.
    let hastened = at.triggers().await.remove(0).next_attempt_at;
    assert!(hastened < before.next_attempt_at);
    let other = json!({ "sha": C, "state": "success", "repository": { "full_name": "octo/shop" } });
    assert_eq!(at.github("3", "status", "shop-hush", &other).await.outcomes(), ["nothing to be done"]);
    assert_eq!(at.triggers().await[0].next_attempt_at, hastened);
}

#[tokio::test]
async fn who_may_no_longer_deploy_does_not() {
    let at = Connected::new().await;
    at.world.post(&at.alice, "/apps", json!({ "name": "shop" })).await;
    let bob = at.world.user("bob@example.com").await;
    at.world.post(&at.alice, "/apps/shop/collaborators", json!({ "user": "bob@example.com" })).await;
    let new = json!({ "repo": "octo/shop", "branch": "main", "auto_deploy": true, "webhook_secret": "shop-hush" });
    assert_eq!(at.world.post(&bob, "/apps/shop/github", new).await.status, StatusCode::CREATED);
    at.github("1", "push", "shop-hush", &push("octo/shop", A, B)).await;
    assert_eq!(at.commits().await, [B]);
    at.world.delete(&at.alice, "/apps/shop/collaborators/bob@example.com").await;
    let not_allowed = ["is not deployed: whoever connected the repository may no longer deploy here"];
    assert_eq!(at.github("2", "push", "shop-hush", &push("octo/shop", B, C)).await.outcomes(), not_allowed);
}

#[tokio::test]
async fn gitlab_gitea_and_forgejo_tell_of_pushes_in_their_own_way() {
    let at = Connected::new().await;
    let on = |provider: &str, url: &str| json!({ "provider": provider, "clone_url": url });
    at.connect("one", "group/sub/shop", on("gitlab", "https://gitlab.com/group/sub/shop.git")).await;
    at.connect("two", "octo/shop", on("gitea", "https://git.example.com/octo/shop.git")).await;
    at.connect("three", "octo/shop", on("forgejo", "https://codeberg.org/octo/shop.git")).await;
    let project =
        json!({ "ref": "refs/heads/main", "before": A, "after": B, "project": { "path_with_namespace": "group/sub/shop" } });
    let gitlab = [("x-gitlab-event", "Push Hook"), ("x-gitlab-event-uuid", "1"), ("x-gitlab-token", "one-hush")];
    assert_eq!(at.send("/gitlab/webhook", &gitlab, project.to_string()).await.outcomes(), [DEPLOYS]);
    let body = push("octo/shop", A, B).to_string();
    for (provider, secret) in [("gitea", "two-hush"), ("forgejo", "three-hush")] {
        let names = ["event", "delivery", "signature"].map(|name| format!("x-{provider}-{name}"));
        let signature = sign(secret, &body);
        let headers = [(names[0].as_str(), "push"), (&names[1], "1"), (&names[2], &signature)];
        assert_eq!(at.send(&format!("/{provider}/webhook"), &headers, body.clone()).await.outcomes(), [DEPLOYS], "{provider}");
        let other = if provider == "gitea" { "forgejo" } else { "gitea" };
        assert_ne!(at.send(&format!("/{other}/webhook"), &headers, body.clone()).await.status, StatusCode::ACCEPTED);
    }
    assert_eq!(at.commits().await, [B, B, B]);
}
