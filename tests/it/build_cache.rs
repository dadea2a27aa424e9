//! What builds keep for the next one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::harness::{Daemon, Pushed, User, WorkTree, until};

/// A pack that shows what is in its cache, and then does what the app says.
const COMPILE: &str = "#!/usr/bin/env bash\nset -euo pipefail\ncd \"$2\"\necho \"cache: $(find . -type f -printf '%P\\n' | sort | tr '\\n' ' ')\"\n. \"$1/do\"\n";

struct Shop {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
}

impl Shop {
    fn open(config: &str) -> Self {
        let daemon = Daemon::start_with(config);
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", "shop"]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
        let tree = WorkTree::with_pack("null");
        tree.write_program("pack/bin/compile", COMPILE);
        Self { daemon, user, tree }
    }

    /// Pushes an app that does this to its cache; returns what was in that before.
    fn push(&self, does: &str) -> String {
        let pushed = self.try_push(does);
        assert!(pushed.ok, "{}\n{}", pushed.transcript, self.daemon.log());
        cache_of(&pushed)
    }

    fn try_push(&self, does: &str) -> Pushed {
        self.tree.write("do", &format!("{does}\n"));
        self.tree.commit("another");
        self.tree.push_http(&self.daemon, &self.user, "shop")
    }

    /// The caches that are unpacked.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for entry in std::fs::read_dir(self.daemon.data_dir().join("caches")).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_string_lossy().starts_with("incoming-") {
                folders.push(path);
            }
        }
        folders
    }

    /// Waits until one cache is unpacked, and not the one before.
    fn until_unpacked(&self, before: Option<&PathBuf>) -> PathBuf {
        until(|| matches!(&self.folders()[..], [folder] if Some(folder) != before));
        self.folders().remove(0)
    }

    /// Where the blob is that a folder is a copy of.
    fn blob_of(&self, folder: &std::path::Path) -> PathBuf {
        let hex = folder.file_name().unwrap().to_str().unwrap();
        self.daemon.data_dir().join("blobs/sha256").join(&hex[..2]).join(hex)
    }
}

fn cache_of(pushed: &Pushed) -> String {
    let line = pushed.transcript.lines().find_map(|line| line.split_once("cache:")).expect("the pack shows its cache");
    line.1.trim().to_owned()
}

#[test]
fn a_cache_goes_from_build_to_build_without_being_packed_again() {
    let shop = Shop::open("");
    // However little there is in it.
    assert_eq!(shop.push("echo 1 > kept"), "");
    let folder = shop.until_unpacked(None);
    // Nobody can unpack the blob any more, and nobody writes it again.
    // It is there all the time: without its blob the folder would go.
    std::fs::set_permissions(shop.blob_of(&folder), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(shop.blob_of(&folder), "no tar").unwrap();
    assert_eq!(shop.push("cat kept"), "kept");
    assert_eq!(shop.folders(), std::slice::from_ref(&folder));
    assert_eq!(std::fs::read_to_string(shop.blob_of(&folder)).unwrap(), "no tar", "the cache has not changed");

    assert_eq!(shop.push("echo 2 > kept; echo > more"), "kept");
    let changed = shop.until_unpacked(Some(&folder));
    assert!(!shop.blob_of(&folder).exists() && shop.blob_of(&changed).exists());
    assert!(!shop.try_push("rm kept; exit 1").ok);
    assert_eq!(shop.push(": reads"), "kept more", "a failed build changes nothing");
    assert_eq!(shop.folders(), [changed]);

    assert_eq!(shop.push("rm -r ./*"), "kept more");
    until(|| shop.folders().is_empty());
    assert_eq!(shop.push(": again"), "");
}

#[test]
fn a_cache_that_is_purged_or_has_lost_its_blob_is_gone() {
    let shop = Shop::open("");
    shop.push("echo 1 > kept");
    shop.until_unpacked(None);
    shop.daemon.client(&shop.user, &["builds:cache:purge", "--app", "shop", "--confirm", "shop"]);
    until(|| shop.folders().is_empty());
    assert_eq!(shop.push("echo 2 > kept"), "");

    // The blob is the cache: others may have removed it from a store that is shared.
    let folder = shop.until_unpacked(None);
    std::fs::remove_file(shop.blob_of(&folder)).unwrap();
    assert_eq!(shop.push(": reads"), "");
}

#[test]
fn a_cache_without_a_folder_is_unpacked_for_its_build() {
    let shop = Shop::open("[limits]\nunpacked_cache_bytes = 0\n");
    shop.push("echo 1 > kept");
    assert_eq!(shop.push(": reads"), "kept");
    assert!(shop.folders().is_empty());
}

#[test]
fn a_cache_that_only_grows_is_emptied() {
    let shop = Shop::open("[limits]\nbuild_disk_bytes = 30000000\n");
    shop.push("head -c 20M /dev/zero > one");
    shop.until_unpacked(None);
    let grown = shop.try_push("head -c 20M /dev/zero > two");
    assert!(
        grown.transcript.contains("The build cache is larger than SIZE: the next build starts with an empty one."),
        "{}",
        grown.transcript
    );
    assert_eq!((cache_of(&grown), shop.push(": reads")), ("one".to_owned(), String::new()));
}

#[test]
fn a_cache_that_is_no_folder_any_more_costs_no_push() {
    let shop = Shop::open("");
    for change in ["cd /; rm -r \"$2\"", "cd /; rm -r \"$2\"; ln -s \"$2\" \"$2\""] {
        assert_eq!(shop.push("echo 1 > kept"), "");
        let pushed = shop.try_push(change);
        assert!(pushed.ok && cache_of(&pushed) == "kept", "{}", pushed.transcript);
        let expected = " !     The build cache could not be kept: the next build starts with an empty one.";
        assert!(pushed.transcript.contains(expected), "{}", pushed.transcript);
    }
}

#[test]
fn what_a_crash_has_left_half_unpacked_is_swept() {
    let mut shop = Shop::open("");
    shop.push("echo 1 > kept");
    let folder = shop.until_unpacked(None);
    shop.daemon.kill();
    let half = shop.daemon.data_dir().join("caches/incoming-x");
    std::fs::rename(folder, &half).unwrap();
    shop.daemon.restart();
    assert!(!half.exists());
    assert_eq!(shop.push("cat kept"), "kept");
}
