//! What registries want, and what they have: logins, mirrors, platforms, layers in every form, lines that break.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::peer::{Peer, Place, Says, Served};
use crate::harness::{Packing, TestImage, digest_of};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn layers_of_every_form_make_a_root_with_the_user_app() {
    let image = TestImage::with_bash(json!({"Env": ["PATH=/opt/bin:/usr/bin:/bin", "LAYERS=three"]}))
        .files(
            Packing::Zstd,
            &[("etc/passwd", "root:x:0:0::/root:/bin/sh\n"), ("app/old", "old"), ("gone", ""), ("opaque/old", "")],
        )
        .files(Packing::Plain, &[(".wh.gone", ""), ("opaque/.wh..wh..opq", ""), ("opaque/new", "new"), ("kept", "kept")]);
    let (peer, place) = (Peer::of(&image), Place::new(""));
    let pulled = place.pull(&peer.image(), &[]);
    assert_eq!(pulled["digest"], digest_of(&image.parts().0).to_string(), "that of what was pulled");
    assert_eq!(pulled["build_image"]["name"], peer.image());
    assert_eq!(pulled["build_image"], pulled["run_image"]);
    let files = ["kept", "opaque/new", "opaque/old", "gone", "app/old"].map(|path| place.read(path));
    assert_eq!(files, ["kept", "new", "", "", ""]);
    assert_eq!(place.read("etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/app:/bin/bash\n");
    let list = place.hoist(&["stacks"]);
    let line = String::from_utf8(list.stdout).unwrap();
    assert!(line.starts_with(&format!("mine  {}  ", pulled["digest"].as_str().unwrap())), "{line}");
    assert!(line.ends_with(&format!("  {}\n", peer.image())), "{line}");
}

#[test]
fn the_same_image_is_not_fetched_twice() {
    let image = TestImage::with_bash(json!({}));
    let (peer, place) = (Peer::of(&image), Place::new(""));
    place.pull(&peer.image(), &[]);
    let before = peer.asked().len();
    let again = place.hoist(&["stack:pull", "mine"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let asked: Vec<_> = peer.asked()[before..].iter().map(|asked| asked.path().rsplit_once('/').unwrap().0.to_owned()).collect();
    assert_eq!(asked, ["/v2/acme/base/manifests", "/v2/acme/base/blobs"], "the manifest and the config, no layer");
}

#[test]
fn what_is_damaged_is_mended_by_another_pull() {
    let image = TestImage::with_bash(json!({})).files(Packing::Gzip, &[("kept", "kept")]);
    let (peer, place) = (Peer::of(&image), Place::new(""));
    place.pull(&peer.image(), &[]);
    let folder = place.folder();
    let (record, layers) = (folder.join("image.json"), folder.join("layers"));
    let layer = std::fs::read_dir(&layers).unwrap().next().unwrap().unwrap().path();
    let [whole_record, whole_layer] = [&record, &layer].map(|path| std::fs::read(path).unwrap());
    let other_layer = vec![0; whole_layer.len()];
    let is_mended = || {
        let again = place.hoist(&["stack:pull", "mine"]);
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success() && !said.contains("there already"), "{said}");
        assert!(std::fs::read(&record).unwrap() == whole_record && std::fs::read(&layer).unwrap() == whole_layer);
    };
    for (path, damaged) in [(&record, &b"{"[..]), (&layer, b"half"), (&layer, &other_layer)] {
        std::fs::write(path, damaged).unwrap();
        is_mended();
    }
    for path in [&record, &layer] {
        std::fs::remove_file(path).unwrap();
        is_mended();
    }
    std::fs::remove_dir_all(&layers).unwrap();
    is_mended();
}

#[test]
fn who_asks_says_who_they_are_as_the_registry_wants_it() {
    let image = TestImage::with_bash(json!({}));
    let served = Served::new(&image);
    let peer = Peer::start(move |asked| match (asked.path().split('?').next().unwrap(), asked.header("authorization")) {
        ("/token", "Basic YW5uOnMzY3JldA==") => Says::ok(br#"{"token": "opensesame"}"#),
        ("/token", _) => Says::status(401),
        (_, "Bearer opensesame") => served.says(asked),
        _ => {
            let realm = format!("Bearer realm=\"http://{}/token\",service=\"peer\"", asked.header("host"));
            Says::status(401).with("www-authenticate", &realm)
        }
    });
    let with_login = Place::new(&format!("[registries.\"{}\"]\nuser = \"ann\"\npassword = \"s3cret\"\n", peer.address));
    with_login.pull(&peer.image(), &[]);
    let tokens: Vec<_> =
        peer.asked().iter().filter(|asked| asked.path().starts_with("/token")).map(|asked| asked.line.clone()).collect();
    assert_eq!(tokens, ["GET /token?service=peer&scope=repository%3Aacme%2Fbase%3Apull HTTP/1.1"], "once for all");

    let by_docker = Place::new("");
    std::fs::create_dir(by_docker.dir.path().join(".docker")).unwrap();
    let file = json!({"auths": {peer.address.to_string(): {"auth": "YW5uOnMzY3JldA=="}}});
    std::fs::write(by_docker.dir.path().join(".docker/config.json"), file.to_string()).unwrap();
    by_docker.pull(&peer.image(), &[]);

    let nobody = Place::new("").fail(&peer.image(), &[]);
    let advice = format!("`docker login {0}`, or `user` and `password` below [registries.\"{0}\"]", peer.address);
    assert!(nobody.contains("there is no such image, or it takes a login") && nobody.contains(&advice), "{nobody}");
}

#[test]
fn an_identity_token_is_not_told_in_an_address() {
    let served = Served::new(&TestImage::with_bash(json!({})));
    let peer = Peer::start(move |asked| match (asked.line.split(' ').next().unwrap(), asked.header("authorization")) {
        ("POST", "") => Says::ok(br#"{"access_token": "opensesame"}"#),
        (_, "Bearer opensesame") => served.says(asked),
        _ => Says::status(401).with("www-authenticate", &format!("Bearer realm=\"http://{}/token\"", asked.header("host"))),
    });
    let place = Place::new(&format!("[registries.\"{}\"]\nidentity_token = \"refresh\"\n", peer.address));
    place.pull(&peer.image(), &[]);
    assert!(peer.asked().iter().all(|asked| !asked.line.contains("refresh")));
}

#[test]
fn mirrors_are_asked_first_and_one_that_is_of_no_use_is_told() {
    let image = TestImage::with_bash(json!({}));
    let (broken, mirror, registry) = (Peer::start(|_| Says::status(404)), Peer::of(&image), Peer::start(|_| Says::status(404)));
    let mirrors = format!("mirrors = [\"http://{}\", \"http://{}/hub\"]", broken.address, mirror.address);
    let place = Place::new(&format!("[registries.\"{}\"]\n{mirrors}\n", registry.address));
    let output = place.hoist(&["stack:pull", "mine", &registry.image()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("the mirror {0}/acme/base is of no use: there is no such image at {0}", broken.address)),
        "{said}"
    );
    assert_eq!(mirror.asked()[0].path(), "/v2/hub/acme/base/manifests/1");
    assert!(registry.asked().is_empty());
}

#[test]
fn of_several_platforms_this_hosts_is_taken() {
    let image = TestImage::with_bash(json!({}));
    let served = Served::new(&image);
    let own = hoist::model::Platform::of_this_host();
    let digest = digest_of(&served.manifest).to_string();
    let entry = |os: &str, architecture: &str, digest: &str| json!({"mediaType": super::peer::MANIFEST, "digest": digest, "size": 1, "platform": {"os": os, "architecture": architecture}});
    let other = format!("sha256:{}", "0".repeat(64));
    let manifests =
        [entry("unknown", "unknown", &other), entry("linux", "pdp11", &other), entry("linux", &own.architecture, &digest)];
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
    let peer = Peer::start(move |asked| match asked.path() {
        "/v2/acme/base/manifests/1" => Says::ok(index.as_bytes()).with("content-type", INDEX),
        _ => served.says(asked),
    });
    let place = Place::new("");
    let why = Place::new("").fail(&peer.image(), &["--platform", "linux/vax"]);
    assert!(why.ends_with(&format!("it is not for linux/vax, but for linux/pdp11, linux/{}", own.architecture)), "{why}");
    assert_eq!(place.pull(&peer.image(), &[])["run_image"]["digest"], digest);
}

#[test]
fn a_line_that_breaks_is_taken_up_where_it_broke() {
    let served = Served::new(&TestImage::with_bash(json!({})));
    let (layer, times) = (served.layer(), AtomicUsize::new(0));
    let peer = Peer::start(move |asked| {
        if !asked.path().ends_with(&layer) {
            return served.says(asked);
        }
        let whole = &served.blobs[&layer];
        let half = whole.len() / 2;
        match (times.fetch_add(1, Ordering::SeqCst), asked.header("range")) {
            (0, "") => Says { length: Some(whole.len()), ..Says::ok(&whole[..half]) },
            (1, range) if range == format!("bytes={half}-") => Says { status: 206, ..Says::ok(&whole[half..]) }
                .with("content-range", &format!("bytes {half}-{}/{}", whole.len() - 1, whole.len())),
            _ => Says::status(400),
        }
    });
    Place::new("").pull(&peer.image(), &[]);
}

#[test]
fn build_and_run_images_are_two_and_the_second_is_named_by_the_first() {
    let run = TestImage::with_bash(json!({"Env": ["KIND=run"]}));
    let build = run.clone().files(Packing::Gzip, &[("compiler", "")]);
    let (of_run, of_build) = (Served::new(&run), Served::new(&build));
    let peer = Peer::start(move |asked| {
        let is_runs = asked.path().ends_with("/manifests/1") || of_run.blobs.keys().any(|digest| asked.path().ends_with(digest));
        if is_runs { of_run.says(asked) } else { of_build.says(asked) }
    });
    let place = Place::new("");
    let pulled = place.pull(&format!("{}-build", peer.image()), &[]);
    assert_eq!(pulled["run_image"]["name"], peer.image());
    assert_ne!(pulled["run_image"]["digest"], pulled["build_image"]["digest"]);
    let mut layers: Vec<_> =
        peer.asked().into_iter().map(|asked| asked.path().to_owned()).filter(|path| path.contains("/blobs/")).collect();
    let all = layers.len();
    layers.sort_unstable();
    layers.dedup();
    assert_eq!(layers.len(), all, "what both have is fetched once");
}

#[test]
fn a_registry_behind_a_proxy_is_asked_through_it() {
    let proxy = Peer::of(&TestImage::with_bash(json!({})));
    // A name that no resolver knows: the proxy alone has to.
    let place = Place::new("[registries.\"registry.invalid:5000\"]\nplain_http = true\n");
    let image = "registry.invalid:5000/acme/base:1";
    let mut pull = place.command(&["stack:pull", "mine", image]);
    let output = pull.env("HTTPS_PROXY", format!("http://{}", proxy.address)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = proxy.asked();
    assert_eq!(asked[0].line, "CONNECT registry.invalid:5000 HTTP/1.1");
    assert_eq!(asked[1].line, "GET /v2/acme/base/manifests/1 HTTP/1.1");
}

#[test]
fn what_is_pulled_again_is_for_the_same_machines() {
    let image = TestImage::with_bash(json!({}));
    let own = hoist::model::Platform::of_this_host().architecture;
    let (peer, place) = (Peer::of(&image), Place::new(""));
    place.pull(&peer.image(), &["--platform", &format!("linux/{own}/v9")]);
    assert!(place.hoist(&["stack:pull", "mine"]).status.success());
    let current = std::fs::read_to_string(place.dir.path().join("stacks/mine/current.json")).unwrap();
    let current: serde_json::Value = serde_json::from_str(&current).unwrap();
    assert_eq!(current["images"]["platform"]["variant"], "v9");
}
