//! Repositories of all sizes, pushed to hoist and to plain git and cloned back from both: every ref and every object returns.

use std::io::{BufWriter, Write};
use std::process::Stdio;

use super::{HTTP_2, WAYS, Way, World};
use crate::git::noise;

const SSH_2: Way = WAYS[5];
const COMMITTER: &str = "committer A <a@example.com>";

impl World {
    /// Makes what a stream for git-fast-import(1) says. Blobs are stored as they are: nothing has to be compressed.
    fn import(&self, write: impl FnOnce(&mut dyn Write)) {
        let mut git = self.tree.command();
        git.args(["-c", "core.compression=0", "-c", "core.bigFileThreshold=1m", "fast-import", "--quiet"]);
        let mut importing = git.stdin(Stdio::piped()).spawn().unwrap();
        let mut stream = BufWriter::new(importing.stdin.take().unwrap());
        write(&mut stream);
        stream.flush().unwrap();
        drop(stream);
        assert!(importing.wait().unwrap().success());
    }

    /// Publishes all, and clones all of it.
    #[track_caller]
    fn returns_whole(&self, way: Way) {
        // Patterns: a client looks long for 5,000 names.
        self.publish(&["refs/heads/main", "refs/heads/b*"]);
        let refs = self.tree.git(&["for-each-ref"]);
        let objects = sorted(&self.tree.git(&OBJECTS));
        for client in self.clients(way) {
            client.run(&["clone", "-q", "--mirror"]);
            assert_eq!(client.run(&["for-each-ref"]), refs, "{}", client.name);
            assert!(sorted(&client.run(&OBJECTS)) == objects, "{}: other objects", client.name);
            client.fsck();
            std::fs::remove_dir_all(&client.dir).unwrap();
        }
    }
}

const OBJECTS: [&str; 4] = ["rev-list", "--objects", "--no-object-names", "--all"];

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn one_commit() {
    let world = World::start();
    world.import(|stream| write!(stream, "commit refs/heads/main\n{COMMITTER} 1700000000 +0000\ndata 1\nx\n").unwrap());
    world.returns_whole(HTTP_2);
    world.returns_whole(SSH_2);
}

#[test]
fn fifty_thousand_commits() {
    let world = World::start();
    world.import(|stream| {
        for number in 0..50_000 {
            let time = 1_700_000_000 + number;
            writeln!(stream, "commit refs/heads/main\n{COMMITTER} {time} +0000\ndata 1\nx").unwrap();
            if number % 50 == 0 {
                writeln!(stream, "M 100644 inline dir{}/file\ndata <<E\n{number}\nE", number % 7).unwrap();
            }
        }
    });
    world.returns_whole(HTTP_2);
}

#[test]
fn a_hundred_thousand_files_and_names_of_all_sorts() {
    let world = World::start();
    let deep = "d/".repeat(1000) + "file";
    let long = "l".repeat(255);
    let odd = [
        "\"a\\nb\"",
        "\"tab\\there\"",
        "\"\\303\\274\\360\\237\\230\\200\"",
        "-rf",
        "$(id)",
        "a b ",
        "\"back\\\\slash\"",
        "\"\\377\\001\"",
        "...",
    ];
    world.import(|stream| {
        writeln!(stream, "blob\nmark :1\ndata 1\nx\ncommit refs/heads/main\n{COMMITTER} 1700000000 +0000\ndata 1\nx").unwrap();
        for number in 0..100_000 {
            writeln!(stream, "M 100644 :1 wide/{number}").unwrap();
        }
        for name in odd.into_iter().chain([deep.as_str(), &long]) {
            writeln!(stream, "M 100644 :1 {name}").unwrap();
        }
    });
    world.returns_whole(HTTP_2);
}

#[test]
fn five_thousand_refs() {
    let world = World::start();
    world.import(|stream| {
        for number in 0..5000 {
            let time = 1_700_000_000 + number;
            writeln!(stream, "commit refs/heads/b{number}\n{COMMITTER} {time} +0000\ndata 1\nx").unwrap();
        }
        writeln!(stream, "commit refs/heads/main\n{COMMITTER} 1700000000 +0000\ndata 1\ny").unwrap();
    });
    world.returns_whole(SSH_2);
}

#[test]
fn half_a_gigabyte_of_which_nothing_repeats() {
    const PIECE: usize = 1024 * 1024;
    const PIECES: usize = 500;
    let world = World::start();
    // Beyond the distance over which bytes are found again, so that it can't be compressed.
    let piece = noise(1, PIECE);
    world.import(|stream| {
        writeln!(stream, "blob\nmark :1\ndata {}", PIECES * PIECE).unwrap();
        for _ in 0..PIECES {
            stream.write_all(&piece).unwrap();
        }
        writeln!(stream, "\ncommit refs/heads/main\n{COMMITTER} 1700000000 +0000\ndata 1\nx\nM 100644 :1 large").unwrap();
    });
    world.returns_whole(HTTP_2);
}
