//! A registry on loopback that says what the test wants, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use crate::harness::{HOIST, TestImage, digest_of};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What it is asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// With the method: `GET /v2/…`
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What it says: a status, headers, and a body, of which a part may be all that is sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Says {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// How many bytes it says that there are, where it lies.
    pub(super) length: Option<usize>,
}

impl Says {
    pub(super) fn ok(body: &[u8]) -> Self {
        Self { status: 200, body: body.to_vec(), ..Self::default() }
    }

    pub(super) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The registry.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    /// Starts one that answers by `answer`.
    pub(super) fn start(answer: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked, answer) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(connection, &log, &*answer));
            }
        });
        Self { address, asked }
    }

    /// Starts one that has an image, at any tag of any repository, and lets everybody in.
    pub(super) fn of(image: &TestImage) -> Self {
        let served = Served::new(image);
        Self::start(move |asked| served.says(asked))
    }

    /// The image's name, for hoist.
    pub(super) fn image(&self) -> String {
        format!("{}/acme/base:1", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// An image's parts, by the ends of their paths.
pub(super) struct Served {
    pub(super) manifest: Vec<u8>,
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
}

impl Served {
    pub(super) fn new(image: &TestImage) -> Self {
        let (manifest, blobs) = image.parts();
        Self { manifest, blobs: blobs.into_iter().map(|blob| (digest_of(&blob).to_string(), blob)).collect() }
    }

    /// The digest of the first layer.
    pub(super) fn layer(&self) -> String {
        let manifest: serde_json::Value = serde_json::from_slice(&self.manifest).unwrap();
        manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
    }

    pub(super) fn says(&self, asked: &Asked) -> Says {
        let end = asked.path().rsplit('/').next().unwrap();
        match self.blobs.get(end) {
            Some(blob) => Says::ok(blob),
            None if asked.path().contains("/manifests/") => Says::ok(&self.manifest).with("content-type", MANIFEST),
            None => Says::status(404),
        }
    }
}

/// Answers one question. As a proxy, it is at the other end of each connection that it is asked for.
fn serve(connection: TcpStream, log: &Mutex<Vec<Asked>>, answer: &(impl Fn(&Asked) -> Says + ?Sized)) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let asked = Asked { line: line.trim_end().to_owned(), headers };
    log.lock().unwrap().push(asked.clone());
    if asked.line.starts_with("CONNECT ") {
        (&connection).write_all(b"HTTP/1.1 200 As it says\r\n\r\n").ok()?;
        return serve(connection, log, answer);
    }
    let Says { status, headers, body, length } = answer(&asked);
    let mut writer = connection;
    let length = length.unwrap_or(body.len());
    write!(writer, "HTTP/1.1 {status} As it says\r\nconnection: close\r\ncontent-length: {length}\r\n").ok()?;
    for (name, value) in headers {
        write!(writer, "{name}: {value}\r\n").ok()?;
    }
    writer.write_all(b"\r\n").ok()?;
    writer.write_all(&body).ok()
}

/// A folder for stacks, and `hoist` at work in it.
pub(super) struct Place {
    pub(super) dir: tempfile::TempDir,
}

impl Place {
    pub(super) fn new(config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("hoist-test-").tempdir().unwrap();
        std::fs::write(dir.path().join("hoist.toml"), config).unwrap();
        Self { dir }
    }

    pub(super) fn hoist(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(HOIST);
        command.args(args).env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOIST_DATA_DIR", self.dir.path()).env("HOME", self.dir.path());
        command
    }

    /// Pulls a stack `mine`, which works; returns what is said of it.
    #[track_caller]
    pub(super) fn pull(&self, image: &str, args: &[&str]) -> serde_json::Value {
        let output = self.hoist(&[&["stack:pull", "mine", image, "--json"], args].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Pulls a stack `mine`, which does not work and leaves nothing; returns the last line that is said.
    #[track_caller]
    pub(super) fn fail(&self, image: &str, args: &[&str]) -> String {
        let output = self.hoist(&[&["stack:pull", "mine", image], args].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let left: Vec<_> = std::fs::read_dir(self.dir.path().join("stacks")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        text.lines().last().unwrap_or_default().to_owned()
    }

    /// Where the stack is that is in use.
    pub(super) fn folder(&self) -> PathBuf {
        let current = std::fs::read(self.dir.path().join("stacks/mine/current.json")).unwrap();
        let current: serde_json::Value = serde_json::from_slice(&current).unwrap();
        let digest = current["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        self.dir.path().join("stacks/mine").join(digest)
    }

    /// What is at a path in the root that apps run in.
    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder().join("run").join(path)).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // As an ordinary user only hoist may remove what is in a root. There may be none.
        self.hoist(&["stack:remove", "mine"]);
    }
}
