//! Redis add-ons, used by the real client.

use serde_json::json;

use super::{config, create, redis_cli, var, world_of};
use crate::harness::Redis;

#[tokio::test]
async fn two_add_ons_share_a_server_and_no_keys() {
    let redis = Redis::start();
    let (world, user, _) = world_of(&config(&redis)).await;
    let mut urls = Vec::new();
    for attachment in ["ONE", "TWO"] {
        create(&world, &user, "example", json!({"plan": "heroku-redis", "attachment": {"name": attachment}})).await;
        urls.push(var(&world, &user, "example", &format!("{attachment}_URL")).await);
    }
    assert!(urls[0].ends_with("/1") && urls[1].ends_with("/2"), "{urls:?}");
    assert_eq!(redis_cli(&urls[0], &["SET", "key", "of one"]), Ok("OK".into()));
    assert_eq!(redis_cli(&urls[1], &["GET", "key"]), Ok(String::new()));
    // What apps do, within their own database.
    for words in [
        ["EVAL", "return redis.call('SET', KEYS[1], '1')", "1", "mine"].as_slice(),
        &["SCRIPT", "LOAD", "return 1"],
        &["KEYS", "*"],
        &["SORT", "list"],
        &["INFO", "server"],
        &["CLIENT", "SETNAME", "web"],
        &["PUBLISH", "channel", "message"],
        &["FLUSHDB"],
    ] {
        redis_cli(&urls[1], words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    assert_eq!(redis_cli(&urls[0], &["GET", "key"]), Ok("of one".into()), "FLUSHDB has flushed its own");
    for words in [
        ["SELECT", "1"].as_slice(),
        &["SELECT", "0"],
        &["EVAL", "redis.call('SELECT', 1) return redis.call('GET', 'key')", "0"],
        &["FLUSHALL"],
        &["SWAPDB", "1", "2"],
        &["MOVE", "key", "1"],
        &["COPY", "key", "key", "DB", "1"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["MONITOR"],
        &["SLOWLOG", "GET"],
        &["CLIENT", "LIST"],
        &["CLIENT", "TRACKING", "on", "BCAST"],
        &["FUNCTION", "FLUSH"],
        &["SCRIPT", "FLUSH"],
        &["MIGRATE", "127.0.0.1", "1", "key", "0", "1"],
        &["SHUTDOWN"],
        &["REPLICAOF", "127.0.0.1", "1"],
        &["MEMORY", "PURGE"],
    ] {
        let refused = redis_cli(&urls[1], words).expect_err(&words.join(" "));
        assert!(refused.contains("permission") || refused.contains("can't run this command"), "{words:?}: {refused}");
    }
}

#[tokio::test]
async fn a_destroyed_add_on_leaves_neither_keys_nor_its_user_and_its_place_is_free() {
    let redis = Redis::start_with("requirepass of-the-tests\ndatabases 2\n");
    let (world, user, _) = world_of(&config(&redis)).await;
    let addon = create(&world, &user, "example", json!({"plan": "hoist-redis"})).await;
    let url = var(&world, &user, "example", "REDIS_URL").await;
    redis_cli(&url, &["SET", "key", "value"]).unwrap();

    let full = world.post(&user, "/apps/example/addons", json!({"plan": "hoist-redis"})).await;
    assert_eq!(
        full.error(),
        "503 unavailable: This is not your fault: every one of the 2 databases of the Redis server is in use. Tell whoever \
         runs this installation, or try again later."
    );

    world.delete(&user, &format!("/apps/example/addons/{}", addon["name"].as_str().unwrap())).await;
    assert!(redis_cli(&url, &["GET", "key"]).unwrap_err().contains("AUTH failed"));
    let users = redis_cli(&redis.url(), &["ACL", "USERS"]).unwrap();
    assert_eq!(users, "default");
    create(&world, &user, "example", json!({"plan": "hoist-redis"})).await;
    let url = var(&world, &user, "example", "REDIS_URL").await;
    assert!(url.ends_with("/1"), "{url}");
    assert_eq!(redis_cli(&url, &["GET", "key"]), Ok(String::new()));
}

#[tokio::test]
async fn a_database_that_somebody_uses_is_not_given_away() {
    let redis = Redis::start();
    redis_cli(&redis.url(), &["-n", "1", "SET", "key", "somebody's"]).unwrap();
    let (world, user, _) = world_of(&config(&redis)).await;
    create(&world, &user, "example", json!({"plan": "hoist-redis"})).await;
    let url = var(&world, &user, "example", "REDIS_URL").await;
    assert!(url.ends_with("/2"), "{url}");
}

#[tokio::test]
async fn a_new_password_locks_the_old_one_out() {
    let redis = Redis::start();
    let (world, user, _) = world_of(&config(&redis)).await;
    let addon = create(&world, &user, "example", json!({"plan": "hoist-redis"})).await;
    let old = var(&world, &user, "example", "REDIS_URL").await;
    redis_cli(&old, &["SET", "key", "value"]).unwrap();
    let path = format!("/apps/example/addons/{}/actions/rotate-credentials", addon["id"].as_str().unwrap());
    assert_eq!(world.post(&user, &path, json!({})).await.status, 200);
    let new = var(&world, &user, "example", "REDIS_URL").await;
    assert_eq!(redis_cli(&new, &["GET", "key"]), Ok("value".into()));
    assert!(redis_cli(&old, &["GET", "key"]).unwrap_err().contains("AUTH failed"));
}

#[tokio::test]
async fn a_server_that_lets_everybody_in_is_refused() {
    let redis = Redis::start_with("");
    let (world, user, _) = world_of(&format!("[addons]\nredis_url = \"{}\"\n", redis.open_url())).await;
    let refused = world.post(&user, "/apps/example/addons", json!({"plan": "hoist-redis"})).await;
    assert!(refused.error().contains("set requirepass"), "{}", refused.error());
    assert_eq!(world.get(&user, "/apps/example/addons").await.body, json!([]));
}
