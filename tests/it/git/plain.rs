//! git's own server, beside hoist's: the same push to both, and what each made of it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::server::{Git, Server};

/// The same repository twice: served by hoist, and a plain one of git's.
pub(super) struct Both {
    pub hoist: Server,
    plain: Git,
    _dir: TempDir,
}

/// What a push did: the client's exit code, what became of each ref, and what the server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pushed {
    pub code: Option<i32>,
    /// Lines such as `* [new branch]      main -> main`.
    pub refs: Vec<String>,
    /// What stands behind `remote: `, but for progress.
    pub remote: Vec<String>,
}

impl Both {
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let plain = Git::bare(dir.path().join("plain"));
        for (key, value) in [
            ("receive.fsckObjects", "true"),
            ("receive.advertisePushOptions", "true"),
            ("receive.advertiseAtomic", "true"),
            ("receive.certNonceSeed", "secret"),
            // hoist never refuses these for being what they are; the deploy branch is the doors' matter.
            ("receive.denyDeletes", "false"),
            ("receive.denyDeleteCurrent", "ignore"),
        ] {
            plain.run(&["config", key, value]);
        }
        Self { hoist: Server::start(), plain, _dir: dir }
    }

    /// Pushes to both, which must agree on the refs and on the client's exit code; what they say is returned, hoist's first.
    #[track_caller]
    pub(super) fn push(&self, git: &Git, args: &[&str]) -> [Pushed; 2] {
        let [hoist, plain] = self.push_to_each(git, args);
        assert_eq!(hoist.code, plain.code, "{args:?}: {hoist:#?} {plain:#?}");
        assert_eq!(hoist.refs, plain.refs, "{args:?}: {hoist:#?} {plain:#?}");
        self.same_refs();
        [hoist, plain]
    }

    /// Pushes what both refuse, each in words of its own; gives what became of the refs at hoist.
    #[track_caller]
    pub(super) fn refuse(&self, git: &Git, args: &[&str]) -> Vec<String> {
        let [hoist, plain] = self.push_to_each(git, args);
        assert_eq!((hoist.code, plain.code), (Some(1), Some(1)), "{args:?}: {hoist:#?} {plain:#?}");
        self.same_refs();
        hoist.refs
    }

    fn plain_url(&self) -> String {
        format!("file://{}", self.plain.dir.display())
    }

    fn push_to_each(&self, git: &Git, args: &[&str]) -> [Pushed; 2] {
        [self.hoist.url(), self.plain_url()].map(|url| {
            let output = git.push_to(&url, args);
            read(output.status.code(), &String::from_utf8(output.stderr).unwrap())
        })
    }

    fn refs(&self) -> BTreeMap<String, String> {
        self.hoist.refs().into_iter().map(|(name, id)| (name.to_string(), id.to_string())).collect()
    }

    fn plain_refs(&self) -> BTreeMap<String, String> {
        let refs = String::from_utf8(self.plain.pipe(&["for-each-ref", "--format=%(refname) %(objectname)"], b"")).unwrap();
        refs.lines().map(|line| line.split_once(' ').unwrap()).map(|(name, id)| (name.to_owned(), id.to_owned())).collect()
    }

    /// git's own server for the plain one, on a port of its own.
    pub(super) fn serve_plain(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let base = format!("--base-path={}", self.plain.dir.parent().unwrap().display());
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = OwnedFd::from(connection.unwrap());
                let mut git = Command::new("git");
                git.args(["daemon", "--inetd", "--export-all", "--enable=receive-pack", &base]).stderr(Stdio::null());
                let mut serving = git.stdin(connection.try_clone().unwrap()).stdout(connection).spawn().unwrap();
                // Before the next connection: a socket that is held open here would not be seen to end.
                drop(git);
                serving.wait().unwrap();
            }
        });
        format!("git://{address}/plain")
    }

    /// The refs of both, which must be the same.
    #[track_caller]
    pub(super) fn same_refs(&self) -> Vec<String> {
        assert_eq!(self.refs(), self.plain_refs());
        self.refs().into_keys().collect()
    }

    /// Both keep the same objects, and git finds no fault with any.
    pub(super) fn same_objects(&self) {
        let objects = self.plain.run(&["rev-list", "--objects", "--no-object-names", "--all"]);
        assert_eq!(self.hoist.fsck(), objects.lines().count());
    }
}

fn read(code: Option<i32>, text: &str) -> Pushed {
    let (mut refs, mut remote) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim_end) {
        if let Some(said) = line.strip_prefix("remote: ") {
            // Progress of git's own indexer, and the greeting of the tests' server.
            if !["Resolving deltas", "Unpacking objects", "-----> Received"].iter().any(|start| said.starts_with(start)) {
                remote.push(said.to_owned());
            }
        } else if line.starts_with(' ') {
            refs.push(line.trim().to_owned());
        }
    }
    refs.sort();
    Pushed { code, refs, remote }
}
