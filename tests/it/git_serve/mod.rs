//! Clones and fetches, with the real git: each goes to hoist and to plain git (git-http-backend, OpenSSH) side by side, over
//! the same transport and in the same version of the protocol, and both must leave the client with the same.

mod access;
mod clients;
mod clones;
mod fetches;
mod histories;
mod large;
mod partial;
mod raw;
mod shallow;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hoist::db::{self, Db};
use hoist::model::{App, CommitId, RefName};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::{Daemon, Forge, User, WorkTree};

const APP: &str = "shop";

/// One way to speak to a server.
#[derive(Debug, Clone, Copy)]
struct Way {
    is_ssh: bool,
    version: u8,
}

const WAYS: [Way; 6] = [
    Way { is_ssh: false, version: 0 },
    Way { is_ssh: false, version: 1 },
    Way { is_ssh: false, version: 2 },
    Way { is_ssh: true, version: 0 },
    Way { is_ssh: true, version: 1 },
    Way { is_ssh: true, version: 2 },
];
/// Those that differ in what is said: version 1 is version 0 with a greeting.
const FEW_WAYS: [Way; 4] = [WAYS[0], WAYS[2], WAYS[3], WAYS[5]];
const HTTP_2: Way = WAYS[2];

/// hoist and plain git, with the same app.
struct World {
    daemon: Daemon,
    alice: User,
    runtime: Runtime,
    /// The daemon's own.
    db: Db,
    plain: Forge,
    plain_key: PathBuf,
    tree: WorkTree,
    dir: TempDir,
}

/// What a clone holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    refs: String,
    objects: String,
    shallow: String,
}

/// A client of one of the two servers.
struct Client {
    name: &'static str,
    dir: PathBuf,
    url: String,
    key: PathBuf,
    version: u8,
}

impl World {
    /// Both, empty.
    fn start() -> Self {
        Self::start_with("")
    }

    /// Likewise, with more in hoist's configuration.
    fn start_with(config: &str) -> Self {
        let daemon = Daemon::start_with(&format!("engine = \"local\"\n{config}"));
        let alice = daemon.user("alice@example.com");
        daemon.client(&alice, &["apps:create", APP]);
        let runtime = Runtime::new().unwrap();
        let db = runtime.block_on(Db::open(daemon.data_dir())).unwrap();
        let plain = Forge::start();
        let dir = tempfile::tempdir().unwrap();
        let plain_key = dir.path().join("key");
        std::fs::write(&plain_key, plain.key()).unwrap();
        std::fs::set_permissions(&plain_key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let tree = WorkTree::new();
        let bare = plain.repo(APP);
        tree.git(&["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()]);
        for setting in ["allowFilter", "allowAnySHA1InWant", "allowSidebandAll"] {
            tree.git(&["--git-dir", bare.to_str().unwrap(), "config", &format!("uploadpack.{setting}"), "true"]);
        }
        Self { daemon, alice, runtime, db, plain, plain_key, tree, dir }
    }

    /// Both, with a history: branches, a merge, tags of all sorts.
    fn with_history() -> Self {
        let world = Self::start();
        let tree = &world.tree;
        for number in 0..12 {
            tree.write("README", &format!("{}\nversion {number}\n", "some text that stays as it is\n".repeat(30)));
            tree.write(&format!("src/part{}/file{number}", number % 3), &format!("{number}\n").repeat(100 + number));
            world.commit_at(number, &format!("change {number}"));
        }
        tree.git(&["checkout", "-q", "-b", "side", "HEAD~5"]);
        tree.write("side/file", "of the side\n");
        world.commit_at(20, "side");
        tree.git(&["checkout", "-q", "main"]);
        tree.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        tree.write("last", &"large and dull\n".repeat(500));
        world.commit_at(30, "last");
        tree.git(&["tag", "light", "HEAD~3"]);
        tree.git(&["tag", "-a", "-m", "one", "v1", "HEAD~4"]);
        tree.git(&["tag", "-a", "-m", "nested", "v1-nested", "v1"]);
        tree.git(&["tag", "-a", "-m", "a tree", "of-tree", "HEAD~2^{tree}"]);
        tree.git(&["tag", "-a", "-m", "a file", "of-file", "HEAD:README"]);
        world.publish_all();
        world
    }

    /// Commits everything, so many hours after the first commit.
    fn commit_at(&self, hours: usize, message: &str) -> String {
        self.tree.git(&["add", "-A"]);
        let date = format!("{} +0000", 1_700_000_000 + 3600 * hours);
        self.tree.git_at(&date, &["commit", "-q", "--allow-empty", "-m", message]);
        self.tree.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Publishes all branches and tags of the work tree.
    fn publish_all(&self) {
        let refs = self.tree.git(&["for-each-ref", "--format=%(refname)"]);
        self.publish(&refs.lines().collect::<Vec<_>>());
    }

    /// Makes refs of both servers what they are in the work tree. A deploy branch is moved in hoist's database, because
    /// a push to it would be built.
    fn publish(&self, refs: &[&str]) {
        let all: Vec<_> = refs.iter().map(|name| format!("+{name}:{name}")).collect();
        self.push(self.plain.repo(APP).to_str().unwrap(), &all);
        let seed = |name: &str| if name.ends_with("/main") { "refs/seed/main".to_owned() } else { name.to_owned() };
        let seeded: Vec<_> = refs.iter().map(|name| format!("+{name}:{}", seed(name))).collect();
        self.push(&self.url(WAYS[0]), &seeded);
        if refs.contains(&"refs/heads/main") {
            let main = self.tree.git(&["rev-parse", "main"]).trim().parse().unwrap();
            self.runtime.block_on(self.set_ref("refs/heads/main", Some(main)));
            self.runtime.block_on(self.set_ref("refs/seed/main", None));
        }
    }

    async fn set_ref(&self, name: &str, value: Option<CommitId>) {
        let app = self.app().await;
        let name: RefName = name.parse().unwrap();
        let mut tx = self.db.write().await.unwrap();
        let old = db::refs::get(&mut tx, app.id, &name).await.unwrap();
        assert!(db::refs::compare_and_set(&mut tx, app.id, &name, old.as_ref(), value.as_ref()).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn app(&self) -> App {
        let mut db = self.db.read().await.unwrap();
        db::apps::by_name(&mut db, &APP.parse().unwrap()).await.unwrap().unwrap()
    }

    fn push(&self, url: &str, refspecs: &[String]) {
        let refspecs: Vec<_> = refspecs.iter().map(String::as_str).collect();
        self.tree.git(&[&["push", "-q", url], refspecs.as_slice()].concat());
    }

    /// hoist's packs of the app.
    fn packs(&self) -> Vec<String> {
        let app = self.runtime.block_on(self.app());
        pack_names(&self.daemon.data_dir().join(format!("repos/{}/objects/pack", app.id)))
    }

    /// hoist's address of the app.
    fn url(&self, way: Way) -> String {
        if way.is_ssh {
            return format!("ssh://git@{}/{APP}.git", self.daemon.ssh);
        }
        format!("http://_:{}@{}/{APP}.git", self.alice.token, self.daemon.http)
    }

    /// A client of each, hoist's first.
    fn clients(&self, way: Way) -> [Client; 2] {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap().keep();
        let plain = if way.is_ssh { self.plain.ssh_url(APP) } else { self.plain.url(APP) };
        let servers = [("hoist", self.url(way), &self.alice.key), ("plain", plain, &self.plain_key)];
        servers.map(|(name, url, key)| Client { name, dir: dir.join(name), url, key: key.clone(), version: way.version })
    }

    /// Has both clients do the same, and compares what comes of each step: whether it succeeded, and what is there then.
    /// `{url}` stands for the server.
    #[track_caller]
    fn compare(&self, way: Way, steps: &[&[&str]]) -> [Client; 2] {
        let clients = self.clients(way);
        for step in steps {
            compare_step(&clients, way, step);
        }
        clients
    }
}

impl Client {
    fn command(&self, args: &[&str]) -> Command {
        let mut git = Command::new("git");
        let version = format!("protocol.version={}", self.version);
        let is_clone = args.first() == Some(&"clone");
        if !is_clone && self.dir.exists() {
            git.arg("-C").arg(&self.dir);
        }
        git.args(["-c", &version, "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "advice.detachedHead=false"]);
        git.args(args.iter().map(|arg| arg.replace("{url}", &self.url)));
        if is_clone {
            git.arg(&self.url).arg(&self.dir);
        }
        git.env_clear().envs([
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/nonexistent"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ]);
        let ssh =
            "-F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
        git.env("GIT_SSH_COMMAND", format!("ssh {ssh} -i {}", self.key.display()));
        git.stdin(Stdio::null());
        git
    }

    fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs git, which must succeed; what it prints.
    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert!(output.status.success(), "{}: git {args:?}: {}", self.name, text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs git, which must fail; what it says.
    #[track_caller]
    fn fail(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert!(!output.status.success(), "{}: git {args:?} succeeded", self.name);
        text(&output.stderr)
    }

    /// Refs, objects, and where history ends.
    fn held(&self) -> Held {
        if !self.dir.exists() {
            return Held { refs: String::new(), objects: String::new(), shallow: String::new() };
        }
        let objects = self.run(&["cat-file", "--batch-all-objects", "--batch-check"]);
        let shallow = std::fs::read_to_string(self.git_dir().join("shallow")).unwrap_or_default();
        let mut shallow: Vec<_> = shallow.lines().collect();
        shallow.sort_unstable();
        Held { refs: self.run(&["for-each-ref"]), objects, shallow: shallow.join("\n") }
    }

    /// git's judgement of what is there.
    #[track_caller]
    fn fsck(&self) {
        if self.dir.exists() {
            self.run(&["fsck", "--strict", "--full", "--no-dangling"]);
        }
    }

    fn git_dir(&self) -> PathBuf {
        if self.dir.join(".git").exists() { self.dir.join(".git") } else { self.dir.clone() }
    }
}

/// Has both clients do the same once more.
#[track_caller]
fn compare_step(clients: &[Client; 2], way: Way, step: &[&str]) {
    let [ours, theirs] = clients.each_ref().map(|client| client.try_run(step));
    let said = || format!("{way:?} {step:?}\n{}\n---\n{}", text(&ours.stderr), text(&theirs.stderr));
    assert_eq!(ours.status.code(), theirs.status.code(), "{}", said());
    let [ours, theirs] = clients.each_ref().map(Client::held);
    let only = |some: &Held, other: &Held| {
        let other: Vec<_> = other.objects.lines().collect();
        some.objects.lines().filter(|line| !other.contains(line)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!((only(&ours, &theirs), only(&theirs, &ours)), Default::default(), "{}", said());
    assert_eq!(ours, theirs, "{}", said());
    clients[0].fsck();
}

/// The names of the packs in a folder.
fn pack_names(dir: &Path) -> Vec<String> {
    let names = dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> =
        names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "pack")).collect();
    names.sort();
    names
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
