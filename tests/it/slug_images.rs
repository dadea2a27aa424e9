//! Slugs' releases as images: what a tag of the ledger names, what is attached to it, and where its bytes lie.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use hoist::db::registry::manifests;
use hoist::db::registry::{Place, tags};
use hoist::deploy::{open_image_blob, release_tags, resolve_image_tag};
use hoist::image::of_slug::{SIGNATURE_KEY, verify};
use hoist::model::{AppId, Digest, ImageManifest, ManifestType};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api_world::{User, World};
use crate::ledger::{Code, archive, create_app, deploy};

const SECRET: &str = "a-value-that-no-image-holds";

/// An installation with one app, which has one release of this slug, and a config var.
struct Installation {
    world: World,
    user: User,
    app: AppId,
    slug: Digest,
}

impl Installation {
    async fn new() -> Self {
        let world = World::new().await;
        let user = world.user("owner@example.com").await;
        let app = create_app(&world, &user, "example").await;
        let made = Self { world, user, app, slug: Digest::from_bytes([0; 32]) };
        made.install_stack("first");
        world_release(made).await
    }

    /// Puts a stack in use as `hoist stack:build` leaves one; its layer is `content`.
    fn install_stack(&self, content: &str) -> PathBuf {
        let digest = digest_of(format!("stack {content}").as_bytes());
        let home = self.world.ctx.config.stacks_dir.join("debian-12");
        let folder = home.join(digest.hex());
        for root in ["build", "run/var/lib/dpkg"] {
            std::fs::create_dir_all(folder.join(root)).unwrap();
        }
        let status = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n";
        std::fs::write(folder.join("run/var/lib/dpkg/status"), status).unwrap();
        std::fs::write(folder.join("run.tar.gz"), content).unwrap();
        let layer = digest_of(content.as_bytes()).to_string();
        write_json(&folder.join("run.json"), &json!({"digest": layer, "diff_id": layer, "size_bytes": content.len()}));
        write_json(&home.join("current.json"), &json!({"digest": digest.to_string(), "recipe": ""}));
        folder
    }

    fn place(&self, process_type: &str) -> Place {
        Place { app: self.app, process_type: process_type.parse().unwrap() }
    }

    async fn resolve(&self, tag: &str) -> Option<Digest> {
        let tag = tag.parse().unwrap();
        resolve_image_tag(&self.world.ctx, &self.place("web"), &tag, ManifestType::OciManifest).await.unwrap()
    }

    async fn image(&self, tag: &str) -> (Digest, ImageManifest) {
        let digest = self.resolve(tag).await.unwrap();
        (digest, self.manifest(&digest).await)
    }

    async fn manifest(&self, digest: &Digest) -> ImageManifest {
        ImageManifest::parse(&self.blob(digest).await, None).unwrap()
    }

    async fn blob(&self, digest: &Digest) -> Vec<u8> {
        let mut bytes = Vec::new();
        open_image_blob(&self.world.ctx, digest).await.unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// What is attached to an image, by its artifact type: the manifest and its content.
    async fn attached(&self, image: &Digest, artifact_type: &str) -> (ImageManifest, Vec<u8>) {
        let mut db = self.world.ctx.db.read().await.unwrap();
        let found = manifests::referrers(&mut db, &self.place("web"), image, Some(artifact_type), None, 10).await.unwrap();
        drop(db);
        let [referrer] = found.as_slice() else { panic!("{found:?}") };
        let manifest = self.manifest(&referrer.digest).await;
        let content = self.blob(&manifest.layers[0].digest).await;
        (manifest, content)
    }
}

async fn world_release(made: Installation) -> Installation {
    let lock = r#"{"packages": {"node_modules/express": {"version": "5.0.0"}}}"#;
    let archive = archive(&[("server.js", ""), ("package-lock.json", lock)]);
    let (slug, _) = made.world.ctx.store.put(archive.as_slice()).await.unwrap();
    let process_types = &[("web", "node server.js"), ("worker", "node work.js")];
    deploy(&made.world, &made.user, made.app, Code { digest: slug, process_types, ..Code::of('a') }).await;
    let set = made.world.patch(&made.user, "/apps/example/config-vars", json!({"SECRET": SECRET})).await;
    assert!(set.status.is_success(), "{set:?}");
    Installation { slug, ..made }
}

fn write_json(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

#[tokio::test]
async fn a_release_is_an_image_of_the_stacks_layer_and_the_slugs_own_blob() {
    let made = Installation::new().await;
    let (digest, manifest) = made.image("v2").await;
    assert_eq!(manifest.layers[1].digest, made.slug);
    assert_eq!(made.blob(&manifest.layers[0].digest).await, b"first", "where the stack keeps it");
    assert!(!made.world.ctx.store.contains(&manifest.layers[0].digest).await.unwrap(), "and nowhere else");
    let config = made.blob(&manifest.config.unwrap().digest).await;
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["config"]["Cmd"], json!(["node server.js"]));
    assert_eq!(config["config"]["Labels"]["hoist.app"], "example");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], "a".repeat(40));
    assert_eq!(made.image("v2").await.0, digest, "the same whenever it is asked for");
}

#[tokio::test]
async fn config_vars_are_in_none_of_its_parts() {
    let made = Installation::new().await;
    let (digest, manifest) = made.image("v3").await;
    let mut db = made.world.ctx.db.read().await.unwrap();
    let referrers = manifests::referrers(&mut db, &made.place("web"), &digest, None, None, 9).await.unwrap();
    drop(db);
    assert_eq!(referrers.len(), 3);
    let mut digests = vec![digest, manifest.config.unwrap().digest];
    for referrer in referrers {
        let manifest = made.manifest(&referrer.digest).await;
        digests.extend(manifest.children().map(|child| child.digest).chain([referrer.digest]));
    }
    for part in digests {
        let bytes = made.blob(&part).await;
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET), "{part}");
    }
}

#[tokio::test]
async fn tags_follow_the_ledger() {
    let made = Installation::new().await;
    let [third, current, latest] = [made.image("v3").await.0, made.image("current").await.0, made.image("latest").await.0];
    assert_eq!((current, latest), (third, third));
    for unknown in ["v1", "v9", "v03", "other"] {
        assert_eq!(made.resolve(unknown).await, None, "{unknown}");
    }
    let tag = "v2".parse().unwrap();
    let none = resolve_image_tag(&made.world.ctx, &made.place("clock"), &tag, ManifestType::OciManifest).await.unwrap();
    assert_eq!(none, None, "a process type that the slug has not");
    let names = async |process_type| {
        let tags = release_tags(&made.world.ctx, &made.place(process_type)).await.unwrap();
        tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("worker").await, "v2 v3 current latest");
    assert_eq!(names("clock").await, "");

    let second = made.resolve("v2").await.unwrap();
    let mut tx = made.world.ctx.db.write().await.unwrap();
    tags::set(&mut tx, &made.place("web"), &"latest".parse().unwrap(), &second).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(made.image("latest").await.0, second, "what was pushed as latest");
}

#[tokio::test]
async fn a_stack_made_anew_gives_another_image_over_the_same_slug() {
    let made = Installation::new().await;
    let (before, old) = made.image("v2").await;
    made.install_stack("second");
    let (after, new) = made.image("v2").await;
    assert_ne!(after, before);
    assert_eq!(new.layers[1], old.layers[1]);
    assert_eq!(made.blob(&new.layers[0].digest).await, b"second");
    assert_eq!(made.manifest(&before).await, old, "still to be had by its digest");
    let deleted = hoist::image::delete_manifest(&made.world.ctx.db, &made.place("web"), &before).await;
    assert!(matches!(deleted, Err(hoist::image::ImageError::Released)), "{deleted:?}");
    assert_eq!(made.blob(&old.layers[0].digest).await, b"first");
}

#[tokio::test]
async fn it_is_signed_and_says_what_is_in_it_and_where_it_comes_from() {
    let made = Installation::new().await;
    let (digest, _) = made.image("v2").await;
    let (signature, payload) = made.attached(&digest, "application/vnd.dev.cosign.artifact.sig.v1+json").await;
    let key = made.world.ctx.signing_key.public_key_pem();
    let is_signed = |payload: &[u8]| verify(&key, payload, &signature.layers[0].annotations[SIGNATURE_KEY], &digest).unwrap();
    assert!(is_signed(&payload));
    assert!(!is_signed(&[&payload[..], b" "].concat()));
    let tag = format!("sha256-{}.sig", digest.hex()).parse().unwrap();
    let tagged = tags::get(&mut made.world.ctx.db.read().await.unwrap(), &made.place("web"), &tag).await.unwrap();
    assert!(tagged.is_some(), "for clients that know no referrers");

    let (_, sbom) = made.attached(&digest, "application/vnd.cyclonedx+json").await;
    let sbom: Value = serde_json::from_slice(&sbom).unwrap();
    let purls: Vec<_> =
        sbom["components"].as_array().unwrap().iter().map(|component| component["purl"].as_str().unwrap()).collect();
    assert_eq!(purls, ["pkg:npm/express@5.0.0", "pkg:deb/debian/libc6@2.36-9"]);

    let (provenance, _) = made.attached(&digest, "application/vnd.in-toto+json").await;
    assert_eq!(provenance.layers[0].media_type, "application/vnd.dsse.envelope.v1+json");
}

#[tokio::test]
async fn without_the_stacks_layer_it_is_said_how_to_make_one() {
    let made = Installation::new().await;
    std::fs::remove_file(made.install_stack("third").join("run.json")).unwrap();
    let tag = "v2".parse().unwrap();
    let error = resolve_image_tag(&made.world.ctx, &made.place("web"), &tag, ManifestType::OciManifest).await.unwrap_err();
    assert_eq!(error.to_string(), "the stack debian-12 has no layer for images yet: run `hoist stack:build debian-12`");
}
