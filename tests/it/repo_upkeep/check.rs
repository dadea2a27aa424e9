//! `hoist admin repo:check`, on repositories that are sound and on such that are not.

use std::fs;
use std::path::{Path, PathBuf};

use hoist::db;
use hoist::model::CommitId;

use super::{Yard, copy_dir, hoist, text};

/// What the command prints, and with which code it ends.
fn check(data_dir: &Path) -> (String, Option<i32>) {
    let output = hoist(data_dir, &["admin", "repo:check", "shop"]).output().unwrap();
    (text(&output.stdout) + &text(&output.stderr), output.status.code())
}

fn file(dir: &Path, extension: &str) -> PathBuf {
    let mut files = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|other| other == extension)).unwrap()
}

/// Writes another content to a file that is read-only.
fn replace(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

/// A side file of the same form with another content: with its own checksum at its end.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 20);
    let sum = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    bytes.extend_from_slice(sum.as_ref());
    bytes
}

#[tokio::test]
async fn a_sound_repository() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    yard.push_change(1).await;
    let (printed, code) = check(yard.dir.path());
    assert_eq!(code, Some(0), "{printed}");
    for pack in yard.packs() {
        assert!(printed.lines().any(|line| line.contains(&pack) && line.trim_end().ends_with("sound")), "{printed}");
    }
    assert!(printed.contains("Refs:   1\nPacks:  2\nFaults: 0\n"), "{printed}");
    let json = yard.hoist(&["admin", "repo:check", "shop", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["refs"], &json["faults"]), (&1.into(), &serde_json::json!([])));
    let names: Vec<_> = json["packs"].as_array().unwrap().iter().map(|pack| pack["name"].as_str().unwrap()).collect();
    assert_eq!(names, yard.packs());
    assert!(json["packs"].as_array().unwrap().iter().all(|pack| pack["state"] == "sound" && pack["objects"].as_u64() > Some(0)));
    let none = Yard::new().await;
    assert_eq!(check(none.dir.path()), ("Refs:   0\nPacks:  0\nFaults: 0\n".into(), Some(0)));
}

type Damage = fn(&Path);

/// What is done to the folder of an app's one pack, and what is said then.
const DAMAGES: [(&str, Damage, &str); 9] = [
    (
        "a byte of the pack",
        |dir| {
            let path = file(dir, "pack");
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            replace(&path, &bytes);
        },
        "the pack is corrupt",
    ),
    (
        "its end",
        |dir| {
            let path = file(dir, "pack");
            let bytes = fs::read(&path).unwrap();
            replace(&path, &bytes[..bytes.len() - 30]);
        },
        "ends early",
    ),
    (
        "something behind it",
        |dir| {
            let path = file(dir, "pack");
            let bytes = fs::read(&path).unwrap();
            replace(&path, &[&bytes[..], b"more"].concat());
        },
        "there is something behind its end",
    ),
    (
        "an offset in the index",
        |dir| {
            let path = file(dir, "idx");
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() - 41;
            bytes[at] ^= 1;
            replace(&path, &with_checksum(bytes));
        },
        "its index (.idx) is not of what is in it",
    ),
    (
        "half of the index",
        |dir| {
            let path = file(dir, "idx");
            let bytes = fs::read(&path).unwrap();
            replace(&path, &bytes[..bytes.len() / 2]);
        },
        ".idx",
    ),
    (
        "the reverse index",
        |dir| {
            let path = file(dir, "rev");
            let mut bytes = fs::read(&path).unwrap();
            bytes.swap(15, 19);
            replace(&path, &with_checksum(bytes));
        },
        "its reverse index (.rev)",
    ),
    (
        "the roots",
        |dir| {
            let path = file(dir, "roots");
            let mut bytes = fs::read(&path).unwrap();
            bytes[12] ^= 1;
            replace(&path, &with_checksum(bytes));
        },
        "its list of roots (.roots)",
    ),
    (
        "the pack's name",
        |dir| {
            for extension in ["pack", "idx", "rev", "roots"] {
                let path = file(dir, extension);
                fs::rename(&path, dir.join(format!("pack-{}.{extension}", "ab".repeat(20)))).unwrap();
            }
        },
        "its name is another pack's",
    ),
    (
        "the pack altogether",
        |dir| {
            for extension in ["pack", "idx", "rev", "roots"] {
                fs::remove_file(file(dir, extension)).unwrap();
            }
        },
        "refs/heads/main: object",
    ),
];

#[tokio::test]
async fn every_damage_is_told() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    yard.db.close().await;
    for (what, damage, words) in DAMAGES {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(yard.dir.path(), dir.path());
        damage(&super::pack_dir(dir.path(), yard.app.id));
        let (printed, code) = check(dir.path());
        assert!(code == Some(1) && printed.contains(words), "{what}: {printed}");
        assert!(printed.contains("The repository of shop is damaged. Restore its folder from a backup"), "{what}: {printed}");
    }
}

/// One of two packs is gone: what the other refers to is missing.
#[tokio::test]
async fn what_is_referred_to_must_be_there() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    let first = yard.packs().remove(0);
    yard.push_change(1).await;
    for extension in ["pack", "idx", "rev", "roots"] {
        fs::remove_file(yard.pack_dir().join(format!("{first}.{extension}"))).unwrap();
    }
    let (printed, code) = check(yard.dir.path());
    assert!(code == Some(1) && printed.contains("is missing: the pack refers to it"), "{printed}");
    assert!(printed.contains(&format!("Remark: {first} is recorded, but not there")), "{printed}");
}

#[tokio::test]
async fn refs_must_lead_to_objects_of_their_kind() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    let missing: CommitId = "0123456789".repeat(4).parse().unwrap();
    yard.set_ref("refs/heads/missing", Some(&missing)).await;
    yard.set_ref("refs/heads/tree", Some(&yard.id("main^{tree}"))).await;
    yard.set_ref("refs/tags/tree", Some(&yard.id("main^{tree}"))).await;
    let (printed, code) = check(yard.dir.path());
    assert_eq!(code, Some(1));
    assert!(printed.contains("Faults: 2\n"), "{printed}");
    assert!(printed.contains(&format!("Fault: refs/heads/missing: object {missing} is missing\n")), "{printed}");
    assert!(printed.contains("Fault: refs/heads/tree: a branch cannot be a tree\n"), "{printed}");
}

/// A push that was cut off leaves a pack that no row names; that does no harm.
#[tokio::test]
async fn a_pack_too_many_is_told_of() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    let pack = yard.packs().remove(0);
    let mut tx = yard.db.write().await.unwrap();
    db::packs::remove(&mut tx, yard.app.id, &pack).await.unwrap();
    tx.commit().await.unwrap();
    let (printed, code) = check(yard.dir.path());
    assert!(code == Some(0) && printed.contains(&format!("Remark: {pack} is not recorded: a push left it")), "{printed}");
}

#[tokio::test]
async fn an_app_that_there_is_not() {
    let yard = Yard::new().await;
    let output = yard.hoist(&["admin", "repo:check", "other"]);
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains("There is no app other."));
}
