//! Upkeep of repositories: packs that become fewer while others push and fetch, what nothing leads to, checks, bundles; with
//! the real git as the judge.

mod bundles;
mod check;
mod compact;
mod meanwhile;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hoist::db::{self, Db, accounts, apps};
use hoist::git::{Imported, Repo};
use hoist::model::{App, AppId, CommitId, Limits, RefName};
use time::OffsetDateTime;

use crate::harness::{HOIST, WorkTree, run};

const APP: &str = "shop";

/// An installation with an app, without a daemon, and a developer's work tree.
struct Yard {
    dir: tempfile::TempDir,
    db: Db,
    app: App,
    repo: Repo,
    tree: WorkTree,
    start: OffsetDateTime,
}

impl Yard {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hoist.toml"), "engine = \"local\"\n").unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let start = OffsetDateTime::now_utc();
        let mut tx = db.write().await.unwrap();
        let owner = accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), start).await.unwrap().id;
        let stack = "debian-12".parse().unwrap();
        let app = App { id: AppId::new(), name: APP.parse().unwrap(), owner, stack, created_at: start, updated_at: start };
        apps::insert(&mut tx, &app).await.unwrap();
        tx.commit().await.unwrap();
        let repo = open_repo(dir.path(), app.id);
        Self { dir, db, app, repo, tree: WorkTree::new(), start }
    }

    /// With twelve small pushes, of which each changes a file a little.
    async fn with_pushes() -> Self {
        let yard = Self::new().await;
        for number in 0..12 {
            yard.push_change(number).await;
        }
        yard
    }

    async fn push_change(&self, number: usize) {
        let lines: Vec<_> = (0..200).map(|line| format!("line {line} of version {}\n", number.max(line))).collect();
        self.tree.write("file", &lines.concat());
        self.tree.write(&format!("src/part{number}"), &format!("part {number}\n"));
        self.tree.commit(&format!("change {number}"));
        self.push("refs/heads/main").await;
    }

    /// A file of random bytes on a branch of its own, which starts where `main` is; that is made if need be, and not pushed.
    async fn push_big_branch(&self, bytes: usize) {
        if self.refs().await.is_empty() {
            self.tree.commit("first");
        }
        self.tree.git(&["checkout", "-q", "-b", "big"]);
        std::fs::write(self.tree.path().join("big"), random(bytes)).unwrap();
        self.tree.commit("big");
        self.push("refs/heads/big").await;
        self.tree.git(&["checkout", "-q", "main"]);
    }

    /// Brings a ref of the work tree, as a push does that deploys nothing: a pack of what is new, and the ref.
    async fn push(&self, name: &str) {
        let known: Vec<_> = self.refs().await.into_iter().map(|(_, id)| format!("^{id}")).collect();
        let file = self.dir.path().join("push.bundle");
        let mut git = vec!["bundle", "create", "-q", file.to_str().unwrap(), name];
        git.extend(known.iter().map(String::as_str));
        self.tree.git(&git);
        let bundle = std::fs::read(&file).unwrap();
        let imported = self.repo.read_bundle(&mut bundle.as_slice(), &self.refs().await).await.unwrap();
        self.keep(imported).await;
    }

    async fn keep(&self, imported: Imported) {
        let mut tx = self.db.write().await.unwrap();
        if let Some(quarantine) = &imported.quarantine {
            quarantine.publish().await.unwrap();
            let stats = quarantine.stats();
            let objects = stats.objects as u64;
            db::packs::insert(&mut tx, self.app.id, stats.pack.as_str(), objects, stats.bytes, self.start).await.unwrap();
        }
        for update in imported.updates {
            let (old, new) = (update.old.as_ref(), update.new.as_ref());
            assert!(db::refs::compare_and_set(&mut tx, self.app.id, &update.name, old, new).await.unwrap());
        }
        tx.commit().await.unwrap();
    }

    async fn set_ref(&self, name: &str, value: Option<&CommitId>) {
        let name: RefName = name.parse().unwrap();
        let mut tx = self.db.write().await.unwrap();
        let old = db::refs::get(&mut tx, self.app.id, &name).await.unwrap();
        assert!(db::refs::compare_and_set(&mut tx, self.app.id, &name, old.as_ref(), value).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn refs(&self) -> Vec<(RefName, CommitId)> {
        db::refs::list(&mut self.db.read().await.unwrap(), self.app.id).await.unwrap()
    }

    /// The names of the packs that are recorded, sorted.
    async fn recorded(&self) -> Vec<String> {
        let mut names = db::packs::list(&mut self.db.read().await.unwrap(), self.app.id).await.unwrap();
        names.sort();
        names
    }

    /// The names of the packs that there are, sorted.
    fn packs(&self) -> Vec<String> {
        self.repo.packs().unwrap().into_iter().map(|(name, _)| name.as_str().to_owned()).collect()
    }

    fn pack_bytes(&self) -> u64 {
        self.repo.packs().unwrap().into_iter().map(|(_, bytes)| bytes).sum()
    }

    fn pack_dir(&self) -> PathBuf {
        pack_dir(self.dir.path(), self.app.id)
    }

    fn id(&self, revision: &str) -> CommitId {
        self.tree.git(&["rev-parse", revision]).trim().parse().unwrap()
    }

    /// Has git judge what is kept, and compares it with what is recorded; gives the names of all objects that refs lead to.
    async fn fsck(&self) -> Vec<String> {
        assert_eq!(self.packs(), self.recorded().await);
        fsck(self.dir.path(), self.app.id, &self.refs().await)
    }

    /// What the developer has of a branch.
    fn objects_of(&self, revisions: &[&str]) -> Vec<String> {
        let listed = self.tree.git(&[&["rev-list", "--objects", "--no-object-names"], revisions].concat());
        sorted(&listed)
    }

    fn hoist(&self, args: &[&str]) -> Output {
        hoist(self.dir.path(), args).output().unwrap()
    }
}

fn open_repo(data_dir: &Path, app: AppId) -> Repo {
    Repo::open(&data_dir.join("repos").join(app.to_string()), Path::new(HOIST), &Limits::default()).unwrap()
}

fn pack_dir(data_dir: &Path, app: AppId) -> PathBuf {
    data_dir.join(format!("repos/{app}/objects/pack"))
}

/// A hoist command line on some data.
fn hoist(data_dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(HOIST);
    command.args(args).current_dir(data_dir).env_clear().env("HOIST_DATA_DIR", data_dir);
    command
}

/// Has git judge every pack, index, object and link of an app with these refs; gives the names of all objects that the refs
/// lead to.
fn fsck(data_dir: &Path, app: AppId, refs: &[(RefName, CommitId)]) -> Vec<String> {
    let oracle = WorkTree::new();
    let git_dir = oracle.path().join(".git");
    let packs = pack_dir(data_dir, app);
    std::fs::write(git_dir.join("objects/info/alternates"), format!("{}\n", packs.parent().unwrap().display())).unwrap();
    let lines: Vec<_> = refs.iter().map(|(name, id)| format!("{id} {name}\n")).collect();
    std::fs::write(git_dir.join("packed-refs"), lines.concat()).unwrap();
    for entry in packs.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            oracle.git(&["index-pack", "--verify", "--strict", path.to_str().unwrap()]);
        }
    }
    oracle.git(&["fsck", "--strict", "--full"]);
    sorted(&oracle.git(&["rev-list", "--objects", "--no-object-names", "--all"]))
}

fn sorted(lines: &str) -> Vec<String> {
    let mut lines: Vec<_> = lines.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Bytes that can't be compressed, always the same.
fn random(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    bytes.flatten().take(count).collect()
}

/// Copies a folder with everything in it.
fn copy_dir(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from.join(".")).arg(to));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
