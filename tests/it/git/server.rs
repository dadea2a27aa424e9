//! A little git:// server on loopback, whose refs are a map, and a hermetic `git` to push to it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use hoist::git::pkt_line::{Prefix, decode_prefix};
use hoist::git::{Advertised, Greeting, Nonces, Progress, Push, RefStatus, Repo, advertise, receive_pack};
use hoist::model::{CommitId, Limits, RefName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the server has seen of one push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub updates: usize,
    pub options: Vec<String>,
    /// Objects and bytes of the quarantine.
    pub pack: Option<(usize, u64)>,
    pub subject: Option<String>,
}

#[derive(Default)]
struct State {
    refs: BTreeMap<RefName, CommitId>,
    seen: Vec<Seen>,
    errors: Vec<String>,
    /// Connections that are over.
    ended: usize,
}

type Refs = Vec<(RefName, CommitId)>;

/// Serves one repository until the test ends.
pub(super) struct Server {
    dir: TempDir,
    pub address: SocketAddr,
    pub repo: Repo,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::with_limits(&Limits::default())
    }

    pub(super) fn with_limits(limits: &Limits) -> Self {
        let dir = TempDir::new().unwrap();
        let repo = Repo::open(&dir.path().join("repo"), Path::new(env!("CARGO_BIN_EXE_hoist")), limits).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (served, shared) = (repo.clone(), Arc::clone(&state));
        // The thread ends with the test process; each test has few of them.
        thread::spawn(move || serve(listener, &served, &shared));
        Self { dir, address, repo, state }
    }

    pub(super) fn url(&self) -> String {
        format!("git://{}/x", self.address)
    }

    pub(super) fn refs(&self) -> Refs {
        self.state.lock().unwrap().refs.clone().into_iter().collect()
    }

    /// The value of a ref, as hex, or an empty text.
    pub(super) fn at(&self, name: &str) -> String {
        self.refs().into_iter().find(|(other, _)| other.as_str() == name).map(|(_, id)| id.to_string()).unwrap_or_default()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// The errors that receiving ended in.
    pub(super) fn errors(&self) -> Vec<String> {
        self.state.lock().unwrap().errors.clone()
    }

    /// Waits until so many connections are over.
    pub(super) fn wait_for(&self, connections: usize) {
        while self.state.lock().unwrap().ended < connections {
            thread::yield_now();
        }
    }

    pub(super) fn packs(&self) -> Vec<PathBuf> {
        let dir = self.dir.path().join("repo/objects/pack");
        let mut packs: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        packs.retain(|path| path.extension().is_some_and(|extension| extension == "pack"));
        packs
    }

    /// Whether anything is left of pushes that are over.
    pub(super) fn has_leftovers(&self) -> bool {
        let entries: Vec<_> = self.dir.path().join("repo").read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        entries != ["objects"]
    }

    /// Lets git judge what is kept: every pack and index, every object, every link. Gives all objects that refs
    /// lead to.
    pub(super) fn fsck(&self) -> usize {
        let oracle = Git::bare(self.dir.path().join("oracle"));
        let alternates = self.dir.path().join("repo/objects");
        std::fs::write(oracle.dir.join("objects/info/alternates"), format!("{}\n", alternates.display())).unwrap();
        let refs: Vec<String> = self.refs().iter().map(|(name, id)| format!("{id} {name}\n")).collect();
        std::fs::write(oracle.dir.join("packed-refs"), refs.concat()).unwrap();
        for pack in self.packs() {
            oracle.run(&["index-pack", "--verify", "--strict", pack.to_str().unwrap()]);
        }
        oracle.run(&["fsck", "--strict", "--full"]);
        oracle.run(&["rev-list", "--objects", "--all"]).lines().count()
    }
}

fn serve(listener: TcpListener, repo: &Repo, state: &Arc<Mutex<State>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (repo, state) = (repo.clone(), Arc::clone(state));
            tokio::spawn(async move {
                // A client that goes before it is greeted is none of the errors of receiving.
                let _ = converse(stream, &repo, &state).await;
                state.lock().unwrap().ended += 1;
            });
        }
    });
}

async fn converse(mut stream: tokio::net::TcpStream, repo: &Repo, state: &Mutex<State>) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let mut digits = [0; 4];
    reader.read_exact(&mut digits).await?;
    let Ok(Prefix::Data(size)) = decode_prefix(digits) else { panic!("no greeting") };
    let mut greeting = vec![0; size];
    reader.read_exact(&mut greeting).await?;
    assert!(greeting.starts_with(b"git-receive-pack "));

    let refs: Refs = state.lock().unwrap().refs.clone().into_iter().collect();
    let nonce = Nonces::new().give("x", time::OffsetDateTime::now_utc());
    let advertised = Advertised { refs, nonce, greeting: Greeting::Stream };
    advertise(&mut writer, &advertised).await?;
    let decide = async |push: Push, progress: Progress| decide(push, &progress, repo, state).await;
    if let Err(error) = receive_pack(&mut reader, &mut writer, repo, &advertised, decide).await {
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text = format!("{text}: {source}");
        }
        state.lock().unwrap().errors.push(text);
    }
    // Whether the client is still there does not matter any more.
    let _ = writer.shutdown().await;
    Ok(())
}

/// Publishes, and takes every ref whose name does not say `refused`.
async fn decide(push: Push, progress: &Progress, repo: &Repo, state: &Mutex<State>) -> Vec<RefStatus> {
    let quarantine = push.quarantine.as_ref();
    let subject = match &push.updates[0].new {
        Some(commit) => repo.commit_subject(quarantine, commit).await.ok(),
        None => None,
    };
    let pack = quarantine.map(|quarantine| (quarantine.stats().objects, quarantine.stats().bytes));
    state.lock().unwrap().seen.push(Seen { updates: push.updates.len(), options: push.options, pack, subject });
    let _ = progress.write(b"-----> Received\n").await;

    let refused = |name: &RefName| name.as_str().contains("refused");
    if push.atomic && push.updates.iter().any(|update| refused(&update.name)) {
        return push.updates.iter().map(|update| RefStatus::refused(&update.name, "all or none")).collect();
    }
    if let Some(quarantine) = quarantine {
        quarantine.publish().await.unwrap();
        quarantine.publish().await.expect("publishing may be repeated");
    }
    let mut state = state.lock().unwrap();
    let apply = |update: hoist::git::RefUpdate| {
        if refused(&update.name) {
            return RefStatus::refused(&update.name, "not this one");
        }
        match update.new {
            Some(new) => state.refs.insert(update.name.clone(), new),
            None => state.refs.remove(&update.name),
        };
        RefStatus::ok(&update.name)
    };
    push.updates.into_iter().map(apply).collect()
}

/// A repository of the real git, without any configuration but its own.
pub(super) struct Git {
    home: TempDir,
    pub dir: PathBuf,
}

impl Git {
    pub(super) fn new() -> Self {
        let home = TempDir::new().unwrap();
        let git = Self { dir: home.path().join("work"), home };
        std::fs::create_dir(&git.dir).unwrap();
        git.run(&["init", "-q", "-b", "main"]);
        git
    }

    pub(super) fn bare(dir: PathBuf) -> Self {
        std::fs::create_dir(&dir).unwrap();
        let git = Self { home: TempDir::new().unwrap(), dir };
        git.run(&["init", "-q", "--bare"]);
        git
    }

    #[expect(clippy::disallowed_methods, reason = "the tests' client is the real git")]
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .args(args)
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "A U Thor")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "author@example.com")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_DATE"), "1700000000 +0000")));
        command
    }

    /// Runs git, whatever comes out.
    pub(super) fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs git, which must succeed, and gives its trimmed output.
    pub(super) fn run(&self, args: &[&str]) -> String {
        self.pipe(args, b"").trim_ascii_end().escape_ascii().to_string().replace("\\n", "\n")
    }

    /// Runs git, which must succeed, with an input.
    pub(super) fn pipe(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let output = thread::scope(|scope| {
            // A git that does not read its input closes it.
            scope.spawn(move || stdin.write_all(input).is_ok());
            child.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Clones in this way.
    pub(super) fn clone(args: &[&str]) -> Self {
        let git = Self::new();
        std::fs::remove_dir_all(&git.dir).unwrap();
        std::fs::create_dir(&git.dir).unwrap();
        git.run(&[&["clone", "-q"], args, &["."]].concat());
        git
    }

    /// Writes an object as it is, whatever it is, and gives its id.
    pub(super) fn hash_object(&self, kind: &str, content: &[u8]) -> String {
        let id = self.pipe(&["hash-object", "-w", "-t", kind, "--literally", "--stdin"], content);
        String::from_utf8(id).unwrap().trim().to_owned()
    }

    /// Pushes to an URL; options come first, then refspecs.
    pub(super) fn push_to(&self, url: &str, args: &[&str]) -> Output {
        let (options, refspecs) = args.split_at(args.len() - refspecs(args));
        self.try_run(&[&["push"], options, &[url], refspecs].concat())
    }

    /// Pushes and gives whether it succeeded, and all that git printed.
    pub(super) fn push(&self, server: &Server, args: &[&str]) -> (bool, String) {
        let output = self.push_to(&server.url(), args);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }

    /// Pushes, which must succeed.
    pub(super) fn push_ok(&self, server: &Server, args: &[&str]) -> String {
        let (ok, text) = self.push(server, args);
        assert!(ok, "{text}");
        text
    }

    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Commits everything and gives the commit's id.
    pub(super) fn commit(&self, message: &str) -> String {
        self.run(&["add", "-A"]);
        self.run(&["commit", "-q", "--allow-empty", "-m", message]);
        self.run(&["rev-parse", "HEAD"])
    }

    /// A pack of the objects named, as git sends it.
    pub(super) fn pack(&self, revisions: &str) -> Vec<u8> {
        self.pipe(&["pack-objects", "-q", "--stdout", "--revs", "--thin", "--delta-base-offset"], revisions.as_bytes())
    }
}

/// How many of the last arguments are refspecs: options come first.
fn refspecs(args: &[&str]) -> usize {
    args.iter().rev().take_while(|arg| !arg.starts_with('-')).count()
}
