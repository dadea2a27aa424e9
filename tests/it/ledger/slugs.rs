//! Slugs that were made elsewhere.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use insta::assert_snapshot;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{archive, create_app};
use crate::api_world::{Answer, User, World};
use crate::harness::Daemon;

/// A world with an app, and with a stack that is there as far as anybody looks.
async fn world() -> (World, User) {
    let world = World::new().await;
    let digest = "5".repeat(64);
    let home = world.ctx.config.stacks_dir.join("debian-12");
    for root in ["build", "run"] {
        std::fs::create_dir_all(home.join(&digest).join(root)).unwrap();
    }
    std::fs::write(home.join("current.json"), json!({"digest": format!("sha256:{digest}"), "recipe": ""}).to_string()).unwrap();
    let user = world.user("dev@example.com").await;
    create_app(&world, &user, "example").await;
    (world, user)
}

/// Uploads to where the answer says, without a token.
async fn upload(world: &World, slug: &Value, headers: &[(&str, &str)], archive: Vec<u8>) -> Answer {
    let url = slug["blob"]["url"].as_str().unwrap();
    let mut request = Request::builder().method(Method::PUT).uri(url.strip_prefix("http://127.0.0.1:5000").unwrap());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.raw(request.body(Body::from(archive)).unwrap()).await
}

fn checksum(bytes: &[u8]) -> String {
    format!("SHA256:{}", hex::encode(Sha256::digest(bytes)))
}

#[tokio::test]
async fn a_slug_is_announced_uploaded_and_released() {
    let (world, user) = world().await;
    let archive = archive(&[("server.js", "serve()"), ("a/b", "")]);
    let new = json!({
        "process_types": {"web": "node server.js"},
        "checksum": checksum(&archive),
        "commit": "c".repeat(40),
        "buildpack_provided_description": "Node.js",
    });
    let announced = world.post(&user, "/apps/example/slugs", new).await;
    assert_eq!((announced.status, &announced.body["blob"]["method"]), (StatusCode::CREATED, &json!("PUT")));
    let id = announced.body["id"].as_str().unwrap();
    assert_snapshot!(announced.normal().replace(id, "ID").replace(&checksum(&archive), "CHECKSUM"), @r#"
    {
      "blob": {
        "method": "PUT",
        "url": "http://127.0.0.1:5000/blobs/slugs/ID"
      },
      "buildpack_provided_description": "Node.js",
      "checksum": "CHECKSUM",
      "commit": "cccccccccccccccccccccccccccccccccccccccc",
      "commit_description": null,
      "created_at": "TIME",
      "deleted_at": null,
      "id": "ID",
      "process_types": {
        "web": "node server.js"
      },
      "size": null,
      "stack": {
        "id": "ID",
        "name": "debian-12"
      },
      "updated_at": "TIME"
    }
    "#);
    let early = world.post(&user, "/apps/example/releases", json!({"slug": id})).await;
    assert_snapshot!(early.error(), @"422 invalid_params: The slug has not been uploaded yet. PUT its archive to its blob's url first, then release it.");

    assert_eq!(upload(&world, &announced.body, &[("content-type", "")], archive.clone()).await.status, StatusCode::OK);
    let slug = world.get(&user, &format!("/apps/example/slugs/{id}")).await;
    assert_eq!((&slug.body["blob"]["method"], &slug.body["size"]), (&json!("GET"), &json!(archive.len())));
    let released = world.post(&user, "/apps/example/releases", json!({"slug": id})).await;
    assert_eq!((released.status, &released.body["description"]), (StatusCode::CREATED, &json!("Deploy cccccccc")));
    let path = slug.body["blob"]["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:5000").unwrap();
    let response =
        tower::ServiceExt::oneshot(world.router.clone(), Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let there = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(there[..] == archive[..], "it comes back byte for byte");

    let id_alone = world.raw(Request::get(format!("/blobs/slugs/{id}")).body(Body::empty()).unwrap()).await;
    let to_read = upload(&world, &slug.body, &[], archive.clone()).await;
    assert_eq!((id_alone.status, to_read.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    let again = upload(&world, &announced.body, &[], archive).await;
    assert_snapshot!(again.error(), @"409 conflict: This slug has been uploaded already. Make a new one for another archive.");
}

#[tokio::test]
async fn an_upload_that_does_not_fit_leaves_the_slug_waiting() {
    let (world, user) = world().await;
    let good = archive(&[("server.js", "serve()")]);
    let new = json!({"process_types": {"web": "node server.js"}, "checksum": checksum(&good).to_lowercase()});
    let announced = world.post(&user, "/apps/example/slugs", new).await.body;
    let put = async |headers: &[(&str, &str)], bytes: Vec<u8>| upload(&world, &announced, headers, bytes).await.error();
    let other = put(&[], archive(&[("server.js", "steal()")])).await;
    assert!(other.starts_with("422 invalid_params: Nothing was kept: the archive's checksum is sha256:"), "{other}");
    assert_snapshot!(put(&[], b"no archive".to_vec()).await, @"422 invalid_params: This is not a whole gzip-compressed tar. Make it with `tar czf slug.tgz ./app`.");
    assert_snapshot!(put(&[("content-length", "99999999999")], Vec::new()).await, @"413 request_too_large: The slug's archive is larger than 500 MiB. Leave out what the app does not need.");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(&mut gzip);
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    tar.append_data(&mut header, "etc/passwd", &b""[..]).unwrap();
    tar.finish().unwrap();
    drop(tar);
    assert_snapshot!(put(&[], gzip.finish().unwrap()).await, @"422 invalid_params: The slug's archive can't be used: etc/passwd: a slug holds nothing outside of ./app. Make it with `tar czf slug.tgz ./app`.");
    assert_eq!(upload(&world, &announced, &[], good).await.status, StatusCode::OK, "the right one still can come");
}

#[tokio::test]
async fn what_is_announced_must_make_sense() {
    let (world, user) = world().await;
    let post = async |body: Value| world.post(&user, "/apps/example/slugs", body).await.error();
    assert_snapshot!(post(json!({})).await, @"422 invalid_params: The request's body does not fit: missing field `process_types` at line 1 column 2.");
    assert_snapshot!(post(json!({"process_types": {"web": ""}})).await, @"422 invalid_params: The command of the process type web must be a text.");
    assert_snapshot!(post(json!({"process_types": {}, "stack": "cedar"})).await, @"422 invalid_params: There is no stack `cedar` here. `hoist stacks` lists those there are.");
    assert_snapshot!(post(json!({"process_types": {}, "commit": "main"})).await, @"422 invalid_params: The commit can't be used: `main` is not a full object id.");
    assert_snapshot!(post(json!({"process_types": {}, "checksum": "MD5:1"})).await, @"422 invalid_params: The checksum must look like `SHA256:` and the 64 hex digits that sha256sum prints.");
    let stranger = world.user("stranger@example.com").await;
    let theirs = world.post(&stranger, "/apps/example/slugs", json!({"process_types": {}})).await;
    assert_eq!(theirs.error(), "404 not_found: Couldn't find that app.");
    let nowhere = json!({"blob": {"url": "http://127.0.0.1:5000/blobs/slugs/0f0e0d0c-0b0a-4908-8706-050403020100"}});
    assert_snapshot!(upload(&world, &nowhere, &[], Vec::new()).await.error(), @"403 forbidden: This address is not complete, or has expired. The API tells a new one.");
}

#[tokio::test]
async fn an_announced_slug_waits_for_an_hour() {
    let (world, user) = world().await;
    let announced = world.post(&user, "/apps/example/slugs", json!({"process_types": {}})).await.body;
    let mut tx = world.ctx.db.write().await.unwrap();
    sqlx::query("UPDATE slug_uploads SET created_at = created_at - 3600000").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let late = upload(&world, &announced, &[], archive(&[])).await;
    assert_eq!(late.error(), "404 not_found: Couldn't find that slug.");
    world.post(&user, "/apps/example/slugs", json!({"process_types": {}})).await;
    let path = format!("/apps/example/slugs/{}", announced["id"].as_str().unwrap());
    assert_eq!(world.get(&user, &path).await.status, StatusCode::NOT_FOUND, "the next announcement forgets it");
}

#[test]
fn over_the_wire_in_any_size() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    let post = |path: &str, body: Value| -> Value {
        let request = ureq::post(format!("http://{}/apps/shop{path}", daemon.http));
        request.header("Authorization", format!("Bearer {}", user.token)).send_json(body).unwrap().body_mut().read_json().unwrap()
    };
    // More than any other request may have, and nothing that gzip could make small.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    };
    let content: String = (0..8 << 20).map(|_| noise()).collect();
    let archive = archive(&[("server.js", &content)]);
    assert!(archive.len() > 4 << 20);
    let announced = post("/slugs", json!({"process_types": {"web": "node server.js"}, "checksum": checksum(&archive)}));
    // An address that is told is that of the configuration; the test's daemon listens where it could.
    let address = |slug: &Value| {
        let url = slug["blob"]["url"].as_str().unwrap();
        format!("http://{}/blobs{}", daemon.http, url.split_once("/blobs").unwrap().1)
    };
    assert_eq!(ureq::put(address(&announced)).send(&archive[..]).unwrap().status(), 200);
    let released = post("/releases", json!({"slug": announced["id"], "description": "Built elsewhere"}));
    assert_eq!((&released["version"], &released["current"]), (&json!(2), &json!(true)));
    let slug = daemon.get(&user, &format!("/apps/shop/slugs/{}", announced["id"].as_str().unwrap()));
    let there = ureq::get(address(&slug)).call().unwrap().body_mut().with_config().limit(16 << 20).read_to_vec().unwrap();
    assert!(there == archive);
}
