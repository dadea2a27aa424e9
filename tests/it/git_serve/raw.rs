//! What git does not say: every set of capabilities, and nonsense.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hoist::git::{Fetches, Repo, Terms, UploadPack, Version};
use hoist::model::{AccountId, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::World;

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

impl World {
    /// Posts a request of a fetch and gives the answer.
    fn post(&self, version: u8, body: &str) -> Vec<u8> {
        self.try_post(version, body).unwrap().body_mut().read_to_vec().unwrap()
    }

    fn try_post(&self, version: u8, body: &str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let url = format!("http://{}/shop.git/git-upload-pack", self.daemon.http);
        ureq::post(url)
            .header("Authorization", format!("Basic {}", STANDARD.encode(format!("_:{}", self.alice.token))))
            .header("Content-Type", "application/x-git-upload-pack-request")
            .header("Git-Protocol", format!("version={version}"))
            .send(body)
    }

    fn id(&self, name: &str) -> String {
        self.tree.git(&["rev-parse", name]).trim().to_owned()
    }
}

/// Lets git judge a pack, which may build upon what is in the repository in a folder; gives the number of its objects.
fn judge(folder: &Path, pack: &[u8]) -> usize {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["index-pack", "--stdin", "--strict", "--fix-thin"]);
    let mut git = git.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    git.stdin.take().unwrap().write_all(pack).unwrap();
    assert!(git.wait().unwrap().success());
    u32::from_be_bytes(pack[8..12].try_into().unwrap()) as usize
}

/// What is on band 1 of some packets, none of which is longer than `most`, and whether there was a flush behind it.
fn data_of(mut packets: &[u8], most: usize) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    while let Some((digits, rest)) = packets.split_first_chunk::<4>() {
        let length = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        if length == 0 {
            return (data, rest.is_empty());
        }
        assert!(length <= most, "a packet of {length} bytes");
        let (packet, rest) = rest.split_at(length - 4);
        if packet[0] == 1 {
            data.extend_from_slice(&packet[1..]);
        }
        packets = rest;
    }
    (data, false)
}

#[test]
fn every_set_of_capabilities_gets_a_pack_that_it_can_read() {
    let world = World::with_history();
    world.tree.write("README", &format!("{}\nnew\n", "some text that stays as it is\n".repeat(30)));
    world.commit_at(60, "new");
    world.publish_all();
    let (main, old) = (world.id("main"), world.id("main~1"));
    let all = world.tree.git(&["rev-list", "--objects", "main"]).lines().count();
    let new = world.tree.git(&["rev-list", "--objects", "main", "^main~1"]).lines().count();
    for (capabilities, band) in [
        ("", 0),
        ("ofs-delta", 0),
        ("thin-pack", 0),
        ("side-band", 1000),
        ("side-band-64k ofs-delta", 65520),
        ("side-band-64k thin-pack no-progress", 65520),
        ("multi_ack side-band-64k thin-pack ofs-delta", 65520),
        ("multi_ack_detailed side-band-64k ofs-delta include-tag", 65520),
    ] {
        let want = line(&format!("want {main} {capabilities}\n"));
        let answer = world.post(0, &format!("{want}0000{}", line("done\n")));
        let rest = answer.strip_prefix(b"0008NAK\n").expect(capabilities);
        let pack = if band == 0 {
            rest.to_vec()
        } else {
            let (data, is_whole) = data_of(rest, band);
            assert!(is_whole, "{capabilities}");
            data
        };
        let empty = tempfile::tempdir().unwrap();
        world.tree.git(&["init", "-q", "--bare", empty.path().to_str().unwrap()]);
        assert!(judge(empty.path(), &pack) >= all, "{capabilities}");

        let answer = world.post(0, &format!("{want}0000{}{}", line(&format!("have {old}\n")), line("done\n")));
        let start = if capabilities.contains("multi_ack_detailed") {
            line(&format!("ACK {old} common\n")) + &line(&format!("ACK {old}\n"))
        } else if capabilities.contains("multi_ack") {
            line(&format!("ACK {old} continue\n")) + &line(&format!("ACK {old}\n"))
        } else {
            line(&format!("ACK {old}\n"))
        };
        let rest = answer.strip_prefix(start.as_bytes()).expect(capabilities);
        let pack = if band == 0 { rest.to_vec() } else { data_of(rest, band).0 };
        assert_eq!(judge(world.tree.path(), &pack), new, "{capabilities}");
    }
}

#[test]
fn haves_are_answered_in_turns() {
    let world = World::with_history();
    let (main, old) = (world.id("main"), world.id("main~1"));
    let nowhere = "1".repeat(40);
    let ask = |capabilities: &str, haves: &[&str]| {
        let haves: String = haves.iter().map(|id| line(&format!("have {id}\n"))).collect();
        let body = format!("{}0000{haves}0000", line(&format!("want {main} {capabilities}\n")));
        String::from_utf8_lossy(&world.post(0, &body)).into_owned()
    };
    let ack = |id: &str, how: &str| line(&format!("ACK {id}{how}\n"));
    let nak = line("NAK\n");
    assert_eq!(ask("", &[&nowhere]), nak);
    assert_eq!(ask("", &[&nowhere, &old]), ack(&old, ""));
    assert_eq!(ask("multi_ack", &[&nowhere]), nak);
    assert_eq!(ask("multi_ack", &[&old, &nowhere]), ack(&old, " continue") + &ack(&nowhere, " continue") + &nak);
    assert_eq!(ask("multi_ack_detailed", &[&old]), ack(&old, " common") + &ack(&old, " ready") + &nak);
    let ready = ask("multi_ack_detailed no-done side-band-64k", &[&old]);
    assert!(ready.starts_with(&(ack(&old, " common") + &ack(&old, " ready") + &nak + &ack(&old, ""))), "{ready}");
}

#[test]
fn version_2_goes_on_when_it_knows_enough() {
    let world = World::with_history();
    let (main, old) = (world.id("main"), world.id("main~1"));
    let ask = |arguments: &[&str]| {
        let arguments: String = arguments.iter().map(|argument| line(&format!("{argument}\n"))).collect();
        let answer = world.post(2, &format!("{}0001{arguments}0000", line("command=fetch")));
        String::from_utf8_lossy(&answer).into_owned()
    };
    let (want, have) = (format!("want {main}"), format!("have {old}"));
    let (nowhere, acks) = (format!("have {}", "1".repeat(40)), line("acknowledgments\n"));
    assert_eq!(ask(&[&want, &nowhere]), format!("{acks}{}0000", line("NAK\n")));
    let ack = line(&format!("ACK {old}\n"));
    let ready = ask(&[&want, &have]);
    assert!(ready.starts_with(&format!("{acks}{ack}{}0001{}", line("ready\n"), line("packfile\n"))), "{ready}");
    assert_eq!(ask(&[&want, &have, "wait-for-done"]), format!("{acks}{ack}0000"));
    assert!(ask(&[&want, &have, "done"]).starts_with(&line("packfile\n")));
    assert!(ask(&[&want, "deepen 1"]).starts_with(&format!(
        "{}{}0001",
        line("shallow-info\n"),
        line(&format!("shallow {main}\n"))
    )));
    assert!(ask(&[&want, "sideband-all"]).starts_with("000e\x01packfile\n"));
    assert_eq!(ask(&["done"]), "");
}

#[test]
fn nonsense_is_answered_in_words() {
    let world = World::with_history();
    let (main, nowhere) = (world.id("main"), "1".repeat(40));
    let check = |version: u8, body: &str, words: &str| {
        let answer = String::from_utf8_lossy(&world.post(version, body)).into_owned();
        assert!(answer.get(4..).is_some_and(|answer| answer.starts_with("ERR ")) && answer.contains(words), "{body}: {answer}");
    };
    let fetch = |argument: &str| format!("{}0001{}0000", line("command=fetch"), line(argument));
    check(2, "GET / HTTP/1.1", "bad line length 'GET '");
    check(2, "0001", "");
    check(2, &format!("{}0000", line("command=push")), "invalid command 'push'");
    check(2, &format!("{}{}0000", line("command=fetch"), line("x=y")), "unknown capability 'x=y'");
    check(2, &fetch("want x"), "invalid object id 'x'");
    check(2, &fetch(&format!("want {nowhere}")), &format!("upload-pack: not our ref {nowhere}"));
    check(2, &fetch("deepen 0"), "invalid deepen: 0");
    check(0, &format!("{}0000", line("hello")), "expected to get object ID, not 'hello'");
    check(0, &format!("{}0000", line(&format!("want {nowhere}"))), "not our ref");
    check(0, &format!("{}0000{}", line(&format!("want {main}")), line("hello")), "expected SHA1 list, got 'hello'");
    // sideband-all moves the words to band 3.
    let body = format!("{}0001{}{}0000", line("command=fetch"), line("sideband-all"), line(&format!("want {nowhere}")));
    let answer = String::from_utf8(world.post(2, &body)).unwrap();
    assert_eq!(answer[4..], format!("\x03upload-pack: not our ref {nowhere}\n"));
}

#[test]
fn turns_are_counted() {
    let world = World::start_with("[limits]\ngit_requests_per_hour = 1\n");
    for _ in 0..20 {
        assert_eq!(world.post(2, "0000"), b"");
    }
    assert!(matches!(world.try_post(2, "0000"), Err(ureq::Error::StatusCode(429))));
}

/// git dies without a word where it can't write on, and so would not say why it was refused.
#[tokio::test]
async fn who_is_refused_may_say_everything() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::open(dir.path(), Path::new("/no/helper"), &Limits::default()).unwrap();
    let head = "refs/heads/main".parse().unwrap();
    let upload_pack = UploadPack::new(&repo, &[], &head, &Fetches::new(1), AccountId::new());
    let (client, server) = tokio::io::duplex(1024);
    let (reader, writer) = tokio::io::split(server);
    let terms = Terms { version: Version::V0, is_stateless: false };
    let serving = tokio::spawn(async move { upload_pack.serve(reader, writer, terms).await.map(drop) });
    let (mut answer, mut request) = tokio::io::split(client);
    request.write_all(line("nonsense\n").repeat(1000).as_bytes()).await.unwrap();
    request.shutdown().await.unwrap();
    let mut said = String::new();
    answer.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("ERR ") && said.contains("nonsense"), "{said}");
    serving.await.unwrap().unwrap_err();
}
