//! Packs that are not public: fetched with what the app was given for their place, and kept for that app alone.

use serde_json::Value;

use super::archives::Files;
use super::{Shop, pack};
use crate::builds_api::archive_of;
use crate::harness::{Forge, Manner};

const TOKEN: &str = "ghs_sesame";

impl Shop {
    /// A file on the user's computer; returns its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.daemon.data_dir().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

#[test]
fn a_token_opens_a_pack_for_its_app_alone() {
    let (shop, forge) = (Shop::new(), Forge::with(Manner { token: Some(TOKEN), ..Manner::default() }));
    forge.publish("octo/pack", &pack("one"));
    shop.set(&forge.url("octo/pack"));
    shop.push().refused_with(&["the server does not let hoist in (it answered 401)", "hoist git-credentials:add"]);
    let place = format!("http://{}/octo", forge.http);
    shop.client(&["git-credentials:add", &place, "--token-file", &shop.file("token", TOKEN)]);
    let said = shop.push();
    said.released_with(&["says one"]);
    assert!(!said.text().contains(TOKEN));
    let listed: Value = serde_json::from_str(&shop.client(&["git-credentials", "--json"])).unwrap();
    assert!(listed[0]["last_used_at"].is_string(), "{listed}");

    shop.daemon.client(&shop.user, &["apps:create", "other"]);
    shop.daemon.client(&shop.user, &["buildpacks:set", &forge.url("octo/pack"), "--app", "other"]);
    let other = shop.tree.push_http(&shop.daemon, &shop.user, "other");
    assert!(!other.ok && other.transcript.contains("it answered 401"), "{}", other.transcript);

    shop.client(&["git-credentials:remove", &place]);
    shop.push().refused_with(&["the server does not let hoist in (it answered 401)"]);
}

#[test]
fn a_deploy_key_opens_a_pack_over_ssh() {
    let (shop, forge) = (Shop::new(), Forge::start());
    forge.publish("octo/pack", &pack("one"));
    shop.set(&format!("{}#main", forge.ssh_url("octo/pack")));
    shop.push().refused_with(&["a deploy key is needed for ssh://"]);
    let (key, hosts) = (shop.file("key", &forge.key()), shop.file("known_hosts", &forge.known_hosts("host_key")));
    let place = format!("ssh://{}", forge.ssh);
    shop.client(&["git-credentials:add", &place, "--key-file", &key, "--known-hosts", &hosts]);
    shop.push().released_with(&["says one"]);
}

#[test]
fn an_archive_is_fetched_with_a_token_as_well() {
    let (shop, files) = (Shop::new(), Files::start(archive_of(pack("one").path())));
    shop.set(&files.url());
    shop.client(&["git-credentials:add", &format!("http://{}/packs", files.address), "--token-file", &shop.file("token", TOKEN)]);
    shop.push().released_with(&["says one"]);
    assert!(matches!(files.asked().as_slice(), [Some(shown)] if shown.starts_with("Basic ")), "{:?}", files.asked());
}
