//! Pushing and pulling an image, beside Debian's docker-registry. The client makes the same requests to both, as docker does:
//! three layers at a time, each asked for, begun, sent and finished. What it hashes, it hashes beforehand.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use crate::harness::Daemon;
use crate::measure::in_turns;
use crate::memory::{hoist_memory_kb, megabytes, with_peak};
use crate::peers::Peers;
use crate::table;

const LAYERS: usize = 20;
const LAYER_BYTES: u64 = 50_000_000;
const LARGE_BYTES: u64 = 1024 * 1024 * 1024;
/// As many as docker sends and receives at once.
const CONNECTIONS: usize = 3;
/// Each leaves its gigabyte on both sides.
const ROUNDS: usize = 2;
const GOAL: f64 = 0.8;
const GROWTH_GOAL_MB: f64 = 64.0;
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// What layers repeat behind their first bytes.
const NOISE_BYTES: usize = 8 * 1024 * 1024;

pub(crate) fn measure(peers: &Peers) {
    let Some(peer) = &peers.registry_url else {
        println!("  skipped: no docker-registry; run scripts/bench");
        return;
    };
    let daemon = Daemon::start();
    let user = daemon.user("bench@example.com");
    daemon.client(&user, &["apps:create", "bench"]);
    let login = BASE64_STANDARD.encode(format!("_:{}", user.token));
    let ours = Registry::new(&format!("http://{}", daemon.http), Some(format!("Basic {login}")));
    let theirs = Registry::new(peer, None);

    let noise = noise();
    let image = |side: u64, round: usize| -> Vec<Layer> {
        (0..LAYERS).map(|at| Layer::new(&noise, [side, round as u64, at as u64], LAYER_BYTES)).collect()
    };
    let pushed = in_turns(ROUNDS, |round| ours.push(&image(0, round)), |round| theirs.push(&image(1, round)));
    table::compare("push of 20 layers of 50 MB", pushed.hoist, pushed.peer, GOAL);
    let pulled = in_turns(ROUNDS, |_| ours.pull(), |_| theirs.pull());
    table::compare("pull of 20 layers of 50 MB", pulled.hoist, pulled.peer, GOAL);

    let large = [Layer::new(&noise, [2, 0, 0], LARGE_BYTES)];
    let before_kb = hoist_memory_kb();
    let (_, push_kb) = with_peak(|| ours.push(&large));
    report("growth of memory, push of 1 GiB", push_kb.saturating_sub(before_kb));
    let (_, pull_kb) = with_peak(|| ours.pull());
    report("growth of memory, pull of 1 GiB", pull_kb.saturating_sub(before_kb));
}

fn report(name: &str, growth_kb: u64) {
    let growth_mb = megabytes(growth_kb);
    let none = || "-".to_owned();
    table::row(name, &[format!("{growth_mb:.1} MB"), none(), none(), format!("{GROWTH_GOAL_MB} MB")], growth_mb < GROWTH_GOAL_MB);
}

fn noise() -> Vec<u8> {
    let mut random = 1_u64;
    let words = (0..NOISE_BYTES / 8).flat_map(|_| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_le_bytes()
    });
    words.collect()
}

/// A layer that nobody else has: its first bytes are its name.
struct Layer<'a> {
    name: Vec<u8>,
    noise: &'a [u8],
    bytes: u64,
    digest: String,
}

impl<'a> Layer<'a> {
    fn new(noise: &'a [u8], name: [u64; 3], bytes: u64) -> Self {
        let name: Vec<u8> = name.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut layer = Self { name, noise, bytes, digest: String::new() };
        let mut hasher = Sha256::new();
        drain(layer.content(), |piece| hasher.update(piece));
        layer.digest = format!("sha256:{}", hex::encode(hasher.finalize()));
        layer
    }

    fn content(&self) -> impl Read {
        self.name.as_slice().chain(Repeated { noise: self.noise, at: 0 }).take(self.bytes)
    }
}

struct Repeated<'a> {
    noise: &'a [u8],
    at: usize,
}

impl Read for Repeated<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = (&self.noise[self.at..]).read(bytes)?;
        self.at = (self.at + length) % self.noise.len();
        Ok(length)
    }
}

/// One side's repository.
struct Registry {
    agent: Agent,
    root: String,
    authorization: Option<String>,
}

impl Registry {
    fn new(root: &str, authorization: Option<String>) -> Self {
        let agent = Agent::config_builder().proxy(None).max_idle_connections_per_host(CONNECTIONS).build().new_agent();
        Self { agent, root: root.to_owned(), authorization }
    }

    fn repository(&self) -> String {
        format!("{}/v2/bench/web", self.root)
    }

    /// Pushes an image of these layers as `latest`, and tells what that took.
    fn push(&self, layers: &[Layer<'_>]) -> Duration {
        let config = b"{}";
        let config_digest = format!("sha256:{}", hex::encode(Sha256::digest(config)));
        let listed: Vec<_> =
            layers.iter().map(|layer| json!({"mediaType": "a/layer", "digest": layer.digest, "size": layer.bytes})).collect();
        let config_listed = json!({"mediaType": "a/config", "digest": config_digest, "size": config.len()});
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config_listed, "layers": listed});
        let start = Instant::now();
        in_parallel(layers, |layer| self.push_blob(&layer.digest, layer.bytes, &mut layer.content()));
        self.push_blob(&config_digest, config.len() as u64, &mut &config[..]);
        let put = self.request(Method::PUT, &format!("{}/manifests/latest", self.repository())).header("content-type", MANIFEST);
        self.send(put, SendBody::from_owned_reader(io::Cursor::new(manifest.to_string().into_bytes())));
        start.elapsed()
    }

    fn push_blob(&self, digest: &str, bytes: u64, content: &mut dyn Read) {
        let asked = self.request(Method::HEAD, &format!("{}/blobs/{digest}", self.repository()));
        let asked = self.agent.run(asked.body(()).expect("it is a request"));
        if asked.is_ok() {
            return;
        }
        let begun = self.send(self.request(Method::POST, &format!("{}/blobs/uploads/", self.repository())), SendBody::none());
        let sent = self.request(Method::PATCH, &self.location(&begun)).header("content-length", bytes.to_string());
        let sent = sent.header("content-type", "application/octet-stream");
        let sent = self.send(sent, SendBody::from_reader(&mut { content }));
        let location = self.location(&sent);
        let mark = if location.contains('?') { '&' } else { '?' };
        self.send(self.request(Method::PUT, &format!("{location}{mark}digest={digest}")), SendBody::none());
    }

    /// Pulls `latest`, and tells what that took.
    fn pull(&self) -> Duration {
        let start = Instant::now();
        let got = self.request(Method::GET, &format!("{}/manifests/latest", self.repository())).header("accept", MANIFEST);
        let manifest: serde_json::Value = self.send(got, SendBody::none()).body_mut().read_json().expect("it is a manifest");
        let layers: Vec<_> = manifest["layers"].as_array().expect("it has layers").iter().collect();
        in_parallel(&layers, |layer| {
            let url = format!("{}/blobs/{}", self.repository(), layer["digest"].as_str().expect("it has a digest"));
            let blob = self.send(self.request(Method::GET, &url), SendBody::none());
            let mut came = 0;
            drain(blob.into_body().into_reader(), |piece| came += piece.len() as u64);
            assert_eq!(Some(came), layer["size"].as_u64());
        });
        start.elapsed()
    }

    fn request(&self, method: Method, url: &str) -> ureq::http::request::Builder {
        let request = Request::builder().method(method).uri(url);
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }

    fn send(&self, request: ureq::http::request::Builder, body: SendBody<'_>) -> Response<Body> {
        let request = request.body(body).expect("it is a request");
        self.agent.run(request).expect("the registry does it")
    }

    fn location(&self, answer: &Response<Body>) -> String {
        let location = answer.headers().get("location").and_then(|location| location.to_str().ok()).expect("it says where");
        if location.starts_with('/') { format!("{}{location}", self.root) } else { location.to_owned() }
    }
}

/// Reads to the end in large pieces.
fn drain(mut from: impl Read, mut each: impl FnMut(&[u8])) {
    let mut piece = vec![0; 256 * 1024];
    loop {
        match from.read(&mut piece).expect("it comes") {
            0 => return,
            length => each(&piece[..length]),
        }
    }
}

fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}
