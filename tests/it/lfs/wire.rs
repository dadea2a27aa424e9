//! What the server answers, by hand.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hoist::db::Db;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{APP, MEDIA_TYPE, World, content, grant, oid};

fn with_other_app() -> World {
    let world = World::start_with("[limits]\nblob_bytes = 100000\n");
    world.daemon.client(&world.bob, &["apps:create", "other"]);
    world
}

#[test]
fn a_file_comes_and_goes_also_in_parts() {
    let world = World::start();
    let file = b"0123456789";
    let object = world.one(&world.alice, APP, "upload", file);
    let actions = &object["actions"];
    assert_eq!(object["authenticated"], true);
    assert_eq!(actions["upload"]["expires_in"], 1800);
    let place = format!("http://{}/shop.git/info/lfs/objects/{}", world.daemon.http, oid(file));
    assert_eq!(actions["upload"]["href"], place);
    world.act("POST", &actions["verify"], &[], b"").is(404);
    world.act("PUT", &actions["upload"], &[], file).is(200);
    world.act("PUT", &actions["upload"], &[], file).is(200);
    assert_eq!(world.act("POST", &actions["verify"], &[], b"").is(200).json()["size"], 10);
    let again = world.one(&world.alice, APP, "upload", file);
    assert_eq!(again, json!({"oid": oid(file), "size": 10}), "what is there is not sent again");

    let download = &world.one(&world.alice, APP, "download", file)["actions"]["download"];
    assert_eq!(world.act("GET", download, &[], b"").is(200).body, file);
    let part = world.act("GET", download, &[("Range", "bytes=2-4")], b"").is(206);
    assert_eq!((part.body.as_slice(), part.header("content-range")), (&b"234"[..], "bytes 2-4/10"));
    let rest = world.act("GET", download, &[("Range", "bytes=7-")], b"").is(206);
    assert_eq!(rest.body, b"789");
    let beyond = world.act("GET", download, &[("Range", "bytes=10-")], b"").is(416);
    assert_eq!(beyond.header("content-range"), "bytes */10");
    assert_eq!(world.act("HEAD", download, &[], b"").is(200).header("content-length"), "10");
}

#[test]
fn bytes_that_are_others_are_not_kept() {
    let world = World::start();
    let object = world.one(&world.alice, APP, "upload", b"good");
    let upload = &object["actions"]["upload"];
    let refused = world.act("PUT", upload, &[], b"evil").is(422);
    assert_eq!(refused.message(), format!("The bytes that came have the sha256 {}.", oid(b"evil")));
    for (sent, why) in [(&b"long one"[..], "The object has 4 bytes"), (b"goo", "The object has 4 bytes")] {
        let refused = world.act("PUT", upload, &[], sent).is(422).message();
        assert!(refused.starts_with(why), "{refused}");
    }
    assert!(!world.keeps(b"evil") && !world.keeps(b"good"));
    assert_eq!(world.unfinished(), 0);
    assert_eq!(world.one(&world.alice, APP, "download", b"good")["error"]["code"], 404);
    world.act("PUT", upload, &[], b"good").is(200);
}

#[test]
fn what_can_be_no_object_is_refused_by_itself() {
    let world = with_other_app();
    let good = json!({"oid": oid(b"good"), "size": 4});
    let objects = json!([{"oid": "../../etc/passwd", "size": 1}, {"oid": oid(b"x"), "size": -1}, {"oid": oid(b"y"), "size": 100_001}, good]);
    let answer = world.batch(&world.alice.token, APP, "upload", &objects).is(200);
    assert_eq!(answer.header("content-type"), MEDIA_TYPE);
    let answer = answer.json();
    let codes: Vec<_> = answer["objects"].as_array().unwrap().iter().map(|object| object["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!(422), json!(422), json!(422), Value::Null]);
    assert_eq!((&answer["transfer"], &answer["hash_algo"]), (&json!("basic"), &json!("sha256")));
    let words = answer["objects"][2]["error"]["message"].as_str().unwrap();
    assert!(words.contains("at most 100000 bytes") && words.contains("`blob_bytes`"), "{words}");
}

#[test]
fn questions_that_are_not_answered() {
    let world = World::start();
    let path = "shop.git/info/lfs/objects/batch";
    let token = Some(world.alice.token.as_str());
    let ask =
        |token, headers: &[(&str, &str)], body: &Value| world.ask(("POST", path), token, headers, body.to_string().as_bytes());
    let good = json!({"operation": "upload", "objects": []});
    ask(token, &[], &good).is(200);

    let unknown = ask(None, &[], &good).is(401);
    assert_eq!(unknown.header("lfs-authenticate"), "Basic realm=\"hoist\"");
    assert!(unknown.message().contains("API token"));
    ask(Some("hoist-0"), &[], &good).is(401);
    ask(token, &[("Accept", "application/json")], &good).is(406).message();
    ask(token, &[], &json!({"operation": "upload", "hash_algo": "sha512", "objects": []})).is(409).message();
    let object = json!({"oid": oid(b"x"), "size": 1});
    ask(token, &[], &json!({"operation": "upload", "objects": vec![object; 1001]})).is(413).message();
    ask(token, &[], &json!({"operation": "upload", "ref": "x".repeat(600_000), "objects": []})).is(413).message();
    ask(token, &[], &json!({"operation": "steal", "objects": []})).is(422).message();
    ask(token, &[], &json!({"operation": "upload", "transfers": ["tus"], "objects": []})).is(422).message();
    world.ask(("POST", path), token, &[], b"{\"operation").is(422).message();
    world.ask(("POST", "nothing.git/info/lfs/objects/batch"), token, &[], good.to_string().as_bytes()).is(404).message();
    world.ask(("GET", path), token, &[], b"").is(404).message();
    world.ask(("GET", "shop.git/info/lfs/nothing"), token, &[], b"").is(404).message();
    let place = format!("shop.git/info/lfs/objects/{}", oid(b"x"));
    world.ask(("PUT", &place), token, &[], b"x").is(403).message();
    assert!(!world.keeps(b"x"), "what nobody has announced is not taken");
}

#[test]
fn too_many_questions_are_told_when_to_come_again() {
    let world = World::start_with("[limits]\ngit_requests_per_hour = 1\n");
    let ask = || world.batch(&world.alice.token, APP, "download", &json!([]));
    let limited = std::iter::repeat_with(ask).take(30).find(|answer| answer.status != 200).unwrap().is(429);
    assert!(limited.header("retry-after").parse::<u32>().unwrap() > 0);
}

#[test]
fn a_file_of_another_app_is_not_given_away_by_its_digest() {
    let world = with_other_app();
    let secret = b"only shop has it";
    world.send(&world.alice, APP, secret);
    let answer = world.one(&world.bob, "other", "download", secret);
    assert_eq!(answer["error"]["code"], 404);
    let answer = world.one(&world.bob, "other", "upload", secret);
    let upload = &answer["actions"]["upload"];
    assert!(upload["href"].is_string(), "whoever has it must show it: {answer}");
    world.act("POST", &answer["actions"]["verify"], &[], b"").is(404);
    world.act("PUT", upload, &[], b"only shop has oh").is(422);
    assert_eq!(world.one(&world.bob, "other", "download", secret)["error"]["code"], 404);
    world.act("PUT", upload, &[], secret).is(200);
    let download = &world.one(&world.bob, "other", "download", secret)["actions"]["download"];
    assert_eq!(world.act("GET", download, &[], b"").is(200).body, secret);
}

#[test]
fn a_grant_is_good_for_one_thing_alone() {
    let world = with_other_app();
    let (file, other) = (b"file", b"more");
    world.send(&world.alice, APP, file);
    let download = &world.one(&world.alice, APP, "download", file)["actions"]["download"];
    let upload = &world.one(&world.alice, APP, "upload", other)["actions"]["upload"];
    let place = |app: &str, file: &[u8]| format!("{app}.git/info/lfs/objects/{}", oid(file));
    let ask = |method: &str, path: &str, action: &Value, body: &[u8]| world.ask((method, path), Some(grant(action)), &[], body);
    ask("GET", &place(APP, file), download, b"").is(200);
    // Another operation, another file, another app, another question.
    ask("GET", &place(APP, file), upload, b"").is(403).message();
    ask("PUT", &place(APP, other), download, other).is(403).message();
    ask("PUT", &place(APP, file), upload, other).is(403).message();
    world.daemon.client(&world.alice, &["apps:create", "third"]);
    ask("PUT", &place("third", other), upload, other).is(403).message();
    let question = json!({"operation": "upload", "objects": []}).to_string();
    ask("POST", "shop.git/info/lfs/objects/batch", upload, question.as_bytes()).is(403).message();
    // Not an API token, nor can it be changed.
    let api = ureq::get(format!("http://{}/account", world.daemon.http)).config().http_status_as_error(false).build();
    assert_eq!(api.header("Authorization", format!("Bearer {}", grant(upload))).call().unwrap().status(), 401);
    world.ask(("PUT", &place(APP, other)), Some(&grant(upload)[1..]), &[], other).is(401);
    assert!(!world.keeps(other));
}

#[test]
fn a_grant_expires() {
    let world = World::start();
    let upload = &world.one(&world.alice, APP, "upload", b"file")["actions"]["upload"];
    // The daemon's own key, with which no stranger can do this.
    let db = Runtime::new().unwrap().block_on(Db::open(world.daemon.data_dir())).unwrap();
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(grant(upload)).unwrap();
    let mut plain: Value = serde_json::from_slice(&db.cipher().open_sealed("git lfs", &sealed).unwrap()).unwrap();
    let seal = |plain: &Value| BASE64_URL_SAFE_NO_PAD.encode(db.cipher().seal("git lfs", plain.to_string().as_bytes()));
    let send = |grant: &str| world.ask(("PUT", upload["href"].as_str().unwrap()), Some(grant), &[], b"file");
    let resealed = seal(&plain);
    plain["expires_at"] = 1.into();
    let expired = send(&seal(&plain)).is(401);
    assert_eq!(expired.message(), "This was given out too long ago. Run the command again.");
    assert!(!world.keeps(b"file"));
    send(&resealed).is(200);
}

#[test]
fn a_grant_ends_with_what_it_was_given_for() {
    let world = World::start();
    let made = world.daemon.client(&world.alice, &["authorizations:create", "--description", "ci", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["access_token"]["token"].as_str().unwrap();
    let objects = json!([{"oid": oid(b"file"), "size": 4}]);
    let answer = world.batch(token, APP, "upload", &objects).is(200).json();
    world.daemon.client(&world.alice, &["authorizations:revoke", made["id"].as_str().unwrap()]);
    world.act("PUT", &answer["objects"][0]["actions"]["upload"], &[], b"file").is(401).message();

    // The same with a right that is taken away meanwhile.
    world.daemon.client(&world.alice, &["access:add", "bob@example.com", "--permissions", "deploy", "--app", APP]);
    let upload = &world.one(&world.bob, APP, "upload", b"file")["actions"]["upload"];
    world.daemon.client(&world.alice, &["access:remove", "bob@example.com", "--app", APP]);
    world.act("PUT", upload, &[], b"file").is(404);
    assert!(!world.keeps(b"file"));
}

#[test]
fn a_token_to_read_gets_files_and_sends_none() {
    let world = World::start();
    world.send(&world.alice, APP, b"file");
    let made = world.daemon.client(&world.alice, &["authorizations:create", "--scope", "read", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["access_token"]["token"].as_str().unwrap();
    let objects = json!([{"oid": oid(b"file"), "size": 4}]);
    let refused = world.batch(token, APP, "upload", &objects).is(403).message();
    assert!(refused.contains("scope is read"), "{refused}");
    let answer = world.batch(token, APP, "download", &objects).is(200).json();
    assert_eq!(world.act("GET", &answer["objects"][0]["actions"]["download"], &[], b"").is(200).body, b"file");
}

#[test]
fn two_at_once_send_the_same_file() {
    let world = World::start();
    let file = content(3, 2_000_000);
    let object = world.one(&world.alice, APP, "upload", &file);
    std::thread::scope(|scope| {
        let send = || world.act("PUT", &object["actions"]["upload"], &[], &file).status;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 200));
    });
    let download = &world.one(&world.alice, APP, "download", &file)["actions"]["download"];
    assert!(world.act("GET", download, &[], b"").is(200).body == file);
    assert_eq!(world.unfinished(), 0);
}
