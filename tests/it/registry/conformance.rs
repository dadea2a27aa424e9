//! The OCI Distribution specification, category by category, with the names of its conformance tests (version 1.1).

use serde_json::{Value, json};

use super::world::{INDEX, NOWHERE, OCI, World, descriptor, digest};

const CHUNK_1: &[u8] = b"first chunk, ";
const CHUNK_2: &[u8] = b"second chunk";

/// Does what the specification's test of this name does, and tells which that was should it fail.
fn specify<T>(name: &str, test: impl FnOnce() -> T) -> T {
    eprintln!("{name}");
    test()
}

#[test]
fn pull() {
    let world = World::start();
    let layer = b"a layer";
    let manifest = world.push_image("shop/web", "tagtest0", layer);
    let blob = format!("/v2/shop/web/blobs/{}", digest(layer));
    let nowhere = format!("/v2/shop/web/blobs/{NOWHERE}");

    specify("HEAD request to nonexistent blob should result in 404 response", || world.ask("HEAD", &nowhere).is(404));
    specify("HEAD request to existing blob should yield 200", || {
        let answer = world.ask("HEAD", &blob).is(200);
        assert_eq!(answer.header("content-length"), layer.len().to_string());
        assert_eq!(answer.header("docker-content-digest"), digest(layer));
    });
    specify("GET nonexistent blob should result in 404 response", || {
        assert_eq!(world.ask("GET", &nowhere).is(404).error().0, "BLOB_UNKNOWN");
    });
    specify("GET request to existing blob URL should yield 200", || assert_eq!(world.ask("GET", &blob).is(200).body, layer));

    let unknown = "/v2/shop/web/manifests/.INVALID_MANIFEST_NAME";
    specify("HEAD request to nonexistent manifest should return 404", || {
        world.ask("HEAD", "/v2/shop/web/manifests/nothing").is(404)
    });
    for path in [format!("/v2/shop/web/manifests/{manifest}"), "/v2/shop/web/manifests/tagtest0".into()] {
        specify("HEAD request to manifest path (digest, tag) should yield 200 response", || {
            let answer = world.ask("HEAD", &path).is(200);
            assert_eq!(answer.header("docker-content-digest"), manifest);
            assert_ne!(answer.header("content-length"), "");
        });
        specify("GET request to manifest path (digest, tag) should yield 200 response", || {
            let answer = world.ask("GET", &path).is(200);
            assert_eq!((digest(&answer.body), answer.header("content-type")), (manifest.clone(), OCI));
        });
    }
    specify("GET nonexistent manifest should return 404", || {
        assert_eq!(world.ask("GET", "/v2/shop/web/manifests/nothing").is(404).error().0, "MANIFEST_UNKNOWN");
    });
    specify("400 response body should contain OCI-conforming JSON message", || {
        assert_eq!(world.send("PUT", unknown, &[("content-type", OCI)], b"blablabla").is(400).error().0, "MANIFEST_INVALID");
    });
}

#[test]
fn push_blobs() {
    let world = World::start();
    let begin = || world.begin_upload("shop/web");
    let put = |location: &str, digest: &str, body: &[u8]| world.send("PUT", &format!("{location}?digest={digest}"), &[], body);
    let get = |digest: &str| world.ask("GET", &format!("/v2/shop/web/blobs/{digest}"));

    let streamed = specify("PATCH request with blob in body should yield 202 response", || {
        world.send("PATCH", &begin(), &[("content-type", "application/octet-stream")], b"streamed").is(202)
    });
    specify("PUT request to session URL with digest should yield 201 response", || {
        let answer = put(streamed.header("location"), &digest(b"streamed"), b"").is(201);
        assert_eq!(answer.header("location"), format!("/v2/shop/web/blobs/{}", digest(b"streamed")));
        assert_eq!(get(&digest(b"streamed")).is(200).body, b"streamed");
    });

    specify("POST request with digest and blob should yield a 201 or 202", || world.push_blob("shop/web", b"single"));
    specify("GET request to blob URL from prior request should yield 200", || get(&digest(b"single")).is(200));
    let session = specify("POST request should yield a session ID", begin);
    specify("PUT upload of a blob should yield a 201 Response", || put(&session, &digest(b"monolithic"), b"monolithic").is(201));
    specify("GET request to existing blob should yield 200 response", || get(&digest(b"monolithic")).is(200));

    let range_1 = format!("0-{}", CHUNK_1.len() - 1);
    let range_2 = format!("{}-{}", CHUNK_1.len(), CHUNK_1.len() + CHUNK_2.len() - 1);
    let patch = |location: &str, range: &str, body: &[u8]| world.send("PATCH", location, &[("content-range", range)], body);
    let location = begin();
    specify("Out-of-order blob upload should return 416", || {
        let answer = patch(&location, &range_2, CHUNK_2).is(416);
        assert_eq!(answer.error().0, "BLOB_UPLOAD_INVALID");
        assert_eq!(answer.header("location"), location);
    });
    specify("PATCH request with first chunk should return 202", || {
        assert_eq!(patch(&location, &range_1, CHUNK_1).is(202).header("range"), range_1);
    });
    specify("Retry previous blob chunk should return 416", || {
        assert_eq!(patch(&location, &range_1, CHUNK_1).is(416).header("range"), range_1);
    });
    specify("Get on stale blob upload should return 204 with a range and location", || {
        let answer = world.ask("GET", &location).is(204);
        assert_eq!((answer.header("range"), answer.header("location")), (range_1.as_str(), location.as_str()));
    });
    specify("PATCH request with second chunk should return 202", || patch(&location, &range_2, CHUNK_2).is(202));
    specify("PUT request with digest should return 201", || {
        let whole = [CHUNK_1, CHUNK_2].concat();
        put(&location, &digest(&whole), b"").is(201);
        assert_eq!(get(&digest(&whole)).is(200).body, whole);
        world.ask("GET", &location).is(404);
    });
    // The specification's "Cancel a blob upload", for which it has no test.
    let location = begin();
    world.ask("DELETE", &location).is(204);
    assert_eq!(world.ask("GET", &location).is(404).error().0, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn push_mounts_and_manifests() {
    let world = World::start();
    let blob = world.push_blob("shop/web", b"shared");
    let mount = |query: &str| world.ask("POST", &format!("/v2/other/web/blobs/uploads/?mount={query}"));

    specify("Cross-mounting of a blob without the from argument should yield session id", || {
        assert!(mount(NOWHERE).is(202).header("location").starts_with("/v2/other/web/blobs/uploads/"));
    });
    specify("POST request to mount another repository's blob should return 201 or 202", || {
        let answer = mount(&format!("{blob}&from=shop/web")).is(201);
        assert_eq!(answer.header("location"), format!("/v2/other/web/blobs/{blob}"));
    });
    specify("GET request to test digest within cross-mount namespace should return 200", || {
        assert_eq!(world.ask("GET", &format!("/v2/other/web/blobs/{blob}")).is(200).body, b"shared");
    });
    specify("Cross-mounting of nonexistent blob should yield session id", || mount(&format!("{NOWHERE}&from=shop/web")).is(202));
    specify("Cross-mounting without from, and automatic content discovery enabled should return a 201", || {
        let found = world.push_blob("shop/worker", b"found");
        mount(&found).is(201);
        world.ask("HEAD", &format!("/v2/other/web/blobs/{found}")).is(200);
    });

    specify("GET nonexistent manifest should return 404", || world.ask("GET", "/v2/shop/web/manifests/nothing").is(404));
    let manifest = world.push_parts("shop/web", b"layer");
    let digest_of = digest(manifest.to_string().as_bytes());
    for reference in ["test0", "test1", "test2", &digest_of] {
        specify("PUT should accept a manifest upload", || {
            let answer = world.push_manifest("shop/web", reference, &manifest).is(201);
            assert_eq!(answer.header("docker-content-digest"), digest_of);
            assert_eq!(world.ask("GET", answer.header("location")).is(200).body, manifest.to_string().as_bytes());
        });
    }
    specify("Registry should accept a manifest upload with no layers", || {
        let mut empty = manifest.clone();
        empty["layers"] = json!([]);
        world.push_manifest("shop/web", "emptylayer", &empty).is(201);
    });
    specify("GET request to manifest URL (digest) should yield 200 response", || {
        world.ask("GET", &format!("/v2/shop/web/manifests/{digest_of}")).is(200)
    });
    // "When pushing a manifest by digest": several tags at once.
    let path = format!("/v2/shop/web/manifests/{digest_of}?tag=one&tag=two");
    world.send("PUT", &path, &[("content-type", OCI)], manifest.to_string().as_bytes()).is(201);
    for tag in ["one", "two"] {
        world.ask("HEAD", &format!("/v2/shop/web/manifests/{tag}")).is(200);
    }
}

#[test]
fn content_discovery_tags() {
    let world = World::start();
    for tag in ["test3", "test1", "Test2", "test0"] {
        world.push_image("shop/web", tag, b"layer");
    }
    let tags = |query: &str| {
        let answer = world.ask("GET", &format!("/v2/shop/web/tags/list{query}")).is(200);
        assert_eq!(answer.json()["name"], "shop/web");
        (answer.json()["tags"].clone(), answer.header("link").to_owned())
    };
    specify("GET request to list tags should yield 200 response", || {
        assert_eq!(tags(""), (json!(["test0", "test1", "Test2", "test3"]), String::new()));
    });
    specify("GET number of tags should be limitable by `n` query parameter", || {
        let link = "</v2/shop/web/tags/list?n=2&last=test1>; rel=\"next\"";
        assert_eq!(tags("?n=2"), (json!(["test0", "test1"]), link.into()));
        assert_eq!(tags("?n=0"), (json!([]), String::new()));
    });
    specify("GET start of tag is set by `last` query parameter", || {
        assert_eq!(tags("?n=2&last=test1"), (json!(["Test2", "test3"]), String::new()));
    });
    let catalog = |query: &str| world.ask("GET", &format!("/v2/_catalog{query}")).is(200);
    world.push_image("other/worker", "latest", b"layer");
    assert_eq!(catalog("").json(), json!({"repositories": ["other/worker", "shop/web"]}));
    let first = catalog("?n=1");
    assert_eq!(first.json(), json!({"repositories": ["other/worker"]}));
    assert_eq!(first.header("link"), "</v2/_catalog?n=1&last=other%2Fworker>; rel=\"next\"");
    assert_eq!(catalog("?n=1&last=other%2Fworker").json(), json!({"repositories": ["shop/web"]}));
}

#[test]
fn content_discovery_referrers() {
    let world = World::start();
    let subject = world.push_parts("shop/web", b"layer");
    let subject_digest = digest(subject.to_string().as_bytes());
    let missing = json!({"mediaType": OCI, "digest": NOWHERE, "size": 5});
    let referrer = |kind: &str, to: Value| {
        let mut manifest = world.push_parts("shop/web", b"a signature");
        manifest["artifactType"] = json!(kind);
        manifest["subject"] = to;
        manifest["annotations"] = json!({"made.by": "test"});
        let answer = world.push_manifest("shop/web", &digest(manifest.to_string().as_bytes()), &manifest).is(201);
        assert_eq!(answer.header("oci-subject"), manifest["subject"]["digest"].as_str().unwrap());
        descriptor(OCI, manifest.to_string().as_bytes())
    };
    // Pushed before what they refer to, as is allowed.
    let [a, b] = ["a/signature", "b/sbom"].map(|kind| referrer(kind, descriptor(OCI, subject.to_string().as_bytes())));
    world.push_manifest("shop/web", "subject", &subject).is(201);
    let list = |digest: &str, query: &str| {
        let answer = world.ask("GET", &format!("/v2/shop/web/referrers/{digest}{query}")).is(200);
        assert_eq!(answer.header("content-type"), INDEX);
        let filters = answer.header("oci-filters-applied").to_owned();
        (answer.json()["manifests"].as_array().unwrap().clone(), filters)
    };
    specify("GET request to nonexistent blob should result in empty 200 response", || {
        assert_eq!(list(NOWHERE, ""), (vec![], String::new()));
    });
    specify("GET request to existing blob should yield 200", || {
        let (found, _) = list(&subject_digest, "");
        let digests: Vec<_> = found.iter().map(|one| &one["digest"]).collect();
        assert!(found.len() == 2 && digests.contains(&&a["digest"]) && digests.contains(&&b["digest"]), "{found:?}");
    });
    specify("GET request to existing blob with filter should yield 200", || {
        let (found, filters) = list(&subject_digest, "?artifactType=b/sbom");
        let mut told = b.clone();
        told["artifactType"] = json!("b/sbom");
        told["annotations"] = json!({"made.by": "test"});
        assert_eq!((found, filters.as_str()), (vec![told], "artifactType"));
    });
    specify("GET request to missing manifest should yield 200", || {
        referrer("a/signature", missing);
        assert_eq!(list(NOWHERE, "").0.len(), 1);
    });
}

#[test]
fn content_management() {
    let world = World::start();
    let manifest = world.push_image("shop/web", "tagtest0", b"layer");
    world.push_image("shop/web", "tagtest1", b"layer");
    let by_digest = format!("/v2/shop/web/manifests/{manifest}");
    specify("DELETE request to manifest tag should return 202, unless tag deletion is disallowed (400/405)", || {
        world.ask("DELETE", "/v2/shop/web/manifests/tagtest0").is(202);
        world.ask("GET", "/v2/shop/web/manifests/tagtest0").is(404);
        world.ask("GET", &by_digest).is(200);
    });
    let layer = format!("/v2/shop/web/blobs/{}", digest(b"layer"));
    let in_use = world.ask("DELETE", &layer).is(403).error();
    assert_eq!(in_use.0, "DENIED");
    assert!(in_use.1.contains(&manifest), "{in_use:?}");
    specify("DELETE request to manifest (digest) should yield 202 response unless already deleted", || {
        world.ask("DELETE", &by_digest).is(202);
        world.ask("DELETE", &by_digest).is(404);
    });
    specify("GET request to deleted manifest URL should yield 404 response, unless delete is disallowed", || {
        world.ask("GET", &by_digest).is(404)
    });
    specify("GET request to tags list should reflect manifest deletion", || {
        assert_eq!(world.ask("GET", "/v2/shop/web/tags/list").is(200).json()["tags"], json!([]));
    });
    specify("DELETE request to blob URL should yield 202 response", || world.ask("DELETE", &layer).is(202));
    specify("GET request to deleted blob URL should yield 404 response", || world.ask("GET", &layer).is(404));
    world.ask("DELETE", &layer).is(404);
}
