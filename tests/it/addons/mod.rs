//! Add-ons on real servers: what is made there and for whom (`postgresql`, `redis`), what the ledger says (`ledger`), the
//! API's shapes (`api`), what happens when something is cut off (`crash`), and hoist's own commands (`commands`).

mod api;
mod commands;
mod crash;
mod events;
mod ledger;
mod postgresql;
mod redis;

use std::process::Command;

use axum::http::StatusCode;
use hoist::model::AppId;
use serde_json::{Value, json};

use crate::api_world::{Answer, User, World};
use crate::harness::{Redis, postgresql as postgresql_url};
use crate::ledger::create_app;

/// `[addons]` with the shared PostgreSQL server and a Redis server.
pub(crate) fn config(redis: &Redis) -> String {
    format!("[addons]\npostgresql_url = \"{}\"\nredis_url = \"{}\"\n", postgresql_url(), redis.url())
}

/// An installation that offers PostgreSQL, with a user and the app `example`.
async fn postgresql_world() -> (World, User, AppId) {
    world_of(&format!("[addons]\npostgresql_url = \"{}\"\n", postgresql_url())).await
}

async fn world_of(config: &str) -> (World, User, AppId) {
    let world = World::configured(config, None).await;
    let user = world.user("dev@example.com").await;
    let app = create_app(&world, &user, "example").await;
    (world, user, app)
}

/// Creates an add-on, which must succeed.
async fn create(world: &World, user: &User, app: &str, new: Value) -> Value {
    let made = world.post(user, &format!("/apps/{app}/addons"), new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
    made.body
}

/// The value of a config var of an app.
async fn var(world: &World, user: &User, app: &str, name: &str) -> String {
    let vars = world.get(user, &format!("/apps/{app}/config-vars")).await.body;
    vars[name].as_str().unwrap_or_else(|| panic!("{name} is not set on {app}")).to_owned()
}

/// `vN DESCRIPTION` of an app's releases, oldest first.
async fn releases(world: &World, user: &User, app: &str) -> String {
    let list = world.get(user, &format!("/apps/{app}/releases")).await.body;
    let line = |release: &Value| format!("v{} {}\n", release["version"], release["description"].as_str().unwrap());
    list.as_array().unwrap().iter().map(line).collect()
}

/// Attaches an add-on to an app.
async fn attach(world: &World, user: &User, app: &str, more: Value) -> Answer {
    let mut body = json!({"app": app});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.post(user, "/addon-attachments", body).await
}

/// What `psql` prints for a statement, as the user that the address tells, or why it could not.
pub(crate) fn psql(url: &str, statement: &str) -> Result<String, String> {
    let mut psql = Command::new("psql");
    ran(psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement]))
}

/// What `redis-cli` prints for a command, likewise.
pub(crate) fn redis_cli(url: &str, words: &[&str]) -> Result<String, String> {
    let printed = ran(Command::new("redis-cli").args(["--no-auth-warning", "-e", "-u", url]).args(words))?;
    Ok(printed)
}

fn ran(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr) + &text(&output.stdout)) }
}
