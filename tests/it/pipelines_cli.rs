//! Pipelines with hoist's own client.

use hoist::model::BuildStatus;
use insta::assert_snapshot;
use serde_json::json;

use crate::api::build;
use crate::cli::Desk;

#[tokio::test]
async fn a_pipeline_from_birth_to_death() {
    let desk = Desk::new().await;
    for app in ["example", "live", "late"] {
        desk.world.post(&desk.user, "/apps", json!({ "name": app })).await;
    }
    build(&desk.world, &desk.user, BuildStatus::Succeeded).await;
    assert_snapshot!(desk.run(&["pipelines:create", "pipe", "-a", "example", "-s", "staging"]).await.all(), @r#"
    Creating pipe pipeline... done
    Adding example to pipe pipeline as staging... done
    "#);
    assert_snapshot!(desk.run(&["pipelines:add", "pipe", "-a", "live", "-s", "production"]).await.all(), @"Adding live to pipe pipeline as production... done");
    assert_snapshot!(desk.run(&["pipelines"]).await.all(), @r#"
    === My Pipelines

    pipe
    "#);
    assert_snapshot!(desk.run(&["pipelines:info", "pipe"]).await.all(), @r#"
    === pipe

    owner: dev@example.com

      app name   stage
     RULE
      example    staging
      live       production
    "#);
    assert_snapshot!(desk.run(&["pipelines:diff", "-a", "example"]).await.all(), @"example was not compared to live as live does not have any releases");
    assert_snapshot!(desk.run(&["pipelines:promote", "-a", "example"]).await.all(), @r#"
    Fetching app info...
    Fetching apps from pipe...
    Starting promotion to production...
    Waiting for promotion to complete...

    Promotion successful
    live: succeeded
    "#);
    assert_snapshot!(desk.run(&["pipelines:diff", "-a", "example"]).await.all(), @"example is up to date with live");
    assert_snapshot!(desk.run(&["pipelines:add", "pipe", "-a", "late", "-s", "development"]).await.all(), @"Adding late to pipe pipeline as development... done");
    assert_snapshot!(desk.run(&["pipelines:promote", "-a", "example", "--to", "live,late"]).await.all(), @r#"
    Fetching app info...
    Fetching apps from pipe...
    Starting promotion to apps: live, late...
    Waiting for promotion to complete...

    Promotion successful
    live: succeeded
    late: succeeded
    "#);
    assert_snapshot!(desk.run(&["pipelines:update", "-a", "late", "-s", "production"]).await.all(), @"Changing late to production... done");
    assert_snapshot!(desk.run(&["pipelines:rename", "pipe", "line"]).await.all(), @"Renaming pipe pipeline to line... done");
    assert_snapshot!(desk.run(&["pipelines:remove", "-a", "late"]).await.all(), @"Removing late from line... done");
    assert_snapshot!(desk.run(&["pipelines:destroy", "line"]).await.all(), @"Destroying line pipeline... done");
    assert_snapshot!(desk.run(&["pipelines"]).await.all(), @"=== My Pipelines");
}

#[tokio::test]
async fn promotions_that_cannot_be_are_told() {
    let desk = Desk::new().await;
    for app in ["example", "live"] {
        desk.world.post(&desk.user, "/apps", json!({ "name": app })).await;
    }
    assert_snapshot!(desk.run(&["pipelines:promote", "-a", "live"]).await.all(), @r#"
    [exit 1]
    Fetching app info...
     ›   Error: live isn't part of a pipeline, or isn't yours.
    "#);
    desk.run(&["pipelines:create", "pipe", "-a", "live", "-s", "production"]).await;
    assert_snapshot!(desk.run(&["pipelines:promote", "-a", "live"]).await.all(), @r#"
    [exit 1]
    Fetching app info...
    Fetching apps from pipe...
     ›   Error: Cannot promote live from 'production' stage
    "#);
    desk.run(&["pipelines:update", "-a", "live", "-s", "development"]).await;
    assert_snapshot!(desk.run(&["pipelines:promote", "-a", "live"]).await.all(), @r#"
    [exit 1]
    Fetching app info...
    Fetching apps from pipe...
     ›   Error: Cannot promote from live as there are no downstream apps in staging stage
    "#);
    assert_snapshot!(desk.run(&["pipelines:promote", "-a", "live", "--to", "example"]).await.all(), @r#"
    [exit 1]
    Fetching app info...
    Fetching apps from pipe...
     ›   Error: Cannot find app example in this pipeline.
    "#);
    desk.run(&["pipelines:add", "pipe", "-a", "example", "-s", "staging"]).await;
    assert_snapshot!(desk.run(&["pipelines:promote", "-a", "live"]).await.all(), @r#"
    [exit 2]
    Fetching app info...
    Fetching apps from pipe...
    Starting promotion to staging...
     ›   Error: v1 of live has no code to promote.
     ›
     ›   Error ID: invalid_params
    "#);
    assert_snapshot!(desk.run(&["pipelines:info", "none"]).await.all(), @r#"
    [exit 2]
     ›   Error: Couldn't find that pipeline.
     ›
     ›   Error ID: not_found
    "#);
    assert_snapshot!(desk.run(&["pipelines:add", "pipe", "-a", "live", "-s", "nowhere"]).await.all(), @r#"
    [exit 1]
    error: invalid value 'nowhere' for '--stage <STAGE>': `nowhere` is not a stage: use one of test, review, development, staging, production

    For more information, try '--help'.
    "#);
}
