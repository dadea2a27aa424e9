//! A daemon with two apps, and HTTP as a registry's client speaks it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Daemon, User};

pub(super) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Of content that nobody pushes.
pub(super) const NOWHERE: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// A daemon on which Alice owns `shop` and `other`.
pub(super) struct World {
    pub(super) daemon: Daemon,
    pub(super) user: User,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: ureq::http::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// The code of the first error, and its words.
    pub(super) fn error(&self) -> (String, String) {
        let error = &self.json()["errors"][0];
        let text = |field: &str| error[field].as_str().unwrap().to_owned();
        (text("code"), text("message"))
    }

    /// Asserts a status and returns the answer.
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

impl World {
    pub(super) fn start() -> Self {
        Self::start_with("")
    }

    pub(super) fn start_with(config: &str) -> Self {
        let daemon = Daemon::start_with(&format!("engine = \"local\"\n{config}"));
        let user = daemon.user("alice@example.com");
        for app in ["shop", "other"] {
            daemon.client(&user, &["apps:create", app]);
        }
        Self { daemon, user }
    }

    /// Sends a request without a body, as Alice.
    pub(super) fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[], b"")
    }

    /// Sends a request as Alice: `docker` sends an API token like this.
    pub(super) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let basic = basic("_", &self.user.token);
        let headers: Vec<_> = [("authorization", basic.as_str())].into_iter().chain(headers.iter().copied()).collect();
        send(&self.daemon, method, path, &headers, body)
    }

    /// Pushes a blob in one request and returns its digest.
    pub(super) fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = digest(content);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.send("POST", &path, &[("content-type", "application/octet-stream")], content).is(201);
        digest
    }

    /// Begins an upload and returns where it goes on.
    pub(super) fn begin_upload(&self, repository: &str) -> String {
        self.ask("POST", &format!("/v2/{repository}/blobs/uploads/")).is(202).header("location").to_owned()
    }

    pub(super) fn push_manifest(&self, repository: &str, reference: &str, manifest: &Value) -> Answer {
        let kind = manifest["mediaType"].as_str().unwrap();
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send("PUT", &path, &[("content-type", kind)], manifest.to_string().as_bytes())
    }

    /// Pushes the blobs of an image with one layer and returns its manifest.
    pub(super) fn push_parts(&self, repository: &str, layer: &[u8]) -> Value {
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}});
        let config = config.to_string().into_bytes();
        self.push_blob(repository, &config);
        self.push_blob(repository, layer);
        json!({
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, layer)],
        })
    }

    /// Pushes an image with one layer and returns its digest.
    pub(super) fn push_image(&self, repository: &str, reference: &str, layer: &[u8]) -> String {
        let manifest = self.push_parts(repository, layer);
        self.push_manifest(repository, reference, &manifest).is(201).header("docker-content-digest").to_owned()
    }
}

pub(super) fn send(daemon: &Daemon, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", daemon.http));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
    let agent: ureq::Agent = config.build().into();
    let mut answer = agent.run(request.body(body).unwrap()).unwrap();
    let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
    Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
}

pub(super) fn basic(user: &str, token: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{token}")))
}

pub(super) fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

pub(super) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

/// Bytes that no compression makes smaller.
pub(super) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}
