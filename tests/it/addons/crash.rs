//! Changes that were cut off, between any two of their steps, and what is made of them at the next start.

use hoist::addons;
use hoist::db;
use hoist::deploy::settle_addons;
use hoist::model::{Addon, AddonId, AddonState, Plan, Secret, Service};
use hoist::release::{self, NewAttachment, Taken};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{config, create, postgresql_url, postgresql_world, psql, redis_cli, releases, var};
use crate::api_world::{User, World};
use crate::harness::{Daemon, Redis, until};

/// Records an add-on that is to be made, as far as that goes.
async fn announce(world: &World, user: &User) -> (Addon, Secret) {
    let ctx = &world.ctx;
    let app = db::apps::by_name(&mut ctx.db.read().await.unwrap(), &"example".parse().unwrap()).await.unwrap().unwrap();
    let (at, by) = (ctx.now(), user.account.id);
    let addon = Addon {
        id: AddonId::new(),
        name: "cut-db".parse().unwrap(),
        app: app.id,
        plan: Plan(Service::Postgresql),
        state: AddonState::Provisioning,
        slot: None,
        created_at: at,
        updated_at: at,
    };
    let place = ctx.addons.find_place(&addon, &[]).await.unwrap();
    let attachment = NewAttachment { app, by, name: None, taken: Taken::Refuse, at };
    release::announce_addon(&ctx.db, &addon, &place.url, &attachment).await.unwrap();
    (addon, place.url)
}

async fn addon(world: &World, user: &User) -> Addon {
    db::addons::visible_to(&mut world.ctx.db.read().await.unwrap(), user.account.id).await.unwrap().remove(0)
}

async fn unsettled(world: &World) -> usize {
    db::addons::unsettled(&mut world.ctx.db.read().await.unwrap()).await.unwrap().len()
}

#[tokio::test]
async fn an_add_on_that_was_asked_for_is_made() {
    for was_made in [false, true] {
        let (world, user, _) = postgresql_world().await;
        let (addon, url) = announce(&world, &user).await;
        if was_made {
            world.ctx.addons.provision(&addon, &url).await.unwrap();
        }
        assert_eq!(world.get(&user, "/addons/cut-db").await.body["state"], "provisioning");
        assert_eq!(world.get(&user, "/apps/example/config-vars").await.body, json!({}), "no release tells of it yet");
        settle_addons(&world.ctx).await.unwrap();
        assert_eq!(world.get(&user, "/addons/cut-db").await.body["state"], "provisioned");
        assert_eq!(psql(&var(&world, &user, "example", "DATABASE_URL").await, "SELECT 1"), Ok("1".into()));
        let expected = [
            "v1 Initial release\n",
            "v2 Attach DATABASE (@ref:cut-db)\n",
            "v3 @ref:cut-db completed provisioning, setting DATABASE_URL.\n",
        ];
        assert_eq!(releases(&world, &user, "example").await, expected.concat());
        settle_addons(&world.ctx).await.unwrap();
        assert_eq!(unsettled(&world).await, 0);
    }
}

#[tokio::test]
async fn a_name_is_kept_for_an_add_on_that_is_being_made() {
    let (world, user, _) = postgresql_world().await;
    announce(&world, &user).await;
    let refused = world.patch(&user, "/apps/example/config-vars", json!({"DATABASE_URL": "mine"})).await;
    assert_eq!(refused.error(), "422 invalid_params: Cannot overwrite attachment values DATABASE_URL.");
    assert_eq!(world.delete(&user, "/apps/example/addons/cut-db").await.body["state"], "deprovisioned");
    assert_eq!(releases(&world, &user, "example").await, "v1 Initial release\n", "it was never attached");
    assert_eq!(unsettled(&world).await, 0);
}

#[tokio::test]
async fn an_add_on_that_was_destroyed_is_removed() {
    let (world, user, _) = postgresql_world().await;
    create(&world, &user, "example", json!({"plan": "hoist-postgresql"})).await;
    let url = var(&world, &user, "example", "DATABASE_URL").await;
    let addon = addon(&world, &user).await;
    release::destroy_addon(&world.ctx.db, &addon, user.account.id, world.ctx.now()).await.unwrap();
    assert_eq!(world.get(&user, "/addons").await.body, json!([]));
    assert!(psql(&url, "SELECT 1").is_ok(), "it is still there");
    settle_addons(&world.ctx).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(psql(&postgresql_url(), &count), Ok("0".into()));
    assert_eq!(unsettled(&world).await, 0);
}

#[tokio::test]
async fn a_password_that_was_to_be_changed_is_changed() {
    for was_changed in [false, true] {
        let (world, user, _) = postgresql_world().await;
        create(&world, &user, "example", json!({"plan": "hoist-postgresql"})).await;
        let old = var(&world, &user, "example", "DATABASE_URL").await;
        let addon = addon(&world, &user).await;
        let next = addons::renewed(&Secret::new(&*old));
        release::announce_rotation(&world.ctx.db, &addon, user.account.id, &next).await.unwrap();
        if was_changed {
            world.ctx.addons.provision(&addon, &next).await.unwrap();
        }
        settle_addons(&world.ctx).await.unwrap();
        assert_eq!(var(&world, &user, "example", "DATABASE_URL").await, next.expose());
        assert!(psql(next.expose(), "SELECT 1").is_ok() && psql(&old, "SELECT 1").is_err());
        assert!(releases(&world, &user, "example").await.ends_with("v4 Update DATABASE by hoist-postgresql\n"));
        assert_eq!(unsettled(&world).await, 0);
    }
}

#[test]
fn a_kill_while_a_server_is_asked_loses_nothing() {
    let redis = Redis::start();
    let info = redis_cli(&redis.url(), &["INFO", "server"]).unwrap();
    let pid = info.lines().find_map(|line| line.trim().strip_prefix("process_id:")).unwrap();
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    let users = || redis_cli(&redis.url(), &["ACL", "USERS"]).unwrap().lines().count();

    let mut daemon = Daemon::start_with(&config(&redis));
    let user = daemon.user("dev@example.com");
    daemon.client(&user, &["create", "example", "--no-remote"]);
    daemon.client(&user, &["addons:create", "heroku-redis", "-a", "example"]);
    assert_eq!(users(), 2);

    kill_process(pid, Signal::STOP).unwrap();
    let mut destroy = daemon.hoist(&["addons:destroy", "REDIS", "-a", "example", "--confirm", "example"]);
    destroy.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
    let mut destroy = destroy.stderr(std::process::Stdio::null()).spawn().unwrap();
    until(|| daemon.releases(&user, "example").last().unwrap().1.starts_with("Detach REDIS"));
    daemon.kill();
    kill_process(pid, Signal::CONT).unwrap();
    destroy.wait().unwrap();
    assert_eq!(users(), 2, "nobody has removed it yet");

    daemon.restart();
    until(|| users() == 1);
    assert_eq!(daemon.get(&user, "/addons"), json!([]));
}
