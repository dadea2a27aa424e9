//! A ledger that somebody changes behind its back.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Code, create_app, deploy, release_image};
use crate::api_world::{User, World};

async fn world() -> (World, User) {
    let world = World::new().await;
    let user = world.user("dev@example.com").await;
    let app = create_app(&world, &user, "example").await;
    for commit in ['a', 'b', 'c', 'd'] {
        deploy(&world, &user, app, Code::of(commit)).await;
    }
    (world, user)
}

/// Runs statements that hoist never would.
async fn sql(world: &World, statements: &[&'static str]) {
    let mut tx = world.ctx.db.write().await.unwrap();
    for statement in statements {
        sqlx::query(*statement).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn sql_text(world: &World, statement: String) {
    let mut tx = world.ctx.db.write().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// What the API says after the triggers were taken away and the statement was run.
async fn found_after(statement: &'static str) -> String {
    let (world, user) = world().await;
    let triggers = ["DROP TRIGGER releases_no_update", "DROP TRIGGER releases_no_delete", "DROP TRIGGER slugs_no_update"];
    sql(&world, &triggers).await;
    sql(&world, &[statement]).await;
    let found = world.get(&user, "/apps/example/releases/verification").await.body;
    let list = found["broken"].as_array().unwrap();
    assert_eq!(found["valid"], list.is_empty());
    list.iter().map(|broken| broken["message"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_whole_ledger_is_said_to_be_whole() {
    let (world, user) = world().await;
    let found = world.get(&user, "/apps/example/releases/verification").await;
    let head = found.body["head"].as_str().unwrap().to_owned();
    assert_snapshot!(found.normal().replace(&head, "HASH"), @r#"
    {
      "broken": [],
      "head": "HASH",
      "left_out": 0,
      "releases": 5,
      "valid": true
    }
    "#);
    world.patch(&user, "/apps/example/config-vars", json!({"A": "1"})).await;
    let next = world.get(&user, "/apps/example/releases/verification").await.body;
    assert_eq!((&next["valid"], &next["releases"]), (&json!(true), &json!(6)));
    assert_ne!(next["head"], head, "the head stands for all that came before");
    let stranger = world.user("stranger@example.com").await;
    let theirs = world.get(&stranger, "/apps/example/releases/verification").await;
    assert_eq!(theirs.error(), "404 not_found: Couldn't find that app.");
}

#[tokio::test]
async fn the_database_itself_refuses_changes() {
    let (world, _) = world().await;
    for statement in ["UPDATE releases SET description = 'x'", "DELETE FROM releases", "UPDATE slugs SET digest = 'x'"] {
        let mut tx = world.ctx.db.write().await.unwrap();
        let error = sqlx::query(statement).execute(&mut *tx).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn a_changed_row_is_found_and_named() {
    let changed = "v3 is not as it was appended: it, or the record of its slug or image, was changed.";
    for statement in [
        "UPDATE releases SET description = 'Deploy 00000000' WHERE version = 3",
        "UPDATE releases SET config = (SELECT config FROM releases WHERE version = 1) WHERE version = 3",
        "UPDATE releases SET slug_id = (SELECT slug_id FROM releases WHERE version = 2) WHERE version = 3",
        "UPDATE releases SET created_at = created_at + 1 WHERE version = 3",
        "UPDATE releases SET commit_id = 'no commit' WHERE version = 3",
        "UPDATE releases SET description = x'ff' WHERE version = 3",
        "UPDATE releases SET hash = 'sha256:00' WHERE version = 3",
        "UPDATE releases SET previous_hash = 'sha256:00' WHERE version = 3",
        "UPDATE releases SET config = 'not even bytes' WHERE version = 3",
        "UPDATE releases SET addons = '[{}]' WHERE version = 3",
        "UPDATE slugs SET digest = 'sha256:00' WHERE id = (SELECT slug_id FROM releases WHERE version = 3)",
        "UPDATE slugs SET process_types = '{}' WHERE id = (SELECT slug_id FROM releases WHERE version = 3)",
    ] {
        assert_eq!(found_after(statement).await, changed, "{statement}");
    }
}

#[tokio::test]
async fn a_changed_image_is_found_and_named() {
    let image = "WHERE id = (SELECT oci_image_id FROM releases WHERE version = 6)";
    let web = "WHERE process_type = 'web' AND oci_image_id = (SELECT oci_image_id FROM releases WHERE version = 6)";
    for change in [
        format!("UPDATE oci_images SET commit_id = 'no commit' {image}"),
        format!("UPDATE oci_images SET app_id = (SELECT id FROM apps WHERE name = 'other') {image}"),
        format!("UPDATE oci_image_process_types SET digest = (SELECT digest FROM manifests ORDER BY digest DESC LIMIT 1) {web}"),
        format!("UPDATE oci_image_process_types SET image_id = x'ff' {web}"),
        format!("UPDATE oci_image_process_types SET command = '' {web}"),
        format!("UPDATE oci_image_process_types SET run = 'true' {web}"),
        format!("UPDATE oci_image_process_types SET working_dir = '/tmp' {web}"),
        format!("DELETE FROM oci_image_process_types {web}"),
        "UPDATE releases SET oci_image_id = NULL WHERE version = 6".to_owned(),
        "UPDATE releases SET oci_image_id = (SELECT oci_image_id FROM releases WHERE version = 7) WHERE version = 6".to_owned(),
    ] {
        let (world, user) = world().await;
        let app = world.get(&user, "/apps/example").await.body["id"].as_str().unwrap().parse().unwrap();
        create_app(&world, &user, "other").await;
        release_image(&world, &user, app, &[("web", "serve"), ("worker", "work")]).await;
        release_image(&world, &user, app, &[("web", "serve -v")]).await;
        assert_eq!(faults(&world, &user).await, [""; 0]);
        for (table, verb) in
            [("oci_images", "update"), ("oci_image_process_types", "update"), ("oci_image_process_types", "delete")]
        {
            sql_text(&world, format!("DROP TRIGGER {table}_no_{verb}")).await;
        }
        sql(&world, &["DROP TRIGGER releases_no_update"]).await;
        sql_text(&world, change.clone()).await;
        let changed = "v6 is not as it was appended: it, or the record of its slug or image, was changed.";
        assert_eq!(faults(&world, &user).await, [changed], "{change}");
    }
}

#[tokio::test]
async fn the_database_itself_refuses_changes_of_images() {
    let (world, user) = world().await;
    let app = world.get(&user, "/apps/example").await.body["id"].as_str().unwrap().parse().unwrap();
    release_image(&world, &user, app, &[("web", "serve")]).await;
    for statement in [
        "UPDATE oci_images SET commit_id = 'x'",
        "DELETE FROM oci_images",
        "UPDATE oci_image_process_types SET digest = 'x'",
        "DELETE FROM oci_image_process_types",
        "INSERT INTO oci_image_process_types SELECT oci_image_id, app_id, 'late', digest, image_id, run, command, working_dir FROM oci_image_process_types",
    ] {
        let mut tx = world.ctx.db.write().await.unwrap();
        let error = sqlx::query(statement).execute(&mut *tx).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn what_became_of_a_release_can_t_be_changed_unseen() {
    let release = "release_id = (SELECT id FROM releases WHERE version = 3)";
    for change in [
        format!("UPDATE release_events SET status = 'failed' WHERE {release}"),
        format!("UPDATE release_events SET hash = NULL, status = 'failed' WHERE {release}"),
        format!("UPDATE release_events SET reason = 'it was late' WHERE {release}"),
        format!("UPDATE release_events SET created_at = x'ff' WHERE {release}"),
        format!("DELETE FROM release_events WHERE {release}"),
    ] {
        let (world, user) = world().await;
        change_events(&world, &change).await;
        assert_eq!(faults(&world, &user).await, ["What became of v3 is not what was recorded."], "{change}");
    }
}

#[tokio::test]
async fn a_block_can_t_be_changed_unseen() {
    for change in ["reason = 'is fine'", "hash = NULL", "created_at = 0"] {
        let (world, user) = world().await;
        world.post(&user, "/apps/example/releases/3/block", json!({"reason": "leaks memory"})).await;
        assert_eq!(faults(&world, &user).await, [""; 0]);
        change_events(&world, &format!("UPDATE release_blocks SET {change}")).await;
        assert_eq!(faults(&world, &user).await, ["The block of v3 is not what was recorded."], "{change}");
    }
}

/// Changes what happened to releases, after the triggers were taken away.
async fn change_events(world: &World, statement: &str) {
    let mut tx = world.ctx.db.write().await.unwrap();
    for trigger in ["release_events_no_update", "release_events_no_delete", "release_blocks_no_update"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"))).execute(&mut *tx).await.unwrap();
    }
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn faults(world: &World, user: &User) -> Vec<String> {
    let found = world.get(user, "/apps/example/releases/verification").await.body;
    let message = |broken: &Value| broken["message"].as_str().unwrap().to_owned();
    found["broken"].as_array().unwrap().iter().map(message).collect()
}

#[tokio::test]
async fn a_row_that_is_gone_is_found_and_named() {
    let (world, user) = world().await;
    sql(&world, &["DROP TRIGGER releases_no_delete", "DROP TRIGGER release_events_no_delete"]).await;
    sql(
        &world,
        &[
            "DELETE FROM release_events WHERE release_id IN (SELECT id FROM releases WHERE version IN (2, 3))",
            "DELETE FROM releases WHERE version IN (2, 3)",
        ],
    )
    .await;
    let found = world.get(&user, "/apps/example/releases/verification").await.body;
    assert_eq!(found["broken"], json!([{"version": 2, "fault": "missing", "message": "v2 to v3 are missing."}]));
}
