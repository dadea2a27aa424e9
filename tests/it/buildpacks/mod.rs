//! Buildpacks that come from somewhere else: repositories (`git`), archives (`archives`), what their names mean (`names`), packs
//! that are not public (`private`); and what packs may count on (`contract`, `nested`, `first_deploy`).

mod archives;
mod contract;
mod first_deploy;
mod git;
mod names;
mod nested;
mod private;

use serde_json::Value;

use crate::harness::{Daemon, Pushed, User, WorkTree};

const LOCAL: &str = "engine = \"local\"\n[network]\nallow = [\"127.0.0.0/8\"]\n";
const DETECT: &str = "#!/bin/sh\necho Pack\n";

/// A daemon on which packs come from loopback, and the work tree of its app `shop`.
struct Shop {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
}

impl Shop {
    fn new() -> Self {
        Self::with("")
    }

    /// With more lines of configuration.
    fn with(config: &str) -> Self {
        Self::of(Daemon::start_with(&format!("{LOCAL}{config}")))
    }

    fn of(daemon: Daemon) -> Self {
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", "shop"]);
        let tree = WorkTree::new();
        tree.write("README", "an app\n");
        tree.commit("first");
        Self { daemon, user, tree }
    }

    fn client(&self, args: &[&str]) -> String {
        self.daemon.client(&self.user, &[args, &["--app", "shop"]].concat())
    }

    fn set(&self, buildpack: &str) {
        self.client(&["buildpacks:set", buildpack]);
    }

    /// Pushes a new commit of everything.
    fn push(&self) -> Said {
        self.tree.commit("next");
        Said(self.tree.push_http(&self.daemon, &self.user, "shop"))
    }

    /// What the newest build was made with.
    fn used(&self) -> Value {
        let builds = self.daemon.get(&self.user, "/apps/shop/builds");
        let newest = builds.as_array().unwrap().iter().max_by_key(|build| build["created_at"].as_str().unwrap().to_owned());
        newest.unwrap()["buildpacks"].clone()
    }
}

/// A work tree with a pack that says something.
fn pack(says: &str) -> WorkTree {
    let tree = WorkTree::new();
    write_pack(&tree, says);
    tree
}

/// Has a pack say something else; returns its new commit.
fn write_pack(tree: &WorkTree, says: &str) -> String {
    tree.write_program("bin/detect", DETECT);
    tree.write_program("bin/compile", &format!("#!/bin/sh\necho '       says {says}'\n"));
    tree.commit(says)
}

/// What a push was told.
struct Said(Pushed);

impl Said {
    /// The lines that have come from hoist.
    fn text(&self) -> String {
        self.0.transcript.lines().filter_map(|line| line.strip_prefix("remote: ")).flat_map(|line| [line, "\n"]).collect()
    }

    #[track_caller]
    fn released_with(&self, wanted: &[&str]) {
        assert!(self.0.ok, "{}", self.0.transcript);
        self.says(wanted);
    }

    #[track_caller]
    fn refused_with(&self, wanted: &[&str]) {
        assert!(!self.0.ok && self.0.transcript.contains("pre-receive hook declined"), "{}", self.0.transcript);
        self.says(wanted);
    }

    #[track_caller]
    fn says(&self, wanted: &[&str]) {
        let text = self.text();
        for one in wanted {
            assert!(text.contains(one), "{one:?} is missing in\n{text}");
        }
    }
}
