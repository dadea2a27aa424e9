//! What survives cuts and crashes: uploads go on, no blob has another's digest, no manifest lacks its blobs; and what large
//! blobs cost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use super::world::{OCI, World, basic, digest, noise};
use crate::harness::until;

const LEN: usize = 6 * 1024 * 1024;

/// A request that breaks off: its head, and as much of its body as is told.
struct Cut(TcpStream);

impl Cut {
    fn send(world: &World, method: &str, path: &str, body: &[u8], sent: usize) -> Self {
        let mut stream = TcpStream::connect(&world.daemon.http).unwrap();
        let authorization = basic("_", &world.user.token);
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\ncontent-type: {OCI}\r\n\
             content-length: {}\r\n\r\n",
            world.daemon.http,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body[..sent]).unwrap();
        Self(stream)
    }

    /// Breaks the connection off and waits until the daemon has done with it.
    fn break_off(mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
        // An error is an end, too.
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}

/// How much of an upload has come.
fn received(world: &World, location: &str) -> usize {
    let answer = world.ask("GET", location).is(204);
    let (_, last) = answer.header("range").split_once('-').unwrap();
    let last: usize = last.parse().unwrap();
    if last == 0 { 0 } else { last + 1 }
}

/// Sends the rest of an upload from where it stands, and asserts that the blob is whole.
fn go_on(world: &World, location: &str, content: &[u8]) {
    let from = received(world, location);
    let range = format!("{from}-{}", content.len() - 1);
    world.send("PATCH", location, &[("content-range", &range)], &content[from..]).is(202);
    let blob = world.ask("PUT", &format!("{location}?digest={}", digest(content))).is(201);
    assert!(world.ask("GET", blob.header("location")).is(200).body == content);
}

/// Asserts that each blob's file has the bytes that its name says.
fn assert_blobs_are_true(data: &Path) {
    for folder in std::fs::read_dir(data.join("blobs/sha256")).unwrap() {
        for blob in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert_eq!(digest(&std::fs::read(&path).unwrap()), format!("sha256:{name}"));
        }
    }
}

#[test]
fn an_upload_goes_on_after_a_cut_at_any_byte() {
    let world = World::start();
    for seed in 0..6 {
        let content = noise(LEN, seed);
        let cut = usize::from_le_bytes(noise(8, seed + 100).try_into().unwrap()) % LEN;
        let location = world.begin_upload("shop/web");
        Cut::send(&world, "PATCH", &location, &content, cut).break_off();
        until(|| received(&world, &location) >= cut.saturating_sub(1));
        go_on(&world, &location, &content);
    }
    assert_blobs_are_true(world.daemon.data_dir());
}

#[test]
fn an_upload_goes_on_while_its_first_connection_still_hangs() {
    let world = World::start();
    let content = noise(LEN, 7);
    let location = world.begin_upload("shop/web");
    let hanging = Cut::send(&world, "PATCH", &location, &content, LEN / 2);
    until(|| received(&world, &location) > 0);
    // A client that has been away begins anew: what the first connection has brought is there.
    let answer = world.send("PATCH", &location, &[("content-range", "0-4")], &content[..5]).is(416);
    assert_eq!(answer.error().0, "BLOB_UPLOAD_INVALID");
    go_on(&world, &location, &content);
    drop(hanging);
}

#[test]
fn an_upload_goes_on_after_the_daemon_was_killed() {
    let mut world = World::start();
    for seed in 0..5 {
        let content = noise(LEN, seed);
        let sent = usize::from_le_bytes(noise(8, seed + 50).try_into().unwrap()) % LEN;
        let location = world.begin_upload("shop/web");
        let cut = Cut::send(&world, "PATCH", &location, &content, sent);
        world.daemon.kill_and_restart();
        drop(cut);
        assert_blobs_are_true(world.daemon.data_dir());
        assert!(received(&world, &location) <= sent.max(1));
        go_on(&world, &location, &content);
    }
}

#[test]
fn killed_at_any_step_of_a_push() {
    let mut world = World::start();
    for step in 0..6 {
        let layer = noise(200_000, 1000 + step);
        let location = world.begin_upload("shop/web");
        let manifest = world.push_parts("shop/web", &noise(1000, 2000 + step));
        let mut whole = manifest.clone();
        whole["layers"][0]["digest"] = digest(&layer).into();
        whole["layers"][0]["size"] = layer.len().into();
        let tag = format!("step{step}");
        let put = format!("{location}?digest={}", digest(&layer));
        let path = format!("/v2/shop/web/manifests/{tag}");
        let body = whole.to_string().into_bytes();
        // Sent whole, and killed before anybody has read the answer.
        let cut = match step {
            0 | 1 => Cut::send(&world, "PUT", &put, &layer, layer.len() / 2),
            2 | 3 => Cut::send(&world, "PUT", &put, &layer, layer.len()),
            _ => {
                world.send("PUT", &put, &[], &layer).is(201);
                Cut::send(&world, "PUT", &path, &body, body.len())
            }
        };
        world.daemon.kill_and_restart();
        drop(cut);
        assert_blobs_are_true(world.daemon.data_dir());
        if world.ask("GET", &path).status == 200 {
            let blob = format!("/v2/shop/web/blobs/{}", digest(&layer));
            assert!(world.ask("GET", &blob).is(200).body == layer);
        }
        // The same push succeeds.
        world.push_blob("shop/web", &layer);
        world.send("PUT", &path, &[("content-type", OCI)], &body).is(201);
        assert!(world.ask("GET", &path).is(200).body == body);
    }
}

#[test]
fn uploads_that_nobody_goes_on_with_end() {
    let mut world = World::start_with("[limits]\nimage_upload_time = \"0s\"\n");
    let location = world.begin_upload("shop/web");
    let uploads = world.daemon.data_dir().join("blobs/uploads");
    world.daemon.kill();
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 1);
    world.daemon.restart();
    until(|| std::fs::read_dir(&uploads).unwrap().count() == 0);
    world.ask("GET", &location).is(404);
}

#[test]
fn an_upload_that_stalls_ends() {
    let world = World::start_with("[limits]\nidle_time = \"1s\"\n");
    let content = noise(100_000, 3);
    let location = world.begin_upload("shop/web");
    let mut stalled = Cut::send(&world, "PATCH", &location, &content, 50_000);
    // Until the daemon ends it, whatever it says.
    let _ = stalled.0.read_to_end(&mut Vec::new());
    go_on(&world, &location, &content);
}

#[test]
fn a_large_layer_takes_little_memory() {
    const MOST_BYTES: u64 = 64 * 1024 * 1024;
    const SIZE: usize = 1 << 30;
    let world = World::start();
    world.push_image("shop/web", "warm", &noise(3_000_000, 1));
    let before = world.daemon.peak_memory();
    let location = world.begin_upload("shop/web");
    let chunk = noise(16 * 1024 * 1024, 2);
    let mut hasher = sha2::Sha256::default();
    for at in 0..SIZE / chunk.len() {
        let range = format!("{}-{}", at * chunk.len(), (at + 1) * chunk.len() - 1);
        world.send("PATCH", &location, &[("content-range", &range)], &chunk).is(202);
        sha2::Digest::update(&mut hasher, &chunk);
    }
    let digest = format!("sha256:{}", hex::encode(sha2::Digest::finalize(hasher)));
    let blob = world.ask("PUT", &format!("{location}?digest={digest}")).is(201);
    let url = format!("http://{}{}", world.daemon.http, blob.header("location"));
    let mut answer = ureq::get(url).header("authorization", basic("_", &world.user.token)).call().unwrap();
    let mut reader = answer.body_mut().with_config().limit(u64::MAX).reader();
    let read = std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    assert_eq!(read, SIZE as u64);
    let grown = world.daemon.peak_memory() - before;
    assert!(grown < MOST_BYTES, "{grown} bytes");
}
