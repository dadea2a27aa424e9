//! Commits of other git servers as sources of builds: fetched from plain git over HTTP and SSH, and from servers that mean
//! harm.

mod hostile;
mod lfs;
mod over_http;
mod over_ssh;
pub(crate) mod submodules;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use hoist::build::{self, Build, Means, RemoteError, RemoteSource, Source, SubmoduleAccess};
use hoist::engine::{Engine, Environment, Kind, Settings, Spec};
use hoist::fetch::Bounds;
use hoist::git::Repo;
use hoist::model::{CommitId, Credentials, DeployKey, Limits, Remote, RemoteCommit, Secret, Writer};
use hoist::store::Store;
use hoist::transcript::{Redactor, Transcript};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use crate::harness::{Forge, HOIST};

/// A build's files by path: contents, and where symbolic links lead.
type Files = BTreeMap<String, String>;

/// What fetches, within limits that a test may change.
struct Fetching {
    limits: Limits,
    time: Duration,
    allow: &'static str,
}

/// What came of it.
struct Fetched {
    files: Result<Files, build::BuildError>,
    log: String,
}

impl Fetched {
    fn files(self) -> Files {
        self.files.expect("it is fetched")
    }

    fn error(self) -> RemoteError {
        match self.files.expect_err("it is not fetched") {
            build::BuildError::Remote(error) => error,
            other => panic!("{other}"),
        }
    }
}

impl Default for Fetching {
    fn default() -> Self {
        Self { limits: Limits::default(), time: Duration::from_mins(1), allow: "127.0.0.1" }
    }
}

impl Fetching {
    fn bounds(&self) -> Bounds {
        let allow_networks = vec![(self.allow.parse().unwrap(), 32)];
        Bounds { allow_networks, max_bytes: self.limits.source_bytes, time: self.time }
    }

    /// Puts a commit into an environment, as a build does, and looks at what is there.
    fn fetch(&self, remote: Remote, id: &str, on: Option<&str>) -> Fetched {
        let dir = tempfile::tempdir().unwrap();
        let source = Source::Remote(self.source(dir.path(), remote, id, on));
        let transcript = Transcript::create(&dir.path().join("log"), 1 << 20, Redactor::new([])).unwrap();
        let runtime = runtime();
        let files = runtime.block_on(self.put_source(dir.path(), &source, &transcript));
        // Nothing of it stays, and nothing becomes the app's.
        let left: Vec<_> = dir.path().join("repo").read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["objects"]);
        assert_eq!(dir.path().join("repo/objects/pack").read_dir().unwrap().count(), 0);
        transcript.end();
        let log = runtime.block_on(read_log(&transcript));
        Fetched { files, log }
    }

    /// Keeps a commit as an archive, puts that into an environment, and reads the app's app.json off it.
    fn fetch_kept(&self, remote: Remote, id: &str) -> (Files, Option<Vec<u8>>) {
        let dir = tempfile::tempdir().unwrap();
        let source = self.source(dir.path(), remote, id, None);
        let transcript = Transcript::create(&dir.path().join("log"), 1 << 20, Redactor::new([])).unwrap();
        runtime().block_on(async {
            let store = Store::open(dir.path().join("store")).unwrap();
            let means = Means {
                store: &store,
                bounds: self.bounds(),
                max_files: self.limits.source_files,
                submodules: SubmoduleAccess::default(),
                root: None,
            };
            let archive = build::keep_remote(&source, &means).await.unwrap();
            let app_json = build::read_manifest_files(&archive, &means).await.unwrap().app_json;
            (self.put_source(dir.path(), &Source::Archive(archive), &transcript).await.unwrap(), app_json)
        })
    }

    fn source(&self, dir: &Path, remote: Remote, id: &str, on: Option<&str>) -> RemoteSource {
        let repo = Repo::open(&dir.join("repo"), Path::new(HOIST), &self.limits).unwrap();
        let commit =
            RemoteCommit { remote, id: id.parse().unwrap(), on: on.map(|name| name.parse().unwrap()), writer: Writer::Member };
        RemoteSource { commit, repo }
    }

    async fn put_source(&self, dir: &Path, source: &Source, transcript: &Transcript) -> Result<Files, build::BuildError> {
        let work_dir = dir.join("work");
        let settings =
            Settings { kind: Kind::Local, helper: HOIST.into(), work_dir, ca_bundle: None, allow_networks: Vec::new() };
        let name = "build".to_owned();
        let spec = Spec { root: "/".into(), name, memory_bytes: 0, pids: 0, cpus: 0, disk_bytes: 0, network: false };
        let environment = Engine::open(settings).await.unwrap().start(spec).await.unwrap();
        let build = Build {
            environment: &environment,
            transcript,
            dir: "/app".to_owned(),
            stack: &"debian-12".parse().unwrap(),
            stack_env: &BTreeMap::new(),
            source_version: None,
            request_id: String::new(),
            deadline: Instant::now() + Duration::from_mins(1),
            time_limit: Duration::from_mins(1),
            silence: Duration::MAX,
            language: Mutex::default(),
            reports: Mutex::default(),
        };
        let store = Store::open(dir.join("store")).unwrap();
        let means = Means {
            store: &store,
            bounds: self.bounds(),
            max_files: self.limits.source_files,
            submodules: SubmoduleAccess::default(),
            root: None,
        };
        build::put_source(&build, source, &means, None).await?;
        Ok(files_in(&environment).await)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn files_in(environment: &Environment) -> Files {
    let mut tar = Vec::new();
    environment.take_out("/app").await.unwrap().read_to_end(&mut tar).await.unwrap();
    let mut files = Files::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let content = if let Some(target) = entry.link_name().unwrap() {
            format!("-> {}", target.display())
        } else {
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            content
        };
        if !entry.header().entry_type().is_dir() {
            files.insert(path.trim_start_matches("./").to_owned(), content);
        }
    }
    files
}

async fn read_log(transcript: &Transcript) -> String {
    let (mut log, mut text) = (transcript.follow(), Vec::new());
    while let Some(piece) = log.next().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    String::from_utf8(text).unwrap()
}

fn public(url: &str) -> Remote {
    Remote { url: url.parse().unwrap(), credentials: Credentials::None }
}

fn with_token(url: &str, token: &str) -> Remote {
    Remote { url: url.parse().unwrap(), credentials: Credentials::Token(Secret::new(token)) }
}

fn with_key(url: &str, key: String, known_hosts: &str) -> Remote {
    let key = DeployKey::new(Secret::new(key), known_hosts.parse().unwrap()).unwrap();
    Remote { url: url.parse().unwrap(), credentials: Credentials::Key(key) }
}

/// Fetches as everybody does.
fn fetch(remote: Remote, id: &str) -> Fetched {
    Fetching::default().fetch(remote, id, None)
}

fn find_ref(remote: &Remote, name: &str) -> Result<CommitId, RemoteError> {
    let bounds = Fetching::default().bounds();
    runtime().block_on(build::find_remote_ref(remote, &name.parse().unwrap(), &bounds))
}

/// Files with short contents.
fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
}

/// A commit that nobody has.
const NOWHERE: &str = "1111111111111111111111111111111111111111";

/// The name that tests give their repository.
const NAME: &str = "octo/shop";

fn url(forge: &Forge) -> String {
    forge.url(NAME)
}
