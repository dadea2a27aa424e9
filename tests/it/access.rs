//! Who may do what in an app: every permission at every door.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api::world_with_app;
use crate::api_world::{Answer, User, World};
use crate::harness::{self, Daemon, WorkTree};

/// Requests and the permissions of which any one is enough. Those that nothing has to be there for are given bodies and
/// names that are refused later, as 422 or 404: what is asked is only whether the door is open.
const REQUESTS: &[(Method, &str, &str, &str)] = &[
    (Method::GET, "", "", "view"),
    (Method::GET, "/builds", "", "view"),
    (Method::GET, "/releases", "", "view"),
    (Method::GET, "/releases/1", "", "view"),
    (Method::GET, "/releases/1/diff/1", "", "view"),
    (Method::GET, "/releases/verification", "", "view"),
    (Method::GET, "/formation", "", "view"),
    (Method::GET, "/dynos", "", "view"),
    (Method::GET, "/collaborators", "", "view"),
    (Method::GET, "/buildpack-installations", "", "view"),
    (Method::GET, "/available-stacks", "", "view"),
    (Method::GET, "/notifications", "", "view"),
    (Method::GET, "/oci-images/00000000-0000-4000-8000-000000000000", "", "view"),
    (Method::POST, "/oci-images", r#"{"digest":"sha256:00"}"#, "deploy"),
    (Method::PATCH, "/formation/web", r#"{"docker_image":null}"#, "deploy"),
    (Method::GET, "/slugs/00000000-0000-4000-8000-000000000000", "", "deploy"),
    (Method::POST, "/builds", "{}", "deploy"),
    (Method::DELETE, "/builds/00000000-0000-4000-8000-000000000000", "", "deploy"),
    (Method::DELETE, "/build-cache", "", "deploy"),
    (Method::POST, "/slugs", r#"{"process_types":{"web":""}}"#, "deploy"),
    (Method::POST, "/sources", "", "deploy"),
    (Method::PUT, "/buildpack-installations", r#"{"updates":[{}]}"#, "deploy"),
    (Method::POST, "/releases", r#"{"slug":"00000000-0000-4000-8000-000000000000"}"#, "deploy"),
    (Method::GET, "/config-vars", "", "deploy operate"),
    (Method::PATCH, "/config-vars", r#"{"A":"1"}"#, "deploy operate"),
    (Method::GET, "/releases/1/config-vars", "", "deploy operate"),
    (Method::POST, "/releases", r#"{"release":"99"}"#, "deploy operate"),
    (Method::POST, "/releases", r#"{"description":"again"}"#, "deploy operate"),
    (Method::PUT, "/releases/99/block", r#"{"reason":"bad"}"#, "deploy operate"),
    (Method::POST, "/dynos", r#"{"command":"true"}"#, "deploy operate"),
    (Method::POST, "/notifications", r#"{"kind":"fax","target":""}"#, "deploy operate"),
    (Method::DELETE, "/notifications/7", "", "deploy operate"),
    (Method::DELETE, "/dynos/run.1", "", "deploy operate"),
    (Method::POST, "/dynos/run.1/actions/stop", "", "deploy operate"),
    (Method::PATCH, "/formation", r#"{"updates":[]}"#, "deploy operate"),
    (Method::PATCH, "/formation/web", "{}", "deploy operate"),
    (Method::PATCH, "", r#"{"maintenance":false}"#, "deploy operate"),
    (Method::PATCH, "", r#"{"name":"No_Name"}"#, "manage"),
    (Method::PATCH, "", r#"{"build_stack":"debian-12"}"#, "manage"),
    (Method::POST, "/collaborators", r#"{"user":"nobody@example.com"}"#, "manage"),
    (Method::PATCH, "/collaborators/nobody@example.com", r#"{"permissions":[]}"#, "manage"),
    (Method::DELETE, "/collaborators/dev@example.com", "", "manage"),
];

async fn collaborator(world: &World, owner: &User, email: &str, permissions: &[&str]) -> User {
    let user = world.user(email).await;
    let added = world.post(owner, "/apps/example/collaborators", json!({"user": email, "permissions": permissions})).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    user
}

/// Whether the door is open: what is refused later is another matter.
fn is_open(answer: &Answer) -> bool {
    let refused = answer.status == StatusCode::FORBIDDEN || answer.body["resource"] == "app";
    assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{answer:?}");
    !refused
}

#[tokio::test]
async fn every_request_asks_for_its_permission() {
    let (world, owner) = world_with_app().await;
    let stranger = world.user("stranger@example.com").await;
    for permission in ["view", "deploy", "operate", "manage"] {
        let user = collaborator(&world, &owner, &format!("{permission}@example.com"), &[permission]).await;
        for (method, path, body, needs) in REQUESTS {
            let path = format!("/apps/example{path}");
            // Whoever has any permission may view.
            let expected = needs.split(' ').any(|needed| needed == permission || needed == "view");
            let answer = world.send(&user, method.clone(), &path, &[], body).await;
            assert_eq!(is_open(&answer), expected, "{permission}: {method} {path} {body}: {answer:?}");
            let answer = world.send(&stranger, method.clone(), &path, &[], body).await;
            assert_eq!(answer.error(), "404 not_found: Couldn't find that app.", "{method} {path}");
        }
    }
    for (method, path, body, _) in REQUESTS {
        let path = format!("/apps/example{path}");
        assert!(is_open(&world.send(&owner, method.clone(), &path, &[], body).await), "the owner: {method} {path}");
    }
}

#[tokio::test]
async fn apps_that_a_body_names_ask_for_it_too() {
    let (world, owner) = world_with_app().await;
    let viewer = collaborator(&world, &owner, "view@example.com", &[]).await;
    let deployer = collaborator(&world, &owner, "deploy@example.com", &["deploy"]).await;
    let pipeline = world.post(&viewer, "/pipelines", json!({"name": "line"})).await.body["id"].clone();
    let couple = json!({"app": "example", "pipeline": pipeline, "stage": "staging"});
    insta::assert_snapshot!(world.post(&viewer, "/pipeline-couplings", couple.clone()).await.error(), @"403 forbidden: You need the deploy permission in example for this; you have view. Its owner dev@example.com can give it to you, and so can everybody who has the manage permission: hoist access:update.");

    let pipeline = world.post(&deployer, "/pipelines", json!({"name": "line"})).await.body["id"].clone();
    let couple = json!({"app": "example", "pipeline": pipeline, "stage": "staging"});
    let coupling = world.post(&deployer, "/pipeline-couplings", couple).await;
    assert_eq!(coupling.status, StatusCode::CREATED, "{coupling:?}");
    let path = format!("/pipeline-couplings/{}", coupling.body["id"].as_str().unwrap());
    assert_eq!(world.get(&viewer, &path).await.status, StatusCode::OK);
    assert_eq!(world.patch(&viewer, &path, json!({"stage": "production"})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.delete(&viewer, &path).await.status, StatusCode::FORBIDDEN);

    world.post(&viewer, "/apps", json!({"name": "of-viewer"})).await;
    world.post(&viewer, "/pipeline-couplings", json!({"app": "of-viewer", "pipeline": pipeline, "stage": "production"})).await;
    let promote = |from: &str, to: &str| json!({"pipeline": {"id": pipeline}, "source": {"app": {"id": from}}, "targets": [{"app": {"id": to}}]});
    for (from, to) in [("example", "of-viewer"), ("of-viewer", "example")] {
        let refused = world.post(&viewer, "/pipeline-promotions", promote(from, to)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{from} to {to}: {refused:?}");
    }
}

#[tokio::test]
async fn the_tests_of_a_pipeline_are_for_those_who_may_as_much_in_its_owners_apps() {
    let (world, owner) = world_with_app().await;
    let viewer = collaborator(&world, &owner, "view@example.com", &[]).await;
    let operator = collaborator(&world, &owner, "operate@example.com", &["operate"]).await;
    let deployer = collaborator(&world, &owner, "deploy@example.com", &["deploy"]).await;
    let line = world.post(&owner, "/pipelines", json!({"name": "line"})).await.body["id"].clone();
    world.post(&owner, "/pipeline-couplings", json!({"app": "example", "pipeline": line, "stage": "staging"})).await;
    // Whoever sees it can put an app of their own into it, and has every permission there.
    world.post(&viewer, "/apps", json!({"name": "of-viewer"})).await;
    world.post(&viewer, "/pipeline-couplings", json!({"app": "of-viewer", "pipeline": line, "stage": "production"})).await;

    let config = "/pipelines/line/stage/test/config-vars";
    let run =
        json!({"pipeline": line, "commit_branch": "main", "commit_sha": "x", "commit_message": "", "source_blob_url": "x:"});
    for (user, may_configure, may_run) in [(&viewer, false, false), (&operator, true, false), (&deployer, true, true)] {
        let email = &user.account.email;
        assert_eq!(is_open(&world.get(user, config).await), may_configure, "{email}");
        assert_eq!(is_open(&world.patch(user, config, json!({"A": "1"})).await), may_configure, "{email}");
        assert_eq!(is_open(&world.post(user, "/test-runs", run.clone()).await), may_run, "{email}");
        assert_eq!(world.get(user, "/pipelines/line/test-runs").await.status, StatusCode::OK, "{email}");
    }
    insta::assert_snapshot!(world.get(&viewer, config).await.error(), @"403 forbidden: You need the deploy or operate permission for this in an app of line that belongs to the pipeline's owner and is not a review app. The owner can give it to you: hoist access:update.");
}

fn permissions(answer: &Answer) -> Value {
    answer.body["permissions"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect()
}

#[tokio::test]
async fn permissions_are_given_and_changed() {
    let (world, owner) = world_with_app().await;
    let friend = world.user("friend@example.com").await;
    let all = "/apps/example/collaborators";
    let one = "/apps/example/collaborators/friend@example.com";
    let added = world.post(&owner, all, json!({"user": "friend@example.com"})).await;
    assert_eq!((added.status, permissions(&added)), (StatusCode::CREATED, json!(["deploy", "operate", "view"])));

    let team = world.patch(&owner, &format!("/teams{one}"), json!({"permissions": ["manage"]})).await;
    assert_eq!((team.status, permissions(&team)), (StatusCode::OK, json!(["manage", "view"])));
    assert_eq!(permissions(&world.get(&owner, one).await), json!(["manage", "view"]));
    assert_eq!(world.get(&owner, &format!("/teams{all}")).await.body, world.get(&owner, all).await.body);

    let again = world.post(&owner, all, json!({"user": "friend@example.com"})).await;
    assert_eq!(permissions(&again), json!(["manage", "view"]), "said again by a client whose connection broke");
    let other = world.post(&owner, all, json!({"user": "friend@example.com", "permissions": ["deploy"]})).await;
    insta::assert_snapshot!(other.error(), @"422 invalid_params: friend@example.com is a collaborator of example already. Update the permissions instead.");
    let unknown = world.patch(&owner, one, json!({"permissions": ["own"]})).await;
    insta::assert_snapshot!(unknown.error(), @"422 invalid_params: `own` is not a permission: use deploy, manage, operate or view");

    assert_eq!(world.patch(&friend, one, json!({"permissions": ["manage", "deploy"]})).await.status, StatusCode::OK);
    let owners = world.patch(&friend, "/apps/example/collaborators/dev@example.com", json!({"permissions": []})).await;
    insta::assert_snapshot!(owners.error(), @"422 invalid_params: dev@example.com owns example and has every permission in it.");
    assert_eq!(world.delete(&friend, "/apps/example").await.status, StatusCode::OK, "manage is enough to destroy");
}

#[tokio::test]
async fn where_a_build_has_its_code_from_is_for_those_who_may_get_it() {
    let (world, owner) = world_with_app().await;
    let viewer = collaborator(&world, &owner, "view@example.com", &[]).await;
    let source = json!({"source_blob": {"url": "https://127.0.0.1/secret.tar.gz"}});
    let made = world.post(&owner, "/apps/example/builds", source).await;
    assert_eq!(made.body["source_blob"]["url"], "https://127.0.0.1/secret.tar.gz", "{made:?}");
    for path in ["/apps/example/builds".to_owned(), format!("/apps/example/builds/{}", made.body["id"].as_str().unwrap())] {
        let told = world.get(&viewer, &path).await;
        assert_eq!(told.status, StatusCode::OK);
        assert!(!told.body.to_string().contains("secret"), "{told:?}");
    }
}

#[tokio::test]
async fn whoever_may_only_view_may_leave() {
    let (world, owner) = world_with_app().await;
    let viewer = collaborator(&world, &owner, "view@example.com", &[]).await;
    assert_eq!(world.delete(&viewer, "/apps/example/collaborators/view@example.com").await.status, StatusCode::OK);
    assert_eq!(world.get(&viewer, "/apps/example").await.status, StatusCode::NOT_FOUND);
}

#[test]
fn both_git_doors_ask_for_deploy() {
    let daemon = Daemon::start();
    let owner = daemon.user("owner@example.com");
    daemon.client(&owner, &["apps:create", "example"]);
    let tree = WorkTree::new();
    tree.commit("first");
    let push_to = |user: &harness::User, branch: &str| {
        let refspec = format!("main:refs/heads/{branch}");
        (
            tree.push(&daemon, user, "example", &[&format!("{refspec}-ssh")]),
            tree.push_http_to(&daemon, user, "example", &format!("{refspec}-http")),
        )
    };
    for permission in ["view", "operate", "manage", "deploy"] {
        let email = format!("{permission}@example.com");
        let user = daemon.user(&email);
        daemon.client(&owner, &["access:add", &email, "-p", permission, "--app", "example"]);
        let (ssh, http) = push_to(&user, permission);
        assert_eq!((ssh.ok, http.ok), (permission == "deploy", permission == "deploy"), "{permission}: {}", ssh.transcript);
        if permission != "deploy" {
            let told = "You need the deploy permission in example for this; you have";
            assert!(ssh.transcript.contains(told) && ssh.transcript.contains("owner@example.com"), "{}", ssh.transcript);
            assert!(http.transcript.contains(told), "{}", http.transcript);
        }
    }
    daemon.client(&owner, &["access:update", "view@example.com", "-p", "deploy,manage", "--app", "example"]);
    insta::assert_snapshot!(daemon.client(&owner, &["access", "--app", "example"]), @"
     email                 role           permissions
    ────────────────────────────────────────────────────────────────────
     deploy@example.com    collaborator   deploy, view
     manage@example.com    collaborator   manage, view
     operate@example.com   collaborator   operate, view
     owner@example.com     owner          deploy, manage, operate, view
     view@example.com      collaborator   deploy, manage, view
    ");
}
