//! The fuzz targets of `fuzz/`, run as tests: each upon its seeds and upon changed ones, always the same. `scripts/fuzz` looks
//! further.

use std::path::Path;

#[path = "../../fuzz/targets/bundle_header.rs"]
mod bundle_header;
#[path = "../../fuzz/targets/commands.rs"]
mod commands;
#[path = "../../fuzz/targets/fetch_command.rs"]
mod fetch_command;
#[path = "../../fuzz/targets/heroku_yml.rs"]
mod heroku_yml;
#[path = "../../fuzz/targets/lfs_batch.rs"]
mod lfs_batch;
#[path = "../../fuzz/targets/lfs_pointer.rs"]
mod lfs_pointer;
#[path = "../../fuzz/targets/lock_file.rs"]
mod lock_file;
#[path = "../../fuzz/targets/manifest.rs"]
mod manifest;
#[path = "../../fuzz/targets/object.rs"]
mod object;
#[path = "../../fuzz/targets/pack.rs"]
mod pack;
#[path = "../../fuzz/targets/pkt_line.rs"]
mod pkt_line;
#[path = "../../fuzz/targets/push_certificate.rs"]
mod push_certificate;
#[path = "../../fuzz/targets/slug_tar.rs"]
mod slug_tar;
#[path = "../../fuzz/targets/ssh_command.rs"]
mod ssh_command;

/// Numbers that look random and are always the same (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound.max(1)
    }

    /// A seed with a few changes, such as a fuzzer makes.
    fn change(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(3) {
            let (at, end) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
            let part = at.min(end)..at.max(end);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = [0, 0xff, 0x7f, b'\n', b' ', b'0'][self.below(6)],
                2 => bytes.insert(at, u8::try_from(self.below(256)).unwrap()),
                3 => bytes.truncate(at),
                4 => drop(bytes.drain(part)),
                5 => bytes.extend_from_within(part),
                _ => bytes.splice(part, other[self.below(other.len() + 1)..].iter().copied()).for_each(drop),
            }
        }
        bytes
    }
}

/// Tells which input it was, if a target panics.
struct Input<'a>(&'a [u8]);

impl Drop for Input<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input: {}", self.0.escape_ascii());
        }
    }
}

fn run(name: &str, target: fn(&[u8]), changes: usize) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut paths: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let changed = (0..changes).map(|number| {
        let other = numbers.below(seeds.len());
        numbers.change(&seeds[number % seeds.len()], &seeds[other])
    });
    let changed: Vec<_> = changed.collect();
    for bytes in seeds.iter().chain(&changed) {
        let _input = Input(bytes);
        target(bytes);
    }
}

#[test]
fn any_bundle_header() {
    run("bundle_header", bundle_header::run, 20_000);
}

#[test]
fn any_commands() {
    run("commands", commands::run, 20_000);
}

#[test]
fn any_fetch_command() {
    run("fetch_command", fetch_command::run, 20_000);
}

#[test]
fn any_length() {
    run("pkt_line", pkt_line::run, 20_000);
}

#[test]
fn any_object() {
    run("object", object::run, 40_000);
}

#[test]
fn any_pack() {
    run("pack", pack::run, 1_500);
}

#[test]
fn any_lfs_batch() {
    run("lfs_batch", lfs_batch::run, 20_000);
}

#[test]
fn any_pointer() {
    run("lfs_pointer", lfs_pointer::run, 20_000);
}

#[test]
fn any_ssh_command() {
    run("ssh_command", ssh_command::run, 20_000);
}

#[test]
fn any_certificate() {
    run("push_certificate", push_certificate::run, 20_000);
}

#[test]
fn any_heroku_yml() {
    run("heroku_yml", heroku_yml::run, 500);
}

#[test]
fn any_lock_file() {
    run("lock_file", lock_file::run, 20_000);
}

#[test]
fn any_manifest() {
    run("manifest", manifest::run, 5_000);
}

#[test]
fn any_slug() {
    run("slug_tar", slug_tar::run, 2_000);
}
