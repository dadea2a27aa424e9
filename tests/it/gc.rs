//! Garbage collection: against a model, beside pushes, and killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use hoist::db::buildpack_copies::{self, BuildpackCopy, CopyKey};
use hoist::db::registry::{Place, blobs, manifests};
use hoist::db::{Db, accounts, apps, oci_images};
use hoist::gc::{self, Collected};
use hoist::image::{self, ImageError, NewManifest, PutError};
use hoist::model::{App, AppId, Digest, OciImage, OciImageId, ProcessImage, Tag};
use hoist::store::{FOLDERS, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::harness::{HOIST, run};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// Within which a collection has to begin.
const PATIENCE: Duration = Duration::from_mins(1);
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A repository of an installation that has nothing else.
struct Yard {
    dir: tempfile::TempDir,
    db: Db,
    store: Store,
    place: Place,
    start: OffsetDateTime,
}

impl Yard {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let store = Store::open(dir.path().join("blobs")).unwrap();
        let start = OffsetDateTime::now_utc();
        let mut tx = db.write().await.unwrap();
        let owner = accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), start).await.unwrap().id;
        let stack = "debian-12".parse().unwrap();
        let app = App { id: AppId::new(), name: "shop".parse().unwrap(), owner, stack, created_at: start, updated_at: start };
        apps::insert(&mut tx, &app).await.unwrap();
        tx.commit().await.unwrap();
        let place = Place { app: app.id, process_type: "web".parse().unwrap() };
        Self { dir, db, store, place, start }
    }

    /// Uploads a blob as a client does.
    async fn push_blob(&self, content: &str, now: OffsetDateTime) -> Result<(), ImageError> {
        let id = image::begin_upload(&self.db, &self.store, &self.place, now).await?;
        let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from(content.to_owned()))]);
        let upload = self.store.resume_upload(id).await?.receive(body, 1024, HOUR).await?;
        image::adopt_upload(&self.db, &self.store, (id, upload), &self.place, &digest(content), now).await
    }

    async fn put(&self, manifest: &str, tags: &[Tag], now: OffsetDateTime) -> Result<(), PutError> {
        let new = NewManifest { bytes: manifest.as_bytes(), content_type: None, digest: None, tags };
        image::put_manifest(&self.db, &self.store, &self.place, new, now).await.map(|_| ())
    }

    /// Records an image that a release may name, which a release of it does first.
    async fn release(&self, digest: Digest, now: OffsetDateTime) {
        let process = ProcessImage { digest, image_id: digest, run: None, command: "/serve".into(), working_dir: "/".into() };
        let process_types = [(self.place.process_type.clone(), process)].into();
        let image = OciImage { id: OciImageId::new(), app: self.place.app, commit: None, process_types, created_at: now };
        let mut tx = self.db.write().await.unwrap();
        oci_images::insert(&mut tx, &image).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What is in the blob store.
    async fn files(&self) -> BTreeSet<Digest> {
        let mut files = BTreeSet::new();
        for folder in 0..=FOLDERS {
            files.extend(self.store.old_blobs(folder, SystemTime::now() + DAY).await.unwrap());
        }
        files
    }

    /// Holds that every manifest of the repository that is there has all its files.
    async fn is_whole(&self, manifests: &[String]) {
        for manifest in manifests {
            let mut db = self.db.read().await.unwrap();
            if manifests::get(&mut db, &self.place, &digest(manifest)).await.unwrap().is_none() {
                continue;
            }
            assert!(self.store.contains(&digest(manifest)).await.unwrap(), "{manifest}");
            for blob in children(manifest) {
                assert!(self.store.contains(&blob).await.unwrap(), "{blob} of {manifest}");
            }
        }
    }
}

fn digest(content: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(content).into())
}

fn descriptor(media_type: &str, content: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

/// A manifest of two blobs.
fn manifest(config: &str, layer: &str) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI, "config": descriptor("a/config", config), "layers": [descriptor("a/layer", layer)]})
}

fn children(manifest: &str) -> Vec<Digest> {
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    let lists = [&manifest["layers"], &manifest["manifests"]].into_iter().filter_map(Value::as_array).flatten();
    let all = lists.chain([&manifest["config"]]).filter_map(|child| child["digest"].as_str());
    all.map(|digest| digest.parse().unwrap()).collect()
}

fn subject(manifest: &str) -> Option<Digest> {
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    manifest["subject"]["digest"].as_str().map(|digest| digest.parse().unwrap())
}

fn tag(number: usize) -> Tag {
    format!("tag-{number}").parse().unwrap()
}

const BLOBS: [&str; 4] = ["a", "b", "c", "d"];

/// Images of two blobs each, an index of two of them, and something that refers to the third.
fn all_manifests() -> Vec<String> {
    let mut all: Vec<_> = (0..4).map(|at| manifest(BLOBS[at], BLOBS[(at + 1) % 4]).to_string()).collect();
    let listed = [descriptor(OCI, &all[0]), descriptor(OCI, &all[1])];
    all.push(json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).to_string());
    let mut signature = manifest(BLOBS[3], BLOBS[3]);
    signature["subject"] = descriptor(OCI, &all[2]);
    all.push(signature.to_string());
    all
}

#[derive(Debug, Clone)]
enum Step {
    Blob(usize),
    /// With a tag, or by digest alone.
    Manifest(usize, Option<usize>),
    Untag(usize),
    Release(usize),
    Delete(usize),
    Collect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_usize).prop_map(Step::Blob),
        5 => (0..6_usize, prop::option::of(0..2_usize)).prop_map(|(at, tag)| Step::Manifest(at, tag)),
        2 => (0..2_usize).prop_map(Step::Untag),
        1 => (0..4_usize).prop_map(Step::Release),
        1 => (0..6_usize).prop_map(Step::Delete),
        2 => Just(Step::Collect),
    ]
}

/// What a repository should have.
#[derive(Debug, Default)]
struct Model {
    blobs: BTreeSet<Digest>,
    manifests: BTreeMap<Digest, String>,
    tags: BTreeMap<usize, Digest>,
    released: BTreeSet<Digest>,
}

impl Model {
    fn has(&self, child: &Digest) -> bool {
        self.blobs.contains(child) || self.manifests.contains_key(child)
    }

    fn is_part(&self, digest: &Digest) -> bool {
        self.manifests.values().any(|manifest| children(manifest).contains(digest))
    }

    /// What tags and releases name, what that is made of, and what refers to it, stays.
    fn collect(&mut self) {
        let mut kept: BTreeSet<_> = self.tags.values().chain(&self.released).copied().collect();
        loop {
            let of_kept = kept.iter().filter_map(|digest| self.manifests.get(digest)).flat_map(|manifest| children(manifest));
            let referring = self.manifests.iter().filter(|(_, manifest)| subject(manifest).is_some_and(|on| kept.contains(&on)));
            let more: BTreeSet<_> = of_kept.chain(referring.map(|(digest, _)| *digest)).collect();
            let before = kept.len();
            kept.extend(more);
            if kept.len() == before {
                break;
            }
        }
        self.manifests.retain(|digest, _| kept.contains(digest));
        self.blobs.retain(|digest| kept.contains(digest));
    }
}

/// Takes one step in both, and holds that both agree.
async fn take(yard: &Yard, model: &mut Model, step: &Step, now: OffsetDateTime) {
    let all = all_manifests();
    match step {
        Step::Blob(at) => {
            yard.push_blob(BLOBS[*at], now).await.unwrap();
            model.blobs.insert(digest(BLOBS[*at]));
        }
        Step::Manifest(at, number) => {
            let tags: Vec<_> = number.iter().copied().map(tag).collect();
            let complete = children(&all[*at]).iter().all(|child| model.has(child));
            let put = yard.put(&all[*at], &tags, now).await;
            assert_eq!(put.is_ok(), complete, "{put:?}");
            if complete {
                model.manifests.insert(digest(&all[*at]), all[*at].clone());
                model.tags.extend(number.map(|number| (number, digest(&all[*at]))));
            }
        }
        Step::Untag(number) => {
            let deleted = image::delete_tag(&yard.db, &yard.place, &tag(*number)).await;
            assert_eq!(deleted.is_ok(), model.tags.remove(number).is_some());
        }
        Step::Release(at) => {
            let digest = digest(&all[*at]);
            if model.manifests.contains_key(&digest) {
                yard.release(digest, now).await;
                model.released.insert(digest);
            }
        }
        Step::Delete(at) => {
            let digest = digest(&all[*at]);
            let deleted = image::delete_manifest(&yard.db, &yard.place, &digest).await;
            let may = model.manifests.contains_key(&digest) && !model.is_part(&digest) && !model.released.contains(&digest);
            assert_eq!(deleted.is_ok(), may, "{deleted:?}");
            if may {
                model.manifests.remove(&digest);
                model.tags.retain(|_, named| *named != digest);
            }
        }
        Step::Collect => {
            let told = gc::survey(&yard.db, &yard.store, HOUR, now).await.unwrap();
            let done = gc::collect(&yard.db, &yard.store, HOUR, now).await.unwrap();
            assert_eq!(told, done, "what is told beforehand is done");
            model.collect();
            let expected: BTreeSet<_> = model.blobs.iter().chain(model.manifests.keys()).copied().collect();
            assert_eq!(yard.files().await, expected);
        }
    }
    yard.is_whole(&all).await;
}

#[test]
fn whatever_happens_to_a_repository_only_garbage_goes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(step(), 1..40), |mut steps| {
            steps.push(Step::Collect);
            runtime.block_on(async {
                let (yard, mut model) = (Yard::new().await, Model::default());
                let mut now = yard.start;
                for step in &steps {
                    now += DAY;
                    take(&yard, &mut model, step, now).await;
                }
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn what_is_young_stays() {
    let yard = Yard::new().await;
    yard.push_blob("a", yard.start).await.unwrap();
    let manifests = all_manifests();
    assert_eq!(gc::collect(&yard.db, &yard.store, HOUR, yard.start).await.unwrap(), Collected::default());
    assert!(yard.store.contains(&digest("a")).await.unwrap());
    let later = yard.start + DAY;
    let collected = gc::collect(&yard.db, &yard.store, HOUR, later).await.unwrap();
    assert_eq!(collected, Collected { manifests: 0, blobs: 1, bytes: 1 });
    let error = yard.put(&manifests[0], &[], later).await.unwrap_err();
    assert!(matches!(error, PutError::Missing(_)), "its repository knows that it has it no more: {error:?}");
}

/// With no grace at all: whoever pushes may find that a blob has gone, but never has a manifest without its blobs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn collection_does_not_race_pushes() {
    let yard = Yard::new().await;
    let all = all_manifests();
    let later = yard.start + DAY;
    let (mut pushed, mut collected) = (0, 0);
    let push = async {
        for round in 0..60 {
            let at = round % 4;
            for blob in [BLOBS[at], BLOBS[(at + 1) % 4]] {
                match yard.push_blob(blob, yard.start).await {
                    Ok(()) | Err(ImageError::NotFound) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            match yard.put(&all[at], &[tag(0)], yard.start).await {
                Ok(()) => {
                    pushed += 1;
                    yard.is_whole(&all[at..=at]).await;
                    let named = image::resolve(&yard.db, &yard.place, &tag(0)).await.unwrap();
                    assert_eq!(named, Some(digest(&all[at])), "it is still there");
                }
                Err(PutError::Missing(_) | PutError::Image(ImageError::NotFound)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let collect = async {
        loop {
            collected += gc::collect(&yard.db, &yard.store, Duration::ZERO, later).await.unwrap().blobs;
        }
    };
    tokio::select! {
        () = push => {}
        () = collect => {}
    }
    assert!(pushed > 0 && collected > 0, "{pushed} pushed, {collected} collected");
}

const GARBAGE: usize = 600;

/// Makes every blob as old as it would be after a week.
fn age(blobs: &Path) {
    let long_ago = SystemTime::now() - 7 * DAY;
    for folder in std::fs::read_dir(blobs.join("sha256")).unwrap() {
        for blob in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            File::open(blob.unwrap().path()).unwrap().set_modified(long_ago).unwrap();
        }
    }
}

fn gc_command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(HOIST);
    command.args(["admin", "gc"]).args(arguments).env_clear().env("HOIST_DATA_DIR", dir);
    command
}

fn serve_command(dir: &Path) -> Command {
    let mut command = Command::new(HOIST);
    let doors = ["--http-listen", "127.0.0.1:0", "--ssh-listen", "127.0.0.1:0"];
    command.arg("serve").args(doors).env("HOIST_DATA_DIR", dir).env("HOIST_ENGINE", "local");
    command
}

#[tokio::test]
async fn killed_in_the_middle_it_leaves_nothing_torn_and_goes_on_the_next_time() {
    let yard = Yard::new().await;
    let long_ago = yard.start - 7 * DAY;
    let mut all = all_manifests();
    for blob in BLOBS {
        yard.push_blob(blob, long_ago).await.unwrap();
    }
    for (at, manifest) in all.iter().enumerate().take(4) {
        yard.put(manifest, &[tag(at)], long_ago).await.unwrap();
    }
    for number in 0..GARBAGE {
        let blob = format!("garbage {number}");
        yard.push_blob(&blob, long_ago).await.unwrap();
        let manifest = manifest(&blob, BLOBS[0]).to_string();
        yard.put(&manifest, &[], long_ago).await.unwrap();
        all.push(manifest);
    }
    age(&yard.dir.path().join("blobs"));
    let everything = yard.files().await.len();
    let told = run(&mut gc_command(yard.dir.path(), &["--dry-run"]));
    assert!(told.starts_with("Would remove 1200 blobs (") && told.ends_with(", 600 manifests among them\n"), "{told}");
    assert_eq!(yard.files().await.len(), everything, "a dry run removes nothing");

    // The command, and then the daemon, which collects at its start.
    for mut collector in [gc_command(yard.dir.path(), &[]), serve_command(yard.dir.path())] {
        let before = yard.files().await.len();
        let mut child = collector.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while yard.files().await.len() == before && begun.elapsed() < PATIENCE {
            tokio::task::yield_now().await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!((9..before).contains(&yard.files().await.len()), "it was killed before it had ended");
        yard.is_whole(&all).await;
    }

    run(&mut gc_command(yard.dir.path(), &[]));
    let kept: BTreeSet<_> = BLOBS.iter().map(|blob| digest(blob)).chain(all[..4].iter().map(|one| digest(one))).collect();
    assert_eq!(yard.files().await, kept);
    let mut db = yard.db.read().await.unwrap();
    assert_eq!(blobs::size(&mut db, &yard.place, &digest("garbage 1")).await.unwrap(), None);
    assert!(!run(&mut gc_command(yard.dir.path(), &["--dry-run"])).contains("600"));
}

#[tokio::test]
async fn the_copy_of_a_buildpack_stays_while_it_is_used() {
    let yard = Yard::new().await;
    let (pack, _) = yard.store.put("a pack".as_bytes()).await.unwrap();
    let key = CopyKey { app: None, place: "https://example.com/pack.git".into() };
    let version = "1".repeat(40).parse().unwrap();
    let at = yard.start;
    let copy = BuildpackCopy { version, digest: pack, fetched_at: at, checked_at: at, asked_at: at, used_at: at };
    let mut tx = yard.db.write().await.unwrap();
    buildpack_copies::set(&mut tx, &key, &copy).await.unwrap();
    tx.commit().await.unwrap();
    gc::collect(&yard.db, &yard.store, HOUR, at + 89 * DAY).await.unwrap();
    assert!(yard.files().await.contains(&pack));
    gc::collect(&yard.db, &yard.store, HOUR, at + 91 * DAY).await.unwrap();
    assert!(!yard.files().await.contains(&pack));
}
