//! Small requests that unpack to large ones: bounded, refused in words, and never whole in memory.

use std::io::Write as _;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::Daemon;

/// What a bomb unpacks to, and by how much the daemon's memory may grow meanwhile.
const BOMB_BYTES: usize = 256 << 20;
const MEMORY_BYTES: u64 = 64 << 20;

/// `start`, and then `filler` again and again.
fn bomb(start: &[u8], filler: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(start).unwrap();
    for _ in 0..BOMB_BYTES / filler.len() {
        gzip.write_all(filler).unwrap();
    }
    gzip.finish().unwrap()
}

/// Posts a bomb as a push and expects this in the answer.
#[track_caller]
fn check(bomb: &[u8], expected: &str) {
    let daemon = Daemon::start_with("engine = \"local\"\n[limits]\npack_bytes = 1048576\n");
    let user = daemon.user("alice@example.com");
    assert!(bomb.len() < BOMB_BYTES / 20, "a bomb is small: {}", bomb.len());
    let before = daemon.peak_memory();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "50", "--data-binary", "@-"]);
    curl.args(["--header", "Content-Type: application/x-git-receive-pack-request", "--header", "Content-Encoding: gzip"]);
    curl.args(["--user", &format!("_:{}", user.token), &format!("http://{}/shop.git/git-receive-pack", daemon.http)]);
    let mut curl = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut body = curl.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // What is refused need not be read to its end.
        scope.spawn(move || body.write_all(bomb).ok());
        curl.wait_with_output().unwrap()
    });
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.contains(expected), "{answer}{}", String::from_utf8_lossy(&output.stderr));
    let grown = daemon.peak_memory() - before;
    assert!(grown < MEMORY_BYTES, "{grown} bytes of memory more");
}

/// A command that makes a ref of some object.
fn command(name: &str) -> Vec<u8> {
    let text = format!("{} {} {name}\0 report-status", "0".repeat(40), "1".repeat(40));
    format!("{:04x}{text}", text.len() + 4).into_bytes()
}

#[test]
fn commands_without_end() {
    check(
        &bomb(b"", &command(&format!("refs/heads/{}", "x".repeat(1000)))),
        "too many refs in one push, at most 10000 are allowed",
    );
}

#[test]
fn a_pack_that_is_too_large() {
    let mut start = command("refs/heads/main");
    // A flush, and a pack of one blob of 1 GiB less a bit, in which nothing is compressed.
    start.extend(b"0000PACK\0\0\0\x02\0\0\0\x01\xbf\xff\xff\xff\x1f\x78\x01");
    let mut stored = vec![0, 0xff, 0xff, 0, 0];
    stored.resize(5 + 0xffff, 0);
    check(&bomb(&start, &stored), "the pack is larger than the 1 MiB that are allowed");
}

#[test]
fn noughts() {
    check(&bomb(b"", &vec![0; 65536]), r"bad line length '\x00\x00\x00\x00'");
}
