//! Pushes of every shape with the real git, to hoist and to git's own server: the same refs, the same objects, the same exit
//! code, and the same words where it matters.

use std::io::Write as _;

use super::plain::Both;
use super::push::noise;
use super::server::Git;

/// A repository with a bit of history.
fn history() -> Git {
    let git = Git::new();
    for number in 0..5 {
        git.write("a", format!("{number}\n").repeat(100 + number));
        git.write(&format!("dir/sub/{number}"), noise(u32::try_from(number).unwrap(), 500));
        git.commit(&format!("commit {number}"));
    }
    git
}

#[test]
fn branches_come_move_and_go() {
    let (both, git) = (Both::new(), history());
    both.push(&git, &["main~2:refs/heads/main"]);
    both.push(&git, &["main"]);
    both.push(&git, &["main"]);
    both.push(&git, &["main:refs/heads/topic", "main~1:refs/heads/deep/er/still"]);
    // Back, which takes a plus.
    both.push(&git, &["main~3:refs/heads/topic"]);
    both.push(&git, &["+main~3:refs/heads/topic"]);
    both.push(&git, &["--force", "main~1:refs/heads/topic", "main~4:refs/heads/deep/er/still"]);
    both.push(&git, &[":refs/heads/topic"]);
    both.push(&git, &[":refs/heads/topic"]);
    both.push(&git, &["--delete", "deep/er/still", "main"]);
    both.push(&git, &["main:refs/heads/main"]);
    both.same_objects();
}

#[test]
fn leases() {
    let (both, git) = (Both::new(), history());
    both.push(&git, &["main~1:refs/heads/main"]);
    let (wrong, right) = (git.run(&["rev-parse", "main~3"]), git.run(&["rev-parse", "main~1"]));
    let [stale, _] = both.push(&git, &[&format!("--force-with-lease=main:{wrong}"), "main~2:refs/heads/main"]);
    assert_eq!(stale.refs, ["! [rejected]        main~2 -> main (stale info)"]);
    both.push(&git, &[&format!("--force-with-lease=main:{right}"), "main~2:refs/heads/main"]);
    // That there is none yet.
    both.push(&git, &["--force-with-lease=new:", "main:refs/heads/new"]);
    both.push(&git, &["--force-with-lease=new:", "main~1:refs/heads/new"]);
    both.same_objects();
}

#[test]
fn tags_of_all_sorts() {
    let (both, git) = (Both::new(), history());
    git.run(&["tag", "light"]);
    git.run(&["tag", "-a", "-m", "annotated", "v1", "HEAD~2"]);
    git.run(&["tag", "-a", "-m", "nested", "v2", "v1"]);
    git.run(&["tag", "-a", "-m", "nested deeper", "v3", "v2"]);
    git.run(&["tag", "-a", "-m", "of a tree", "tree", "HEAD^{tree}"]);
    git.run(&["tag", "blob", "HEAD:a"]);
    both.push(&git, &["--follow-tags", "main~1:refs/heads/main"]);
    both.push(&git, &["--tags"]);
    git.run(&["tag", "-f", "light", "HEAD~1"]);
    both.push(&git, &["refs/tags/light"]);
    both.push(&git, &["-f", "refs/tags/light"]);
    both.push(&git, &[":refs/tags/v2"]);
    both.same_objects();
}

#[test]
fn branches_are_commits() {
    let (both, git) = (Both::new(), history());
    for what in ["main^{tree}", "main:a"] {
        let id = git.run(&["rev-parse", what]);
        both.refuse(&git, &[&format!("{id}:refs/heads/x")]);
    }
    git.run(&["tag", "-a", "-m", "x", "v1"]);
    let refs = both.refuse(&git, &["refs/tags/v1:refs/heads/x"]);
    assert_eq!(refs, ["! [remote rejected] v1 -> x (a branch cannot be a tag)"]);
}

#[test]
fn mirrors() {
    let (both, git) = (Both::new(), history());
    git.run(&["branch", "topic", "HEAD~2"]);
    git.run(&["update-ref", "refs/remotes/other/main", "HEAD~1"]);
    git.run(&["notes", "add", "-m", "note", "HEAD"]);
    git.run(&["tag", "-a", "-m", "x", "v1"]);
    both.push(&git, &["--mirror"]);
    assert_eq!(both.hoist.refs().len(), 5);
    git.run(&["branch", "-D", "topic"]);
    git.run(&["tag", "-d", "v1"]);
    git.run(&["branch", "-f", "another", "HEAD~3"]);
    git.run(&["commit", "-q", "--amend", "--allow-empty", "-m", "rewritten"]);
    both.push(&git, &["--mirror"]);
    assert_eq!(both.hoist.refs().len(), 4);
    both.same_objects();
}

#[test]
fn all_or_none() {
    let (both, git) = (Both::new(), history());
    both.push(&git, &["--atomic", "main", "main~1:refs/heads/other"]);
    // git itself sees that one of them is no fast-forward.
    both.push(&git, &["--atomic", "main:refs/heads/new", "main~2:refs/heads/other"]);
    // Only the server can see this one.
    let refs = both.refuse(&git, &["--atomic", "main:refs/heads/new", "main:refs/heads/main/below"]);
    assert!(refs.len() == 2 && refs.iter().all(|line| line.contains("[remote rejected]")), "{refs:#?}");
}

#[test]
fn a_name_is_a_ref_or_a_folder() {
    let (both, git) = (Both::new(), history());
    both.push(&git, &["main:refs/heads/a/b"]);
    for refspecs in [&["main:refs/heads/a"][..], &["main:refs/heads/a/b/c", "main:refs/heads/good"]] {
        both.refuse(&git, refspecs);
    }
    // In one push the folder goes and the ref comes.
    both.push(&git, &[":refs/heads/a/b"]);
    both.push(&git, &["main:refs/heads/a"]);
}

#[test]
fn options_and_empty_pushes() {
    let (both, git) = (Both::new(), history());
    both.push(&git, &["--push-option=a=b", "--push-option=", "main"]);
    both.push(&git, &["--dry-run", "main:refs/heads/other"]);
    both.push(&git, &["--porcelain", "main"]);
    both.push(&git, &["--no-thin", "main~1:refs/heads/topic"]);
    both.push(&git, &["--quiet", "main:refs/heads/topic"]);
    both.same_objects();
}

#[test]
fn clones_that_are_not_whole() {
    let (both, git) = (Both::new(), history());
    git.run(&["config", "uploadpack.allowFilter", "true"]);
    git.run(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = format!("file://{}", git.dir.display());

    let shallow = Git::clone(&["--depth=2", &url]);
    shallow.commit("upon it");
    let [hoist, _] = both.push(&shallow, &["main"]);
    assert_eq!(hoist.refs, ["! [remote rejected] main -> main (shallow update not allowed)"]);
    assert!(hoist.remote.iter().any(|line| line.contains("git fetch --unshallow")), "{hoist:#?}");
    shallow.run(&["fetch", "-q", "--unshallow"]);
    both.push(&shallow, &["main"]);

    // A partial clone has what it lacks brought while it pushes.
    let partial = Git::clone(&["--filter=blob:none", "--no-checkout", &url]);
    both.push(&partial, &["origin/main:refs/heads/partial"]);
    // If that can't be had, git says so, and the server sees no pack.
    let orphan = Git::clone(&["--filter=blob:none", "--no-checkout", &url]);
    orphan.run(&["remote", "set-url", "origin", "file:///nowhere"]);
    let again = Both::new();
    let [hoist, _] = again.push(&orphan, &["origin/main:refs/heads/main"]);
    assert_eq!(hoist.refs, ["! [remote rejected] origin/main -> main (unpacker error)"]);
    assert!(!again.hoist.has_leftovers());
    both.same_objects();
}

#[test]
fn a_shallow_clone_may_delete() {
    let (both, git) = (Both::new(), history());
    both.push(&git, &["main", "main:refs/heads/topic"]);
    let shallow = Git::clone(&["--depth=1", &format!("file://{}", git.dir.display())]);
    both.push(&shallow, &[":refs/heads/topic"]);
}

#[test]
fn weird_names_and_deep_paths() {
    let (both, git) = (Both::new(), Git::new());
    let deep = vec!["d"; 300].join("/");
    for name in ["\u{fc}nic\u{f6}de", "with space", "-dash", "quote'\"", "tab\there", "back\\slash", "new\nline", "\u{1f600}"] {
        git.write(name, name);
    }
    git.write(&format!("{deep}/file"), "deep");
    git.write(&"n".repeat(250), "long");
    git.commit("weird");
    both.push(
        &git,
        &[
            "main",
            "main:refs/heads/\u{fc}-\u{1f600}",
            "main:refs/heads/it's",
            "main:refs/heads/a\"b",
            "main:refs/heads/x%y&z;$(a)",
        ],
    );
    both.same_objects();
}

#[test]
fn five_thousand_refs_at_once() {
    let (both, git) = (Both::new(), history());
    let commit = git.run(&["rev-parse", "main"]);
    let make: Vec<String> = (0..5000).map(|number| format!("create refs/heads/b{number:04} {commit}\n")).collect();
    git.pipe(&["update-ref", "--stdin"], make.concat().as_bytes());
    both.push(&git, &["--all"]);
    git.write("a", "b");
    git.commit("b");
    both.push(&git, &["main"]);
    both.push(&git, &["--atomic", "--prune", "refs/heads/main:refs/heads/main", "refs/heads/none*:refs/heads/b*"]);
    both.same_objects();
}

#[test]
fn long_histories_and_wide_folders() {
    let (both, git) = (Both::new(), Git::new());
    let mut script = b"blob\nmark :1\ndata 2\nx\n\n".to_vec();
    for number in 0..50_000 {
        writeln!(script, "commit refs/heads/main\ncommitter A <a@example.com> {} +0000\ndata 2\nm\n", 1_700_000_000 + number)
            .unwrap();
    }
    script.extend_from_slice(b"commit refs/heads/wide\ncommitter A <a@example.com> 1700000000 +0000\ndata 2\nm\n\n");
    for number in 0..100_000 {
        writeln!(script, "M 100644 :1 {number}").unwrap();
    }
    git.pipe(&["fast-import", "--quiet"], &script);
    both.push(&git, &["main", "refs/heads/wide"]);
    // The commits, their empty tree, and the wide one with its blob.
    let objects = both.hoist.seen()[0].pack.map(|(objects, _)| objects);
    assert_eq!(objects, Some(50_000 + 1 + 3));
}
