//! A stack from an image in hoist's own registry, and an app on it from its first push to the stack's end.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::peer::Place;
use crate::doors::certificate;
use crate::harness::{Daemon, Packing, TestImage, User, WorkTree, basic, run, until};

/// A daemon with stacks of its own, in whose registry the images lie.
fn start() -> (Daemon, User) {
    let dir = TempDir::with_prefix("hoist-test-").unwrap();
    std::fs::create_dir(dir.path().join("stacks")).unwrap();
    std::fs::write(dir.path().join("hoist.toml"), "[stacks.mine-24]\nnewer = \"other\"\n").unwrap();
    let daemon = Daemon::start_in(dir);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "base"]);
    daemon.client(&user, &["apps:create", "shop"]);
    (daemon, user)
}

fn pull(daemon: &Daemon, user: &User, args: &[&str]) -> Value {
    let dir = daemon.data_dir().join(".docker");
    std::fs::create_dir_all(&dir).unwrap();
    let auth = basic(user).trim_start_matches("Basic ").to_owned();
    let logins = json!({"auths": {daemon.http.clone(): {"auth": auth}}});
    std::fs::write(dir.join("config.json"), logins.to_string()).unwrap();
    serde_json::from_str(&run(&mut daemon.hoist(&[&["stack:pull", "--json"], args].concat()))).unwrap()
}

fn digests(daemon: &Daemon) -> Vec<String> {
    let folders = std::fs::read_dir(daemon.data_dir().join("stacks/mine-24")).unwrap();
    folders.filter_map(|entry| entry.unwrap().file_name().into_string().ok()).filter(|name| name.len() == 64).collect()
}

fn layers(daemon: &Daemon, user: &User) -> Vec<String> {
    let url = format!("http://{}/v2/shop/web/manifests/current", daemon.http);
    let accept = "application/vnd.oci.image.manifest.v1+json";
    let mut answer = ureq::get(url).header("Authorization", basic(user)).header("Accept", accept).call().unwrap();
    let manifest: Value = answer.body_mut().read_json().unwrap();
    manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_app_lives_on_a_stack_that_was_pulled() {
    let (daemon, alice) = start();
    let base = TestImage::with_bash(json!({"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "BASE=first"]}));
    let build = base.clone().files(Packing::Zstd, &[("compiler", "there")]);
    base.push_as(&daemon, &alice, "base/web", "24");
    build.push_as(&daemon, &alice, "base/web", "24-build");
    let name = format!("{}/base/web:24", daemon.http);
    let pulled = pull(&daemon, &alice, &["mine-24", &format!("{name}-build")]);
    assert_eq!(pulled["run_image"]["name"], name);
    pull(&daemon, &alice, &["other", &name]);

    // The app is on it, and its builds see what the build image has.
    daemon.client(&alice, &["stack:set", "mine-24", "--app", "shop"]);
    let tree = WorkTree::new();
    tree.write("Procfile", "web: cat seen; env\n");
    tree.write_program("pack/bin/detect", "#!/usr/bin/env bash\necho Own\n");
    tree.write_program("pack/bin/compile", "#!/usr/bin/env bash\ncat /compiler >$1/seen; echo \"$STACK of $BASE as $(id -u)\"\n");
    tree.commit("first");
    daemon.client(&alice, &["buildpacks:set", "./pack", "--app", "shop"]);
    let pushed = tree.push_http(&daemon, &alice, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    assert!(pushed.transcript.contains("-----> Building on the mine-24 stack"), "{}", pushed.transcript);
    assert!(pushed.transcript.contains("mine-24 of first as 1000"), "{}", pushed.transcript);
    let note = "remote: This app is using the mine-24 stack, however a newer stack is available.\n\
                remote: To upgrade to other, see:\n\
                remote: https://devcenter.heroku.com/articles/upgrading-to-the-latest-stack\n";
    let lines = pushed.transcript.lines().map(|line| [line.trim_end(), "\n"].concat()).collect::<String>();
    assert!(lines.contains(note), "{lines}");

    // What it runs in is the run image.
    let out = daemon.client(&alice, &["run", "--app", "shop", "cat seen; ls /compiler; echo in $BASE as $(id -un) at $HOME"]);
    assert!(out.contains("there") && out.contains("in first as app at /app") && out.contains("No such file"), "{out}");

    // A release is an image over the layers that were pulled.
    let before = layers(&daemon, &alice);
    let (manifest, _) = base.parts();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(before[0], manifest["layers"][0]["digest"].as_str().unwrap());
    assert_eq!(before.len(), 3, "the base's, hoist's own, and the slug");
    let copied = tempfile::tempdir().unwrap();
    let source = format!("docker://{}/shop/web:current", daemon.http);
    let dest = format!("dir:{}", copied.path().join("image").display());
    run(Command::new("skopeo").args([
        "copy",
        "--src-tls-verify=false",
        "--src-creds",
        &format!("_:{}", alice.token),
        &source,
        &dest,
    ]));

    // A tag comes to name another image: the next command runs in it, and what was before goes, but for its layers.
    let newer = TestImage::with_bash(json!({"Env": ["BASE=second"]})).files(Packing::Gzip, &[("second", "")]);
    newer.push_as(&daemon, &alice, "base/web", "24");
    let again = pull(&daemon, &alice, &["mine-24"]);
    assert_ne!(again["digest"], pulled["digest"]);
    let out = daemon.client(&alice, &["run", "--app", "shop", "echo in $BASE; ls /second"]);
    assert!(out.contains("in second") && out.contains("/second"), "{out}");
    let old = pulled["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let folder = daemon.data_dir().join("stacks/mine-24").join(&old);
    // As soon as the command that ran in it is gone.
    until(|| {
        pull(&daemon, &alice, &["mine-24"]);
        !folder.join("run").exists()
    });
    assert!(digests(&daemon).contains(&old) && folder.join("layers").exists());
    assert_ne!(layers(&daemon, &alice), before);

    // It stays as long as somebody is on it.
    let refused = daemon.hoist(&["stack:remove", "mine-24"]).output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("the stack mine-24 is in use: on it are shop."), "{why}");
    daemon.client(&alice, &["apps:destroy", "--app", "shop", "--confirm", "shop"]);
    until(|| daemon.hoist(&["stack:remove", "mine-24"]).output().unwrap().status.success());
    assert!(!daemon.data_dir().join("stacks/mine-24").exists());
    run(&mut daemon.hoist(&["stack:remove", "other"]));
}

#[test]
fn who_speaks_tls_is_who_the_hosts_cas_say() {
    let (dir, files) = (TempDir::with_prefix("hoist-test-").unwrap(), tempfile::tempdir().unwrap());
    let (ca, tls) = certificate(files.path(), "127.0.0.1");
    std::fs::write(dir.path().join("hoist.toml"), tls).unwrap();
    let daemon = Daemon::start_in(dir);
    let alice = daemon.user("alice@example.com");
    daemon.client(&alice, &["apps:create", "base"]);
    TestImage::with_bash(json!({})).push_as(&daemon, &alice, "base/web", "1");
    let (registry, token) = (&daemon.http, &alice.token);
    let login = format!("plain_http = false\nuser = \"_\"\npassword = \"{token}\"\n");
    let place = Place::new(&format!("[registries.\"{registry}\"]\n{login}"));
    let image = format!("{registry}/base/web:1");
    let why = place.fail(&image, &[]);
    assert!(why.contains("invalid peer certificate: UnknownIssuer"), "{why}");
    let output = place.command(&["stack:pull", "mine", &image]).env("SSL_CERT_FILE", ca).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
