//! PostgreSQL add-ons, used by the real client.

use serde_json::json;

use super::{create, postgresql_url, postgresql_world, psql, var};

#[tokio::test]
async fn the_address_that_an_app_is_told_is_that_of_a_database_of_its_own() {
    let (world, user, _) = postgresql_world().await;
    create(&world, &user, "example", json!({"plan": "heroku-postgresql:essential-0"})).await;
    let url = var(&world, &user, "example", "DATABASE_URL").await;
    psql(&url, "CREATE SCHEMA mine; CREATE TABLE mine.notes (text text); INSERT INTO mine.notes VALUES ('kept')").unwrap();
    assert_eq!(psql(&url, "SELECT text FROM mine.notes"), Ok("kept".into()));
    psql(&url, "CREATE TABLE public_too (n int)").unwrap();
    assert_eq!(psql(&url, "SHOW server_encoding"), Ok("UTF8".into()));
    let refused = psql(&url, "CREATE DATABASE more").unwrap_err();
    assert!(refused.contains("permission denied to create database"), "{refused}");
}

#[tokio::test]
async fn no_add_on_reads_another_ones_data() {
    let (world, user, _) = postgresql_world().await;
    let mut urls = Vec::new();
    for attachment in ["ONE", "TWO"] {
        create(&world, &user, "example", json!({"plan": "hoist-postgresql", "attachment": {"name": attachment}})).await;
        urls.push(var(&world, &user, "example", &format!("{attachment}_URL")).await);
    }
    psql(&urls[0], "CREATE TABLE notes (text text)").unwrap();
    let database = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    let into = |url: &str, name: &str| format!("{}/{name}", url.rsplit_once('/').unwrap().0);
    for other in [&database(&urls[0]), "postgres", "template1"] {
        let refused = psql(&into(&urls[1], other), "SELECT * FROM notes").unwrap_err();
        assert!(refused.contains("permission denied for database"), "{other}: {refused}");
    }
    let refused = psql(&urls[1], &format!("SET ROLE {}", database(&urls[0]))).unwrap_err();
    assert!(refused.contains("permission denied to set role"), "{refused}");
    assert!(psql(&urls[1], "SELECT * FROM pg_authid").is_err(), "nor anybody's password");
}

#[tokio::test]
async fn a_destroyed_add_on_leaves_nothing_on_the_server() {
    let (world, user, _) = postgresql_world().await;
    let addon = create(&world, &user, "example", json!({"plan": "hoist-postgresql"})).await;
    let url = var(&world, &user, "example", "DATABASE_URL").await;
    let name = url.rsplit('/').next().unwrap().to_owned();
    let left = format!(
        "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = '{name}') + (SELECT count(*) FROM pg_database WHERE datname = '{name}')"
    );
    assert_eq!(psql(&postgresql_url(), &left), Ok("2".into()));
    let gone = world.delete(&user, &format!("/apps/example/addons/{}", addon["name"].as_str().unwrap())).await;
    assert_eq!(gone.body["state"], "deprovisioned", "{:?}", gone.body);
    assert_eq!(psql(&postgresql_url(), &left), Ok("0".into()));
    assert!(psql(&url, "SELECT 1").is_err());
}

#[tokio::test]
async fn a_new_password_locks_the_old_one_out() {
    let (world, user, _) = postgresql_world().await;
    let addon = create(&world, &user, "example", json!({"plan": "hoist-postgresql"})).await;
    let old = var(&world, &user, "example", "DATABASE_URL").await;
    psql(&old, "CREATE TABLE notes (text text)").unwrap();
    let path = format!("/apps/example/addons/{}/actions/rotate-credentials", addon["id"].as_str().unwrap());
    assert_eq!(world.post(&user, &path, json!({})).await.status, 200);
    let new = var(&world, &user, "example", "DATABASE_URL").await;
    assert_eq!(psql(&new, "SELECT count(*) FROM notes"), Ok("0".into()));
    let refused = psql(&old, "SELECT 1").unwrap_err();
    assert!(refused.contains("password authentication failed"), "{refused}");
}

#[tokio::test]
async fn apps_are_told_the_public_address() {
    let config =
        format!("[addons]\npostgresql_url = \"{}\"\npostgresql_public_address = \"db.example.com:6000\"\n", postgresql_url());
    let (world, user, _) = super::world_of(&config).await;
    create(&world, &user, "example", json!({"plan": "hoist-postgresql"})).await;
    let url = var(&world, &user, "example", "DATABASE_URL").await;
    assert!(url.contains("@db.example.com:6000/hoist_"), "{url}");
}

#[tokio::test]
async fn hoist_needs_no_superuser() {
    let root = postgresql_url();
    psql(&root, "CREATE ROLE helper LOGIN CREATEDB CREATEROLE PASSWORD 'pw'").unwrap();
    psql(&root, "CREATE DATABASE helper OWNER helper").unwrap();
    let address = root.rsplit_once('@').unwrap().1.replace("/postgres", "/helper");
    let config = format!("[addons]\npostgresql_url = \"postgres://helper:pw@{address}\"\n");
    let (world, user, _) = super::world_of(&config).await;
    create(&world, &user, "example", json!({"plan": "hoist-postgresql", "name": "helped-db"})).await;
    let url = var(&world, &user, "example", "DATABASE_URL").await;
    psql(&url, "CREATE TABLE notes (text text)").unwrap();
    let path = "/apps/example/addons/helped-db";
    assert_eq!(world.post(&user, &format!("{path}/actions/rotate-credentials"), json!({})).await.status, 200);
    assert_eq!(world.delete(&user, path).await.status, 200);
    let left = psql(&root, "SELECT count(*) FROM pg_database WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = 'helper')");
    assert_eq!(left, Ok("1".into()), "its own");
    let name = url.rsplit('/').next().unwrap();
    assert_eq!(psql(&root, &format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")), Ok("0".into()));
}
