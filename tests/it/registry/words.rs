//! What hoist adds to the specification, and what it refuses, in which words.

use serde_json::json;

use super::world::{DOCKER, INDEX, NOWHERE, OCI, World, basic, descriptor, digest, noise, send};

#[test]
fn parts_of_blobs() {
    let world = World::start();
    let content = noise(3_000_000, 1);
    let path = format!("/v2/shop/web/blobs/{}", world.push_blob("shop/web", &content));
    let get = |range: &str| world.send("GET", &path, &[("range", range)], b"");
    let part = get("bytes=1000000-1999999").is(206);
    assert!(part.body == content[1_000_000..2_000_000]);
    assert_eq!(part.header("content-range"), "bytes 1000000-1999999/3000000");
    assert!(get("bytes=2999990-").is(206).body == content[2_999_990..]);
    assert_eq!(get("bytes=3000000-").is(416).header("content-range"), "bytes */3000000");
    assert!(get("bytes=0-1,5-6").is(200).body == content);
    let head = world.send("HEAD", &path, &[("range", "bytes=0-1")], b"").is(200);
    assert_eq!((head.header("content-length"), head.header("accept-ranges")), ("3000000", "bytes"));
}

#[test]
fn a_client_that_knows_no_index_gets_a_manifest() {
    let world = World::start();
    let [arm, amd] = ["arm64", "amd64"].map(|architecture| {
        let mut manifest = world.push_parts("shop/web", architecture.as_bytes());
        manifest["mediaType"] = json!(DOCKER);
        let digest = digest(manifest.to_string().as_bytes());
        world.push_manifest("shop/web", &digest, &manifest).is(201);
        let mut listed = descriptor(DOCKER, manifest.to_string().as_bytes());
        listed["platform"] = json!({"architecture": architecture, "os": "linux"});
        listed
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [arm, amd]});
    world.push_manifest("shop/web", "latest", &index).is(201);
    let get = |reference: &str, accept: &str| {
        let answer = world.send("GET", &format!("/v2/shop/web/manifests/{reference}"), &[("accept", accept)], b"").is(200);
        (answer.header("content-type").to_owned(), answer.header("docker-content-digest").to_owned())
    };
    let amd_digest = amd["digest"].as_str().unwrap().to_owned();
    let index_digest = digest(index.to_string().as_bytes());
    assert_eq!(get("latest", DOCKER), (DOCKER.to_owned(), amd_digest));
    assert_eq!(get("latest", &format!("{DOCKER}, {INDEX}")), (INDEX.to_owned(), index_digest.clone()));
    assert_eq!(get("latest", "*/*").0, INDEX);
    assert_eq!(get(&index_digest, DOCKER).0, INDEX, "what has this digest has this digest");
    // What an index lists stays as long as it does.
    let listed = format!("/v2/shop/web/manifests/{}", arm["digest"].as_str().unwrap());
    assert!(world.ask("DELETE", &listed).is(403).error().1.contains(&index_digest));
}

#[test]
fn manifests_that_are_refused() {
    let world = World::start();
    let good = world.push_parts("shop/web", b"layer");
    let push = |manifest: &serde_json::Value| {
        let answer = world.push_manifest("shop/web", "latest", manifest);
        (answer.status, answer.error())
    };
    let mut lacking = good.clone();
    lacking["layers"][0]["digest"] = json!(NOWHERE);
    let (status, (code, words)) = push(&lacking);
    assert_eq!((status, code.as_str()), (400, "MANIFEST_BLOB_UNKNOWN"));
    assert!(words.contains(NOWHERE), "{words}");
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": OCI, "digest": NOWHERE, "size": 1}]});
    assert_eq!(push(&index).1.0, "MANIFEST_BLOB_UNKNOWN");
    let schema_1 = json!({"schemaVersion": 1, "mediaType": "application/vnd.docker.distribution.manifest.v1+json"});
    let (status, (code, words)) = push(&schema_1);
    assert_eq!((status, code.as_str()), (400, "MANIFEST_INVALID"));
    assert!(words.contains("given up by Docker itself"), "{words}");

    let at_other_digest = world.push_manifest("shop/web", NOWHERE, &good).is(400);
    assert_eq!(at_other_digest.error().0, "DIGEST_INVALID");
    let sha512 = format!("sha512:{}", "0".repeat(128));
    assert_eq!(world.push_manifest("shop/web", &sha512, &good).is(400).error().0, "DIGEST_INVALID");
    let mut long = good.clone();
    long["annotations"] = json!({"long": "x".repeat(4 * 1024 * 1024)});
    world.push_manifest("shop/web", "latest", &long).is(413);
    for tag in ["v7", "current"] {
        let (code, words) = world.push_manifest("shop/web", tag, &good).is(403).error();
        assert_eq!(code, "DENIED");
        assert!(words.contains("is the ledger's"), "{words}");
    }
    world.ask("GET", "/v2/shop/web/manifests/latest").is(404);
}

#[test]
fn blobs_that_are_refused() {
    let world = World::start_with("[limits]\nimage_blob_bytes = 100000\n");
    let put = |digest: &str, body: &[u8]| {
        let location = world.begin_upload("shop/web");
        (world.send("PUT", &format!("{location}?digest={digest}"), &[], body), location)
    };
    let (answer, location) = put(NOWHERE, b"something else");
    let (code, words) = answer.is(400).error();
    assert_eq!(code, "DIGEST_INVALID");
    assert!(words.contains(&digest(b"something else")), "{words}");
    world.ask("GET", &location).is(404);
    world.ask("GET", &format!("/v2/shop/web/blobs/{NOWHERE}")).is(404);
    assert_eq!(put(&format!("sha512:{}", "0".repeat(128)), b"x").0.is(400).error().0, "DIGEST_INVALID");
    let long = noise(100_001, 1);
    let (answer, location) = put(&digest(&long), &long);
    assert!(answer.is(413).error().1.contains("`image_blob_bytes`"));
    world.ask("GET", &location).is(404);
    put(&digest(&long[1..]), &long[1..]).0.is(201);

    let location = world.begin_upload("shop/web");
    let patch = |range: &str| world.send("PATCH", &location, &[("content-range", range)], b"12345").is(400).error().0;
    assert_eq!([patch("0-5"), patch("a-b")], ["BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_INVALID"]);
    // An upload is good in its own repository only.
    world.ask("GET", &location.replace("shop", "other")).is(404);
    let (code, words) = world.ask("POST", "/v2/shop/blobs/uploads/").is(404).error();
    assert_eq!(code, "NAME_UNKNOWN");
    assert!(words.contains("as in my-app/web"), "{words}");
    world.ask("POST", "/v2/a/b/c/blobs/uploads/").is(404);
}

#[test]
fn pulls_are_not_counted_as_the_apis_requests() {
    let world = World::start_with("[limits]\napi_requests_per_hour = 10\nimage_requests_per_hour = 20\n");
    for _ in 0..20 {
        world.ask("GET", "/v2/").is(200);
    }
    let refused = world.ask("GET", "/v2/").is(429);
    assert_eq!(refused.error().0, "TOOMANYREQUESTS");
    assert_ne!(refused.header("retry-after"), "");
    let bearer = format!("Bearer {}", world.user.token);
    send(&world.daemon, "GET", "/apps", &[("authorization", &bearer)], b"").is(200);
}

#[test]
fn credentials_come_in_many_forms() {
    let world = World::start();
    let token = &world.user.token;
    let bearer = format!("Bearer {token}");
    for good in [&basic("_", token), &basic("", token), &basic("alice@example.com", token), &bearer] {
        let answer = send(&world.daemon, "GET", "/v2/", &[("authorization", good)], b"").is(200);
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    }
    let host = &world.daemon.http;
    for bad in [&[][..], &[("authorization", "Basic ???")], &[("authorization", "Bearer hoist-0")]] {
        let answer = send(&world.daemon, "GET", "/v2/", bad, b"").is(401);
        assert_eq!(answer.error().0, "UNAUTHORIZED");
        let challenge = format!("Bearer realm=\"http://{host}/v2/token\",service=\"{host}\"");
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
    let answer = send(&world.daemon, "POST", "/v2/shop/web/blobs/uploads/", &[], b"").is(401);
    assert!(answer.header("www-authenticate").ends_with(",scope=\"repository:shop/web:pull,push\""));
}
