//! Setups of apps that need add-ons, made on real servers.

use serde_json::{Value, json};

use crate::addons::{config, psql, redis_cli};
use crate::app_setups::{ended, start};
use crate::builds_api::archive_of;
use crate::harness::{Daemon, Redis, User, WorkTree};

/// Sets up an app with this app.json; returns how that ended.
fn set_up(daemon: &Daemon, user: &User, app: &str, app_json: &Value) -> Value {
    let tree = WorkTree::with_pack("null");
    let mut whole = json!({"buildpacks": [{"url": "./pack"}]});
    whole.as_object_mut().unwrap().extend(app_json.as_object().unwrap().clone());
    tree.write("app.json", &whole.to_string());
    ended(daemon, user, &start(daemon, user, &archive_of(tree.path()), &json!({"app": {"name": app}})))
}

fn released(daemon: &Daemon, user: &User, app: &str) -> Vec<String> {
    let addons = daemon.get(user, &format!("/apps/{app}/addons"));
    let names: Vec<_> = addons.as_array().unwrap().iter().map(|addon| addon["name"].as_str().unwrap().to_owned()).collect();
    let plain = |what: String| names.iter().fold(what, |what, name| what.replace(name, "NAME"));
    daemon.releases(user, app).into_iter().map(|(_, what)| plain(what)).collect()
}

#[test]
fn an_app_gets_the_add_ons_that_it_asks_for_before_it_is_built() {
    let redis = Redis::start();
    let daemon = Daemon::start_with(&format!("engine = \"local\"\n{}", config(&redis)));
    let user = daemon.user("alice@example.com");
    let addons = json!(["heroku-postgresql:mini", {"plan": "heroku-redis", "as": "cache", "options": {"version": "7"}}]);
    let done = set_up(&daemon, &user, "shop", &json!({"env": {"GREETING": "hi"}, "addons": addons}));
    assert_eq!((&done["status"], &done["failure_message"]), (&json!("succeeded"), &Value::Null), "{done}");
    let vars = daemon.get(&user, "/apps/shop/config-vars");
    assert_eq!(psql(vars["DATABASE_URL"].as_str().unwrap(), "SELECT 1"), Ok("1".into()));
    assert_eq!(redis_cli(vars["CACHE_URL"].as_str().unwrap(), &["PING"]), Ok("PONG".into()));
    let releases = released(&daemon, &user, "shop");
    let (deploy, before) = releases.split_last().unwrap();
    let expected = [
        "Initial release",
        "Set GREETING config vars",
        "Attach DATABASE (@ref:NAME)",
        "@ref:NAME completed provisioning, setting DATABASE_URL.",
        "Attach CACHE (@ref:NAME)",
        "@ref:NAME completed provisioning, setting CACHE_URL.",
    ];
    assert_eq!(before, expected);
    assert!(deploy.starts_with("Deploy"), "{deploy}");
}

#[test]
fn an_add_on_that_can_not_be_made_fails_the_setup() {
    // A port that nothing listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = format!("engine = \"local\"\n[addons]\npostgresql_url = \"postgres://root:hush@127.0.0.1:{port}\"\n");
    let daemon = Daemon::start_with(&away);
    let user = daemon.user("alice@example.com");
    let done = set_up(&daemon, &user, "shop", &json!({"addons": ["hoist-postgresql"]}));
    assert_eq!((&done["status"], &done["build"], &done["manifest_errors"]), (&json!("failed"), &Value::Null, &json!([])));
    assert_eq!(
        done["failure_message"],
        "add-on hoist-postgresql:essential-0 could not be provisioned: the PostgreSQL server can't be reached (not your fault: \
         tell whoever runs this installation, or try again later)"
    );
    assert_eq!(daemon.get(&user, "/apps/shop/addons"), json!([]));
    assert_eq!(released(&daemon, &user, "shop"), ["Initial release"]);
    // What can be told before anything is made is.
    let bad = json!({"env": {"A": "1"}, "addons": ["papertrail", "heroku-redis", {"plan": "heroku-postgresql", "as": "1"}]});
    let done = set_up(&daemon, &user, "other", &bad);
    let errors: Vec<_> = done["manifest_errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect();
    let begins = [
        "Couldn't find either the add-on service or the add-on plan of \"papertrail\".",
        "hoist-redis is not offered here: this installation has no Redis server.",
        "An attachment's name must start with a letter",
    ];
    assert_eq!((errors.len(), &done["failure_message"]), (3, &json!("invalid app.json")), "{done}");
    assert!(errors.iter().zip(begins).all(|(error, begin)| error.starts_with(begin)), "{errors:?}");
    assert_eq!(released(&daemon, &user, "other"), ["Initial release"]);
}
