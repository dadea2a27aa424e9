//! The server of Git LFS, with its real client and by hand.

mod clients;
mod keeping;
mod locking;
mod wire;

use std::process::{Command, Output};

use hoist::model::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Daemon, User, WorkTree, ssh_command};

const APP: &str = "shop";
const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// A daemon without isolation on which Alice has an app, and Bob nothing.
struct World {
    daemon: Daemon,
    alice: User,
    bob: User,
}

/// How a client comes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Http,
    Ssh,
}

/// An answer, read to its end.
struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

impl World {
    fn start() -> Self {
        Self::start_with("")
    }

    fn start_with(config: &str) -> Self {
        let daemon = Daemon::start_with(&format!("engine = \"local\"\n{config}"));
        let (alice, bob) = (daemon.user("alice@example.com"), daemon.user("bob@example.com"));
        daemon.client(&alice, &["apps:create", APP]);
        daemon.client(&alice, &["buildpacks:set", "./pack", "--app", APP]);
        Self { daemon, alice, bob }
    }

    fn url(&self, way: Way, user: &User) -> String {
        match way {
            Way::Http => format!("http://_:{}@{}/{APP}.git", user.token, self.daemon.http),
            Way::Ssh => format!("ssh://git@{}/{APP}.git", self.daemon.ssh),
        }
    }

    /// A work tree with Git LFS and the app as its remote `hoist`. The app's build prints the digest of `art/big.bin`, which Git
    /// LFS keeps.
    fn tree(&self, way: Way, user: &User, big: &[u8]) -> WorkTree {
        let tree = WorkTree::with_pack("null");
        tree.write_program("pack/bin/compile", "#!/bin/sh\nsha256sum <\"$1/art/big.bin\"\n");
        tree.git(&["lfs", "install", "--local"]);
        tree.git(&["lfs", "track", "*.bin"]);
        tree.git(&["remote", "add", "hoist", &self.url(way, user)]);
        std::fs::create_dir_all(tree.path().join("art")).unwrap();
        std::fs::write(tree.path().join("art/big.bin"), big).unwrap();
        tree.commit("with a large file");
        tree
    }

    /// Asks, as whoever has this token or grant.
    fn ask(&self, (method, path): (&str, &str), token: Option<&str>, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("http://{}/{path}", self.daemon.http) };
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.run(request.body(body).unwrap()).unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: answer.body_mut().read_to_vec().unwrap() }
    }

    fn batch(&self, token: &str, app: &str, operation: &str, objects: &Value) -> Answer {
        let question = json!({"operation": operation, "transfers": ["basic"], "objects": objects});
        let headers = [("Accept", MEDIA_TYPE), ("Content-Type", MEDIA_TYPE)];
        let path = format!("{app}.git/info/lfs/objects/batch");
        self.ask(("POST", &path), Some(token), &headers, question.to_string().as_bytes())
    }

    /// The answer about one object.
    fn one(&self, user: &User, app: &str, operation: &str, content: &[u8]) -> Value {
        let objects = json!([{"oid": oid(content), "size": content.len()}]);
        self.batch(&user.token, app, operation, &objects).is(200).json()["objects"][0].clone()
    }

    /// Does what an action says.
    fn act(&self, method: &str, action: &Value, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.ask((method, action["href"].as_str().unwrap()), Some(grant(action)), headers, body)
    }

    fn send(&self, user: &User, app: &str, content: &[u8]) {
        let object = self.one(user, app, "upload", content);
        self.act("PUT", &object["actions"]["upload"], &[], content).is(200);
        self.act("POST", &object["actions"]["verify"], &[], b"").is(200);
    }

    /// Whether the blob store has these bytes.
    fn keeps(&self, content: &[u8]) -> bool {
        let oid = oid(content);
        self.daemon.data_dir().join(format!("blobs/sha256/{}/{oid}", &oid[..2])).exists()
    }

    /// What is being written in the blob store.
    fn unfinished(&self) -> usize {
        std::fs::read_dir(self.daemon.data_dir().join("blobs/tmp")).unwrap().count()
    }
}

impl Answer {
    /// Asserts a status and returns the answer.
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn message(&self) -> String {
        let json = self.json();
        assert_eq!(self.header("content-type"), MEDIA_TYPE);
        assert_eq!(json["request_id"], self.header("request-id"), "{json}");
        json["message"].as_str().unwrap().to_owned()
    }
}

/// The token in an action's header.
fn grant(action: &Value) -> &str {
    action["header"]["Authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap()
}

fn oid(content: &[u8]) -> String {
    Digest::from_bytes(Sha256::digest(content).into()).hex()
}

/// Some content that compresses badly and is the same each time.
fn content(seed: u8, bytes: usize) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// git in a work tree, with a user's SSH key.
fn git(tree: &WorkTree, user: &User, args: &[&str]) -> Command {
    let mut git = tree.command();
    git.args(args).env("GIT_SSH_COMMAND", ssh_command(&user.key)).env("GIT_LFS_FORCE_PROGRESS", "1");
    git
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let (ok, text) = outcome(command);
    assert!(ok, "{command:?}: {text}");
    text
}

#[track_caller]
fn fails(command: &mut Command) -> String {
    let (ok, text) = outcome(command);
    assert!(!ok, "{command:?} succeeded: {text}");
    text
}

/// Whether a command succeeded, and all that it said.
fn outcome(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.stdin(std::process::Stdio::null()).output().unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}
