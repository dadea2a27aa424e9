//! Servers that mean harm, or are broken.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hoist::build::RemoteError;
use hoist::git::{ClientError, IndexError};
use hoist::model::Limits;

use super::{Fetching, NOWHERE, fetch, public};

/// What a good server says first.
const HELLO: &str = "001e# service=git-upload-pack\n0000000eversion 2\n0015agent=git/2.47.3\n0013ls-refs=unborn\n\
    0012fetch=shallow\n0017object-format=sha1\n0000";

/// A server that says `hello`, and then whatever `answer` writes; returns its repository's URL.
fn serve(hello: &'static str, answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let is_discovery = read_question(&connection).starts_with("GET");
            let kind = if is_discovery { "advertisement" } else { "result" };
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-{kind}\r\nconnection: close\r\n\r\n");
            // A client that has heard enough goes away.
            let _ = connection.write_all(head.as_bytes());
            if is_discovery {
                let _ = connection.write_all(hello.as_bytes());
            } else {
                answer(&mut connection);
            }
        }
    });
    url
}

fn read_question(connection: &TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let (mut question, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            reader.read_exact(&mut vec![0; length]).unwrap();
            return question;
        }
        question += &line;
    }
}

fn packet(bytes: &[u8]) -> Vec<u8> {
    [format!("{:04x}", bytes.len() + 4).as_bytes(), bytes].concat()
}

/// A piece of the pack, or, on band 3, a fatal error.
fn band(number: u8, bytes: &[u8]) -> Vec<u8> {
    packet(&[&[number], bytes].concat())
}

fn pack_header(objects: u32) -> Vec<u8> {
    [b"PACK".as_slice(), &2_u32.to_be_bytes(), &objects.to_be_bytes()].concat()
}

/// A blob of one byte, as it stands in a pack.
fn small_blob() -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(vec![0x31], Compression::fast());
    zlib.write_all(b"x").unwrap();
    zlib.finish().unwrap()
}

/// What a server says that sends a pack made of these pieces.
fn pack_of(pieces: &[Vec<u8>]) -> Vec<u8> {
    let bands: Vec<_> = pieces.iter().map(|piece| band(1, piece)).collect();
    [packet(b"packfile\n"), bands.concat(), b"0000".to_vec()].concat()
}

/// The error of fetching from a server that answers this.
fn error_of(answer: Vec<u8>) -> RemoteError {
    let url = serve(HELLO, move |connection| {
        let _ = connection.write_all(&answer);
    });
    fetch(public(&url), NOWHERE).error()
}

#[test]
fn a_pack_without_end_is_cut_off() {
    let url = serve(HELLO, |connection| {
        let piece = band(1, &small_blob().repeat(1000));
        let mut sent = connection.write_all(&[packet(b"packfile\n"), band(1, &pack_header(9_000_000))].concat());
        while sent.is_ok() {
            sent = connection.write_all(&piece);
        }
    });
    let fetching = Fetching { limits: Limits { pack_bytes: 1 << 20, ..Limits::default() }, ..Fetching::default() };
    let error = fetching.fetch(public(&url), NOWHERE, None).error();
    assert!(matches!(&error, RemoteError::Git(ClientError::Pack(IndexError::Refused(_)))), "{error}");
    assert!(error.to_string().contains("the pack is larger than the 1 MiB that are allowed") && !error.is_hoists_fault());
}

#[test]
fn refs_without_end_are_cut_off() {
    let line = packet(format!("{NOWHERE} refs/heads/{}\n", "x".repeat(60_000)).as_bytes());
    let url = serve("001e# service=git-upload-pack\n0000", |_| {});
    // The greeting is the endless part: a server of version 0 lists its refs there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endless = format!("http://{}/x", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        read_question(&connection);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-advertisement\r\nconnection: close\r\n\r\n";
        let first = packet(format!("{NOWHERE} HEAD\0side-band-64k shallow\n").as_bytes());
        let mut sent = connection.write_all(&[head.as_bytes(), &first].concat());
        while sent.is_ok() {
            sent = connection.write_all(&line);
        }
    });
    let error = fetch(public(&endless), NOWHERE).error();
    assert!(error.to_string().contains("it says too much"), "{error}");
    let error = fetch(public(&url), NOWHERE).error();
    assert!(matches!(error, RemoteError::Git(ClientError::Protocol(_))), "{error}");
}

#[test]
fn packs_that_are_cut_off_or_hold_something_else() {
    let error = error_of([packet(b"packfile\n"), band(1, &pack_header(1))].concat());
    assert!(matches!(error, RemoteError::Git(ClientError::Protocol(_))), "{error}");
    let error = error_of(pack_of(&[pack_header(2), small_blob()]));
    assert!(error.to_string().contains("the pack ends early"), "{error}");
    let error = error_of(pack_of(&[pack_header(1), small_blob(), vec![0; 20]]));
    assert!(matches!(&error, RemoteError::Git(ClientError::Pack(IndexError::Refused(_)))), "{error}");
    let mut pack = [pack_header(1), small_blob()].concat();
    let checksum = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &pack);
    pack.extend_from_slice(checksum.as_ref());
    let error = error_of(pack_of(&[pack]));
    assert!(matches!(&error, RemoteError::Git(ClientError::OtherObjects(_))), "{error}");
}

#[test]
fn what_a_server_says_is_told_in_its_words() {
    let error = error_of(packet(b"ERR upload-pack: the disk is\x1b[31m full"));
    assert!(
        matches!(&error, RemoteError::Git(ClientError::Refused(words)) if words == "upload-pack: the disk is\\u{1b}[31m full"),
        "{error}"
    );
    let error = error_of([packet(b"packfile\n"), band(3, b"fatal: out of memory")].concat());
    assert!(matches!(&error, RemoteError::Git(ClientError::Refused(words)) if words == "fatal: out of memory"), "{error}");
    let error = error_of(packet(b"nonsense\n"));
    assert!(matches!(&error, RemoteError::Git(ClientError::Protocol(_))), "{error}");
    let sha256 = HELLO.replace("0017object-format=sha1\n", "0019object-format=sha256\n").leak();
    let error = fetch(public(&serve(sha256, |_| {})), NOWHERE).error();
    assert!(matches!(&error, RemoteError::Git(ClientError::ObjectFormat(format)) if format == "sha256"), "{error}");
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let url = serve(HELLO, |connection| {
        // It answers nothing, and keeps the connection until the client goes.
        let _ = connection.read(&mut [0]);
    });
    let fetching = Fetching { time: Duration::from_secs(1), ..Fetching::default() };
    let error = fetching.fetch(public(&url), NOWHERE, None).error();
    assert!(matches!(error, RemoteError::TooSlow), "{error}");
}
