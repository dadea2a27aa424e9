//! Objects that `git fsck` finds fault with, pushed to hoist and to git's own server: both refuse, in the same words.

use super::plain::Both;
use super::server::Git;

/// Where hostile objects are made.
struct Workshop {
    both: Both,
    git: Git,
    /// An empty blob, in hex and as bytes.
    blob: String,
}

const ZERO: &str = "0000000000000000000000000000000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    (0..20).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn entry(mode: &str, name: impl AsRef<[u8]>, id: &str) -> Vec<u8> {
    [mode.as_bytes(), b" ", name.as_ref(), b"\0", &bytes(id)].concat()
}

impl Workshop {
    fn open() -> Self {
        let git = Git::new();
        let blob = git.hash_object("blob", b"x");
        Self { both: Both::new(), git, blob }
    }

    fn commit(&self, tree: &str) -> String {
        let text = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nm\n");
        self.git.hash_object("commit", text.as_bytes())
    }

    /// Pushes an object as a tag to both; gives the rule that hoist names, which git's own server must name, too.
    #[track_caller]
    fn refused(&self, id: &str) -> String {
        let [hoist, plain] = self.both.push(&self.git, &[&format!("{id}:refs/tags/x")]);
        assert_eq!(hoist.refs, [format!("! [remote rejected] {id} -> x (unpacker error)")]);
        let rule = |said: &[String]| {
            let told = said.iter().find_map(|line| line.strip_prefix("error: object ")?.split_once(": "));
            told.and_then(|(_, told)| told.split(':').next()).unwrap_or_default().to_owned()
        };
        assert_eq!(rule(&hoist.remote), rule(&plain.remote), "{hoist:#?} {plain:#?}");
        assert!(hoist.remote.contains(&"fatal: fsck error in packed object".to_owned()), "{hoist:#?}");
        rule(&hoist.remote)
    }

    #[track_caller]
    fn check_tree(&self, tree: &[u8], rule: &str) {
        let tree = self.git.hash_object("tree", tree);
        assert_eq!(self.refused(&self.commit(&tree)), rule);
    }

    #[track_caller]
    fn check_file(&self, name: &str, content: &[u8], rule: &str) {
        let blob = self.git.hash_object("blob", content);
        self.check_tree(&entry("100644", name, &blob), rule);
    }

    fn nothing_is_kept(&self) {
        assert!(self.both.hoist.packs().is_empty() && !self.both.hoist.has_leftovers());
    }
}

#[test]
fn names_in_disguise() {
    let workshop = Workshop::open();
    let file = |name: &str| entry("100644", name, &workshop.blob);
    for name in [
        ".git",
        ".GIT",
        "git~1",
        "GIT~1 .",
        ".g\u{200c}it",
        "\u{feff}.git",
        ".git ",
        ".git::$INDEX_ALLOCATION",
        "a\\.git\\config",
        ".gitattributes\\.git\\hooks\\post-checkout",
        "x\\.gitmodules\\.git\\config",
    ] {
        workshop.check_tree(&file(name), "hasDotgit");
    }
    workshop.check_tree(&entry("40000", ".", &workshop.git.hash_object("tree", b"")), "hasDot");
    workshop.check_tree(&entry("40000", "..", &workshop.git.hash_object("tree", b"")), "hasDotdot");
    workshop.check_tree(&file("a/b"), "fullPathname");
    workshop.check_tree(&file(&"x".repeat(4097)), "largePathname");
    for name in [".gitmodules", ".gitmodules .", "gitmod~1", "GI7EBA~9", ".g\u{200d}itmodules"] {
        workshop.check_tree(&entry("120000", name, &workshop.blob), "gitmodulesSymlink");
    }
    workshop.nothing_is_kept();
}

#[test]
fn trees_out_of_order() {
    let workshop = Workshop::open();
    let file = |name: &str| entry("100644", name, &workshop.blob);
    let empty = workshop.git.hash_object("tree", b"");
    workshop.check_tree(&[file("b"), file("a")].concat(), "treeNotSorted");
    workshop.check_tree(&[file("a"), file("a")].concat(), "duplicateEntries");
    workshop.check_tree(&[file("a"), file("a.b"), entry("40000", "a", &empty)].concat(), "duplicateEntries");
    workshop.check_tree(&entry("160000", "a", ZERO), "nullSha1");
    workshop.nothing_is_kept();
}

#[test]
fn modules_that_lead_astray() {
    let workshop = Workshop::open();
    for (text, rule) in [
        ("[submodule \"../x\"]\n\tpath = x\n", "gitmodulesName"),
        ("[submodule \"x\"]\n\turl = -oProxyCommand=sh\n", "gitmodulesUrl"),
        ("[submodule \"x\"]\n\turl = \"--upload-pack=sh\"\n", "gitmodulesUrl"),
        ("[submodule \"x\"]\n\turl = https://example.com/%0ahost=evil\n", "gitmodulesUrl"),
        ("[submodule \"x\"]\n\turl = ../../../../:example.com/x\n", "gitmodulesUrl"),
        ("[submodule \"x\"]\n\turl = https:///example.com/x\n", "gitmodulesUrl"),
        ("[submodule \"x\"]\n\tpath = -x\n", "gitmodulesPath"),
        ("[submodule \"x\"]\n\tupdate = !sh\n", "gitmodulesUpdate"),
    ] {
        workshop.check_file(".gitmodules", text.as_bytes(), rule);
    }
    // In disguise, below, and behind a good one.
    let bad = workshop.git.hash_object("blob", b"[submodule \"..\"]\n\tpath = x\n");
    let below = workshop.git.hash_object("tree", &entry("100644", "gitmod~1", &bad));
    workshop.check_tree(
        &[entry("100644", ".gitmodules", &workshop.git.hash_object("blob", b"")), entry("40000", "a", &below)].concat(),
        "gitmodulesName",
    );
    workshop.nothing_is_kept();
}

#[test]
fn a_blob_that_becomes_modules_later() {
    let workshop = Workshop::open();
    let bad = workshop.git.hash_object("blob", b"[submodule \"x\"]\n\turl = -x\n");
    let harmless = workshop.git.hash_object("tree", &entry("100644", "notes", &bad));
    let [hoist, _] = workshop.both.push(&workshop.git, &[&format!("{}:refs/tags/y", workshop.commit(&harmless))]);
    assert_eq!(hoist.code, Some(0));
    // The push brings the tree, not the blob.
    workshop.check_tree(&entry("100644", ".gitmodules", &bad), "gitmodulesUrl");
}

#[test]
fn attributes_that_exhaust() {
    let workshop = Workshop::open();
    workshop.check_file(".gitattributes", &[b'x'; 2048], "gitattributesLineLength");
    let good = workshop.git.hash_object("blob", &[b'x'; 2047]);
    let tree = workshop.git.hash_object("tree", &entry("100644", ".gitattributes", &good));
    let [hoist, _] = workshop.both.push(&workshop.git, &[&format!("{}:refs/tags/y", workshop.commit(&tree))]);
    assert_eq!(hoist.code, Some(0));
}

#[test]
fn commits_and_tags() {
    let workshop = Workshop::open();
    let tree = workshop.git.hash_object("tree", b"");
    let people = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n";
    for (text, rule) in [
        (format!("tree {tree}\n{people}\nNUL \0\n"), "nulInCommit"),
        (format!("tree {tree}\nauthor B <a@b> 1 +0000\n{people}\nm\n"), "multipleAuthors"),
        (format!("tree {tree}\ncommitter A <a@b> 1 +0000\n\nm\n"), "missingAuthor"),
    ] {
        let commit = workshop.git.hash_object("commit", text.as_bytes());
        assert_eq!(workshop.refused(&commit), rule, "{text}");
    }
    let commit = workshop.commit(&tree);
    let tag = format!("object {commit}\ntype commit\ntagger A <a@b> 1 +0000\n\nm\n");
    let tag = workshop.git.hash_object("tag", tag.as_bytes());
    let output = workshop.git.push_to(&workshop.both.hoist.url(), &[&format!("{tag}:refs/tags/x")]);
    assert!(!output.status.success());
    workshop.nothing_is_kept();
}
