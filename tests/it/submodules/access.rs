//! What an app has been given for its submodules, and to whom it is shown.

use serde_json::Value;

use super::{Shop, TOKEN, private};
use crate::git_fetch::submodules::{add, library};
use crate::harness::{Forge, Manner};

#[test]
fn a_token_opens_what_is_below_its_url() {
    let (shop, forge) = (Shop::new(), private());
    let (_, lib) = library(&forge, "octo/lib");
    add(&shop.tree, "lib", &lib, Some(&forge.url("octo/lib")));
    shop.give_token(&format!("http://{}/octopus", forge.http), TOKEN);
    assert!(shop.push().refused_by(&forge).contains("it answered 401"));
    assert!(asked_with_credentials(&forge).is_empty(), "it was given for another path");
    let place = format!("http://{}/octo", forge.http);
    shop.give_token(&place, "wrong");
    assert!(shop.push().refused_by(&forge).contains("it answered 401"));
    assert!(!asked_with_credentials(&forge).is_empty());
    shop.client(&["git-credentials:remove", &place]);

    shop.give_token(&place, TOKEN);
    let said = shop.push();
    said.released_with(&["lib/name is octo/lib"]);
    let log = shop.client(&["builds:output"]);
    assert!(log.contains("Submodule path 'lib': checked out") && !(said.0.transcript + &log).contains(TOKEN));
    let listed: Value = serde_json::from_str(&shop.client(&["git-credentials", "--json"])).unwrap();
    let used: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| (one["url"] == place, one["last_used_at"].is_string())).collect();
    assert_eq!(used, [(true, true), (false, false)]);

    shop.client(&["git-credentials:remove", &place]);
    assert!(shop.push().refused_by(&forge).contains("it answered 401"), "it was taken away");
}

fn asked_with_credentials(forge: &Forge) -> Vec<String> {
    forge.asked().into_iter().filter(|asked| asked.ends_with(" with credentials")).collect()
}

#[test]
fn a_key_that_hoist_has_made_opens_what_is_there_over_ssh() {
    let (shop, forge) = (Shop::new(), Forge::start());
    let (_, lib) = library(&forge, "octo/lib");
    let (outer, _) = library(&forge, "octo/outer");
    let outer_commit = add(&outer, "lib", &lib, Some("../lib.git"));
    forge.publish("octo/outer", &outer);
    add(&shop.tree, "outer", &outer_commit, Some(&forge.ssh_url("octo/outer")));
    assert!(shop.push().refused_by(&forge).contains("a deploy key is needed for ssh://"));

    let hosts = shop.file("known_hosts", &forge.known_hosts("host_key"));
    let place = format!("ssh://{}", forge.ssh);
    let said = shop.client(&["git-credentials:add", &place, "--new-deploy-key", "--known-hosts", &hosts]);
    let (_, key) = said.split_once(&format!("=== Deploy key for {place}/\n\n")).unwrap_or_else(|| panic!("{said}"));
    let refused = shop.push().refused_by(&forge);
    assert!(refused.contains("Have that server take hoist's key"), "{refused}");
    forge.authorize(key.trim());
    shop.push().released_with(&["outer/lib/name is octo/lib", "outer/name is octo/outer"]);

    shop.client(&["git-credentials:remove", &place]);
    let key = shop.file("key", &forge.key());
    shop.client(&["git-credentials:add", &place, "--key-file", &key, "--known-hosts", &hosts]);
    shop.push().released_with(&["outer/lib/name is octo/lib", "outer/name is octo/outer"]);

    // Whoever shows another host key is somebody else.
    shop.client(&["git-credentials:remove", &place]);
    let hosts = shop.file("known_hosts", &forge.known_hosts("user_key"));
    shop.client(&["git-credentials:add", &place, "--key-file", &key, "--known-hosts", &hosts]);
    let refused = shop.push().refused_by(&forge);
    assert!(refused.contains("Compare the host's key"), "{refused}");
}

#[test]
fn another_server_learns_nothing_also_where_it_is_redirected_to() {
    let (shop, other) = (Shop::new(), Forge::start());
    let forge = Forge::with(Manner { elsewhere: Some(other.http), ..Manner::default() });
    let (_, lib) = library(&other, "octo/lib");
    add(&shop.tree, "away", &lib, Some(&format!("http://{}/away/octo/lib.git", forge.http)));
    add(&shop.tree, "there", &lib, Some(&other.url("octo/lib")));
    shop.give_token(&format!("http://{}", forge.http), TOKEN);
    shop.push().released_with(&["away/name is octo/lib", "there/name is octo/lib"]);
    assert_eq!(asked_with_credentials(&forge).len(), 1, "{:?}", forge.asked());
    assert!(!other.asked().is_empty() && asked_with_credentials(&other).is_empty(), "{:?}", other.asked());
}

#[test]
fn a_public_library_can_not_name_what_is_private() {
    let (shop, forge, public) = (Shop::new(), private(), Forge::start());
    let (_, secret) = library(&forge, "octo/secret");
    let (lib, _) = library(&public, "mallory/lib");
    let commit = add(&lib, "secret", &secret, Some(&forge.url("octo/secret")));
    public.publish("mallory/lib", &lib);
    add(&shop.tree, "lib", &commit, Some(&public.url("mallory/lib")));
    shop.give_token(&format!("http://{}", forge.http), TOKEN);
    assert!(shop.push().refused_by(&forge).contains("The submodule lib/secret can't be fetched"));
    assert_eq!(asked_with_credentials(&forge), Vec::<String>::new());
}

#[test]
fn of_a_connected_app_relative_ones_are_beside_its_repository() {
    let (shop, forge) = (Shop::new(), private());
    let (_, lib) = library(&forge, "octo/lib");
    add(&shop.tree, "lib", &lib, Some("../lib.git"));
    assert!(shop.push().refused_by(&forge).contains("is relative"));
    let token = shop.file("connected", TOKEN);
    let url = forge.url("octo/shop");
    let connect = ["github:connect", "octo/shop", "--provider", "gitea", "--branch", "main"];
    shop.client(&[&connect[..], &["--clone-url", &url, "--token-file", &token]].concat());
    assert!(shop.push().refused_by(&forge).contains("it answered 401"));
    assert_eq!(asked_with_credentials(&forge), Vec::<String>::new(), "the connection's token is not the pusher's");
    shop.give_token(&forge.url("octo/lib"), TOKEN);
    shop.push().released_with(&["lib/name is octo/lib"]);
}

#[test]
fn a_connected_repository_has_its_own_and_the_apps() {
    let (shop, forge, other) = (Shop::new(), private(), private());
    let ((_, lib), (_, elsewhere)) = (library(&forge, "octo/lib"), library(&other, "acme/lib"));
    add(&shop.tree, "lib", &lib, Some("../lib.git"));
    add(&shop.tree, "elsewhere", &elsewhere, Some(&other.url("acme/lib")));
    forge.publish("octo/shop", &shop.tree);
    let (token, url) = (shop.file("connected", TOKEN), forge.url("octo/shop"));
    let connect = ["github:connect", "octo/shop", "--provider", "gitea", "--branch", "main"];
    shop.client(&[&connect[..], &["--clone-url", &url, "--token-file", &token]].concat());
    let mut deploy = shop.daemon.hoist(&["github:deploy", "--app", "shop"]);
    deploy.env("HOIST_URL", format!("http://{}", shop.daemon.http)).env("HOIST_API_KEY", &shop.user.token);
    let refused = deploy.output().unwrap();
    let said = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
    assert!(said.contains("submodule elsewhere: the server does not let hoist in"), "{said}");
    assert!(said.contains(&format!("hoist git-credentials:add {}", other.url("acme/lib"))), "{said}");
    shop.give_token(&format!("http://{}/acme", other.http), TOKEN);
    shop.client(&["github:deploy"]);
    let said = shop.client(&["builds:output"]);
    assert!(said.contains("./elsewhere/name is acme/lib") && said.contains("./lib/name is octo/lib"), "{said}");
}
