//! Pipelines that get another owner: over the API, and with hoist's own client.

use axum::http::StatusCode;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api_world::{Answer, User, World};
use crate::cli::Desk;

/// Alice with the pipeline `pipe` and in it the app `shop`, on which Bob works; Carol has nothing to do with them.
async fn world() -> (World, [User; 3], Value) {
    let world = World::new().await;
    let [alice, bob, carol] =
        [world.user("alice@example.com").await, world.user("bob@example.com").await, world.user("carol@example.com").await];
    world.post(&alice, "/apps", json!({"name": "shop"})).await;
    let pipeline = world.post(&alice, "/pipelines", json!({"name": "pipe"})).await.body;
    let coupling = json!({"app": "shop", "pipeline": pipeline["id"], "stage": "staging"});
    world.post(&alice, "/pipeline-couplings", coupling).await;
    world.post(&alice, "/apps/shop/collaborators", json!({"user": "bob@example.com"})).await;
    (world, [alice, bob, carol], pipeline)
}

async fn transfer(world: &World, by: &User, pipeline: &Value, to: &User) -> Answer {
    let new_owner = json!({"id": to.account.id.to_string(), "type": "user"});
    world.post(by, "/pipeline-transfers", json!({"pipeline": {"id": pipeline["id"]}, "new_owner": new_owner})).await
}

#[tokio::test]
async fn the_owner_gives_a_pipeline_to_somebody_they_work_with() {
    let (world, [alice, bob, carol], pipeline) = world().await;
    let path = format!("/pipelines/{}", pipeline["id"].as_str().unwrap());
    let owner = async |user| world.get(user, &path).await.body["owner"]["id"].clone();
    let refused = transfer(&world, &bob, &pipeline, &bob).await.error();
    assert_eq!(refused, "403 forbidden: Only the owner of the pipeline pipe can do this.");
    assert_eq!(transfer(&world, &carol, &pipeline, &carol).await.error(), "404 not_found: Couldn't find that pipeline.");
    assert_eq!(transfer(&world, &alice, &pipeline, &carol).await.error(), "404 not_found: Couldn't find that user.");
    let team = json!({"pipeline": {"id": pipeline["id"]}, "new_owner": {"id": bob.account.id.to_string(), "type": "team"}});
    let team = world.post(&alice, "/pipeline-transfers", team).await.error();
    assert_eq!(team, "422 invalid_params: A pipeline here is owned by a user; there are no teams.");
    world.post(&bob, "/pipelines", json!({"name": "pipe"})).await;
    let taken = transfer(&world, &alice, &pipeline, &bob).await.error();
    assert_eq!(taken, "422 invalid_params: bob@example.com owns a pipeline of the name pipe already. Rename this one first.");
    assert_eq!(owner(&alice).await, alice.account.id.to_string(), "nothing has changed");

    world.patch(&alice, &path, json!({"name": "line"})).await;
    let done = transfer(&world, &alice, &pipeline, &bob).await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert!(done.header("x-heroku-warning").unwrap().starts_with("The apps in the pipeline stay with their owners"));
    let of = |user: &User| json!({"id": user.account.id.to_string(), "type": "user"});
    let expected = json!({"pipeline": {"id": pipeline["id"]}, "previous_owner": of(&alice), "new_owner": of(&bob)});
    assert_eq!(done.body, expected);
    assert_eq!(owner(&bob).await, bob.account.id.to_string());
    assert_eq!(world.get(&alice, "/apps/shop").await.body["owner"]["email"], "alice@example.com");
    // It is not hers to give any more.
    assert_eq!(transfer(&world, &alice, &pipeline, &alice).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn users_are_known_to_those_whom_they_work_with() {
    let (world, [alice, bob, carol], pipeline) = world().await;
    let known = async |by: &User, of: &User| {
        let by_address = world.get(by, &format!("/users/{}", of.account.email)).await;
        let by_id = world.get(by, &format!("/users/{}", of.account.id)).await;
        assert_eq!(by_address.body, by_id.body);
        by_address.body
    };
    let shown = json!({"id": bob.account.id.to_string(), "email": "bob@example.com"});
    assert_eq!(known(&alice, &bob).await, shown);
    assert_eq!(known(&bob, &alice).await["email"], "alice@example.com");
    let unknown = known(&alice, &carol).await;
    assert_eq!(unknown, world.get(&alice, "/users/nobody@example.com").await.body);
    assert_eq!(unknown["id"], "not_found");
    // By way of the pipeline, in which Carol's app is.
    world.post(&carol, "/apps", json!({"name": "theirs"})).await;
    world.post(&carol, "/apps/theirs/collaborators", json!({"user": "alice@example.com"})).await;
    assert_eq!(known(&bob, &carol).await["id"], "not_found");
    let coupling = json!({"app": "theirs", "pipeline": pipeline["id"], "stage": "production"});
    assert_eq!(world.post(&alice, "/pipeline-couplings", coupling).await.status, StatusCode::CREATED);
    assert_eq!(known(&bob, &carol).await["email"], "carol@example.com");
}

#[tokio::test]
async fn a_transfer_with_hoists_own_client() {
    let desk = Desk::new().await;
    desk.world.post(&desk.user, "/apps", json!({"name": "shop"})).await;
    desk.world.user("bob@example.com").await;
    desk.run(&["pipelines:create", "pipe", "-a", "shop", "-s", "staging"]).await;
    let transfer = ["pipelines:transfer", "bob@example.com", "-p", "pipe", "-c", "pipe"];
    assert_snapshot!(desk.run(&transfer).await.all(), @r"
    [exit 2]
     ›   Error: Couldn't find that user.
     ›
     ›   Error ID: not_found
    ");
    desk.run(&["access:add", "bob@example.com", "-a", "shop"]).await;
    assert_snapshot!(desk.run(&transfer[..4]).await.all(), @r"
    [exit 1]
     ›   Error: This transfers pipe to the bob@example.com account; its apps stay with their owners. Re-run the command with --confirm pipe
    ");
    assert_snapshot!(desk.run(&transfer).await.all(), @r"
    Transferring pipe pipeline to the bob@example.com account... done
     ›   Warning: The apps in the pipeline stay with their owners, who can let others work on them with access:add.
    ");
    assert_snapshot!(desk.run(&["pipelines:info", "pipe"]).await.all(), @r"
    === pipe

    owner: bob@example.com

      app name   stage
     RULE
      shop       staging
    ");
}
