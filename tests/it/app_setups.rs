//! Setups: apps made and deployed as their app.json says.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::api_world::normal;
use crate::builds_api::{archive_of, send, upload};
use crate::harness::{Daemon, User, WorkTree, fixture, until};

const CONFIG: &str = "app_url = \"https://{app}.example.com/\"\n";

/// The fixture app with its buildpack.
fn shop() -> WorkTree {
    let tree = WorkTree::with_pack("tested");
    for file in ["app.json", "Procfile"] {
        tree.write(file, &std::fs::read_to_string(fixture("apps/app-json").join(file)).unwrap());
    }
    tree
}

pub(crate) fn start(daemon: &Daemon, user: &User, archive: &[u8], more: &Value) -> Value {
    let mut body = json!({"source_blob": {"url": upload(daemon, user, archive)}, "app": {"name": "shop"}});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = send(daemon, user, "POST", "/app-setups", &body);
    assert_eq!(made.status, 202, "{}", made.body);
    made.body
}

pub(crate) fn ended(daemon: &Daemon, user: &User, setup: &Value) -> Value {
    let path = format!("/app-setups/{}", setup["id"].as_str().unwrap());
    let mut last = Value::Null;
    until(|| {
        last = daemon.get(user, &path);
        last["status"] != "pending"
    });
    last
}

#[test]
fn an_app_is_set_up_as_it_asks_for() {
    let daemon = Daemon::start_with(CONFIG);
    let user = daemon.user("alice@example.com");
    let env = json!({"overrides": {"env": {"OWNER": "alice", "EXTRA": "more"}}});
    let setup = start(&daemon, &user, &archive_of(shop().path()), &env);
    assert_eq!((&setup["status"], &setup["app"]["name"], &setup["build"]), (&json!("pending"), &json!("shop"), &Value::Null));
    let done = ended(&daemon, &user, &setup);
    // The generated key is a secret like any other.
    let text = normal(&serde_json::to_string_pretty(&done).unwrap()).replace(&daemon.http, "HOST");
    let text = text.replace(done["build"]["id"].as_str().unwrap(), "ID");
    assert_snapshot!(text, @r#"
    {
      "app": {
        "id": "ID",
        "name": "shop"
      },
      "build": {
        "id": "ID",
        "output_stream_url": "http://HOST/streams/builds/ID",
        "status": "succeeded"
      },
      "created_at": "TIME",
      "failure_message": null,
      "id": "ID",
      "manifest_errors": [],
      "postdeploy": {
        "exit_code": 0,
        "output": "[GREETING], alice\nthe key is [SECRET_KEY]\n"
      },
      "resolved_success_url": "https://shop.example.com/welcome",
      "status": "succeeded",
      "updated_at": "TIME"
    }
    "#);
    let config = daemon.get(&user, "/apps/shop/config-vars");
    assert_eq!(
        (&config["GREETING"], &config["OWNER"], &config["EXTRA"]),
        (&json!("good morning"), &json!("alice"), &json!("more"))
    );
    let key = config["SECRET_KEY"].as_str().unwrap();
    assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let web = daemon.get(&user, "/apps/shop/formation/web");
    assert_eq!((&web["quantity"], &web["size"]), (&json!(2), &json!("Standard-1X")));
    assert_eq!(daemon.get(&user, "/apps/shop/buildpack-installations")[0]["buildpack"]["name"], "./pack");
    let what: Vec<_> = daemon.releases(&user, "shop").into_iter().map(|(_, what)| what).collect();
    assert_eq!((what.len(), what[0].as_str()), (3, "Initial release"), "{what:?}");
    // Nobody else's business.
    let other = daemon.user("mallory@example.com");
    let path = format!("/app-setups/{}", setup["id"].as_str().unwrap());
    assert_eq!(send(&daemon, &other, "GET", &path, &json!({})).body["message"], "Couldn't find that app setup.");
}

#[test]
fn an_app_is_set_up_from_a_folder_of_its_source() {
    let daemon = Daemon::start_with(CONFIG);
    let user = daemon.user("alice@example.com");
    let tree = shop();
    tree.move_into("apps/shop");
    let archive = archive_of(tree.path());
    let env = |path: &str| json!({"overrides": {"env": {"OWNER": "alice", "PROJECT_PATH": path}}});
    let done = ended(&daemon, &user, &start(&daemon, &user, &archive, &env("apps/shop")));
    assert_eq!((&done["status"], &done["postdeploy"]["exit_code"]), (&json!("succeeded"), &json!(0)), "{done}");
    assert_eq!(daemon.get(&user, "/apps/shop/config-vars")["GREETING"], "good morning");

    let mut other = env("apps/other");
    other["app"] = json!({"name": "other"});
    let failed = ended(&daemon, &user, &start(&daemon, &user, &archive, &other));
    assert_eq!(failed["failure_message"], "there is no folder apps/other", "{failed}");
}

/// An archive as no tool of ours would make it.
fn climbing_archive() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..10].copy_from_slice(b"../escaped");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    tar.append(&header, std::io::empty()).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn what_keeps_an_app_from_being_set_up_is_told() {
    let daemon = Daemon::start_with("engine = \"local\"\n");
    let user = daemon.user("alice@example.com");
    let check = |app: &str, app_json: Option<&str>, message: &str, errors: &[&str]| {
        let tree = shop();
        match app_json {
            Some(text) => tree.write("app.json", text),
            None => std::fs::remove_file(tree.path().join("app.json")).unwrap(),
        }
        let setup = start(&daemon, &user, &archive_of(tree.path()), &json!({"app": {"name": app}}));
        let done = ended(&daemon, &user, &setup);
        assert_eq!((&done["status"], &done["failure_message"]), (&json!("failed"), &json!(message)), "{done}");
        assert_eq!(done["manifest_errors"], json!(errors));
        assert_eq!(daemon.releases(&user, app).len(), 1, "nothing was released");
    };
    check("no-manifest", None, "app.json not found: put one into the app's own folder", &[]);
    check("not-json", Some("{"), "invalid app.json", &["app.json: EOF while parsing an object at line 1 column 1"]);
    check(
        "wrong-type",
        Some(r#"{"formation": 7}"#),
        "invalid app.json",
        &["formation: invalid type: integer `7`, expected a map at line 1 column 15"],
    );
    check(
        "required",
        Some(r#"{"env": {"A": {}, "B": {}}}"#),
        "invalid app.json",
        &["config var A is required", "config var B is required"],
    );
    check(
        "stack",
        Some(r#"{"stack": "heroku-24"}"#),
        "invalid app.json",
        &["stack: there is no stack heroku-24 here; `hoist stacks` lists those there are"],
    );
    let hostile = start(&daemon, &user, b"not an archive", &json!({"app": {"name": "hostile"}}));
    let done = ended(&daemon, &user, &hostile);
    assert_eq!(done["failure_message"], "the source is not a .tar.gz archive: invalid gzip header", "{done}");
    let climbing = start(&daemon, &user, &climbing_archive(), &json!({"app": {"name": "climbing"}}));
    let done = ended(&daemon, &user, &climbing);
    assert_eq!(done["failure_message"], "../escaped: the path has a `..` part", "{done}");
    let taken = send(
        &daemon,
        &user,
        "POST",
        "/app-setups",
        &json!({"source_blob": {"url": "https://example.com/x"}, "app": {"name": "stack"}}),
    );
    assert_eq!((taken.status, &taken.body["message"]), (422, &json!("Name stack is already taken")));
    let body = json!({"source_blob": {"url": "https://example.com/x"}, "overrides": {"env": {"PIN": 1234}}});
    let number = send(&daemon, &user, "POST", "/app-setups", &body);
    assert_eq!(number.body["message"], "The value of PIN must be a text, or null to unset it.");
    let empty = send(&daemon, &user, "POST", "/app-setups", &json!({"app": {"name": "other"}}));
    assert_eq!(empty.status, 422);
}

#[test]
fn a_failed_build_and_a_failed_script_are_recorded() {
    let daemon = Daemon::start_with("");
    let user = daemon.user("alice@example.com");
    let tree = shop();
    tree.write("app.json", r#"{"buildpacks": [{"url": "./pack"}], "scripts": {"postdeploy": "echo oh; exit 5"}}"#);
    let archive = archive_of(tree.path());
    let done = ended(&daemon, &user, &start(&daemon, &user, &archive, &json!({})));
    assert_eq!(done["failure_message"], "postdeploy exit code was not 0", "{done}");
    assert_eq!(done["postdeploy"], json!({"exit_code": 5, "output": "oh\n !     Command failed with exit code 5.\n"}));
    assert_eq!(done["build"]["status"], "succeeded");

    tree.write("pack/bin/compile", "#!/bin/sh\nexit 1\n");
    let setup = start(&daemon, &user, &archive_of(tree.path()), &json!({"app": {"name": "broken"}}));
    let done = ended(&daemon, &user, &setup);
    assert_eq!(done["failure_message"], "build failed: failed to compile Tested app", "{done}");
    assert_eq!((&done["build"]["status"], &done["postdeploy"]), (&json!("failed"), &Value::Null));
}

#[test]
fn a_killed_daemon_leaves_no_setup_without_an_end() {
    let mut daemon = Daemon::start_with("engine = \"local\"\n");
    let user = daemon.user("alice@example.com");
    let tree = WorkTree::with_pack("gated");
    let gate = daemon.data_dir().join("gate");
    tree.write("app.json", &json!({"buildpacks": [{"url": "./pack"}], "env": {"GATE": gate}}).to_string());
    let setup = start(&daemon, &user, &archive_of(tree.path()), &json!({}));
    let path = format!("/app-setups/{}", setup["id"].as_str().unwrap());
    until(|| daemon.get(&user, &path)["build"]["status"] == "pending");
    daemon.kill_and_restart();
    let done = daemon.get(&user, &path);
    assert_eq!(done["failure_message"], "hoist was stopped while the app was set up; destroy the app and set it up again");
    assert_eq!((&done["status"], &done["build"]["status"]), (&json!("failed"), &json!("failed")));

    let tree = WorkTree::with_pack("null");
    let app_json = json!({"buildpacks": [{"url": "./pack"}], "scripts": {"postdeploy": "echo begun; sleep infinity"}});
    tree.write("app.json", &app_json.to_string());
    let setup = start(&daemon, &user, &archive_of(tree.path()), &json!({"app": {"name": "second"}}));
    let path = format!("/app-setups/{}", setup["id"].as_str().unwrap());
    let is_up = |dyno: &Value| dyno["type"] == "postdeploy" && dyno["state"] == "up";
    until(|| daemon.get(&user, "/apps/second/dynos").as_array().unwrap().iter().any(is_up));
    daemon.kill_and_restart();
    let done = daemon.get(&user, &path);
    assert_eq!((&done["status"], &done["build"]["status"]), (&json!("failed"), &json!("succeeded")));
    assert_eq!(done["postdeploy"]["exit_code"], Value::Null, "{done}");
}
