//! Images made by hand, and pushed as a client of the registry pushes them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use hoist::model::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Daemon, User};

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// An image in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestImage {
    /// As they are pushed, and what they are to be when they are unpacked.
    layers: Vec<(Vec<u8>, Digest)>,
    config: Value,
}

/// A pushed image.
#[derive(Debug, Clone)]
pub(crate) struct PushedImage {
    /// The config's digest.
    pub(crate) id: String,
    /// The manifest's.
    pub(crate) digest: String,
}

impl TestImage {
    /// An image with the host's busybox in it, which needs no libraries, as `sh` and `cat` and more.
    pub(crate) fn busybox(config: Value) -> Self {
        let busybox = std::fs::read("/bin/busybox").expect("the package busybox-static is installed");
        let mut tar = tar::Builder::new(Vec::new());
        add_file(&mut tar, "bin/busybox", &busybox, 0o755);
        for name in ["sh", "cat", "echo", "id", "ls", "env", "pwd", "sleep", "touch", "mkdir", "test", "tty", "stty"] {
            let mut header = header(0, 0o755);
            header.set_entry_type(tar::EntryType::Link);
            tar.append_link(&mut header, format!("bin/{name}"), "bin/busybox").unwrap();
        }
        Self { layers: Vec::new(), config }.layer(Packing::Gzip, tar.into_inner().unwrap())
    }

    /// An image of one empty layer.
    pub(crate) fn default_with(config: Value) -> Self {
        Self { layers: Vec::new(), config }.files(Packing::Plain, &[])
    }

    /// One more layer, of these files.
    pub(crate) fn files(self, packing: Packing, files: &[(&str, &str)]) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            add_file(&mut tar, path, content.as_bytes(), 0o644);
        }
        self.layer(packing, tar.into_inner().unwrap())
    }

    pub(crate) fn layer(mut self, packing: Packing, tar: Vec<u8>) -> Self {
        let diff_id = digest_of(&tar);
        let packed = match packing {
            Packing::Plain => tar,
            Packing::Gzip => {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(&tar).unwrap();
                gzip.finish().unwrap()
            }
            Packing::Zstd => {
                // In two frames, as tools write them that want to read a part of it.
                let (one, other) = tar.split_at(tar.len() / 2);
                [zstd::encode_all(one, 1).unwrap(), zstd::encode_all(other, 1).unwrap()].concat()
            }
        };
        self.layers.push((packed, diff_id));
        self
    }

    /// Says in the config that the last layer is another one.
    pub(crate) fn lie_about_last_layer(mut self) -> Self {
        self.layers.last_mut().unwrap().1 = digest_of(b"something else");
        self
    }

    /// An image with the host's bash in it, and a few programs more, with the libraries that they need.
    pub(crate) fn with_bash(config: Value) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        let programs = ["bash", "sh", "env", "cat", "id", "ls", "mkdir", "cp", "rm", "find", "head"];
        let mut libraries = std::collections::BTreeSet::new();
        for program in programs {
            let path = ["/bin", "/usr/bin"].map(|dir| format!("{dir}/{program}"));
            let path = path.iter().find(|path| std::path::Path::new(path).exists()).expect("every host has it");
            let place = if program == "env" { "usr/bin/env".to_owned() } else { format!("bin/{program}") };
            add_file(&mut tar, &place, &std::fs::read(path).unwrap(), 0o755);
            let needed = super::run(std::process::Command::new("ldd").arg(path));
            libraries.extend(needed.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
        }
        for library in libraries {
            add_file(&mut tar, library.trim_start_matches('/'), &std::fs::read(&library).unwrap(), 0o755);
        }
        Self { layers: Vec::new(), config }.layer(Packing::Gzip, tar.into_inner().unwrap())
    }

    /// The manifest, and all blobs that it names.
    pub(crate) fn parts(&self) -> (Vec<u8>, Vec<Vec<u8>>) {
        let diff_ids: Vec<String> = self.layers.iter().map(|(_, diff_id)| diff_id.to_string()).collect();
        let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
        let config = json!({"architecture": architecture(), "os": "linux", "config": self.config, "rootfs": rootfs}).to_string();
        let descriptor = |kind: &str, bytes: &[u8]| {
            let media_type = format!("application/vnd.oci.image.{kind}");
            json!({"mediaType": media_type, "digest": digest_of(bytes).to_string(), "size": bytes.len()})
        };
        let layers: Vec<Value> = self.layers.iter().map(|(packed, _)| descriptor("layer.v1.tar", packed)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("config.v1+json", config.as_bytes()),
            "layers": layers,
        });
        let blobs = self.layers.iter().map(|(packed, _)| packed.clone()).chain([config.into_bytes()]);
        (manifest.to_string().into_bytes(), blobs.collect())
    }

    /// Pushes the image to a repository, under a tag.
    pub(crate) fn push_as(&self, daemon: &Daemon, user: &User, repository: &str, tag: &str) {
        let (manifest, blobs) = self.parts();
        for blob in blobs {
            push_blob(daemon, user, repository, &blob);
        }
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", daemon.http);
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let put = ureq::put(url).header("Authorization", basic(user)).header("Content-Type", media_type);
        assert_eq!(put.send(&manifest[..]).unwrap().status(), 201);
    }

    /// Pushes the image to a repository, as `latest`.
    pub(crate) fn push(&self, daemon: &Daemon, user: &User, repository: &str) -> PushedImage {
        let diff_ids: Vec<String> = self.layers.iter().map(|(_, diff_id)| diff_id.to_string()).collect();
        let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
        let config = json!({"architecture": "amd64", "os": "linux", "config": self.config, "rootfs": rootfs}).to_string();
        let blob = |kind: &str, bytes: &[u8]| {
            let digest = push_blob(daemon, user, repository, bytes);
            json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": bytes.len()})
        };
        let layers: Vec<Value> = self.layers.iter().map(|(packed, _)| blob("layer.v1.tar", packed)).collect();
        let config = blob("config.v1+json", config.as_bytes());
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}).to_string();
        let url = format!("http://{}/v2/{repository}/manifests/latest", daemon.http);
        let put = ureq::put(url).header("Authorization", basic(user)).header("Content-Type", media_type);
        assert_eq!(put.send(manifest.as_bytes()).unwrap().status(), 201);
        let digest = digest_of(manifest.as_bytes()).to_string();
        PushedImage { id: config["digest"].as_str().unwrap().to_owned(), digest }
    }
}

fn push_blob(daemon: &Daemon, user: &User, repository: &str, bytes: &[u8]) -> String {
    let digest = digest_of(bytes).to_string();
    let url = format!("http://{}/v2/{repository}/blobs/uploads/?digest={digest}", daemon.http);
    let post = ureq::post(url).header("Authorization", basic(user)).header("Content-Type", "application/octet-stream");
    assert_eq!(post.send(bytes).unwrap().status(), 201);
    digest
}

/// How a registry's client says who its user is.
pub(crate) fn basic(user: &User) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("_:{}", user.token)))
}

fn add_file(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8], mode: u32) {
    tar.append_data(&mut header(content.len() as u64, mode), path, content).unwrap();
}

/// Of a file of root's.
fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn architecture() -> String {
    hoist::model::Platform::of_this_host().architecture
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
