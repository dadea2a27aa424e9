//! What is said of a slug when it is built.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hoist::db::{garbage, releases, slug_statements};
use hoist::model::{Digest, SlugStatement, StatementKind};
use serde_json::{Value, json};

use super::shop;
use crate::api_world::World;
use crate::builds_api::send;
use crate::harness::{Daemon, User, WorkTree};
use crate::ledger::{Code, archive, create_app, deploy};

/// Pushes an app with two lock files, of which one is nonsense.
fn push(daemon: &Daemon, user: &User) {
    let tree = WorkTree::with_pack("null");
    tree.write("package-lock.json", r#"{"packages": {"node_modules/express": {"version": "5.0.0"}}}"#);
    tree.write("poetry.lock", "package = 3\n");
    tree.commit("locked");
    let pushed = tree.push_ssh(daemon, user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
}

#[test]
fn a_slug_tells_its_apps_and_its_stacks_packages() {
    let (daemon, user) = shop();
    push(&daemon, &user);
    let told: Value = serde_json::from_str(&daemon.client(&user, &["slugs:sbom", "v2", "--app", "shop"])).unwrap();
    let slug = daemon.newest_slug(&user, "shop");
    let described = &told["metadata"]["component"];
    assert_eq!(slug["checksum"], format!("SHA256:{}", described["hashes"][0]["content"].as_str().unwrap()));
    assert_eq!((&described["name"], &described["version"]), (&Value::from("shop"), &slug["commit"]));
    let purls: BTreeSet<_> =
        told["components"].as_array().unwrap().iter().map(|component| component["purl"].as_str().unwrap()).collect();
    assert!(purls.contains("pkg:npm/express@5.0.0"), "{purls:?}");
    assert!(purls.iter().any(|purl| purl.starts_with("pkg:deb/debian/bash@")), "{purls:?}");
    assert_eq!(told["metadata"]["properties"][0]["value"], "poetry.lock", "what is missing is said");
    let by_id = ["slugs:sbom", slug["id"].as_str().unwrap(), "--app", "shop"];
    assert_eq!(serde_json::from_str::<Value>(&daemon.client(&user, &by_id)).unwrap(), told);
}

/// Runs `slugs:verify`: its exit code, and all that it printed.
fn verify(daemon: &Daemon, user: &User, args: &[&str]) -> (Option<i32>, String) {
    let mut command = daemon.hoist(&[&["slugs:verify", "--app", "shop"], args].concat());
    command.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[track_caller]
fn refused(verified: &(Option<i32>, String), why: &str) {
    assert_eq!(verified.0, Some(1), "{}", verified.1);
    assert!(verified.1.contains(why), "no `{why}` in {}", verified.1);
}

/// Changes the blob that holds this text, or is named by it.
fn tamper(daemon: &Daemon, with: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let folders = daemon.data_dir().join("blobs/sha256").read_dir().unwrap();
    let files = folders.flat_map(|folder| folder.unwrap().path().read_dir().unwrap()).map(|file| file.unwrap().path());
    let files: Vec<_> = files.collect();
    let is_named = |path: &&PathBuf| path.file_name().unwrap() == with;
    let has = |path: &&PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(with);
    // What is said of a slug names it, too.
    let path = files.iter().find(is_named).or_else(|| files.iter().find(has)).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    // Another file in its place: a blob cannot be written to.
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_slug_is_proved_by_the_installations_key() {
    let (daemon, user) = shop();
    push(&daemon, &user);
    let slug = daemon.newest_slug(&user, "shop");
    let (code, text) = verify(&daemon, &user, &[]);
    assert_eq!(code, Some(0), "{text}");
    for line in ["is what this key's owner has built.", "Buildpacks:  ./pack", "App:         shop", "pin it with --key"] {
        assert!(text.contains(line), "no `{line}` in {text}");
    }
    assert!(text.contains(slug["commit"].as_str().unwrap()) && !text.contains("alice"), "{text}");

    let key = daemon.data_dir().join("pinned.pem");
    std::fs::write(&key, daemon.client(&user, &["releases:signing-key"])).unwrap();
    let (code, told) = verify(&daemon, &user, &["--key", key.to_str().unwrap(), "--json", "v2"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &told["verified"], &told["slug"]), (Some(0), &Value::Bool(true), &slug["id"]));
    assert_eq!(told["statement"]["predicateType"], "https://slsa.dev/provenance/v1");

    let (other, _) = shop();
    std::fs::write(&key, other.client(&other.user("bob@example.com"), &["releases:signing-key"])).unwrap();
    refused(
        &verify(&daemon, &user, &["--key", key.to_str().unwrap()]),
        "it is not signed with this key, or it was changed since",
    );
    std::fs::write(&key, "no key").unwrap();
    refused(&verify(&daemon, &user, &["--key", key.to_str().unwrap()]), "this is no ECDSA P-256 public key in PEM");
}

#[test]
fn a_slug_that_was_changed_is_found_out() {
    let (daemon, user) = shop();
    push(&daemon, &user);
    let checksum = daemon.newest_slug(&user, "shop")["checksum"].as_str().unwrap().to_owned();
    tamper(&daemon, checksum.trim_start_matches("SHA256:"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    refused(&verify(&daemon, &user, &[]), "The slug is not what was built: its bytes are sha256:");
}

#[test]
fn a_list_of_packages_that_was_changed_is_found_out() {
    let (daemon, user) = shop();
    push(&daemon, &user);
    tamper(&daemon, "\"bomFormat\":\"CycloneDX\"", |bytes| {
        *bytes = String::from_utf8_lossy(bytes).replace("express", "impress").into_bytes();
    });
    refused(&verify(&daemon, &user, &[]), "The list of the slug's packages (`slugs:sbom`) is not the one that was made with it.");
}

#[test]
fn a_statement_that_was_changed_is_found_out() {
    let (daemon, user) = shop();
    push(&daemon, &user);
    tamper(&daemon, "\"payloadType\":\"application/vnd.in-toto+json\"", |bytes| {
        let mut envelope: Value = serde_json::from_slice(bytes).unwrap();
        let payload = envelope["payload"].as_str().unwrap().replacen('A', "B", 1);
        envelope["payload"] = payload.into();
        *bytes = envelope.to_string().into_bytes();
    });
    refused(&verify(&daemon, &user, &[]), "The statement about this slug proves nothing: it is not signed with this key");
}

#[test]
fn of_a_slug_from_elsewhere_nothing_is_proved() {
    let (daemon, user) = shop();
    let slug = json!({"process_types": {"web": "true"}, "stack": "debian-12"});
    let made = send(&daemon, &user, "POST", "/apps/shop/slugs", &slug).body;
    ureq::put(made["blob"]["url"].as_str().unwrap()).send(&archive(&[("file", "")])[..]).unwrap();
    refused(&verify(&daemon, &user, &[made["id"].as_str().unwrap()]), "There is no statement about this slug");
}

#[tokio::test]
async fn what_is_said_of_a_slug_is_no_garbage() {
    let world = World::new().await;
    let user = world.user("owner@example.com").await;
    let app = create_app(&world, &user, "shop").await;
    deploy(&world, &user, app, Code::of('a')).await;
    let mut tx = world.ctx.db.write().await.unwrap();
    let slug = releases::current(&mut tx, app).await.unwrap().unwrap().slug.unwrap();
    let digest = Digest::from_bytes([7; 32]);
    assert!(!garbage::is_referred_to(&mut tx, &digest, world.ctx.now()).await.unwrap());
    let statement = SlugStatement { kind: StatementKind::Sbom, digest, size_bytes: 1 };
    slug_statements::insert(&mut tx, slug, &statement).await.unwrap();
    assert!(garbage::is_referred_to(&mut tx, &digest, world.ctx.now()).await.unwrap());
    assert_eq!(slug_statements::get(&mut tx, slug, StatementKind::Sbom).await.unwrap(), Some(statement));
    assert_eq!(slug_statements::get(&mut tx, slug, StatementKind::Provenance).await.unwrap(), None);
}
