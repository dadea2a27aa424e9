//! What is exported of a source for an app's next build.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::harness::{Daemon, Pushed, User, WorkTree, until};

/// A pack that lists the app, with the times at which the files were put there, and fails if the app says so.
const COMPILE: &str = r#"#!/usr/bin/env bash
set -euo pipefail
cd "$1"
find . -path ./many -prune -o -printf 'is %p %m %y %l\n' | sort
echo "many: $(find many -type f | wc -l)"
cat one
stat -c 'changed at %.Z' many/1
perl -e 'rename("many", "renamed") or die $!'
[ ! -e fail ]
"#;

struct Shop {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
}

impl Shop {
    fn open(config: &str, files: u32) -> Self {
        let daemon = Daemon::start_with(config);
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", "shop"]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
        let tree = WorkTree::with_pack("null");
        tree.write_program("pack/bin/compile", COMPILE);
        (0..files).for_each(|number| tree.write(&format!("many/{number}"), "as ever"));
        tree.write("one", "first\n");
        Self { daemon, user, tree }
    }

    /// Pushes what was made of the work tree; returns what the pack says, but not when the files were put there, and whether that
    /// was before the push.
    fn push(&self) -> (Vec<String>, bool) {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let pushed = self.try_push();
        assert!(pushed.ok, "{}\n{}", pushed.transcript, self.daemon.log());
        told(&pushed, before)
    }

    fn try_push(&self) -> Pushed {
        self.tree.commit("another");
        self.tree.push_http(&self.daemon, &self.user, "shop")
    }

    /// Runs a script in the work tree.
    fn change(&self, script: &str) {
        self.tree.git(&["-c", &format!("alias.do=!{script}"), "do"]);
    }

    fn folder(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.daemon.data_dir().join("sources")).unwrap();
        let mut folders = entries.map(|entry| entry.unwrap().path());
        folders.find(|path| !path.file_name().unwrap().to_string_lossy().starts_with("incoming-"))
    }

    fn until_exported(&self) {
        until(|| self.folder().is_some());
    }

    /// Waits until there are so many, and nothing is left that was taken.
    fn until_kept(&self, count: usize) {
        until(|| self.folder().is_some() == (count > 0) && self.count() == count);
    }

    fn count(&self) -> usize {
        std::fs::read_dir(self.daemon.data_dir().join("sources")).unwrap().count()
    }
}

fn told(pushed: &Pushed, before: f64) -> (Vec<String>, bool) {
    let lines = pushed.transcript.lines().map(|line| line.trim_start_matches("remote:").trim().to_owned());
    let lines: Vec<_> =
        lines.skip_while(|line| !line.starts_with("is ")).take_while(|line| !line.contains("Discovering")).collect();
    let at = lines.iter().find_map(|line| line.strip_prefix("changed at ")).unwrap_or_else(|| panic!("{}", pushed.transcript));
    let was_there = at.parse::<f64>().unwrap() < before;
    (lines.into_iter().filter(|line| !line.starts_with("changed at ")).collect(), was_there)
}

#[test]
fn a_build_writes_only_what_has_changed() {
    let mut shop = Shop::open("", 1200);
    let (first, was_there) = shop.push();
    assert!(!was_there && first.contains(&"many: 1200".to_owned()) && first.contains(&"first".to_owned()), "{first:?}");
    shop.until_exported();

    shop.change(
        "echo second > one; rm many/7; mkdir new; echo > new/file; chmod +x many/8; ln -s one link; echo '*.psd' > x.psd",
    );
    let (second, was_there) = shop.push();
    assert!(was_there, "{second:?}");
    for line in ["many: 1199", "second", "is ./link 777 l one", "is ./new 755 d", "is ./new/file 644 f", "is ./x.psd 644 f"] {
        assert!(second.contains(&line.to_owned()), "{line}: {second:?}");
    }

    // As another app, it is exported as a whole.
    shop.daemon.client(&shop.user, &["apps:create", "other"]);
    shop.daemon.client(&shop.user, &["buildpacks:set", "./pack", "--app", "other"]);
    let pushed = shop.tree.push_http(&shop.daemon, &shop.user, "other");
    assert_eq!(told(&pushed, 0.0), (second.clone(), false));
    shop.until_kept(2);
    shop.daemon.client(&shop.user, &["apps:destroy", "--app", "other", "--confirm", "other"]);

    // Also after a restart, and after builds that came to nothing.
    shop.until_kept(1);
    let destroyed = shop.daemon.data_dir().join("sources/01234567-89ab-4cde-8f01-23456789abcd/files");
    std::fs::create_dir_all(&destroyed).unwrap();
    shop.daemon.kill_and_restart();
    shop.change("echo > fail; rm -r new");
    let failed = shop.try_push();
    assert!(!failed.ok && told(&failed, f64::MAX).0.contains(&"is ./fail 644 f".to_owned()), "{}", failed.transcript);
    shop.until_exported();
    shop.until_kept(1);
    shop.change("rm fail; echo third > one");
    shop.tree.commit("dry");
    let dry = shop.tree.push_http_with(&shop.daemon, &shop.user, "shop", &["-odry-run", "main"]);
    assert!(dry.transcript.contains("dry run"), "{}", dry.transcript);
    shop.until_kept(1);
    let (third, was_there) = shop.push();
    assert!(was_there && third.contains(&"third".to_owned()), "{third:?}");
    assert!(!third.iter().any(|line| line.contains("new") || line.contains("fail")), "{third:?}");
    shop.until_kept(1);
    shop.daemon.client(&shop.user, &["apps:destroy", "--app", "shop", "--confirm", "shop"]);
    shop.until_kept(0);
}

#[test]
fn what_is_left_out_is_left_out_of_what_is_there() {
    let shop = Shop::open("", 1200);
    shop.tree.write(".slugignore", "*.psd\n");
    shop.tree.write("x.psd", "large");
    let (first, _) = shop.push();
    assert!(!first.iter().any(|line| line.contains("psd")), "{first:?}");
    shop.until_exported();
    shop.change("echo > y.psd; echo second > one");
    let (second, was_there) = shop.push();
    assert!(was_there && !second.iter().any(|line| line.contains("psd")), "{second:?}");
    shop.until_kept(1);
    shop.tree.write(".slugignore", "y.psd\n");
    let (third, was_there) = shop.push();
    assert!(!was_there && third.contains(&"is ./x.psd 644 f".to_owned()), "{third:?}");
}

#[test]
fn nothing_is_kept_of_small_sources_or_where_nothing_may_be() {
    for (config, files) in
        [("", 900), ("[limits]\nunpacked_source_bytes = 0\n", 1200), ("[limits]\nunpacked_source_bytes = 99999\n", 1200)]
    {
        let shop = Shop::open(config, files);
        shop.push();
        shop.tree.write("one", "second\n");
        assert!(!shop.push().1, "{config}");
        shop.until_kept(0);
    }
}
