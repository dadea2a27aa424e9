//! The ledger from a terminal.

use hoist::model::ReleaseStatus;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::diff::two_deploys;
use super::{Code, create_app, deploy, happen};
use crate::cli::Desk;

#[tokio::test]
async fn rolling_back_in_herokus_words() {
    let desk = Desk::new().await;
    let (world, user) = (&desk.world, &desk.user);
    let app = create_app(world, user, "example").await;
    let run = async |args: &[&str]| desk.run(&[args, &["-a", "example"]].concat()).await.all();
    assert_snapshot!(run(&["rollback"]).await, @r"
    [exit 1]
     ›   Error: There is no earlier release to roll back to.
    ");
    for commit in ['a', 'b', 'c', 'd'] {
        deploy(world, user, app, Code::of(commit)).await;
    }
    happen(world, app, 4, ReleaseStatus::Failed).await;
    assert_snapshot!(run(&["rollback"]).await, @r"
    Rolling back example to v3... done, v6
     ›   Warning: Rollback affects code and config vars; it doesn't add or remove addons.
     ›   Warning: To undo, run: hoist rollback v5
    ");
    assert_snapshot!(run(&["releases:rollback", "v2"]).await, @r"
    Rolling back example to v2... done, v7
     ›   Warning: Rollback affects code and config vars; it doesn't add or remove addons.
     ›   Warning: To undo, run: hoist rollback v6
    ");
    assert_snapshot!(run(&["rollback", "4"]).await, @r"
    [exit 2]
    Rolling back example to v4... !
     ›   Error: Cannot roll back to v4: it failed. Name one that succeeded.
     ›
     ›   Error ID: invalid_params
    ");
    assert_snapshot!(run(&["rollback", "v99"]).await, @r"
    [exit 2]
     ›   Error: Couldn't find that release.
     ›
     ›   Error ID: not_found
    ");
}

#[tokio::test]
async fn a_blocked_release_is_passed_over() {
    let desk = Desk::new().await;
    let (world, user) = (&desk.world, &desk.user);
    let app = create_app(world, user, "example").await;
    for commit in ['a', 'b', 'c'] {
        deploy(world, user, app, Code::of(commit)).await;
    }
    let run = async |args: &[&str]| desk.run(&[args, &["-a", "example"]].concat()).await.all();
    assert_snapshot!(run(&["releases:block", "v3", "--reason", "loses orders"]).await, @"Blocking v3 of example... done");
    assert_snapshot!(run(&["releases:block", "v4", "--reason", "is slow"]).await, @r"
    Blocking v4 of example... done
     ›   Warning: It is the current release and goes on running. To leave it, run: hoist rollback
    ");
    assert_snapshot!(run(&["releases:block", "v4", "--reason", "is fast"]).await, @r"
    [exit 2]
    Blocking v4 of example... !
     ›   Error: This release is blocked already, which can't be changed: is slow
     ›
     ›   Error ID: invalid_params
    ");
    assert_snapshot!(run(&["rollback", "v3"]).await, @r"
    [exit 2]
    Rolling back example to v3... !
     ›   Error: Cannot roll back to v3: it is blocked (loses orders). Name another one.
     ›
     ›   Error ID: invalid_params
    ");
    assert_snapshot!(run(&["rollback"]).await, @r"
    Rolling back example to v2... done, v5
     ›   Warning: Rollback affects code and config vars; it doesn't add or remove addons.
     ›   Warning: To undo, run: hoist rollback v4
    ");
    assert_snapshot!(run(&["releases"]).await, @r"
    === example Releases - Current: v5

      v    description                       user              created_at
     RULE
      v5   Rollback to v2                    dev@example.com   TIME
      v4   Deploy cccccccc release blocked   dev@example.com   TIME
      v3   Deploy bbbbbbbb release blocked   dev@example.com   TIME
      v2   Deploy aaaaaaaa                   dev@example.com   TIME
      v1   Initial release                   dev@example.com   TIME
    ");
    let info = run(&["releases:info", "v3"]).await;
    assert!(info.contains("Blocked:                loses orders\n") && info.contains("Eligible for Rollback?: No\n"), "{info}");
}

#[tokio::test]
async fn retrying_needs_a_release_command() {
    let desk = Desk::new().await;
    let (world, user) = (&desk.world, &desk.user);
    let app = create_app(world, user, "example").await;
    let run = async || desk.run(&["releases:retry", "-a", "example"]).await.all();
    assert_snapshot!(run().await, @r"
    [exit 2]
     ›   Error: App must have a release-phase command to use this command.
    ");
    deploy(world, user, app, Code::of('a')).await;
    assert_snapshot!(run().await, @r"
    [exit 2]
     ›   Error: App must have a release-phase command to use this command.
    ");
    deploy(world, user, app, Code { process_types: &[("release", "rake db:migrate")], ..Code::of('b') }).await;
    // What becomes of the command is shown where there is a stack to run it in: `release_phase_causes`.
    let retried = run().await;
    assert!(retried.contains("Retrying v3 on example... done, v4\n"), "{retried}");
    let newest = world.get(user, "/apps/example/releases/4").await.body;
    assert_eq!(newest["description"], "Retry of v3: Deploy bbbbbbbb");
}

#[tokio::test]
async fn the_ledgers_proof() {
    let desk = Desk::new().await;
    let (world, user) = (&desk.world, &desk.user);
    let app = create_app(world, user, "example").await;
    deploy(world, user, app, Code::of('a')).await;
    let head = world.get(user, "/apps/example/releases/verification").await.body["head"].as_str().unwrap().to_owned();
    let run = async |args: &[&str]| desk.run(&[args, &["-a", "example"]].concat()).await;
    assert_snapshot!(run(&["releases:verify"]).await.all().replace(&head, "HASH"), @r"
    === example Ledger

    Releases: 2
    Head:     HASH

    Every release is as it was appended.
    ");
    let mut tx = world.ctx.db.write().await.unwrap();
    sqlx::query("DROP TRIGGER releases_no_update").execute(&mut *tx).await.unwrap();
    sqlx::query("UPDATE releases SET description = 'x' WHERE version = 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_snapshot!(run(&["releases:verify"]).await.all().replace(&head, "HASH"), @r"
    [exit 1]
     ›   Error: The ledger of example was changed in 1 place.
    === example Ledger

    Releases: 2
    Head:     HASH

    v1 is not as it was appended: it, or the record of its slug or image, was changed.
    ");
    let json = run(&["releases:verify", "--json"]).await;
    assert_eq!(json.code, 1);
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["broken"][0]["version"], 1);
}

#[tokio::test]
async fn comparing_two_releases() {
    let desk = Desk::new().await;
    two_deploys(&desk.world, &desk.user).await;
    let run = async |args: &[&str]| desk.run(&[&["releases:diff"], args, &["-a", "example"]].concat()).await;
    assert_snapshot!(run(&["v3", "v5"]).await.all(), @r"
    === example v3..v5

    Commits: aaaaaaaa..bbbbbbbb
    Stack:   debian-12 (unchanged)

    === Config Vars

    + NEW
    - GONE
    ~ OTHER

    === Process Types

    + worker: node worker.js
    ~ web: node server.js --fast

    === Files

    + new\u{1b}[2J
    - old
    ~ server.js
    ");
    assert_snapshot!(run(&["v3", "v4"]).await.all(), @r"
    === example v3..v4

    Commits: aaaaaaaa (unchanged)
    Stack:   debian-12 (unchanged)

    === Config Vars

    + NEW
    - GONE
    ~ OTHER
    ");
    let json: Value = serde_json::from_str(&run(&["2", "5", "--json"]).await.stdout).unwrap();
    assert_eq!(json["config"]["added"], json!(["NEW", "OTHER", "SAME"]));
    assert_snapshot!(run(&["v3", "v9"]).await.all(), @r"
    [exit 2]
     ›   Error: Couldn't find that release.
     ›
     ›   Error ID: not_found
    ");
    assert_snapshot!(desk.run(&["releases:blok"]).await.all(), @r"
    [exit 1]
    error: unrecognized subcommand 'releases:blok'

      tip: a similar subcommand exists: 'releases:block'

    Usage: hoist <COMMAND>

    For more information, try '--help'.
    ");
}
