//! Clones and fetches, against git's own server programs: of a long history whole, of its newest part, of nothing new, of
//! 5,000 refs, and of a small repository by a hundred clients at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use crate::harness::{Daemon, User, WorkTree};
use crate::history::{COMMITS, kept_history};
use crate::measure::{in_turns, median, time};
use crate::memory::{AT_WORK_MB, report, with_peak};
use crate::peers::{Peers, PlainGit, Remote};
use crate::table;

/// Commits that an incremental fetch brings.
const NEWEST: usize = 200;
const REFS: usize = 5000;
const CLIENTS: usize = 100;

/// Not a deploy branch: nothing is built.
const BRANCH: &str = "refs/heads/import";

/// How much is measured; `HOIST_BENCH_SMALL` asks for a trial.
struct Size {
    commits: usize,
    refs: usize,
    clients: usize,
    long_rounds: usize,
    short_rounds: usize,
}

const FULL: Size = Size { commits: COMMITS, refs: REFS, clients: CLIENTS, long_rounds: 3, short_rounds: 15 };
const SMALL: Size = Size { commits: 1000, refs: 500, clients: 20, long_rounds: 1, short_rounds: 3 };

/// hoist, plain git, and a place for clones.
struct Bench<'a> {
    daemon: Daemon,
    user: User,
    git: &'a PlainGit,
    dir: TempDir,
    size: Size,
}

pub(crate) fn measure(peers: &Peers) {
    let Some(git) = peers.git() else { return };
    let daemon = Daemon::start();
    let user = daemon.user("bench@example.com");
    let dir = tempfile::tempdir().expect("a folder can be made");
    let bench = Bench { daemon, user, git, dir, size: if peers.is_small { SMALL } else { FULL } };
    bench.clone_history();
    bench.fetch_newest();
    bench.list_refs();
    bench.clone_at_once();
}

impl Bench<'_> {
    /// Makes a repository at both.
    fn create(&self, name: &str) {
        self.daemon.client(&self.user, &["apps:create", name]);
        self.git.create(name);
    }

    fn over_ssh(&self, name: &str) -> [Remote; 2] {
        [Remote::hoist_over_ssh(&self.daemon, &self.user, name), self.git.over_ssh(name)]
    }

    fn over_http(&self, name: &str) -> [Remote; 2] {
        [Remote::hoist_over_http(&self.daemon, &self.user, name), self.git.over_http(name)]
    }

    fn push(&self, name: &str, from: &Path, refspecs: &[&str]) {
        for remote in self.over_ssh(name) {
            time(remote.git(from, "push").arg("--quiet").arg(&remote.url).args(refspecs));
        }
    }

    /// A folder that is not there yet.
    fn fresh(&self) -> PathBuf {
        let dir = tempfile::tempdir_in(self.dir.path()).expect("a folder can be made").keep();
        dir.join("clone.git")
    }

    fn clone_history(&self) {
        let history = kept_history(self.size.commits);
        self.create("whole");
        self.push("whole", &history, &[&format!("main:{BRANCH}")]);
        let clone = |remote: &Remote| {
            let dir = self.fresh();
            let took = time(&mut clone_command(remote, &dir));
            fs::remove_dir_all(&dir).expect("a clone can be removed");
            took
        };
        for (over, remotes) in [("SSH", self.over_ssh("whole")), ("HTTP", self.over_http("whole"))] {
            let [ours, theirs] = &remotes;
            let medians = in_turns(self.size.long_rounds, |_| clone(ours), |_| clone(theirs));
            table::compare(&format!("clone of a long history over {over}"), medians.hoist, medians.peer, 0.6);
        }
        self.index(&history);
        let [ours, _] = self.over_ssh("whole");
        let (_, peak_kb) = with_peak(|| clone(&ours));
        report("memory of all hoist processes, that clone", peak_kb, AT_WORK_MB);
    }

    /// What a client does with that clone whoever sends it, with the pack at hand: no clone can be faster.
    fn index(&self, history: &Path) {
        let packs = fs::read_dir(history.join("objects/pack")).expect("it has a folder of packs");
        let mut packs = packs.map(|entry| entry.expect("the folder can be read").path());
        let pack = packs.find(|path| path.extension().is_some_and(|extension| extension == "pack")).expect("it has a pack");
        let index = |_| {
            let (dir, pack) = (self.fresh(), fs::File::open(&pack).expect("the pack can be opened"));
            time(Command::new("git").args(["init", "-q", "--bare"]).arg(&dir));
            let mut index = Command::new("git");
            index.arg("-C").arg(&dir).args(["index-pack", "--stdin", "--fix-thin", "--check-self-contained-and-connected"]);
            let took = time(index.stdin(pack));
            fs::remove_dir_all(&dir).expect("the pack can be removed");
            took
        };
        println!("  git index-pack of it, by itself: {:.1?}", median("git", (0..self.size.long_rounds).map(index).collect()));
    }

    fn fetch_newest(&self) {
        let history = kept_history(self.size.commits);
        self.create("grown");
        self.push("grown", &history, &[&format!("main~{NEWEST}:{BRANCH}")]);
        let template = self.fresh();
        time(&mut clone_command(&self.over_ssh("grown")[0], &template));
        self.push("grown", &history, &[&format!("main:{BRANCH}")]);
        let refspec = format!("+{BRANCH}:{BRANCH}");
        let fetch = |remote: &Remote, dir: &Path| time(remote.git(dir, "fetch").arg("--quiet").arg(&remote.url).arg(&refspec));
        let fetch_newest = |remote: &Remote| {
            let dir = self.fresh();
            time(Command::new("cp").arg("-R").arg(&template).arg(&dir));
            let took = fetch(remote, &dir);
            fs::remove_dir_all(&dir).expect("a clone can be removed");
            took
        };
        let whole = self.fresh();
        time(&mut clone_command(&self.over_ssh("grown")[0], &whole));
        for (over, remotes) in [("SSH", self.over_ssh("grown")), ("HTTP", self.over_http("grown"))] {
            let [ours, theirs] = &remotes;
            let medians = in_turns(self.size.short_rounds, |_| fetch_newest(ours), |_| fetch_newest(theirs));
            table::compare(&format!("fetch of {NEWEST} commits over {over}"), medians.hoist, medians.peer, 0.8);
            let medians = in_turns(self.size.short_rounds, |_| fetch(ours, &whole), |_| fetch(theirs, &whole));
            table::compare(&format!("fetch of nothing new over {over}"), medians.hoist, medians.peer, 0.5);
        }
    }

    fn list_refs(&self) {
        let tree = WorkTree::new();
        tree.write("file", "x\n");
        tree.commit("first");
        tree.git(&["tag", "-a", "-m", "a tag", "tag"]);
        self.create("refs");
        let branches = (0..self.size.refs - 100).map(|number| format!("main:refs/heads/branch-{number}"));
        let tags = (0..100).map(|number| format!("tag:refs/tags/tag-{number}"));
        let refspecs: Vec<_> = branches.chain(tags).collect();
        self.push("refs", tree.path(), &refspecs.iter().map(String::as_str).collect::<Vec<_>>());
        let list = |remote: &Remote| time(remote.git(tree.path(), "ls-remote").arg(&remote.url));
        for (over, remotes) in [("SSH", self.over_ssh("refs")), ("HTTP", self.over_http("refs"))] {
            let [ours, theirs] = &remotes;
            let medians = in_turns(self.size.short_rounds, |_| list(ours), |_| list(theirs));
            table::compare(&format!("ls-remote of {} refs over {over}", self.size.refs), medians.hoist, medians.peer, 0.5);
        }
    }

    fn clone_at_once(&self) {
        let tree = WorkTree::of_fixture("nodejs-express");
        self.create("small");
        self.push("small", tree.path(), &[&format!("main:{BRANCH}")]);
        let clone = |remote: &Remote| {
            let start = Instant::now();
            let clones: Vec<_> = (0..self.size.clients)
                .map(|_| clone_command(remote, &self.fresh()).spawn().expect("git can be started"))
                .collect();
            for mut clone in clones {
                assert!(clone.wait().is_ok_and(|status| status.success()), "a clone failed");
            }
            start.elapsed()
        };
        for (over, remotes) in [("SSH", self.over_ssh("small")), ("HTTP", self.over_http("small"))] {
            let [ours, theirs] = &remotes;
            let medians = in_turns(self.size.long_rounds, |_| clone(ours), |_| clone(theirs));
            table::compare(&format!("{} small clones at once over {over}", self.size.clients), medians.hoist, medians.peer, 0.5);
        }
    }
}

fn clone_command(remote: &Remote, dir: &Path) -> Command {
    let mut clone = remote.git(Path::new("/"), "clone");
    clone.args(["--quiet", "--mirror"]).arg(&remote.url).arg(dir);
    clone
}
