//! The HTTP door, with curl, git, and bare sockets for clients that misbehave.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use hoist::server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, Daemon, PATIENCE, config};

const REFS: &str = "/my-app.git/info/refs?service=git-receive-pack";
const PUSH: &str = "/my-app.git/git-receive-pack";
/// A flush packet: a push of nothing.
const NOTHING: &[u8] = b"0000";

impl Daemon {
    /// Gets a path with alice's token, headers included.
    async fn get(&self, path: &str) -> Answer {
        self.curl(&["--include", "--user", &self.login(), &self.url(path)], b"").await
    }

    /// Posts a push with alice's token, headers included.
    async fn post(&self, options: &[&str], body: &[u8]) -> Answer {
        let (login, url) = (self.login(), self.url(PUSH));
        let git = [
            "--include",
            "--user",
            &login,
            "--data-binary",
            "@-",
            "--header",
            "Content-Type: application/x-git-receive-pack-request",
        ];
        self.curl(&[&git, options, &[&url]].concat(), body).await
    }

    fn login(&self) -> String {
        format!("anyone:{}", self.token)
    }
}

/// The head's lines in lower case, and the body.
fn parts(answer: &Answer) -> (String, &str) {
    let mut rest = answer.out.as_str();
    while let Some(after) = rest.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n") {
        rest = after;
    }
    let (head, body) = rest.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body)
}

#[track_caller]
fn assert_head(answer: &Answer, lines: &[&str]) {
    let (head, _) = parts(answer);
    for line in lines {
        assert!(head.contains(line), "no `{line}` in {head}");
    }
}

#[tokio::test]
async fn without_a_good_token_the_answer_says_what_to_do() {
    let daemon = Daemon::start().await;
    for user in [&[][..], &["--user", "alice@example.com:secret"], &["--header", "Authorization: Bearer hoist-wrong"]] {
        let answer = daemon.curl(&[&["--include", &daemon.url(REFS)], user].concat(), b"").await.expect(0);
        assert_head(&answer, &["http/1.1 401", "www-authenticate: basic realm=\"hoist\"", "content-type: text/plain"]);
        answer.says("The password that git asks for is your hoist API token");
    }
    let url = daemon.url("/my-app.git").replace("http://", "http://alice:wrong@");
    let answer = daemon.git(&["push", "--dry-run", &url, "main"]).await.expect(128);
    answer.says("remote: !	hoist doesn't know you.").says("Authentication failed");
}

#[tokio::test]
async fn a_push_reads_the_refs() {
    let daemon = Daemon::start().await;
    for path in ["/my-app.git", "/my-app.git/", "/my-app"] {
        let url = daemon.url(path).replace("http://", &format!("http://{}@", daemon.login()));
        daemon.git(&["push", "--dry-run", &url, "main"]).await.expect(0).says("[new branch]      main -> main");
    }
    let answer = daemon.get(REFS).await.expect(0);
    assert_head(
        &answer,
        &["http/1.1 200", "content-type: application/x-git-receive-pack-advertisement", "cache-control: no-cache"],
    );
    assert!(parts(&answer).1.starts_with("001f# service=git-receive-pack\n0000"), "{answer:?}");
    let bearer = format!("Authorization: Bearer {}", daemon.token);
    daemon.curl(&["--fail", "--header", &bearer, &daemon.url(REFS)], b"").await.expect(0);
}

#[tokio::test]
async fn only_pushes_and_fetches_are_served() {
    let daemon = Daemon::start().await;
    for (path, text) in [
        ("/my-app.git/info/refs", "smart HTTP protocol only"),
        ("/my-app.git/info/refs?service=git-upload-archive", "smart HTTP protocol only"),
        ("/my-app.git/HEAD", "smart HTTP protocol only"),
        ("/my-app.git/objects/info/packs", "smart HTTP protocol only"),
        ("/my-app.git/objects/00/00000000000000000000000000000000000000", "smart HTTP protocol only"),
    ] {
        let answer = daemon.get(path).await.says(text);
        assert_head(&answer, &["http/1.1 403", "content-type: text/plain"]);
    }
}

#[tokio::test]
async fn a_name_that_can_not_be_an_app_is_not_found() {
    let daemon = Daemon::start().await;
    let answer = daemon.get("/..%2fmy-app.git/info/refs?service=git-receive-pack").await.says("There is no app `../my-app.git`.");
    assert_head(&answer, &["http/1.1 404", "content-type: text/plain"]);
}

#[tokio::test]
async fn git_may_first_ask_whether_it_may() {
    let daemon = Daemon::start().await;
    let answer = daemon.post(&[], NOTHING).await.expect(0);
    assert_head(&answer, &["http/1.1 200", "content-type: application/x-git-receive-pack-result", "cache-control: no-cache"]);
    assert_eq!(parts(&answer).1, "");
}

#[tokio::test]
async fn bodies_come_in_every_wrapping() {
    let daemon = Daemon::start().await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(NOTHING).unwrap();
    let gzip = gzip.finish().unwrap();
    for (options, body) in [
        (&["--header", "Content-Encoding: gzip"][..], gzip.as_slice()),
        (&["--header", "Transfer-Encoding: chunked", "--header", "Content-Encoding: gzip"], gzip.as_slice()),
        (&["--header", "Transfer-Encoding: chunked"], NOTHING),
        (&["--http2-prior-knowledge"], NOTHING),
    ] {
        let answer = daemon.post(options, body).await.expect(0);
        assert!(answer.out.contains(" 200"), "{options:?}: {answer:?}");
        assert_eq!(parts(&answer).1, "", "{options:?}");
    }
    let answer = daemon.post(&["--header", "Expect: 100-continue"], NOTHING).await.expect(0);
    assert!(answer.out.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer:?}");
}

#[tokio::test]
async fn what_is_no_push_is_refused() {
    let daemon = Daemon::start().await;
    let url = daemon.url(PUSH);
    let answer = daemon.curl(&["--include", "--user", &daemon.login(), "--data", "0000", &url], b"").await;
    assert_head(&answer.says("This is no push"), &["http/1.1 415"]);
    assert_head(&daemon.post(&["--header", "Content-Encoding: br"], NOTHING).await, &["http/1.1 415"]);
    assert_head(&daemon.post(&["--header", "Content-Encoding: gzip"], NOTHING).await, &["http/1.1 400"]);
}

#[tokio::test]
async fn one_port_speaks_tls_as_well() {
    let daemon = Daemon::start().await;
    let ca = daemon.path("data").join("ca.pem");
    let trust = ["--cacert", ca.to_str().unwrap(), "--write-out", " %{http_version}"];
    let port = daemon.server.http().port();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{port}/healthz");
        let answer = daemon.curl(&[&trust[..], &["--ipv4", &url]].concat(), b"").await.expect(0);
        assert_eq!(answer.out, "ok\n 2", "{host}");
    }
    let url = format!("https://localhost:{port}/healthz");
    let answer = daemon.curl(&[&trust[..], &["--ipv4", "--http1.1", &url]].concat(), b"").await.expect(0);
    assert_eq!(answer.out, "ok\n 1.1");
    let old = ["--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    daemon.curl(&[&trust[..], &old, &["--ipv4", &url]].concat(), b"").await.expect(35);
    // Who does not trust the CA is not served.
    daemon.curl(&["--ipv4", &url], b"").await.expect(60);
}

/// A certificate for one name as an operator has it: the CA that signed it, its chain and its key, as files in `dir`;
/// and the `[tls]` section that names them.
pub(crate) fn certificate(dir: &Path, name: &str) -> (PathBuf, String) {
    let [ca_file, certificate, key_file] = ["ca.pem", "cert.pem", "key.pem"].map(|file| dir.join(file));
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new([]).unwrap();
    ca.distinguished_name.push(rcgen::DnType::CommonName, "An operator's CA");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(&ca_file, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let signed = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    let signed = signed.signed_by(&key, &rcgen::Issuer::new(ca, ca_key)).unwrap();
    std::fs::write(&certificate, signed.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let tls = format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key_file.display());
    (ca_file, tls)
}

#[tokio::test]
async fn the_configured_certificate_is_served() {
    let files = tempfile::tempdir().unwrap();
    let (ca, tls) = certificate(files.path(), "hoist.example.com");
    let daemon = Daemon::with_config(&tls).await;
    let port = daemon.server.http().port();
    let (url, here) = (format!("https://hoist.example.com:{port}/healthz"), format!("hoist.example.com:{port}:127.0.0.1"));
    let trust = ["--cacert", ca.to_str().unwrap(), "--resolve", &here];
    assert_eq!(daemon.curl(&[&trust[..], &[&url]].concat(), b"").await.expect(0).out, "ok\n");
    // For no other name, and no CA of hoist's own has been made.
    daemon.curl(&[&trust[..], &["--ipv4", &format!("https://localhost:{port}/healthz")]].concat(), b"").await.expect(60);
    assert!(!daemon.path("data").join("ca.pem").exists());
}

#[tokio::test]
async fn a_certificate_that_can_not_be_served_stops_the_start() {
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (_, tls) = certificate(one.path(), "hoist.example.com");
    certificate(other.path(), "hoist.example.com");
    let start = async |tls: &str| {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("hoist.toml"), tls).unwrap();
        format!("{:#}", Server::start(config(data.path().to_owned())).await.err().unwrap())
    };
    std::fs::copy(other.path().join("key.pem"), one.path().join("key.pem")).unwrap();
    let error = start(&tls).await;
    assert!(error.contains("cert.pem can't be used with the key in") && error.contains("key.pem"), "{error}");
    std::fs::remove_file(one.path().join("cert.pem")).unwrap();
    let error = start(&tls).await;
    assert!(error.contains("cert.pem"), "{error}");
}

#[tokio::test]
async fn slow_headers_are_not_waited_for() {
    let daemon = Daemon::with_limits("header_time = \"300ms\"").await;
    for start in ["GET /healthz HTTP/1.1\r\nHost: x\r\n", "P", "PRI * HTTP/2.0\r\n"] {
        let mut slow = TcpStream::connect(daemon.server.http()).await.unwrap();
        slow.write_all(start.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A reset is as good as a close.
        let _ = timeout(PATIENCE, slow.read_to_string(&mut answer)).await.unwrap();
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn who_says_nothing_is_shown_the_door() {
    let daemon = Daemon::with_limits("handshake_time = \"300ms\"").await;
    for start in ["", "\x16\x03\x01"] {
        let mut silent = TcpStream::connect(daemon.server.http()).await.unwrap();
        silent.write_all(start.as_bytes()).await.unwrap();
        let _ = timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn large_headers_are_refused() {
    let daemon = Daemon::start().await;
    let header = format!("X-Large: {}", "x".repeat(40_000));
    let answer = daemon.curl(&["--include", "--header", &header, &daemon.url("/healthz")], b"").await;
    assert!(answer.out.starts_with("HTTP/1.1 431"), "{answer:?}");
}

#[tokio::test]
async fn connections_past_the_limit_wait() {
    const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let daemon = Daemon::with_limits("connections = 1").await;
    let mut answer = [0; 12];
    let mut first = TcpStream::connect(daemon.server.http()).await.unwrap();
    first.write_all(ASK).await.unwrap();
    first.read_exact(&mut answer).await.unwrap();
    let mut second = TcpStream::connect(daemon.server.http()).await.unwrap();
    second.write_all(ASK).await.unwrap();
    // The daemon has had time to serve the second, but has not.
    for _ in 0..20 {
        first.write_all(ASK).await.unwrap();
        first.read_exact(&mut [0; 100]).await.unwrap();
    }
    assert!(second.try_read(&mut answer).is_err(), "the second connection was served");
    drop(first);
    timeout(PATIENCE, second.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn monitors_are_answered() {
    let daemon = Daemon::start().await;
    let answer = daemon.get("/healthz").await.says("ok");
    assert_head(&answer, &["http/1.1 200", "request-id: "]);
    daemon.get("/metrics").await.says("hoist_connections_open{door=\"http\"}").says("hoist_http_requests_total{status=\"200\"}");
    daemon.server.ctx().db.close().await;
    assert_head(&daemon.get("/healthz").await.says("the database failed"), &["http/1.1 503"]);
}
