//! Releases of images: made by every cause, run for release phases and one-off commands, refused in words.

use serde_json::{Value, json};

use crate::harness::{Daemon, Packing, PushedImage, TestImage, User, WorkTree, basic, until};

/// A daemon with the app `shop`, whose stack is container.
fn shop(config: &str) -> (Daemon, User) {
    let daemon = Daemon::start_with(config);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop", "--stack", "container"]);
    (daemon, user)
}

/// An image that says what `cmd` is to run.
fn image(cmd: &[&str]) -> TestImage {
    TestImage::busybox(json!({"Cmd": cmd, "Env": ["GREETING=from the image", "KEPT=kept"], "WorkingDir": "/srv"}))
}

/// An image that can be told from others, and is not run.
fn distinct(name: &str) -> TestImage {
    TestImage::default_with(json!({"Cmd": ["/serve", name]}))
}

/// Sends a request and returns its status and body.
fn send(daemon: &Daemon, user: &User, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", daemon.http))
        .header("Accept", "application/vnd.heroku+json; version=3.docker-releases")
        .header("Authorization", if path.starts_with("/v2/") { basic(user) } else { format!("Bearer {}", user.token) })
        .header("Content-Type", "application/json");
    let mut answer = agent.run(request.body(body.to_string()).unwrap()).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
}

/// What `container:release` sends.
fn release(daemon: &Daemon, user: &User, images: &[(&str, &str)]) -> (u16, Value) {
    let updates: Vec<Value> = images.iter().map(|(name, image)| json!({"type": name, "docker_image": image})).collect();
    send(daemon, user, "PATCH", "/apps/shop/formation", &json!({"updates": updates}))
}

fn push(daemon: &Daemon, user: &User, process_type: &str, image: &TestImage) -> PushedImage {
    image.push(daemon, user, &format!("shop/{process_type}"))
}

fn short(image: &PushedImage) -> &str {
    &image.id["sha256:".len()..][..12]
}

/// The process types of a release with their manifests, as `web=sha256:…`.
fn images(daemon: &Daemon, user: &User, app: &str, version: u64) -> Vec<String> {
    let release = daemon.get(user, &format!("/apps/{app}/releases/{version}"));
    let id = release["oci_image"]["id"].as_str().expect("a release of images");
    assert_eq!(release["artifacts"], json!([{"type": "oci-image", "id": id}]));
    assert_eq!(release["slug"], Value::Null);
    let found = daemon.get(user, &format!("/apps/{app}/oci-images/{id}"));
    let types = found[0]["process_types"].as_object().unwrap();
    types.iter().map(|(name, process)| format!("{name}={}", process["digest"].as_str().unwrap())).collect()
}

fn wait_for_current(daemon: &Daemon, user: &User, version: u64) {
    until(|| daemon.get(user, &format!("/apps/shop/releases/{version}"))["current"] == true);
}

#[test]
fn one_release_for_all_that_is_asked_for() {
    let (daemon, user) = shop("");
    let [web, worker, next] = ["web", "worker", "next"].map(distinct);
    let (web, worker) = (push(&daemon, &user, "web", &web), push(&daemon, &user, "worker", &worker));
    let (status, formation) = release(&daemon, &user, &[("web", &web.id), ("worker", &worker.id)]);
    assert_eq!((status, &formation[0]["command"], &formation[1]["type"]), (200, &json!("/serve web"), &json!("worker")));
    assert_eq!(images(&daemon, &user, "shop", 2), [format!("web={}", web.digest), format!("worker={}", worker.digest)]);
    assert_eq!(daemon.get(&user, "/apps/shop")["stack"]["name"], "container");

    // By its manifest's digest, too; the other type keeps its own.
    let next = push(&daemon, &user, "web", &next);
    assert_eq!(release(&daemon, &user, &[("web", &next.digest)]).0, 200);
    assert_eq!(images(&daemon, &user, "shop", 3), [format!("web={}", next.digest), format!("worker={}", worker.digest)]);
    // The same again is no release.
    assert_eq!(release(&daemon, &user, &[("web", &next.id)]).0, 200);
    let removed = send(&daemon, &user, "PATCH", "/apps/shop/formation/worker", &json!({"docker_image": null}));
    assert_eq!(removed.0, 200, "{removed:?}");
    let descriptions = daemon.releases(&user, "shop").into_iter().map(|(_, description)| description).collect::<Vec<_>>();
    let first = format!("Deployed web ({}), worker ({})", short(&web), short(&worker));
    let expected = ["Initial release".to_owned(), first, format!("Deployed web ({})", short(&next)), "Removed worker".to_owned()];
    assert_eq!(descriptions, expected);
    assert_eq!(images(&daemon, &user, "shop", 4), [format!("web={}", next.digest)]);
    let info = daemon.client(&user, &["releases:info", "v3", "--app", "shop"]);
    assert!(info.contains(&format!("web ({}), worker ({})\n", short(&next), short(&worker))), "{info}");
    let diff = daemon.client(&user, &["releases:diff", "v2", "v4", "--app", "shop"]);
    assert!(diff.contains("=== Images\n\n- worker\n~ web\n"), "{diff}");
    assert_eq!(daemon.get(&user, "/apps/shop/releases/verification")["valid"], true);
}

#[test]
fn every_cause_of_a_release_carries_the_images() {
    let (daemon, user) = shop("");
    let [one, two] = ["one", "two"].map(|name| push(&daemon, &user, "web", &distinct(name)));
    release(&daemon, &user, &[("web", &one.id)]);
    release(&daemon, &user, &[("web", &two.id)]);
    daemon.client(&user, &["config:set", "A=1", "--app", "shop"]);
    assert_eq!(images(&daemon, &user, "shop", 4), [format!("web={}", two.digest)]);
    daemon.client(&user, &["rollback", "v2", "--app", "shop"]);
    assert_eq!(images(&daemon, &user, "shop", 5), [format!("web={}", one.digest)]);
    // By id, by digest, and once more by description alone.
    let image = daemon.get(&user, "/apps/shop/releases/3")["oci_image"]["id"].clone();
    let made = send(&daemon, &user, "POST", "/apps/shop/releases", &json!({"oci_image": image})).1;
    assert_eq!(made["oci_image"]["id"], image);
    let made = send(&daemon, &user, "POST", "/apps/shop/releases", &json!({"oci_image": one.digest, "description": "Back"})).1;
    assert_eq!((&made["version"], &made["description"]), (&json!(7), &json!("Back")));
    send(&daemon, &user, "POST", "/apps/shop/releases", &json!({"description": "Again"}));
    assert_eq!(images(&daemon, &user, "shop", 8), [format!("web={}", one.digest)]);
    let other = send(&daemon, &user, "POST", "/apps/shop/releases", &json!({"oci_image": two.id.replace(':', "")}));
    assert_eq!((other.0, &other.1["id"]), (404, &json!("not_found")));

    // One that the app makes of what was pushed, with another command.
    let types = json!({"web": {"command": "serve -v"}});
    let made = send(&daemon, &user, "POST", "/apps/shop/oci-images", &json!({"digest": two.digest, "process_types": types}));
    assert_eq!((made.0, &made.1["process_types"]["web"]["display_cmd"]), (201, &json!("serve -v")), "{made:?}");
    send(&daemon, &user, "POST", "/apps/shop/releases", &json!({"oci_image": made.1["id"]}));
    assert_eq!(daemon.get(&user, "/apps/shop/formation")[0]["command"], "serve -v");
    assert_eq!(daemon.get(&user, "/apps/shop/releases/verification")["valid"], true);
}

#[test]
fn a_promoted_image_stands_in_the_targets_repository() {
    let (daemon, user) = shop("");
    let web = push(&daemon, &user, "web", &image(&["sh"]).files(Packing::Gzip, &[("srv/name", "web of shop\n")]));
    release(&daemon, &user, &[("web", &web.id)]);
    daemon.client(&user, &["apps:create", "live", "--stack", "container"]);
    daemon.client(&user, &["config:set", "WHERE=live", "--app", "live"]);
    daemon.client(&user, &["pipelines:create", "pipe", "--app", "shop", "--stage", "staging"]);
    daemon.client(&user, &["pipelines:add", "pipe", "--app", "live", "--stage", "production"]);
    daemon.client(&user, &["pipelines:promote", "--app", "shop"]);
    assert_eq!(images(&daemon, &user, "live", 3), [format!("web={}", web.digest)]);
    assert_eq!(daemon.releases(&user, "live")[2].1, "Promote shop v2");
    assert_eq!(daemon.client(&user, &["config:get", "WHERE", "--app", "live"]), "live\n");
    // It is the target's own, and stays when the source is gone.
    daemon.client(&user, &["apps:destroy", "--app", "shop", "--confirm", "shop"]);
    daemon.client(&user, &["config:set", "A=1", "--app", "live"]);
    assert_eq!(images(&daemon, &user, "live", 4), [format!("web={}", web.digest)]);
    let put_out = daemon.client(&user, &["run", "--no-tty", "--app", "live", "cat name; echo $WHERE"]);
    assert_eq!(put_out, "web of shop\nlive\n");
}

#[test]
fn what_can_t_be_released_is_refused_in_words() {
    let (daemon, user) = shop("");
    let web = push(&daemon, &user, "web", &distinct("web"));
    let refused = |images: &[(&str, &str)]| {
        let (status, body) = release(&daemon, &user, images);
        format!("{status} {}", body["message"].as_str().unwrap())
    };
    let id = &web.id;
    assert_eq!(
        refused(&[("web", id), ("worker", id)]),
        format!("422 There is no image {id} in shop/worker. Push it there first: `hoist container:push worker --app shop`.")
    );
    assert!(refused(&[("web", "latest")]).starts_with("422 The image can't be used: `latest` is not a sha256 digest"));
    let gone = send(&daemon, &user, "PATCH", "/apps/shop/formation/worker", &json!({"docker_image": null}));
    assert_eq!((gone.0, &gone.1["message"]), (404, &json!("Couldn't find that process type.")));
    let empty = push(&daemon, &user, "web", &TestImage::default_with(json!({})));
    assert!(refused(&[("web", &empty.id)]).contains("Give its Dockerfile a CMD"));
    send(&daemon, &user, "PATCH", "/apps/shop", &json!({"build_stack": "debian-12"}));
    assert!(refused(&[("web", id)]).starts_with("422 This command is for Docker apps only. Switch stacks by running"));
    assert_eq!(daemon.releases(&user, "shop").len(), 1, "nothing was released");
}

#[test]
fn concurrent_releases_lose_nothing() {
    let (daemon, user) = shop("");
    let types = ["a", "b", "c", "d", "e", "f"];
    let pushed = types.map(|name| push(&daemon, &user, name, &distinct(name)));
    std::thread::scope(|scope| {
        for (name, image) in types.iter().zip(&pushed) {
            let (daemon, user) = (&daemon, &user);
            scope.spawn(move || assert_eq!(release(daemon, user, &[(name, &image.id)]).0, 200));
        }
    });
    let expected: Vec<_> = types.iter().zip(&pushed).map(|(name, image)| format!("{name}={}", image.digest)).collect();
    assert_eq!(images(&daemon, &user, "shop", 7), expected);
}

#[test]
fn a_released_manifest_can_t_be_deleted() {
    let (daemon, user) = shop("");
    let web = push(&daemon, &user, "web", &distinct("web"));
    release(&daemon, &user, &[("web", &web.id)]);
    let refused = send(&daemon, &user, "DELETE", &format!("/v2/shop/web/manifests/{}", web.digest), &Value::Null);
    assert_eq!((refused.0, &refused.1["errors"][0]["code"]), (403, &json!("DENIED")), "{refused:?}");
    assert_eq!(images(&daemon, &user, "shop", 2), [format!("web={}", web.digest)]);
}

#[test]
fn a_release_command_runs_in_its_image() {
    let (daemon, user) = shop("");
    daemon.client(&user, &["config:set", "GREETING=from the config", "--app", "shop"]);
    let web = push(&daemon, &user, "web", &distinct("web"));
    let script = "echo $GREETING $KEPT $DYNO $(pwd) $(id -u) $HOME ${PORT-none}; touch $HOME/there && cat /etc/layer";
    let migrate = image(&["sh", "-c", script])
        .files(Packing::Zstd, &[("etc/layer", "lower\n"), ("etc/gone", "")])
        .files(Packing::Plain, &[("etc/layer", "upper\n"), ("etc/.wh.gone", "")]);
    let migrate = push(&daemon, &user, "release", &migrate);
    let (status, _) = release(&daemon, &user, &[("web", &web.id), ("release", &migrate.id)]);
    assert_eq!(status, 200);
    wait_for_current(&daemon, &user, 3);
    let output = daemon.client(&user, &["releases:output", "v3", "--app", "shop"]);
    // The config var has won: its value is what the log hides.
    assert_eq!(output, "[GREETING] kept release.3 /srv 1000 /app none\nupper\n");

    let failing = push(&daemon, &user, "release", &image(&["sh", "-c", "echo no; exit 3"]));
    release(&daemon, &user, &[("release", &failing.id)]);
    until(|| daemon.get(&user, "/apps/shop/releases/4")["status"] == "failed");
    assert_eq!(daemon.get(&user, "/apps/shop/releases/3")["current"], true);
    let shown = daemon.client(&user, &["releases:retry", "--app", "shop"]);
    assert!(shown.contains("no\n") && shown.contains("Release command failed with exit code 3."), "{shown}");
}

#[test]
fn an_image_that_is_not_what_it_says_is_its_makers_fault() {
    let (daemon, user) = shop("");
    let lie = push(&daemon, &user, "release", &image(&["true"]).files(Packing::Gzip, &[("a", "b")]).lie_about_last_layer());
    release(&daemon, &user, &[("release", &lie.id)]);
    until(|| daemon.get(&user, "/apps/shop/releases/2")["status"] == "failed");
    let output = daemon.client(&user, &["releases:output", "v2", "--app", "shop"]);
    assert!(output.contains("because the image can't be used: layer 2: the image's config says that it is"), "{output}");
    assert!(!output.contains("hoist's fault"), "{output}");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.as_gnu_mut().unwrap().name[..4].copy_from_slice(b"../x");
    header.set_cksum();
    tar.append(&header, std::io::empty()).unwrap();
    let climbs = push(&daemon, &user, "release", &image(&["true"]).layer(Packing::Gzip, tar.into_inner().unwrap()));
    release(&daemon, &user, &[("release", &climbs.id)]);
    until(|| daemon.get(&user, "/apps/shop/releases/3")["status"] == "failed");
    let output = daemon.client(&user, &["releases:output", "v3", "--app", "shop"]);
    assert!(output.contains("can't be used: ../x leads out of the image"), "{output}");
    let left = std::fs::read_dir(daemon.data_dir().join("images")).unwrap().count();
    assert_eq!(left, 0, "nothing is kept of either");
}

#[test]
fn one_off_commands_run_in_the_images() {
    let (daemon, user) = shop("[limits]\nunpacked_images = 1\n");
    let run = |args: &[&str]| daemon.client(&user, &[&["run", "--no-tty", "--app", "shop"], args].concat());
    let web = push(&daemon, &user, "web", &image(&["sh", "-c", "echo web"]).files(Packing::Gzip, &[("srv/name", "web\n")]));
    let tool = TestImage::busybox(json!({"Entrypoint": ["/bin/echo", "tool"], "Cmd": ["by", "itself"]}));
    let tool = push(&daemon, &user, "tool", &tool);
    release(&daemon, &user, &[("web", &web.id), ("tool", &tool.id)]);
    assert_eq!(run(&["cat name; echo $KEPT"]), "web\nkept\n");
    assert_eq!(run(&["tool 'and more'"]), "tool by itself and more\n", "without a shell");
    assert_eq!(run(&["web"]), "web\n");
    assert_eq!(run(&["touch /bin/x || echo as it was"]).lines().last(), Some("as it was"), "not root");
    let images = std::fs::read_dir(daemon.data_dir().join("images")).unwrap().count();
    assert!(images <= 2, "those that were used last stay: {images}");
    let formation = daemon.client(&user, &["ps:scale", "--app", "shop"]);
    assert!(formation.contains("tool=0") && formation.contains("web=1"), "{formation}");
}

#[test]
fn killed_while_an_image_is_unpacked() {
    let (mut daemon, user) = shop("");
    let web = push(&daemon, &user, "web", &image(&["sh", "-c", "echo web"]));
    let many: Vec<(String, String)> = (0..3000).map(|number| (format!("many/{number}"), "x".repeat(4096))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    let migrate = push(&daemon, &user, "release", &image(&["echo", "migrated"]).files(Packing::Gzip, &many));
    release(&daemon, &user, &[("web", &web.id), ("release", &migrate.id)]);
    let folder = daemon.data_dir().join("images");
    until(|| std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()));
    daemon.kill_and_restart();
    assert_eq!(daemon.get(&user, "/apps/shop/releases/2")["status"], "failed");
    let names = || std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names().all(|name| !name.starts_with("incoming-")), "what was half made is gone");
    let shown = daemon.client(&user, &["releases:retry", "--app", "shop"]);
    assert!(shown.ends_with("migrated\n"), "{shown}");
    wait_for_current(&daemon, &user, 3);
    assert_eq!(names().count(), 1);
    assert_eq!(daemon.get(&user, "/apps/shop/releases/verification")["valid"], true);
}

#[test]
fn a_push_without_heroku_yml_is_refused() {
    let (daemon, user) = shop("");
    let tree = WorkTree::with_pack("null");
    tree.commit("code");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(!pushed.ok && pushed.transcript.contains("does not include a heroku.yml build manifest"), "{}", pushed.transcript);
    assert_eq!(daemon.releases(&user, "shop").len(), 1);
    let stacks = daemon.get(&user, "/stacks");
    assert!(stacks.as_array().unwrap().iter().any(|stack| stack["name"] == "container"), "{stacks}");
}
