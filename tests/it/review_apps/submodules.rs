//! What a fork's pull request names is fetched with nobody's credentials.

use serde_json::{Value, json};

use super::CONFIG;
use super::pull_requests::{Site, deploy};
use crate::builds_api::send;
use crate::git_fetch::submodules::{add, library};
use crate::harness::{Forge, Manner, until};

const TOKEN: &str = "ghs_sesame";

#[test]
fn a_forks_review_app_fetches_nothing_with_an_apps_credentials() {
    let (site, forge) = (
        Site::new("null", &json!({"buildpacks": [{"url": "./pack"}]})),
        Forge::with(Manner { token: Some(TOKEN), ..Manner::default() }),
    );
    let (_, lib) = library(&forge, "octo/lib");
    let token = site.daemon.data_dir().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let place = format!("http://{}", forge.http);
    let give = |app: &str| {
        let token = token.to_str().unwrap();
        site.daemon.client(&site.user, &["git-credentials:add", &place, "--token-file", token, "--app", app]);
    };
    // The app that its review apps are of.
    site.daemon.client(&site.user, &["apps:create", "shop"]);
    site.daemon.client(&site.user, &["pipelines:add", "pipe", "--stage", "production", "--app", "shop"]);
    give("shop");
    send(&site.daemon, &site.user, "PATCH", CONFIG, &json!({"forks": "without_config_vars"}));
    let first = site.change();
    site.tell("opened", 1, &first, "mallory/shop");
    site.until_it_is("created");
    give("shop-pr-7");

    add(&site.tree, "lib", &lib, Some(&forge.url("octo/lib")));
    let second = site.publish();
    site.tell("synchronized", 2, &second, "mallory/shop");
    until(|| !site.review_app()["message"].is_null());
    let message = site.review_app()["message"].clone();
    assert!(message.as_str().unwrap().contains("submodule lib: the server does not let hoist in (it answered 401)"), "{message}");
    assert_eq!(site.deploys(), [deploy(&first)]);
    let asked = forge.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| !asked.contains("credentials")), "{asked:?}");
    // Whoever may deploy to it pushes with them.
    let pushed = site.tree.push_http(&site.daemon, &site.user, "shop-pr-7");
    assert!(pushed.ok, "{}", pushed.transcript);
    let listed: Value = site.daemon.get(&site.user, "/apps/shop-pr-7/git-credentials");
    assert!(listed[0]["last_used_at"].is_string(), "{listed}");
}
