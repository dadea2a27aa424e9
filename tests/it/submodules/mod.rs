//! Submodules of pushed code: fetched as git does, with what the app has been given for them.

mod access;
mod api;
mod git;
mod refused;

use crate::harness::{Daemon, Forge, Manner, Pushed, User, WorkTree};

const CONFIG: &str = "engine = \"local\"\n[network]\nallow = [\"127.0.0.0/8\"]\n[gitea]\n";
const TOKEN: &str = "ghs_sesame";

/// Tells of every file `name` what is in it.
const COMPILE: &str =
    "#!/bin/sh\ncd \"$1\" && find . -name name | sort | while read -r file; do echo \"$file is $(cat $file)\"; done\n";

/// A daemon, and the work tree of its app `shop`.
struct Shop {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
}

impl Shop {
    fn new() -> Self {
        let (daemon, tree) = (Daemon::start_with(CONFIG), WorkTree::with_pack("null"));
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", "shop"]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
        tree.write_program("pack/bin/compile", COMPILE);
        tree.commit("pack");
        Self { daemon, user, tree }
    }

    fn client(&self, args: &[&str]) -> String {
        self.daemon.client(&self.user, &[args, &["--app", "shop"]].concat())
    }

    /// Pushes a new commit of what is in the index.
    fn push(&self) -> Said {
        self.tree.git(&["commit", "-q", "--allow-empty", "-m", "next"]);
        Said(self.tree.push_http(&self.daemon, &self.user, "shop"))
    }

    /// A file on the user's computer; returns its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.daemon.data_dir().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn give_token(&self, url: &str, token: &str) {
        let file = self.file("token", token);
        self.client(&["git-credentials:add", url, "--token-file", &file]);
    }

    /// Whether anything of a fetch is left where the app's packs are.
    fn has_leftovers(&self) -> bool {
        let repos = self.daemon.data_dir().join("repos").read_dir().unwrap();
        let mut names = repos.flat_map(|repo| repo.unwrap().path().read_dir().unwrap()).map(|entry| entry.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with("incoming-"))
    }
}

/// Writes a file and adds it to the index, in which the submodules are that have no folders.
fn stage(tree: &WorkTree, path: &str, content: &str) {
    tree.write(path, content);
    tree.git(&["add", path]);
}

/// Adds lines to `.gitmodules`.
fn stage_gitmodules(tree: &WorkTree, more: &str) {
    let text = std::fs::read_to_string(tree.path().join(".gitmodules")).unwrap();
    stage(tree, ".gitmodules", &(text + more));
}

/// A place like GitHub that shows nothing without the token.
fn private() -> Forge {
    Forge::with(Manner { token: Some(TOKEN), ..Manner::default() })
}

/// What a push was told.
struct Said(Pushed);

impl Said {
    /// The lines that have come from hoist.
    fn lines(&self) -> Vec<&str> {
        self.0.transcript.lines().filter_map(|line| line.strip_prefix("remote: ")).map(str::trim_end).collect()
    }

    #[track_caller]
    fn released_with(&self, files: &[&str]) {
        assert!(self.0.ok, "{}", self.0.transcript);
        let found: Vec<_> = self.lines().into_iter().filter_map(|line| line.trim_start().strip_prefix("./")).collect();
        assert_eq!(found, files, "{}", self.0.transcript);
    }

    /// The lines that say why it was not released, with a name in the place of the forge's address.
    #[track_caller]
    fn refused_by(&self, forge: &Forge) -> String {
        assert!(!self.0.ok && self.0.transcript.contains("pre-receive hook declined"), "{}", self.0.transcript);
        let lines = self.lines();
        let start = lines.iter().position(|line| line.contains("Push rejected")).unwrap_or_else(|| panic!("{lines:#?}"));
        let why = lines[start..].iter().take_while(|line| line.starts_with([' ', '!'])).copied().collect::<Vec<_>>().join("\n");
        why.replace(&forge.http.to_string(), "FORGE").replace(&forge.ssh.to_string(), "FORGE")
    }
}
