//! A place like GitHub on loopback: bare repositories, served over HTTP by git's own `http-backend` and over SSH by OpenSSH
//! (`forge_ssh`), with an LFS server of its own.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;

use super::daemon::run;
use super::forge_ssh::{serve_ssh, write_lfs_authenticate};
use super::{Moment, Stop, WorkTree};

/// Where the LFS server is that belongs to no repository alone.
pub(super) const LFS_API: &str = "lfs-api";

/// How it behaves.
#[derive(Default)]
pub(crate) struct Manner {
    /// What it asks for over HTTP.
    pub(crate) token: Option<&'static str>,
    /// It knows nothing of version 2 of the protocol, and gives out nothing but what refs lead to.
    pub(crate) is_old: bool,
    /// Where it sends whoever asks for something below `/away/`.
    pub(crate) elsewhere: Option<SocketAddr>,
    /// Over HTTP, it may stop at a question.
    pub(crate) stop: Arc<Stop>,
    /// Of which kind its own and its users' SSH keys are, and how alone they may sign; ed25519 by default.
    pub(crate) ssh_keys: Option<(&'static str, &'static str)>,
    /// What `git-lfs-authenticate` says, before it fails.
    pub(crate) lfs_refusal: Option<&'static str>,
}

pub(crate) struct Forge {
    dir: TempDir,
    pub(crate) http: SocketAddr,
    pub(crate) ssh: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    served: Spans,
}

/// From when to when it has answered a question over HTTP, or served a connection over SSH.
pub(super) type Spans = Arc<Mutex<Vec<(Instant, Instant)>>>;

/// A question that has come.
struct Question {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

struct Served {
    root: PathBuf,
    manner: Manner,
    http: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Forge {
    pub(crate) fn start() -> Self {
        Self::with(Manner::default())
    }

    pub(crate) fn with(manner: Manner) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["repos", "lfs"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let served_spans = Spans::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        write_lfs_authenticate(dir.path(), &manner, listener.local_addr().unwrap());
        let ssh = serve_ssh(dir.path(), &manner, Arc::clone(&served_spans));
        let (http, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let served = Arc::new(Served { root: dir.path().to_owned(), manner, http, asked: Arc::clone(&asked) });
        let spans = Arc::clone(&served_spans);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (served, spans) = (Arc::clone(&served), Arc::clone(&spans));
                thread::spawn(move || {
                    let start = Instant::now();
                    served.answer(connection.unwrap());
                    spans.lock().unwrap().push((start, Instant::now()));
                });
            }
        });
        Self { dir, http, ssh, asked, served: served_spans }
    }

    /// Where a repository is over HTTP.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}.git", self.http)
    }

    /// Where a repository is over SSH.
    pub(crate) fn ssh_url(&self, name: &str) -> String {
        let me = run(Command::new("id").arg("-un"));
        format!("ssh://{}@{}{}", me.trim(), self.ssh, self.repo(name).display())
    }

    /// Pushes a work tree's `main` to a repository, which is made at first use.
    pub(crate) fn publish(&self, name: &str, tree: &WorkTree) {
        let repo = self.repo(name);
        if !repo.exists() {
            tree.git(&["init", "-q", "--bare", "-b", "main", repo.to_str().unwrap()]);
        }
        self.publish_as(name, tree, "refs/heads/main");
    }

    /// Has a ref of a repository point to a work tree's head.
    pub(crate) fn publish_as(&self, name: &str, tree: &WorkTree, name_of_ref: &str) {
        let refspec = format!("HEAD:{name_of_ref}");
        tree.git(&["push", "-q", "--force", self.repo(name).to_str().unwrap(), &refspec]);
    }

    /// The questions that have come over HTTP, each with whether it brought credentials.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// When the first question since then has come, and the last one was answered.
    pub(crate) fn served_since(&self, since: Instant) -> Option<(Instant, Instant)> {
        let served = self.served.lock().unwrap();
        let of_it = || served.iter().filter(|(start, _)| *start >= since);
        Some((of_it().map(|(start, _)| *start).min()?, of_it().map(|(_, end)| *end).max()?))
    }

    /// Keeps a file in the LFS server and returns the pointer to it.
    pub(crate) fn keep_lfs(&self, content: &[u8]) -> String {
        let oid = hex::encode(sha2::Sha256::digest(content));
        std::fs::write(self.dir.path().join("lfs").join(&oid), content).unwrap();
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", content.len())
    }

    /// Where the LFS server is.
    pub(crate) fn lfs_url(&self) -> String {
        format!("http://{}/{LFS_API}", self.http)
    }

    /// What `git-lfs-authenticate` was started with, each time.
    pub(crate) fn lfs_asked_over_ssh(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("lfs_asked")).unwrap_or_default()
    }

    /// Puts other bytes in the place of a file that a pointer stands for.
    pub(crate) fn spoil_lfs(&self, pointer: &str, content: &[u8]) {
        let oid = pointer.lines().find_map(|line| line.strip_prefix("oid sha256:")).unwrap();
        std::fs::write(self.dir.path().join("lfs").join(oid), content).unwrap();
    }

    /// The private key that may log in over SSH.
    pub(crate) fn key(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("user_key")).unwrap()
    }

    /// Lets one more public key log in over SSH.
    pub(crate) fn authorize(&self, public_key: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).open(self.dir.path().join("authorized_keys")).unwrap();
        writeln!(file, "{public_key}").unwrap();
    }

    /// A private key that may not.
    pub(crate) fn other_key(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("host_key")).unwrap()
    }

    /// A line of known hosts that names a key as this server's.
    pub(crate) fn known_hosts(&self, key: &str) -> String {
        let key = std::fs::read_to_string(self.dir.path().join(format!("{key}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {key}", self.ssh.port())
    }

    /// The folder of a repository.
    pub(crate) fn repo(&self, name: &str) -> PathBuf {
        self.dir.path().join("repos").join(format!("{name}.git"))
    }
}

impl Manner {
    /// What it wants to see over HTTP.
    pub(super) fn authorization(&self) -> Option<String> {
        self.token.map(|token| format!("Basic {}", STANDARD.encode(format!("x-access-token:{token}"))))
    }
}

impl Served {
    fn answer(&self, mut connection: TcpStream) {
        let Some(question) = read(&connection) else { return };
        let has_credentials = question.headers.contains_key("authorization");
        let noted = format!("{} {}{}", question.method, question.path, if has_credentials { " with credentials" } else { "" });
        self.asked.lock().unwrap().push(noted.clone());
        let stop = self.manner.stop.meets(&noted);
        let answer = if stop == Some(Moment::Asked) { Vec::new() } else { self.answer_to(&question) };
        if stop.is_some() {
            // Until whoever has asked is gone.
            let _ = connection.read(&mut [0]);
            return;
        }
        // Whoever has asked may have gone.
        let _ = connection.write_all(&answer);
    }

    fn answer_to(&self, question: &Question) -> Vec<u8> {
        let wanted = self.manner.authorization();
        if let Some(rest) = question.path.strip_prefix("/moved/") {
            return redirect(&format!("/{rest}"));
        }
        if let (Some(rest), Some(elsewhere)) = (question.path.strip_prefix("/away/"), self.manner.elsewhere) {
            return redirect(&format!("http://{elsewhere}/{rest}"));
        }
        if wanted.is_some() && question.headers.get("authorization") != wanted.as_ref() {
            return http("401 Unauthorized", "text/plain", b"");
        }
        if question.path.ends_with("/info/lfs/objects/batch") || question.path == format!("/{LFS_API}/objects/batch") {
            return self.lfs_batch(question);
        }
        if let Some(oid) = question.path.strip_prefix("/lfs/") {
            return http("200 OK", "application/octet-stream", &std::fs::read(self.root.join("lfs").join(oid)).unwrap());
        }
        self.http_backend(question)
    }

    fn lfs_batch(&self, question: &Question) -> Vec<u8> {
        let question: Value = serde_json::from_slice(&question.body).unwrap();
        let objects = question["objects"].as_array().unwrap().iter().map(|object| {
            let oid = object["oid"].as_str().unwrap();
            if !self.root.join("lfs").join(oid).exists() {
                return json!({"oid": oid, "size": 0, "error": {"code": 404, "message": "Object does not exist"}});
            }
            json!({"oid": oid, "size": object["size"], "actions": {"download": {"href": format!("http://{}/lfs/{oid}", self.http)}}})
        });
        let answer = json!({"transfer": "basic", "objects": objects.collect::<Vec<_>>()}).to_string();
        http("200 OK", "application/vnd.git-lfs+json", answer.as_bytes())
    }

    /// git-http-backend(1), as a web server runs it.
    fn http_backend(&self, question: &Question) -> Vec<u8> {
        let (path, query) = question.path.split_once('?').unwrap_or((&question.path, ""));
        let mut git = Command::new("git");
        git.arg("http-backend").env("GIT_PROJECT_ROOT", self.root.join("repos")).env("GIT_HTTP_EXPORT_ALL", "1");
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("REQUEST_METHOD", &question.method).env("PATH_INFO", path).env("QUERY_STRING", query);
        for (header, name) in [("content-type", "CONTENT_TYPE"), ("content-length", "CONTENT_LENGTH")] {
            git.env(name, question.headers.get(header).cloned().unwrap_or_default());
        }
        if let Some(encoding) = question.headers.get("content-encoding") {
            git.env("HTTP_CONTENT_ENCODING", encoding);
        }
        if let Some(protocol) = question.headers.get("git-protocol").filter(|_| !self.manner.is_old) {
            git.env("GIT_PROTOCOL", protocol);
        }
        let mut running = git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        running.stdin.take().unwrap().write_all(&question.body).unwrap();
        let output = running.wait_with_output().unwrap().stdout;
        let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a CGI answer has a header");
        let head = std::str::from_utf8(&output[..end]).unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        http(header("Status:").unwrap_or("200 OK"), header("Content-Type:").unwrap_or("text/plain"), &output[end + 4..])
    }
}

fn read(connection: &TcpStream) -> Option<Question> {
    let mut reader = BufReader::new(connection);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &String| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers: HashMap<_, _> = lines[1..].iter().filter_map(header).collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Question { method, path, headers, body })
}

fn http(status: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 301 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}
