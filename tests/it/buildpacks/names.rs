//! What the names of packs mean, and who names them.

use serde_json::json;

use super::{LOCAL, Shop, pack};
use crate::app_setups;
use crate::builds_api::{archive_of, send};
use crate::harness::{Daemon, Forge, WorkTree};

#[test]
fn a_registered_name_means_what_the_configuration_says() {
    let forge = Forge::start();
    forge.publish("octo/pack", &pack("acme"));
    let url = forge.url("octo/pack");
    let registry = format!("[buildpacks.registry]\n\"acme/go\" = \"{url}#main\"\n\"heroku/static\" = \"{url}\"\n");
    let shop = Shop::with(&registry);
    shop.tree.write("Procfile", "web: run\n");
    shop.set("acme/go");
    assert!(shop.client(&["buildpacks"]).contains("\nacme/go\n"));
    shop.push().released_with(&["-----> Fetching buildpack acme/go from http://HOST/octo/pack.git#main\n", "says acme"]);
    assert_eq!(shop.used()[0]["name"], "acme/go");
    shop.set("heroku/static");
    shop.push().released_with(&["-----> Fetching buildpack heroku/static from http://HOST/octo/pack.git\n", "says acme"]);
    shop.set("heroku/procfile");
    shop.push().released_with(&[
        "-----> Using buildpack: heroku/procfile\n",
        "heroku/procfile is hoist/procfile here, which comes with hoist\n",
    ]);
    let used = shop.used();
    assert!(used[0]["version"].as_str().unwrap().starts_with("sha256:"), "{used}");

    let set = |name: &str| {
        let body = json!({"updates": [{"buildpack": name}]});
        send(&shop.daemon, &shop.user, "PUT", "/apps/shop/buildpack-installations", &body)
    };
    for (name, why) in [("acme/cobol", "There is no buildpack acme/cobol."), ("file:///pack.tgz", "is no repository's URL")] {
        let refused = set(name);
        assert!(refused.status == 422 && refused.body["message"].as_str().unwrap().contains(why), "{}", refused.body);
    }
    let found = shop.daemon.get(&shop.user, "/buildpacks/acme%2Fgo");
    assert_eq!(found, json!({"namespace": "acme", "name": "go", "blob_url": "acme/go"}));
}

#[test]
fn a_config_var_or_a_file_of_the_app_names_packs_too() {
    let (shop, forge) = (Shop::new(), Forge::start());
    forge.publish("octo/one", &pack("one"));
    forge.publish("octo/two", &pack("two"));
    shop.tree.write(".buildpacks", &format!("# ours\n{}\n\n{}#main\n", forge.url("octo/one"), forge.url("octo/two")));
    shop.push().released_with(&[
        "-----> Using buildpacks:\n       1. http://HOST/octo/one.git\n       2. http://HOST/octo/two.git#main\n       as .buildpacks says\n",
        "says one",
        "says two",
    ]);
    shop.set(&forge.url("octo/one"));
    let said = shop.push();
    said.released_with(&["says one"]);
    assert!(!said.text().contains("says two"), "what is set counts");
    shop.client(&["config:set", &format!("LANGUAGE_PACK_URL={}", forge.url("octo/none"))]);
    shop.client(&["config:set", &format!("BUILDPACK_URL={}", forge.url("octo/two"))]);
    let said = shop.push();
    said.released_with(&["as the config var BUILDPACK_URL says\n", "says two"]);
    assert!(!said.text().contains("says one"));
    shop.client(&["config:set", "BUILDPACK_URL=no pack"]);
    shop.push().refused_with(&[
        " !     What the config var BUILDPACK_URL says is no buildpack: `[BUILDPACK_URL]` is not a buildpack",
        " !     Mend the config var BUILDPACK_URL, and push again.",
    ]);
    shop.client(&["config:unset", "BUILDPACK_URL", "LANGUAGE_PACK_URL"]);
    shop.client(&["buildpacks:clear"]);
    shop.tree.write(".buildpacks", "\nNo Pack\n");
    shop.push().refused_with(&[" !     What .buildpacks says is no buildpack: line 2: `No Pack` is not a buildpack"]);
}

#[test]
fn app_json_names_the_packs_of_an_app_that_is_set_up() {
    let (daemon, forge, tree) = (Daemon::start_with(LOCAL), Forge::start(), WorkTree::new());
    let user = daemon.user("alice@example.com");
    forge.publish("octo/pack", &pack("one"));
    let url = format!("{}#main", forge.url("octo/pack"));
    tree.write("app.json", &json!({"buildpacks": [{"url": url}]}).to_string());
    let setup = app_setups::start(&daemon, &user, &archive_of(tree.path()), &json!({}));
    let done = app_setups::ended(&daemon, &user, &setup);
    assert_eq!(done["status"], "succeeded", "{done}");
    assert_eq!(daemon.get(&user, "/apps/shop/buildpack-installations")[0]["buildpack"]["url"], url);
    assert_eq!(daemon.get(&user, "/apps/shop/builds")[0]["buildpacks"][0]["name"], url);
}
