//! `kill -9` of the daemon in every phase of a push: after the next start refs, ledger, blobs and builds agree, and
//! the same push succeeds.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;

use serde_json::Value;

use crate::harness::{Daemon, User, WorkTree, until, wait};

/// What the pusher has read when the daemon is killed; before the first there is the receiving of the pack.
const MOMENTS: [&str; 7] = ["Building source", "Building on", "app detected", "step", "Compressing", "Launching", "Released"];

#[test]
fn killed_at_any_moment() {
    let mut daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let tree = WorkTree::with_pack("noisy");
    // Three rounds over all moments; the further lines that are read before the kill differ.
    for (round, moment) in (0..3).flat_map(|round| MOMENTS.map(|moment| (round, moment))) {
        tree.write("round", &format!("{round} {moment}"));
        let commit = tree.commit("next");
        let mut push = tree.start_push(&daemon, &user, "shop", &["main"]);
        read_until(&mut push, moment, round);
        daemon.kill_and_restart();
        // To its end: git must not hang on a pipe that nobody reads.
        wait(push);
        check_agreement(&daemon, &user);

        let again = tree.push_ssh(&daemon, &user, "shop");
        assert!(again.ok, "killed at {moment}: {}", again.transcript);
        check_agreement(&daemon, &user);
        assert_eq!(newest(&daemon, &user)["description"], format!("Deploy {}", &commit[..8]));
    }
}

#[test]
fn killed_while_receiving() {
    let mut daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let tree = WorkTree::with_pack("null");
    for round in 0..5 {
        // Incompressible, so that the pack is long.
        let noise: String = (0..2_000_000_u64)
            .map(|at| char::from(b' ' + (at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round) >> 57) as u8 % 95))
            .collect();
        tree.write(&format!("noise-{round}"), &noise);
        tree.commit("noise");
        let mut push = tree.start_push(&daemon, &user, "shop", &["--progress", "main"]);
        read_until(&mut push, "Writing objects", round);
        daemon.kill_and_restart();
        // To its end: git must not hang on a pipe that nobody reads.
        wait(push);
        check_agreement(&daemon, &user);
        let again = tree.push_ssh(&daemon, &user, "shop");
        assert!(again.ok, "{}", again.transcript);
    }
}

/// Reads the pusher's standard error until a line has `text`, and so many lines more.
fn read_until(push: &mut Child, text: &str, more: u64) {
    let mut stderr = BufReader::new(push.stderr.take().unwrap());
    let mut line = Vec::new();
    while stderr.read_until(b'\n', &mut line).unwrap() > 0 {
        if String::from_utf8_lossy(&line).contains(text) {
            break;
        }
        line.clear();
    }
    for _ in 0..more {
        let _ = stderr.by_ref().read_until(b'\n', &mut line);
    }
    // The pipe stays open, so that git does not die of writing to it before the daemon is killed.
    push.stderr = Some(stderr.into_inner());
}

/// Every build has an outcome; the newest release is of the commit that `main` names; every slug is in the store under
/// its digest; nothing is in quarantine; the chain of hashes holds.
fn check_agreement(daemon: &Daemon, user: &User) {
    let builds = daemon.get(user, "/apps/shop/builds");
    assert!(builds.as_array().unwrap().iter().all(|build| build["status"] != "pending"), "{builds}");
    let state = State::of(daemon);
    let deploys = state.releases.iter().filter(|release| release.slug.is_some());
    assert_eq!(state.main, deploys.clone().next_back().map(|release| release.commit.clone().unwrap()));
    for release in deploys {
        let digest = release.slug.as_ref().unwrap();
        let hex = digest.trim_start_matches("sha256:");
        let blob = daemon.data_dir().join("blobs/sha256").join(&hex[..2]).join(hex);
        assert_eq!(&sha256(&std::fs::read(blob).unwrap()), digest);
    }
    assert_eq!(state.broken, None);
    // A repository of many packs is compacted at the start: that has one, too, but not for long.
    until(|| !State::of(daemon).quarantine);
}

fn newest(daemon: &Daemon, user: &User) -> Value {
    let releases = daemon.get(user, "/apps/shop/releases");
    releases.as_array().unwrap().iter().max_by_key(|release| release["version"].as_u64()).unwrap().clone()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// The app as the database and the disk have it.
struct State {
    main: Option<String>,
    releases: Vec<Row>,
    broken: Option<String>,
    quarantine: bool,
}

struct Row {
    slug: Option<String>,
    commit: Option<String>,
}

impl State {
    fn of(daemon: &Daemon) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let db = hoist::db::Db::open(daemon.data_dir()).await.unwrap();
            let mut read = db.read().await.unwrap();
            let app = hoist::db::apps::by_name(&mut read, &"shop".parse().unwrap()).await.unwrap().unwrap();
            let main = hoist::db::refs::get(&mut read, app.id, &"refs/heads/main".parse().unwrap()).await.unwrap();
            let mut releases = Vec::new();
            for release in hoist::db::releases::list(&mut read, app.id, 1000).await.unwrap().into_iter().rev() {
                let slug = match release.slug {
                    Some(slug) => hoist::db::slugs::get(&mut read, slug).await.unwrap().map(|slug| slug.digest.to_string()),
                    None => None,
                };
                releases.push(Row { slug, commit: release.commit.map(|commit| commit.to_string()) });
            }
            let verification = hoist::db::releases::verify(&mut read, app.id).await.unwrap();
            let broken = verification.broken.first().map(|broken| broken.version.to_string());
            let repo = daemon.data_dir().join("repos").join(app.id.to_string());
            let names = std::fs::read_dir(repo).map(|dir| dir.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>());
            let quarantine = names.unwrap_or_default().iter().any(|name| name.to_string_lossy().starts_with("incoming"));
            drop(read);
            db.close().await;
            Self { main: main.map(|commit| commit.to_string()), releases, broken, quarantine }
        })
    }
}
