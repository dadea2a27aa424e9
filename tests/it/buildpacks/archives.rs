//! Packs that are archives: checked as sources are, and pinned by their digests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{DETECT, Said, Shop, pack};
use crate::builds_api::archive_of;
use crate::harness::{until, until_log, wait};

/// A server that answers every question with the same bytes, or with 503 without any.
pub(super) struct Files {
    pub(super) address: SocketAddr,
    bytes: Arc<Mutex<Option<Vec<u8>>>>,
    asked: Arc<Mutex<Vec<Option<String>>>>,
}

impl Files {
    pub(super) fn start(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let files = Self { address: listener.local_addr().unwrap(), bytes: Arc::default(), asked: Arc::default() };
        files.serve(Some(bytes));
        let (bytes, asked) = (Arc::clone(&files.bytes), Arc::clone(&files.asked));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let lines = BufReader::new(&connection).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                // To the end: a server that does not listen to all of it is not heard either.
                let lines: Vec<_> = lines.collect();
                let shown = lines.iter().find_map(|line| line.strip_prefix("authorization: ")).map(str::to_owned);
                asked.lock().unwrap().push(shown);
                let (status, body) = bytes.lock().unwrap().clone().map_or(("503 Away", Vec::new()), |bytes| ("200 OK", bytes));
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                // Whoever has asked may have gone.
                let _ = connection.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        files
    }

    pub(super) fn serve(&self, bytes: Option<Vec<u8>>) {
        *self.bytes.lock().unwrap() = bytes;
    }

    /// Keeps it from answering until that goes.
    fn hold(&self) -> impl Drop {
        self.bytes.lock().unwrap()
    }

    /// What each question has shown for its right.
    pub(super) fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/packs/pack.tgz", self.address)
    }
}

/// A pack as an archive whose entries stand in no folder.
fn flat(says: &str) -> Vec<u8> {
    let output = Command::new("tar").args(["-czf", "-", "bin"]).current_dir(pack(says).path()).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// A gzipped tar of these entries; a path that ends in `@` is a symbolic link.
fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        let name = path.trim_end_matches('@');
        // Past what the library would refuse to write.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if *path == name {
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, content.as_bytes()).unwrap();
        } else {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_link_name(content).unwrap();
            header.set_cksum();
            tar.append(&header, std::io::empty()).unwrap();
        }
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn an_archive_is_fetched_once_and_its_digest_remembered() {
    let bytes = flat("one");
    let (shop, files) = (Shop::new(), Files::start(bytes.clone()));
    shop.set(&files.url());
    let digest = hex::encode(Sha256::digest(&bytes));
    shop.push().released_with(&[
        "-----> Fetching buildpack http://HOST/packs/pack.tgz\n",
        &format!("It is archive {}\n", &digest[..12]),
        "says one",
    ]);
    assert_eq!(shop.used(), json!([{"name": files.url(), "url": files.url(), "version": format!("sha256:{digest}")}]));
    shop.push().released_with(&["is at hand: archive ", "says one"]);
    assert_eq!(files.asked(), [None]);
}

#[test]
fn an_old_copy_is_fetched_again_and_serves_while_the_server_is_away() {
    let (shop, files) = (Shop::with("[buildpacks]\nrefresh = \"0s\"\n"), Files::start(archive_of(pack("one").path())));
    shop.set(&files.url());
    shop.push().released_with(&["says one"]);
    files.serve(Some(flat("two")));
    shop.push().released_with(&["says two"]);
    files.serve(None);
    shop.push().released_with(&[
        " !     It can't be fetched: the server answered 503.\n",
        " !     The copy is used that was fetched 20",
        "says two",
    ]);
    shop.set(&format!("{}?other", files.url()));
    shop.push().refused_with(&[
        " !     The buildpack http://HOST/packs/pack.tgz can't be fetched: the server answered 503.",
        " !     Neither your code nor hoist is at fault, but the buildpack's server, or the way there. Push again later.",
    ]);
}

#[test]
fn builds_that_wait_for_a_server_that_is_away_ask_it_once() {
    let (shop, files) = (Shop::with("[limits]\nconcurrent_builds = 2\n"), Files::start(Vec::new()));
    files.serve(None);
    shop.set(&files.url());
    shop.daemon.client(&shop.user, &["apps:create", "other"]);
    shop.daemon.client(&shop.user, &["buildpacks:set", &files.url(), "--app", "other"]);
    let start = |app: &str| shop.tree.start_push(&shop.daemon, &shop.user, app, &["main"]);
    let held = files.hold();
    let first = start("shop");
    until(|| files.asked().len() == 1);
    let second = start("other");
    until_log(&shop.daemon, &shop.user, "other", "Fetching buildpack");
    drop(held);
    let away = "can't be fetched: the server answered 503.";
    Said(wait(first)).refused_with(&[away]);
    Said(wait(second)).refused_with(&["Another build has just found that it can't be fetched.", away]);
    assert_eq!(files.asked().len(), 1);
    // A later push asks again.
    shop.push().refused_with(&[away]);
    assert_eq!(files.asked().len(), 2);
}

#[test]
fn what_does_not_belong_into_an_archive_is_refused() {
    let (shop, files) = (Shop::new(), Files::start(Vec::new()));
    let detect = ("bin/detect", DETECT);
    let cases: [(Vec<u8>, &str); 6] = [
        (archive(&[detect, ("../../evil", "x")]), "../../evil: the path has a `..` part"),
        (archive(&[detect, ("/etc/evil", "x")]), "/etc/evil: the path is absolute"),
        (archive(&[detect, ("bin/out@", "/etc/passwd")]), "bin/out: the symbolic link leads out of the archive"),
        (archive(&[detect, detect]), "bin/detect: the path comes twice"),
        (b"<html>".to_vec(), "the source is not a .tar.gz archive"),
        (flat("x")[..100].to_vec(), "the source is not a .tar.gz archive"),
    ];
    for (number, (bytes, why)) in cases.into_iter().enumerate() {
        files.serve(Some(bytes));
        shop.set(&format!("{}?{number}", files.url()));
        shop.push().refused_with(&[
            &format!("The buildpack http://HOST/packs/pack.tgz can't be fetched: {why}"),
            " !     Have its author mend the archive, or set another buildpack.",
        ]);
    }
    assert_eq!(shop.daemon.releases(&shop.user, "shop").len(), 1);
}

#[test]
fn a_signature_in_the_url_is_not_shown() {
    let (shop, files) = (Shop::new(), Files::start(flat("one")));
    shop.set(&format!("{}?signature=sesame", files.url()));
    let said = shop.push();
    said.released_with(&["-----> Using buildpack: http://HOST/packs/pack.tgz\n"]);
    assert!(!said.text().contains("sesame") && !shop.used().to_string().contains("sesame"), "{}", said.text());
}
