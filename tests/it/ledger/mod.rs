//! The ledger: every cause of a release, its order, and its proof.
//!
//! `causes` and `slugs` append to it over the API, `proof` changes it behind its back, `diff` compares, `commands` is all
//! of it from a terminal, `concurrency` many clients at once, and `properties` random sequences against a model.

mod causes;
mod commands;
mod concurrency;
mod diff;
mod proof;
mod properties;
mod slugs;

use std::collections::BTreeMap;
use std::io::Write as _;

use axum::http::StatusCode;
use flate2::Compression;
use flate2::write::GzEncoder;
use hoist::db::registry::Place;
use hoist::db::registry::manifests::StoredManifest;
use hoist::model::{
    AppId, Artifact, ArtifactId, BuildId, CacheChange, CommitId, Digest, ManifestType, OciImage, OciImageId, ProcessImage,
    ReleaseStatus, Slug, SlugId,
};
use hoist::release::{Cause, Deploy, RefMove, release_artifact, release_deploy};
use serde_json::{Value, json};

use crate::api_world::{User, World};

/// Announces an app of this name and returns its id.
pub(crate) async fn create_app(world: &World, user: &User, name: &str) -> AppId {
    let made = world.post(user, "/apps", json!({"name": name})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.body["id"].as_str().unwrap().parse().unwrap()
}

/// What a test says of a deploy.
pub(crate) struct Code<'a> {
    /// One hex digit, forty times.
    pub(crate) commit: char,
    pub(crate) digest: Digest,
    pub(crate) process_types: &'a [(&'a str, &'a str)],
    /// What it was built on, and what the build has cached.
    pub(crate) stack: &'a str,
    pub(crate) cache: Option<Digest>,
}

impl Code<'_> {
    /// Code whose archive nobody asks for.
    pub(crate) fn of(commit: char) -> Self {
        let digest = Digest::from_bytes([u8::try_from(commit).unwrap(); 32]);
        Self { commit, digest, process_types: &[("web", "node server.js")], stack: "debian-12", cache: None }
    }
}

/// Releases a build of `code` and moves `main` to its commit, as a push does at its end.
pub(crate) async fn deploy(world: &World, user: &User, app: AppId, code: Code<'_>) {
    let (db, at) = (&world.ctx.db, world.ctx.now());
    let commit: CommitId = code.commit.to_string().repeat(40).parse().unwrap();
    let (build, by) = (BuildId::new(), user.account.id);
    let stack = code.stack.parse().unwrap();
    let mut tx = db.write().await.unwrap();
    hoist::db::builds::insert(&mut tx, build, app, by, Some(&commit), &stack, at).await.unwrap();
    let name = "refs/heads/main".parse().unwrap();
    let old = hoist::db::refs::get(&mut tx, app, &name).await.unwrap();
    tx.commit().await.unwrap();
    let process_types = code.process_types.iter().map(|(name, command)| (name.parse().unwrap(), (*command).to_owned()));
    let slug = Slug {
        id: SlugId::new(),
        app,
        digest: code.digest,
        content_digest: code.digest,
        size_bytes: 1234,
        stack,
        stack_digest: Digest::from_bytes([3; 32]),
        commit: Some(commit.clone()),
        process_types: process_types.collect(),
        language: None,
        created_at: at,
    };
    let refs = vec![RefMove { name, old, new: Some(commit) }];
    let deploy = Deploy {
        app,
        by,
        build,
        artifact: Artifact::Slug(slug),
        statements: Vec::new(),
        manifests: Vec::new(),
        cache: CacheChange::To(code.cache),
        refs,
        pack: None,
        config: [].into(),
        at,
    };
    release_deploy(db, deploy).await.unwrap();
}

/// Releases images whose bytes nobody asks for: a process type and its command each.
pub(crate) async fn release_image(world: &World, user: &User, app: AppId, types: &[(&str, &str)]) -> OciImageId {
    let (id, at) = (OciImageId::new(), world.ctx.now());
    let mut tx = world.ctx.db.write().await.unwrap();
    let mut process_types = BTreeMap::new();
    for (name, command) in types {
        let digest = |byte: u8| Digest::from_bytes([byte.wrapping_add(u8::try_from(command.len()).unwrap()); 32]);
        let place = Place { app, process_type: name.parse().unwrap() };
        let (media_type, image_id) = (ManifestType::OciManifest, Some(digest(100)));
        let manifest = StoredManifest {
            digest: digest(0),
            media_type,
            size_bytes: 7,
            artifact_type: None,
            subject: None,
            annotations: BTreeMap::new(),
            image_id,
            pushed_at: at,
        };
        hoist::db::registry::manifests::insert(&mut tx, &place, &manifest, &[]).await.unwrap();
        let (working_dir, command) = ("/".to_owned(), (*command).to_owned());
        let image = ProcessImage { digest: digest(0), image_id: digest(100), run: None, command, working_dir };
        process_types.insert(place.process_type, image);
    }
    let image = OciImage { id, app, commit: None, process_types, created_at: at };
    hoist::db::oci_images::insert(&mut tx, &image).await.unwrap();
    tx.commit().await.unwrap();
    let cause = Cause { app, by: user.account.id, at };
    release_artifact(&world.ctx.db, cause, ArtifactId::OciImage(id), None).await.unwrap();
    id
}

/// Lets something happen to a release.
pub(crate) async fn happen(world: &World, app: AppId, version: u32, status: ReleaseStatus) {
    let mut tx = world.ctx.db.write().await.unwrap();
    let release = hoist::db::releases::get(&mut tx, app, hoist::model::ReleaseVersion(version)).await.unwrap().unwrap();
    hoist::db::releases::add_event_because(&mut tx, release.id, status, None, world.ctx.now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// One release of the app `example`.
pub(crate) async fn release(world: &World, user: &User, version: u32) -> Value {
    world.get(user, &format!("/apps/example/releases/{version}")).await.body
}

/// A slug's archive of these files, as `tar czf` makes one of `./app`.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("./app/{path}"), content.as_bytes()).unwrap();
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}
