//! Pushes that must not be released: the whole transcript, the ref unmoved, and the next push works.

use insta::assert_snapshot;

use crate::harness::{Daemon, Pushed, User, WorkTree};

/// How every build begins.
const HEAD: &str = "\
remote: Compressing source files... done.
remote: Building source:
remote:
remote: -----> Building on the debian-12 stack
";

/// How every push ends whose build failed.
const TAIL: &str = "\
remote:
remote:  !     Push failed
remote: Verifying deploy...
remote:
remote: !	Push rejected to shop.
remote:
To ssh://HOST/shop.git
 ! [remote rejected] main -> main (pre-receive hook declined)
error: failed to push some refs to 'ssh://HOST/shop.git'
";

/// What a refused push says between [`HEAD`] and [`TAIL`], which must be there.
#[track_caller]
fn reason(pushed: &Pushed) -> String {
    assert!(!pushed.ok, "{}", pushed.transcript);
    let reason = pushed.transcript.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(TAIL));
    reason.unwrap_or_else(|| panic!("another head or tail: {}", pushed.transcript)).to_owned()
}

/// Pushes an app with a fixture pack that fails, then the same app mended, and returns the reason of the failure.
fn refused(pack: &str, config: &str) -> String {
    refused_tree(&WorkTree::with_pack(pack), config)
}

/// A daemon with an app whose builds work, and a work tree to push.
fn shop() -> (Daemon, User, WorkTree) {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    (daemon, user, WorkTree::with_pack("null"))
}

fn refused_tree(tree: &WorkTree, config: &str) -> String {
    let daemon = Daemon::start_with(config);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    let reason = reason(&pushed);
    assert_eq!(daemon.releases(&user, "shop").len(), 1, "{reason}");

    let again = tree.push_http(&daemon, &user, "shop");
    assert!(!again.ok, "the ref must not have moved: {}", again.transcript);
    tree.write("pack/bin/detect", "#!/bin/sh\necho Mended\n");
    tree.write("pack/bin/compile", "#!/bin/sh\ntrue\n");
    tree.write("pack/bin/release", "#!/bin/sh\ntrue\n");
    tree.write(".slugignore", "*.psd\n");
    tree.commit("mended");
    let mended = tree.push_ssh(&daemon, &user, "shop");
    assert!(mended.ok, "{}", mended.transcript);
    reason
}

#[test]
fn compile_fails() {
    assert_snapshot!(refused("fails", ""), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> Fails app detected
    remote: -----> Failing
    remote:        on stdout
    remote:  !     on stderr
    remote:  !     Push rejected, failed to compile Fails app.
    ");
}

#[test]
fn the_set_pack_refuses() {
    assert_snapshot!(refused("refuses", ""), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> App not compatible with buildpack: ./pack
    remote:        This app has no file named flavour.
    remote:
    remote:
    remote:        More info: https://devcenter.heroku.com/articles/buildpacks#buildpack-auto-detection
    ");
}

#[test]
fn compile_takes_too_long() {
    assert_snapshot!(refused("sleeps", "[limits]\nbuild_time = \"3s\"\n"), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> Sleeps app detected
    remote: -----> Sleeping
    remote:  !     Timed out compiling Sleeps app (3 seconds)
    remote:  !     See https://devcenter.heroku.com/articles/slug-compiler#time-limit
    ");
}

/// What a build says that has 3 s and a pack with this script.
fn too_slow(script: &str, text: &str) -> String {
    let daemon = Daemon::start_with("engine = \"local\"\n[limits]\nbuild_time = \"3s\"\n");
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let tree = WorkTree::with_pack("null");
    tree.write(&format!("pack/bin/{script}"), text);
    tree.git(&["add", "--chmod=+x", &format!("pack/bin/{script}")]);
    tree.git(&["commit", "-qm", "slow"]);
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(!pushed.ok && daemon.releases(&user, "shop").len() == 1, "{}", pushed.transcript);
    pushed.transcript
}

#[test]
fn detect_takes_too_long() {
    let transcript = too_slow("detect", "#!/bin/sh\nexec sleep 1000\n");
    assert!(transcript.contains("Timed out compiling the app (3 seconds)"), "{transcript}");
}

#[test]
fn packing_takes_too_long() {
    // Nine gigabytes of nothing.
    let transcript = too_slow("compile", "#!/bin/sh\nexec truncate -s 9G \"$1/large\"\n");
    assert!(transcript.contains("Compressing..."), "{transcript}");
    assert!(transcript.contains("Timed out compiling Null app (3 seconds)"), "{transcript}");
}

#[test]
fn compile_takes_too_much_memory() {
    assert_snapshot!(refused("eats-memory", "[limits]\nbuild_memory_bytes = 67108864\n"), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> Eats memory app detected
    remote: -----> Eating memory
    remote: ERROR: Build terminated: Out Of Memory
    remote:  !     The build used more than SIZE of memory.
    ");
}

#[test]
fn compile_takes_too_much_disk() {
    assert_snapshot!(refused("fills-disk", "[limits]\nbuild_disk_bytes = 16777216\n"), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> Fills disk app detected
    remote: -----> Filling the disk
    remote: ERROR: Build terminated: Out Of Disk
    remote:  !     The build wrote more than SIZE to disk.
    ");
}

#[test]
fn compile_starts_too_many_processes() {
    assert_snapshot!(refused("forks", "[limits]\nbuild_pids = 32\n"), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> Forks app detected
    remote: -----> Forking
    remote: ERROR: Build terminated: Too Many Processes
    remote:  !     The build ran more than 32 processes and threads at once.
    ");
}

#[test]
fn detect_takes_too_much_memory() {
    let tree = WorkTree::with_pack("null");
    tree.write("pack/bin/detect", "#!/bin/sh\nhead -c 200M /dev/zero | tail\n");
    tree.commit("hungry");
    assert_snapshot!(refused_tree(&tree, "[limits]\nbuild_memory_bytes = 67108864\n"), @r"
    remote: -----> Using buildpack: ./pack
    remote: ERROR: Build terminated: Out Of Memory
    remote:  !     The build used more than SIZE of memory.
    ");
}

#[test]
fn release_fails() {
    assert_snapshot!(refused("release-fails", ""), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> Release fails app detected
    remote: -----> Discovering process types
    remote:  !     bin/release of ./pack gave no process types:
    remote:        exit status 3
    remote:        no idea what to start
    remote:  !     It has to exit with 0 and print YAML: `default_process_types:` and, below, `web: COMMAND`.
    remote:  !     Mend the buildpack, or set another one with `hoist buildpacks:set`, and push again.
    ");
}

#[test]
fn release_prints_something_else() {
    assert_snapshot!(refused("release-rambles", ""), @r#"
    remote: -----> Using buildpack: ./pack
    remote: -----> Release rambles app detected
    remote: -----> Discovering process types
    remote:  !     bin/release of ./pack gave no process types:
    remote:        default_process_types: invalid type: string "whatever you like", expected a map at line 1 column 24
    remote:  !     It has to exit with 0 and print YAML: `default_process_types:` and, below, `web: COMMAND`.
    remote:  !     Mend the buildpack, or set another one with `hoist buildpacks:set`, and push again.
    "#);
}

#[test]
fn release_takes_too_long() {
    assert_snapshot!(refused("release-sleeps", "[limits]\nbuild_time = \"3s\"\n"), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> Release sleeps app detected
    remote: -----> Discovering process types
    remote:  !     Timed out compiling Release sleeps app (3 seconds)
    remote:  !     See https://devcenter.heroku.com/articles/slug-compiler#time-limit
    ");
}

#[test]
fn slugignore_holds_no_pattern() {
    let tree = WorkTree::with_pack("null");
    tree.write(".slugignore", "*.psd\n[z-a].txt\n");
    tree.commit("ignore");
    assert_snapshot!(refused_tree(&tree, ""), @r"
    remote:  !     .slugignore can't be read: line 2: error parsing glob '[z-a].txt': invalid range; 'z' > 'a'.
    remote:  !     Each of its lines is a pattern as in .gitignore. Mend .slugignore, commit, and push again.
    ");
}

#[test]
fn the_slug_is_too_large() {
    assert_snapshot!(refused("fat", "[limits]\nslug_bytes = 1048576\n"), @r"
    remote: -----> Using buildpack: ./pack
    remote: -----> Fat app detected
    remote: -----> Discovering process types
    remote:        Procfile declares types -> (none)
    remote:
    remote: -----> Compressing...
    remote:  !     Compiled slug size: SIZE is too large (max is SIZE).
    remote:  !     See: http://devcenter.heroku.com/articles/slug-size
    ");
}

#[test]
fn nothing_detects() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    let tree = WorkTree::new();
    tree.write("README", "nothing to build\n");
    tree.commit("first");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert_snapshot!(reason(&pushed), @r"
    remote: -----> Determining which buildpack to use for this app
    remote:  !     No default language could be detected for this app.
    remote: 			HINT: This occurs when hoist cannot detect the buildpack to use for this application automatically.
    remote: 			Looked for: ruby, nodejs, clojure, python, java, gradle, scala, php, go, rust, static, procfile.
    remote: 			See https://devcenter.heroku.com/articles/buildpacks
    ");
    assert_eq!(daemon.releases(&user, "shop").len(), 1);
}

#[test]
fn the_deploy_branch_can_not_be_deleted() {
    let (daemon, user, tree) = shop();
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    let deleted = tree.push(&daemon, &user, "shop", &[":main"]);
    assert!(!deleted.ok);
    assert_snapshot!(deleted.transcript, @r"
    remote: !	Push rejected, cannot delete main branch
    remote: !	It is what the app was deployed from. Push another commit to it, or `hoist apps:destroy` the app.
    To ssh://HOST/shop.git
     ! [remote rejected] main (deletion of the deploy branch prohibited)
    error: failed to push some refs to 'ssh://HOST/shop.git'
    ");
    assert_eq!(tree.push_ssh(&daemon, &user, "shop").transcript, "Everything up-to-date\n");
}

#[test]
fn two_deploy_branches_are_one_too_many() {
    let (daemon, user, tree) = shop();
    tree.commit("second");
    let pushed = tree.push(&daemon, &user, "shop", &["main", "main~:refs/heads/master"]);
    assert!(!pushed.ok);
    assert_snapshot!(pushed.transcript, @r"
    remote: !	main and master were pushed with different commits: only the first is deployed. Push one of them.
    remote: Compressing source files... done.
    remote: Building source:
    remote:
    remote: -----> Building on the debian-12 stack
    remote: -----> Using buildpack: ./pack
    remote: -----> Null app detected
    remote: -----> Discovering process types
    remote:        Procfile declares types -> (none)
    remote:
    remote: -----> Compressing...
    remote:        Done: SIZE
    remote: -----> Launching...
    remote:        Released v2
    remote:        shop deployed to hoist
    remote: -----> Built in TIME
    remote:
    remote: Verifying deploy... done.
    To ssh://HOST/shop.git
     * [new branch]      main -> main
     ! [remote rejected] main~ -> master (another branch of this push deploys)
    error: failed to push some refs to 'ssh://HOST/shop.git'
    ");
}

#[test]
fn a_strict_push_deploys_or_fails() {
    let (daemon, user, tree) = shop();
    let pushed = tree.push(&daemon, &user, "shop", &["-ostrict", "main:topic"]);
    assert!(!pushed.ok);
    assert_snapshot!(pushed.transcript, @r"
    remote: !	Pushed to branch other than [main, master], and -o strict was given.
    remote: !	Push it as topic:main to deploy it, or without -o strict to keep it only.
    To ssh://HOST/shop.git
     ! [remote rejected] main -> topic (not a deploy branch)
    error: failed to push some refs to 'ssh://HOST/shop.git'
    ");
    assert!(tree.push(&daemon, &user, "shop", &["-ostrict", "main"]).ok);
}

#[test]
fn config_that_can_not_be_set() {
    let (daemon, user, tree) = shop();
    let much = format!("MUCH={}", "x".repeat(65_000));
    daemon.client(&user, &["config:set", &much, "--app", "shop"]);
    let more = format!("-oconfig:MORE={}", "x".repeat(1000));
    let pushed = tree.push(&daemon, &user, "shop", &[&more, "main"]);
    assert!(!pushed.ok);
    assert_snapshot!(pushed.transcript, @r"
    remote:  !     The push's config can't be set: Config vars would hold 66008 bytes, the limit is 65536.
    remote:  !     Mend the `-o config:KEY=VALUE` and push again.
    remote:
    remote:  !     Push failed
    To ssh://HOST/shop.git
     ! [remote rejected] main -> main (pre-receive hook declined)
    error: failed to push some refs to 'ssh://HOST/shop.git'
    ");
}

#[test]
fn strangers_learn_nothing() {
    let daemon = Daemon::start_with("create_on_push = false\n");
    let alice = daemon.user("alice@example.com");
    let bob = daemon.user("bob@example.com");
    daemon.client(&alice, &["apps:create", "shop"]);
    let tree = WorkTree::with_pack("null");
    for push in [WorkTree::push_ssh, WorkTree::push_http] {
        let hers = push(&tree, &daemon, &bob, "shop");
        let none = push(&tree, &daemon, &bob, "ship");
        assert!(!hers.ok && !none.ok);
        assert_eq!(hers.transcript, none.transcript.replace("ship", "shop"));
    }
    daemon.client(&alice, &["access:add", "bob@example.com", "--app", "shop"]);
    daemon.client(&alice, &["buildpacks:set", "./pack", "--app", "shop"]);
    let pushed = tree.push_ssh(&daemon, &bob, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
}
