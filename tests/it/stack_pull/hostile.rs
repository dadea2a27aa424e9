//! Registries that mean no good, and images that can't be a stack: each is told why, and nothing is left.

use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::peer::{Peer, Place, Says, Served};
use crate::harness::{Packing, TestImage, digest_of};

fn image() -> TestImage {
    TestImage::with_bash(json!({}))
}

#[test]
fn what_is_not_what_was_asked_for_is_not_taken() {
    let served = Served::new(&image());
    let layer = served.layer();
    let peer = Peer::start(move |asked| {
        let says = served.says(asked);
        let is_layer = asked.path().ends_with(&layer);
        // Of the same length.
        let body = if is_layer { vec![b'x'; says.body.len()] } else { says.body.clone() };
        Says { body, ..says }
    });
    let why = Place::new("").fail(&peer.image(), &[]);
    assert!(why.contains("has sent something else than was asked for: it is sha256:"), "{why}");

    let peer = Peer::of(&image());
    let named = format!("{}/acme/base@sha256:{}", peer.address, "1".repeat(64));
    let why = Place::new("").fail(&named, &[]);
    assert!(why.ends_with(&format!("and was to be sha256:{}", "1".repeat(64))), "{why}");
}

#[test]
fn a_layer_without_an_end_has_one() {
    let served = Served::new(&image());
    let layer = served.layer();
    let peer = Peer::start(move |asked| {
        let says = served.says(asked);
        if !asked.path().ends_with(&layer) {
            return says;
        }
        let body = [says.body, vec![0; 1 << 20]].concat();
        Says { body, ..Says::status(200) }
    });
    let why = Place::new("").fail(&peer.image(), &[]);
    assert!(why.contains("bytes of sha256:") && why.contains(", which has "), "{why}");
}

#[test]
fn a_layer_that_is_shorter_than_it_says_is_not_waited_for() {
    let served = Served::new(&image());
    let layer = served.layer();
    let peer = Peer::start(move |asked| match (asked.path().strip_suffix(&layer), asked.header("range")) {
        (None, _) => served.says(asked),
        (Some(_), "") => Says::ok(b"short"),
        (Some(_), _) => Says::status(416),
    });
    let why = Place::new("").fail(&peer.image(), &[]);
    assert!(why.ends_with("answered 416"), "{why}");
}

#[test]
fn a_registry_that_never_has_enough_of_logins_is_given_up() {
    let peer = Peer::start(|asked| {
        if asked.path().starts_with("/token") {
            return Says::ok(br#"{"token": "a"}"#);
        }
        let realm = format!("Bearer realm=\"http://{}/token\"", asked.header("host"));
        let said = br#"{"errors": [{"code": "UNAUTHORIZED", "message": "come again"}]}"#;
        Says { body: said.to_vec(), ..Says::status(401) }.with("www-authenticate", &realm)
    });
    let why = Place::new("").fail(&peer.image(), &[]);
    assert!(why.contains("does not let hoist in (“come again”): there is no such image, or it takes a login"), "{why}");
    assert_eq!(peer.asked().len(), 3, "a question, a token, and the question again");
}

#[test]
fn a_login_is_told_to_nobody_else() {
    let elsewhere = Peer::start(|_| Says::ok(br#"{"token": "a"}"#));
    let realm = format!("Bearer realm=\"http://{}/token\"", elsewhere.address);
    let peer = Peer::start(move |_| Says::status(401).with("www-authenticate", &realm));
    let login = format!("[registries.\"{}\"]\nuser = \"ann\"\npassword = \"s3cret\"\n", peer.address);
    let why = Place::new(&format!("[network]\nallow = [\"127.0.0.1\"]\n{login}")).fail(&peer.image(), &[]);
    assert!(why.contains("wants the login to be told to 127.0.0.1, which is neither encrypted nor its own address"), "{why}");
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn who_sends_on_leads_nowhere_private_and_the_token_stays_behind() {
    let served = Served::new(&image());
    let digests: Vec<_> = served.blobs.keys().cloned().collect();
    let blobs = served.blobs.clone();
    let elsewhere = Peer::start(move |asked| Says::ok(&blobs[asked.path().trim_start_matches('/')]));
    let address = elsewhere.address;
    let peer = Peer::start(move |asked| {
        let digest = digests.iter().find(|digest| asked.path().ends_with(*digest));
        match (asked.header("authorization"), digest) {
            ("", _) => Says::status(401).with("www-authenticate", "Basic realm=\"peer\""),
            (_, Some(digest)) => Says::status(307).with("location", &format!("http://{address}/{digest}")),
            (_, None) => served.says(asked),
        }
    });
    let login = format!("[registries.\"{}\"]\nuser = \"ann\"\npassword = \"s3cret\"\n", peer.address);
    let why = Place::new(&login).fail(&peer.image(), &[]);
    assert!(why.ends_with("127.0.0.1 is a private address, or this host's own"), "{why}");
    assert!(elsewhere.asked().is_empty());

    Place::new(&format!("[network]\nallow = [\"127.0.0.1\"]\n{login}")).pull(&peer.image(), &[]);
    assert!(!elsewhere.asked().is_empty());
    assert!(elsewhere.asked().iter().all(|asked| asked.header("authorization").is_empty()));
}

#[test]
fn what_is_no_name_is_refused_before_anybody_is_asked() {
    let place = Place::new("");
    let refused = |args: &[&str]| {
        let output = place.hoist(&[&["stack:pull"], args].concat());
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["mine", "No/Name at all"]).contains("is no image's name: write REGISTRY/PATH:TAG"));
    assert!(refused(&["mine", "127.0.0.1:1/x", "--platform", "windows/amd64"]).contains("is no platform such as linux/amd64"));
    assert!(refused(&["container", "127.0.0.1:1/x"]).contains("choose another name for the stack"));
    assert!(refused(&["mine"]).contains("`hoist stack:pull mine IMAGE`"));
    assert!(!place.dir.path().join("stacks").exists());
}

#[test]
fn an_image_without_a_shell_is_no_stack() {
    let busybox = TestImage::busybox(json!({}));
    let why = Place::new("").fail(&Peer::of(&busybox).image(), &[]);
    assert!(why.ends_with("can't be a stack: it has no bash, with which buildpacks and apps are started"), "{why}");
    let empty = TestImage::default_with(json!({}));
    let why = Place::new("").fail(&Peer::of(&empty).image(), &[]);
    assert!(why.contains("can't be a stack: it has no bash"), "{why}");
}

#[test]
fn programs_of_another_machine_are_no_stack() {
    let image = TestImage::with_bash(json!({})).files(Packing::Gzip, &[("bin/.wh.bash", "")]);
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    // The beginning of a program for a PDP-11 that never was.
    let program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x41\0";
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, "bin/bash", &program[..]).unwrap();
    let image = image.layer(Packing::Plain, tar.into_inner().unwrap());
    let why = Place::new("").fail(&Peer::of(&image).image(), &[]);
    assert!(why.contains("bash can't be started in it as buildpacks and apps need it"), "{why}");
}

#[test]
fn bombs_do_not_go_off() {
    let peer = Peer::of(&image().files(Packing::Zstd, &[("large", &"x".repeat(8 << 20))]));
    let why = Place::new("[limits]\nimage_bytes = 4194304\n").fail(&peer.image(), &[]);
    assert!(why.contains("larger than 4 MiB") || why.contains("and may have 4194304"), "{why}");
    let many: Vec<_> = (0..300).map(|number| format!("file-{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    let peer = Peer::of(&TestImage::default_with(json!({})).files(Packing::Gzip, &many));
    let why = Place::new("[limits]\nimage_files = 200\n").fail(&peer.image(), &[]);
    assert!(why.ends_with("the image has more than 200 files"), "{why}");
    let why = Place::new("[limits]\nimage_blob_bytes = 20000\n").fail(&Peer::of(&image()).image(), &[]);
    assert!(why.contains("and may have 20000"), "{why}");
}

#[test]
fn a_layer_that_lies_about_itself_or_leads_out_is_refused() {
    let lying = image().files(Packing::Gzip, &[("a", "")]).lie_about_last_layer();
    let why = Place::new("").fail(&Peer::of(&lying).image(), &[]);
    assert!(why.contains("the image's config says that it is"), "{why}");

    let outside = tempfile::tempdir().unwrap();
    let mut tar = Builder::new(Vec::new());
    let mut link = Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    link.set_uid(0);
    link.set_gid(0);
    tar.append_link(&mut link, "out", outside.path()).unwrap();
    let escaping = image().layer(Packing::Gzip, tar.into_inner().unwrap()).files(Packing::Gzip, &[("out/evil", "evil")]);
    // In the image's root the link leads to a folder that is not there.
    let why = Place::new("").fail(&Peer::of(&escaping).image(), &[]);
    assert!(why.contains("can't be a stack"), "{why}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_manifest_is_said_to_be_none() {
    for body in ["", "{}", "<html>", r#"{"schemaVersion": 1}"#] {
        let peer = Peer::start(move |_| Says::ok(body.as_bytes()).with("content-type", "text/html"));
        let why = Place::new("").fail(&peer.image(), &[]);
        assert!(why.contains("can't be pulled: "), "{why}");
    }
    // A tag that is there, and nothing behind it.
    let served = Served::new(&image());
    let gone = digest_of(b"gone").to_string();
    let manifest = String::from_utf8(served.manifest.clone()).unwrap().replace(&served.layer(), &gone);
    let served = Served { manifest: manifest.into_bytes(), ..served };
    let peer = Peer::start(move |asked| served.says(asked));
    let why = Place::new("").fail(&peer.image(), &[]);
    assert!(why.contains("there is no such image at"), "{why}");
}
