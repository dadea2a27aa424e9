//! Pushes as nobody should make them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::push::noise;
use super::server::{Git, Server};

const ZERO: &str = "0000000000000000000000000000000000000000";

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

/// Sends raw bytes after the greeting and gives all that comes back after the advertisement.
fn send(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(line("git-receive-pack /x\0host=x\0").as_bytes()).unwrap();
    // The server may have had enough before all is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (_, rest) = answer.split_once("\n0000").map_or(("", ""), |split| split);
    rest.to_owned()
}

/// Pushes `pack` as the new value `id` of main, without side-bands, and gives the report.
pub(super) fn push_pack(server: &Server, id: &str, pack: &[u8]) -> String {
    push_over(server, ZERO, id, pack)
}

fn push_over(server: &Server, old: &str, id: &str, pack: &[u8]) -> String {
    let request = line(&format!("{old} {id} refs/heads/main\0report-status"));
    send(server, &[format!("{request}0000").as_bytes(), pack].concat())
}

#[test]
fn nonsense_is_answered_and_nothing_kept() {
    let server = Server::start();
    assert!(send(&server, b"GET / HTTP/1.1\r\n\r\n").contains("ERR protocol error: bad line length 'GET '"));
    assert!(send(&server, line("hello").as_bytes()).is_empty());
    assert!(send(&server, format!("{}0000", line("hello")).as_bytes()).contains("ERR protocol error"));
    let cut_certificate = format!("{}0000", line("push-cert\0atomic"));
    assert!(send(&server, cut_certificate.as_bytes()).contains("ERR protocol error: the push certificate can't be read"));
    assert!(send(&server, b"0000").is_empty() && send(&server, b"").is_empty());
    assert!(server.packs().is_empty() && !server.has_leftovers());
}

#[test]
fn packs_with_a_byte_cut_or_turned_are_refused() {
    let (server, git) = (Server::start(), Git::new());
    for number in 0..10 {
        git.write(&format!("f{number}"), "some text\n".repeat(20 + number));
    }
    let id = git.commit("a");
    let pack = git.pack("main\n");
    let step = pack.len() / 40;
    for end in (0..pack.len()).step_by(step) {
        let report = push_pack(&server, &id, &pack[..end]);
        assert!(report.contains("unpack the pack ends early") && report.contains("ng refs/heads/main"), "{end}: {report}");
        let mut turned = pack.clone();
        turned[end] ^= 0x55;
        let report = push_pack(&server, &id, &turned);
        assert!(!report.contains("unpack ok") && report.contains("ng refs/heads/main unpacker error"), "{end}: {report}");
    }
    assert!(server.refs().is_empty() && server.packs().is_empty() && !server.has_leftovers());
    assert!(push_pack(&server, &id, &pack).contains("ok refs/heads/main"));
    assert_eq!(server.fsck(), 12);
}

#[test]
fn missing_bases_and_objects_are_named() {
    let (server, git) = (Server::start(), Git::new());
    git.write("dir/a", noise(1, 5000));
    git.commit("a");
    let mut more = noise(1, 5000);
    more.push(b'x');
    git.write("dir/a", &more);
    let second = git.commit("b");

    // Thin upon what the server does not have.
    let report = push_pack(&server, &second, &git.pack("main\n^main~1\n"));
    assert!(report.contains("which a delta builds upon"), "{report}");

    // Not thin, but without the first commit.
    let whole = git.pipe(&["pack-objects", "-q", "--stdout", "--revs"], b"main\n^main~1\n");
    let report = push_pack(&server, &second, &whole);
    assert!(report.contains("is missing: the pack refers to it, but neither brings it nor is it here"), "{report}");

    // Without the blob, without the tree, with nothing at all.
    for (left_out, kind) in [("main:dir/a", "blob"), ("main:dir", "tree")] {
        let left_out = git.run(&["rev-parse", left_out]);
        let all = git.run(&["rev-list", "--objects", "--no-object-names", "main"]);
        let others: Vec<&str> = all.lines().filter(|id| *id != left_out).collect();
        let pack = git.pipe(&["pack-objects", "-q", "--stdout"], others.join("\n").as_bytes());
        let report = push_pack(&server, &second, &pack);
        assert!(report.contains(&format!("unpack {kind} {left_out} is missing")), "{report}");
    }
    let empty = git.pipe(&["pack-objects", "-q", "--stdout"], b"");
    assert!(push_pack(&server, &second, &empty).contains(&format!("ng refs/heads/main object {second} is missing")));
    assert!(server.packs().is_empty() && !server.has_leftovers());
}

#[test]
fn a_branch_must_be_a_commit() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", "a");
    git.commit("a");
    let tree = git.run(&["rev-parse", "main^{tree}"]);
    let report = push_pack(&server, &tree, &git.pack("main\n"));
    assert!(report.contains("ng refs/heads/main a branch cannot be a tree"), "{report}");
    assert!(server.packs().is_empty());
}

#[test]
fn old_clients_are_served() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", noise(1, 3000));
    git.write("b", [noise(1, 3000), b"x".to_vec()].concat());
    let id = git.commit("a");
    // Deltas name their bases by id, the bases being in the pack: what libgit2 sends.
    let pack = git.pipe(&["pack-objects", "-q", "--stdout", "--revs", "--no-reuse-delta"], b"main\n");
    // No side-band, no report.
    let request = line(&format!("{ZERO} {id} refs/heads/main\0"));
    assert_eq!(send(&server, &[format!("{request}0000").as_bytes(), &pack].concat()), "");
    assert_eq!(server.at("refs/heads/main"), id);
    assert_eq!(server.fsck(), 4);
    // Another client was faster.
    let report = push_pack(&server, &id, &pack);
    assert!(report.contains("ng refs/heads/main the ref exists by now, at "), "{report}");
}

#[test]
fn bases_by_id_are_found_in_the_pack_and_in_the_repository() {
    let (server, git) = (Server::start(), Git::new());
    let grow = |bytes: usize| [noise(1, 3000), vec![b'x'; bytes]].concat();
    git.write("a", grow(0));
    git.write("list", lines(300));
    let first = git.commit("a");
    assert!(push_pack(&server, &first, &git.pack("main\n")).contains("ok refs/heads/main"));
    for bytes in 1..6 {
        git.write(&format!("a{bytes}"), grow(bytes));
    }
    git.write("list", lines(301));
    let second = git.commit("b");
    let pack = git.pipe(&["pack-objects", "-q", "--stdout", "--revs", "--thin"], format!("main\n^{first}\n").as_bytes());
    assert!(push_over(&server, &first, &second, &pack).contains("ok refs/heads/main"));
    server.fsck();
    assert!(server.seen()[1].pack.is_some_and(|(objects, _)| objects > 8));
}

#[test]
fn trees_that_would_harm_a_checkout_are_refused() {
    let (server, git) = (Server::start(), Git::new());
    let blob = git.pipe(&["hash-object", "-w", "--stdin"], b"x");
    let blob = String::from_utf8(blob).unwrap().trim().to_owned();
    let id: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap()).collect();
    let entry = |mode: &str, name: &str| [format!("{mode} {name}\0").as_bytes(), &id].concat();
    let check = |tree: Vec<u8>, wanted: &str| {
        let tree = git.pipe(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], &tree);
        let tree = String::from_utf8(tree).unwrap().trim().to_owned();
        let commit = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nm\n");
        let commit = git.pipe(&["hash-object", "-w", "-t", "commit", "--stdin"], commit.as_bytes());
        let commit = String::from_utf8(commit).unwrap().trim().to_owned();
        let pack = git.pipe(&["pack-objects", "-q", "--stdout"], format!("{blob}\n{tree}\n{commit}\n").as_bytes());
        let report = push_pack(&server, &commit, &pack);
        assert!(report.contains(&format!("unpack object {tree}: {wanted}")), "{wanted}: {report}");
    };
    // The rest of the rules is in `fsck`, beside git's own server; it has no words for these.
    check(entry("100644", ""), "emptyName: contains empty pathname");
    check(entry("100000777", "a"), "badTree: cannot be parsed as a tree");
    check(entry("150000", "a"), "badFilemode: contains bad file modes (150000)");
    check(b"100644 a\0short".to_vec(), "badTree: cannot be parsed as a tree");
    check(entry("40000", ".gitmodules"), "gitmodulesBlob: non-blob found at .gitmodules");
    assert!(server.refs().is_empty() && server.packs().is_empty() && !server.has_leftovers());
}

#[test]
fn links_of_the_wrong_kind_are_refused() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", "a");
    git.commit("a");
    let blob = git.run(&["rev-parse", "main:a"]);
    let commit = format!("tree {blob}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nm\n");
    let commit = git.pipe(&["hash-object", "-w", "-t", "commit", "--literally", "--stdin"], commit.as_bytes());
    let commit = String::from_utf8(commit).unwrap().trim().to_owned();
    let pack = git.pipe(&["pack-objects", "-q", "--stdout"], format!("{blob}\n{commit}\n").as_bytes());
    let report = push_pack(&server, &commit, &pack);
    assert!(report.contains(&format!("{blob} is a blob, but referred to as a tree")), "{report}");
}

#[test]
fn a_pusher_who_leaves_leaves_nothing() {
    let (server, git) = (Server::start(), Git::new());
    git.write("a", noise(1, 300_000));
    let id = git.commit("a");
    let pack = git.pack("main\n");
    let request = line(&format!("{ZERO} {id} refs/heads/main\0report-status side-band-64k"));
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(line("git-receive-pack /x\0").as_bytes()).unwrap();
    stream.write_all(format!("{request}0000").as_bytes()).unwrap();
    stream.write_all(&pack[..pack.len() / 2]).unwrap();
    drop(stream);
    while server.errors().is_empty() {
        std::thread::yield_now();
    }
    assert!(
        server.errors()[0].contains("the pack ends early") || server.errors()[0].contains("connection"),
        "{:?}",
        server.errors()
    );
    assert!(server.packs().is_empty() && !server.has_leftovers());
}

/// A text of so many lines.
fn lines(count: usize) -> String {
    (0..count).map(|number| format!("{number}\n")).collect::<Vec<_>>().concat()
}
