//! The push of a long history, 400,000 objects, that nothing is built from, against plain git over SSH.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{Daemon, User};
use crate::measure::{in_turns, time};
use crate::memory::{AT_WORK_MB, report, with_peak};
use crate::peers::{Peers, PlainGit, Remote};
use crate::table;

const ROUNDS: usize = 3;

/// The first commit brings all files, `DIRS` trees of them, `src`, and the topmost tree. Each later one changes two
/// files of one folder and one of another: with its four trees and itself eight objects. 400,000 altogether.
const DIRS: usize = 61;
const FILES: usize = 24;
pub(crate) const COMMITS: usize = 49_810;

const LINES: usize = 40;
const WORDS: [&str; 16] = [
    "let", "value", "=", "self.", "push(", "&str", "if", "count", "match", "Some(", "error", "return", "for", "items", "=>",
    "use",
];

/// Not a deploy branch.
const REFSPEC: &str = "main:refs/heads/import";

pub(crate) fn measure(peers: &Peers) {
    let Some(git) = peers.git() else { return };
    let history = kept_history(COMMITS);
    let daemon = Daemon::start();
    let user = daemon.user("bench@example.com");
    let hoist = |round| push_to_hoist(&daemon, &user, &history, round);
    let medians = in_turns(ROUNDS, hoist, |round| push_to_git(git, &history, round));
    table::compare("push of 400,000 objects over SSH", medians.hoist, medians.peer, 0.6);
    let (_, peak_kb) = with_peak(|| push_to_hoist(&daemon, &user, &history, ROUNDS + 1));
    report("memory of all hoist processes, that push", peak_kb, AT_WORK_MB);
}

fn push_to_hoist(daemon: &Daemon, user: &User, history: &Path, round: usize) -> Duration {
    let app = format!("history-{round}");
    daemon.client(user, &["apps:create", &app]);
    time(&mut Remote::hoist_over_ssh(daemon, user, &app).push(history, REFSPEC))
}

fn push_to_git(git: &PlainGit, history: &Path, round: usize) -> Duration {
    let repository = format!("history-{round}");
    git.create(&repository);
    time(&mut git.over_ssh(&repository).push(history, REFSPEC))
}

fn objects(commits: usize) -> usize {
    DIRS * FILES + DIRS + 3 + (commits - 1) * 8
}

/// The repository with a history of so many commits, which is made once and kept in the target folder.
pub(crate) fn kept_history(commits: usize) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("history-{}.git", objects(commits)));
    if !kept.is_dir() {
        println!("  making the history, once");
        let new = kept.with_extension("new");
        // A rest of an earlier attempt; usually there is none.
        let _ = std::fs::remove_dir_all(&new);
        make_history(&new, commits);
        std::fs::rename(&new, &kept).expect("the history can be renamed");
    }
    kept
}

fn make_history(dir: &Path, commits: usize) {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(dir).args(args);
        git
    };
    std::fs::create_dir_all(dir).expect("a folder can be made");
    time(git(&["init", "-q", "--bare", "-b", "main"]).stdin(Stdio::null()));
    let mut import = git(&["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git can be started");
    let stdin = import.stdin.take().expect("it is a pipe");
    Files::new().write_history(BufWriter::new(stdin), commits).expect("git takes the stream");
    assert!(import.wait().is_ok_and(|status| status.success()), "git fast-import failed");
    // Packed as in a repository that has been looked after.
    time(&mut git(&["repack", "-adfq"]));
    let count = git(&["count-objects", "-v"]).output().expect("git can be started").stdout;
    let count = String::from_utf8_lossy(&count).into_owned();
    assert!(
        count.contains(&format!("in-pack: {}\n", objects(commits))),
        "the history has other objects than were meant:\n{count}"
    );
}

/// The files as they are in the newest commit.
struct Files {
    random: u64,
    contents: Vec<Vec<String>>,
}

impl Files {
    fn new() -> Self {
        let mut files = Self { random: 1, contents: Vec::new() };
        for file in 0..DIRS * FILES {
            let lines = (0..LINES).map(|line| files.line(file, line)).collect();
            files.contents.push(lines);
        }
        files
    }

    /// Writes the history as a stream for `git fast-import`.
    fn write_history(mut self, mut out: impl Write, commits: usize) -> io::Result<()> {
        for commit in 0..commits {
            let changed = if commit == 0 { (0..DIRS * FILES).collect() } else { self.change(commit) };
            let message = format!("change {commit}\n");
            write!(out, "commit refs/heads/main\ncommitter A <a@example.com> {} +0000\n", 1_600_000_000 + commit * 600)?;
            write!(out, "data {}\n{message}", message.len())?;
            for file in changed {
                let text = self.contents[file].concat();
                writeln!(out, "M 100644 inline src/part{:02}/file{:02}.rs", file / FILES, file % FILES)?;
                write!(out, "data {}\n{text}\n", text.len())?;
            }
        }
        out.flush()
    }

    /// Changes a line in three files of two folders; returns the files.
    fn change(&mut self, commit: usize) -> Vec<usize> {
        let dir = self.below(DIRS);
        let other_dir = (dir + 1 + self.below(DIRS - 1)) % DIRS;
        let file = self.below(FILES);
        let other_file = (file + 1 + self.below(FILES - 1)) % FILES;
        let changed = vec![dir * FILES + file, dir * FILES + other_file, other_dir * FILES + file];
        for &file in &changed {
            let line = self.below(LINES);
            self.contents[file][line] = self.line(file, commit);
        }
        changed
    }

    /// A line that is nowhere else, as its number is in it.
    fn line(&mut self, file: usize, number: usize) -> String {
        let words: Vec<_> = (0..5).map(|_| WORDS[self.below(WORDS.len())]).collect();
        format!("    {} // {file}.{number}\n", words.join(" "))
    }

    /// A number below `end`, by xorshift.
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).expect("31 bits") % end
    }
}
