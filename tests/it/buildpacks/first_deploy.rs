//! What a pack's `bin/release` wants a new app to have.

use serde_json::json;

use super::{DETECT, Shop};
use crate::addons::redis_cli;
use crate::harness::Redis;

const RELEASE: &str = "#!/bin/sh
cat <<YAML
addons:
- heroku-redis
- heroku-postgresql:mini
- papertrail
config_vars:
  MODE: from the pack
  MINE: from the pack
YAML
";

fn shop(config: &str) -> Shop {
    let shop = Shop::with(config);
    shop.tree.write_program("pack/bin/detect", DETECT);
    shop.tree.write_program("pack/bin/compile", "#!/bin/sh\n");
    shop.tree.write_program("pack/bin/release", RELEASE);
    shop.set("./pack");
    shop
}

#[test]
fn it_gets_that_with_its_first_release_and_never_again() {
    let redis = Redis::start();
    let shop = shop(&format!("[addons]\nredis_url = \"{}\"\n", redis.url()));
    shop.client(&["config:set", "MINE=my own"]);
    shop.push().released_with(&[
        "-----> Adding hoist-redis:mini, which the buildpack asks for\n",
        " is there\n",
        " !     It can't be added: hoist-postgresql is not offered here: this installation has no PostgreSQL server.",
        " !     The app is released without it. Later: hoist addons:create hoist-postgresql:essential-0\n",
        " !     The buildpack asks for the add-on papertrail, which is not there: Couldn't find",
    ]);
    let vars = shop.daemon.get(&shop.user, "/apps/shop/config-vars");
    assert_eq!((&vars["MODE"], &vars["MINE"]), (&json!("from the pack"), &json!("my own")));
    assert_eq!(redis_cli(vars["REDIS_URL"].as_str().unwrap(), &["PING"]), Ok("PONG".into()));
    shop.client(&["config:unset", "MODE"]);
    let said = shop.push();
    said.released_with(&["Released v"]);
    assert!(!said.text().contains("buildpack asks for"), "{}", said.text());
    assert!(shop.daemon.get(&shop.user, "/apps/shop/config-vars").get("MODE").is_none());
    assert_eq!(shop.daemon.get(&shop.user, "/apps/shop/addons").as_array().unwrap().len(), 1);
}

#[test]
fn an_add_on_whose_server_is_away_fails_no_push() {
    // A port that nothing listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shop = shop(&format!("[addons]\nredis_url = \"redis://127.0.0.1:{port}\"\n"));
    shop.push().released_with(&[
        " !     It can't be added: the Redis server can't be reached",
        " !     The app is released without it. Later: hoist addons:create hoist-redis:mini\n",
    ]);
    assert_eq!(shop.daemon.get(&shop.user, "/apps/shop/addons"), json!([]));
}
