//! Histories that are not a straight line through time: reverts, criss-cross merges, dates that run backwards, and all of
//! it in several packs.

use super::{APP, FEW_WAYS, HTTP_2, World, compare_step};

/// Hours after the first commit, of commits one after the other.
const FORWARDS: [usize; 4] = [100, 101, 102, 103];
const BACKWARDS: [usize; 4] = [99, 98, 97, 96];

impl World {
    /// Adds a file, changes another, and takes that back. The file's objects are new only in the first of these commits,
    /// whose tree is the last one's.
    fn add_and_revert(&self, name: &str, hours: [usize; 4]) {
        let readme = std::fs::read_to_string(self.tree.path().join("README")).unwrap();
        self.tree.write(&format!("deep/{name}/new"), &format!("the content of {name}\n"));
        self.commit_at(hours[0], "add");
        self.tree.write("README", &format!("changed for {name}\n"));
        self.commit_at(hours[1], "edit");
        self.tree.write("README", &readme);
        self.commit_at(hours[2], "revert");
        assert_eq!(self.tree.git(&["rev-parse", "HEAD^{tree}"]), self.tree.git(&["rev-parse", "HEAD~2^{tree}"]));
    }

    /// Two branches that are merged into one another, both ways.
    fn criss_cross(&self, hours: [usize; 4]) {
        let git = |args: &[&str]| self.tree.git(args);
        git(&["checkout", "-q", "-b", "cross", "main"]);
        self.tree.write("of-cross/file", "cross\n");
        self.commit_at(hours[0], "on cross");
        git(&["checkout", "-q", "main"]);
        self.tree.write("of-main/file", "main\n");
        self.commit_at(hours[1], "on main");
        let (main, cross) = (git(&["rev-parse", "main"]), git(&["rev-parse", "cross"]));
        let merge = |branch: &str, other: &str, hours: usize| {
            git(&["checkout", "-q", branch]);
            let date = format!("{} +0000", 1_700_000_000 + 3600 * hours);
            self.tree.git_at(&date, &["merge", "-q", "--no-ff", "-m", "criss-cross", other.trim()]);
        };
        merge("main", &cross, hours[2]);
        merge("cross", &main, hours[3]);
        git(&["checkout", "-q", "main"]);
        git(&["merge", "-q", "--no-ff", "-m", "both", "cross"]);
    }

    /// Makes a branch of both servers, then removes it: its objects are still there, so that not everything is wanted.
    fn leave_something_behind(&self) {
        self.tree.git(&["checkout", "-q", "--orphan", "gone"]);
        self.tree.write("gone", "gone\n");
        self.commit_at(90, "gone");
        self.publish(&["refs/heads/gone"]);
        self.tree.git(&["checkout", "-q", "-f", "main"]);
        self.tree.git(&["branch", "-q", "-D", "gone"]);
        for url in [self.url(HTTP_2), self.plain.repo(APP).display().to_string()] {
            self.push(&url, &[":refs/heads/gone".to_owned()]);
        }
    }
}

#[test]
fn what_a_revert_brings_back_is_sent() {
    for hours in [FORWARDS, BACKWARDS] {
        let world = World::with_history();
        let pairs = FEW_WAYS.map(|way| (way, world.compare(way, &[&["clone", "-q"]])));
        world.add_and_revert("once", hours);
        world.publish_all();
        for (way, clients) in &pairs {
            compare_step(clients, *way, &["fetch", "-q"]);
        }
        world.add_and_revert("twice", hours.map(|hour| hour + 10));
        world.criss_cross(hours.map(|hour| hour + 20));
        world.publish_all();
        for (way, clients) in &pairs {
            compare_step(clients, *way, &["fetch", "-q"]);
        }
        assert!(world.packs().len() > 2);
    }
}

#[test]
fn parts_of_such_histories() {
    for hours in [FORWARDS, BACKWARDS] {
        let world = World::with_history();
        world.add_and_revert("once", hours);
        world.criss_cross(hours.map(|hour| hour + 20));
        world.add_and_revert("twice", hours.map(|hour| hour + 10));
        world.publish_all();
        world.leave_something_behind();
        for way in FEW_WAYS {
            world.compare(way, &[&["clone", "-q"]]);
            world.compare(way, &[&["clone", "-q", "--single-branch", "-b", "main", "--no-tags"]]);
            world.compare(
                way,
                &[
                    &["clone", "-q", "--depth=3"],
                    &["fetch", "-q", "--depth=6"],
                    &["fetch", "-q", "--deepen=3"],
                    &["fetch", "-q", "--unshallow"],
                ],
            );
            world.compare(way, &[&["clone", "-q", "--bare", "--filter=blob:limit=25"]]);
        }
    }
}

#[test]
fn what_a_revert_brings_back_can_be_asked_for() {
    let world = World::with_history();
    world.add_and_revert("once", FORWARDS);
    world.publish_all();
    world.leave_something_behind();
    for way in FEW_WAYS {
        let clients = world.compare(way, &[&["clone", "-q", "--no-checkout", "--filter=blob:none"]]);
        compare_step(&clients, way, &["checkout", "-q", "main"]);
        let file = world.tree.git(&["rev-parse", "main:deep/once/new"]);
        compare_step(&world.compare(way, &[&["clone", "-q", "--depth=1"]]), way, &["fetch", "-q", "{url}", file.trim()]);
    }
}

#[test]
fn a_clone_that_was_shallow_does_not_get_what_was_deleted() {
    let world = World::start();
    world.tree.write("file", "first\n");
    world.commit_at(0, "first");
    world.tree.write("file", "a secret\n");
    let secret = world.commit_at(1, "secret");
    world.tree.write("file", "no secret\n");
    let last = world.commit_at(2, "last");
    world.publish_all();
    let clients = FEW_WAYS.map(|way| world.compare(way, &[&["clone", "-q", "--depth=1"]]));
    world.tree.git(&["reset", "-q", "--hard", "HEAD~2"]);
    world.tree.write("file", "another\n");
    world.commit_at(3, "another");
    world.publish_all();
    for [ours, _] in &clients {
        ours.run(&["fetch", "-q", "--depth=2147483647"]);
        assert_eq!(ours.run(&["rev-list", "--count", "origin/main"]), "2\n");
        assert!(!ours.held().objects.contains(&secret), "what is behind {last} is not given out");
        assert_eq!(ours.held().shallow, last);
        ours.fsck();
    }
}
