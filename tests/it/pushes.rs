//! Pushes of every shape through both doors, to what is deployed by them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::git::{noise, push_as, push_with_key};
use crate::harness::{Daemon, Pushed, User, WorkTree, until};

type Push = fn(&WorkTree, &Daemon, &User, &str, &[&str]) -> Pushed;

/// One push each over SSH and over HTTP; each has an app of its own.
const DOORS: [(&str, Push); 2] = [("over-ssh", WorkTree::push), ("over-http", WorkTree::push_http_with)];

/// A daemon whose apps build at once, and alice.
fn daemon() -> (Daemon, User) {
    let daemon = Daemon::start_with("engine = \"local\"\n");
    let alice = daemon.user("alice@example.com");
    for (app, _) in DOORS {
        daemon.client(&alice, &["apps:create", app]);
        daemon.client(&alice, &["buildpacks:set", "./pack", "--app", app]);
    }
    (daemon, alice)
}

#[track_caller]
fn ok(pushed: &Pushed) {
    assert!(pushed.ok, "{}", pushed.transcript);
}

#[track_caller]
fn refused(pushed: &Pushed, texts: &[&str]) {
    assert!(!pushed.ok, "{}", pushed.transcript);
    for text in texts {
        assert!(pushed.transcript.contains(text), "no `{text}` in {}", pushed.transcript);
    }
}

fn newest(daemon: &Daemon, alice: &User, app: &str) -> (u64, String) {
    daemon.releases(alice, app).pop().unwrap()
}

#[test]
fn rewritten_history_is_released() {
    let (daemon, alice) = daemon();
    for (app, push) in DOORS {
        let tree = WorkTree::with_pack("null");
        let first = tree.commit("first");
        ok(&push(&tree, &daemon, &alice, app, &["main"]));
        tree.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "rewritten"]);
        let amended = tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
        refused(
            &push(&tree, &daemon, &alice, app, &["--force-with-lease=main:0000000000000000000000000000000000000000", "main"]),
            &["stale info"],
        );
        ok(&push(&tree, &daemon, &alice, app, &[&format!("--force-with-lease=main:{first}"), "main"]));
        assert_eq!(newest(&daemon, &alice, app), (3, format!("Deploy {}", &amended[..8])));
        // And back.
        ok(&push(&tree, &daemon, &alice, app, &["--force", &format!("{first}:refs/heads/main")]));
        assert_eq!(newest(&daemon, &alice, app), (4, format!("Deploy {}", &first[..8])));
    }
}

#[test]
fn all_or_none() {
    let (daemon, alice) = daemon();
    for (app, push) in DOORS {
        let tree = WorkTree::with_pack("null");
        tree.git(&["tag", "-a", "-m", "annotated", "v1"]);
        tree.git(&["tag", "-a", "-m", "nested", "v2", "v1"]);
        // The tags move with the release.
        ok(&push(&tree, &daemon, &alice, app, &["--atomic", "main", "v1", "v2"]));
        assert_eq!(newest(&daemon, &alice, app).0, 2);
        tree.commit("second");
        let both = push(&tree, &daemon, &alice, app, &["--atomic", "main", "main:refs/heads/topic", "main:refs/tags/v1/below"]);
        refused(&both, &["main -> main (atomic push failure)", "main -> topic (atomic push failure)", "'refs/tags/v1' exists"]);
        let deletion = push(&tree, &daemon, &alice, app, &["--atomic", ":refs/heads/main", "main:refs/heads/topic"]);
        refused(&deletion, &["cannot delete main branch", "main -> topic (atomic push failed)"]);
        assert_eq!(newest(&daemon, &alice, app).0, 2);
        assert!(push(&tree, &daemon, &alice, app, &["--dry-run", "main:refs/heads/topic"]).transcript.contains("[new branch]"));
    }
}

#[test]
fn a_mirror_keeps_the_deploy_branch() {
    let (daemon, alice) = daemon();
    for (app, push) in DOORS {
        let tree = WorkTree::with_pack("null");
        tree.git(&["branch", "topic"]);
        tree.git(&["tag", "-a", "-m", "x", "v1"]);
        tree.git(&["notes", "add", "-m", "note"]);
        tree.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        ok(&push(&tree, &daemon, &alice, app, &["--mirror"]));
        tree.git(&["checkout", "-q", "-b", "other"]);
        tree.git(&["branch", "-D", "main", "topic"]);
        let mirrored = push(&tree, &daemon, &alice, app, &["--mirror"]);
        refused(&mirrored, &["[deleted]         topic", "[new branch]      other -> other", "cannot delete main branch"]);
        tree.git(&["branch", "main"]);
        ok(&push(&tree, &daemon, &alice, app, &["--mirror"]));
        assert_eq!(newest(&daemon, &alice, app).0, 2, "main was there already");
    }
}

#[test]
fn thousands_of_refs_at_once() {
    let (daemon, alice) = daemon();
    for (app, push) in DOORS {
        let tree = WorkTree::with_pack("null");
        let commit = tree.git(&["rev-parse", "HEAD"]);
        let refs: Vec<String> = (0..3000).map(|number| format!("{} refs/tags/t{number:04}\n", commit.trim())).collect();
        std::fs::write(tree.path().join(".git/packed-refs"), refs.concat()).unwrap();
        ok(&push(&tree, &daemon, &alice, app, &["main", "refs/tags/*:refs/tags/*"]));
        assert_eq!(newest(&daemon, &alice, app).0, 2);
        assert_eq!(push(&tree, &daemon, &alice, app, &["main", "refs/tags/*:refs/tags/*"]).transcript, "Everything up-to-date\n");
        ok(&push(&tree, &daemon, &alice, app, &["--prune", "refs/none/*:refs/tags/t*"]));
        assert!(push(&tree, &daemon, &alice, app, &["refs/tags/t0000"]).transcript.contains("[new tag]"));
    }
}

#[test]
fn what_can_not_be_built_begins_no_build() {
    let (daemon, alice) = daemon();
    for (app, push) in DOORS {
        let whole = WorkTree::with_pack("null");
        whole.commit("second");
        let url = format!("file://{}", whole.path().display());
        let shallow = WorkTree::new();
        shallow.git(&["pull", "-q", "--depth=1", &url, "main"]);
        refused(
            &push(&shallow, &daemon, &alice, app, &["main"]),
            &["git fetch --unshallow", "main -> main (shallow update not allowed)"],
        );

        let hostile = WorkTree::new();
        hostile.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = -u./sh\n");
        hostile.commit("hostile");
        let blob = hostile.git(&["rev-parse", "HEAD:.gitmodules"]);
        refused(
            &push(&hostile, &daemon, &alice, app, &["main"]),
            &[
                &format!("remote: error: object {}: gitmodulesUrl: disallowed submodule url: -u./sh\n", blob.trim()),
                "remote: fatal: fsck error in packed object\n",
                "main -> main (unpacker error)",
            ],
        );
        assert_eq!(daemon.get(&alice, &format!("/apps/{app}/builds")), Value::Array(Vec::new()));
        assert!(repository_is_empty(&daemon));
    }
}

/// Whether no app keeps a pack, nor anything of a push that is over. What pushes lock is an empty file that stays.
fn repository_is_empty(daemon: &Daemon) -> bool {
    let repos = daemon.data_dir().join("repos");
    let mut files = walk(&repos);
    files.retain(|path| path.is_file() && !path.ends_with("objects/lease"));
    files.is_empty()
}

/// All that is below a folder, of which some may go meanwhile.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let paths = dir.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    paths.flat_map(|path| [vec![path.clone()], walk(&path)].concat()).collect()
}

#[test]
fn other_clients_deploy() {
    let (daemon, alice) = daemon();
    let url = format!("http://_:{}@{}/over-http.git", alice.token, daemon.http);
    for (number, client) in ["pygit2", "dulwich"].into_iter().enumerate() {
        let tree = WorkTree::with_pack("null");
        tree.commit(client);
        let refspec = "+refs/heads/main:refs/heads/main";
        let Some(pushed) = push_as(client, tree.path(), &url, &[refspec]) else { return };
        assert_eq!(pushed["refs"], serde_json::json!({"refs/heads/main": null}), "{pushed}");
        assert!(pushed["said"].as_str().unwrap().contains(&format!("Released v{}", number + 2)), "{pushed}");
    }
}

#[test]
fn libgit2_deploys_over_ssh() {
    let (daemon, alice) = daemon();
    let tree = WorkTree::with_pack("null");
    let (url, main) = (format!("ssh://git@{}/over-ssh.git", daemon.ssh), ["refs/heads/main:refs/heads/main"]);
    let Some(pushed) = push_with_key("pygit2", tree.path(), &url, &alice.key, &main) else { return };
    assert_eq!(pushed["refs"], serde_json::json!({"refs/heads/main": null}), "{pushed}");
    assert!(pushed["said"].as_str().unwrap().contains("Released v2"), "{pushed}");
}

#[test]
fn http_2_and_tls() {
    let (daemon, alice) = daemon();
    let (_, port) = daemon.http.rsplit_once(':').unwrap();
    let ca = format!("http.sslCAInfo={}", daemon.data_dir().join("ca.pem").display());
    let url = format!("https://_:{}@localhost:{port}/over-http.git", alice.token);
    for (number, version) in ["HTTP/2", "HTTP/1.1"].into_iter().enumerate() {
        let tree = WorkTree::with_pack("null");
        tree.write("noise", &"n".repeat(number));
        // Above what git sends in one piece, so that it asks first and then sends what has no length.
        std::fs::write(tree.path().join("big"), noise(1, 2_000_000)).unwrap();
        tree.commit(version);
        let mut push = tree.command();
        push.env("GIT_CURL_VERBOSE", "1").args(["-c", &ca, "-c", &format!("http.version={version}")]);
        let output = push.args(["push", "--force", &url, "main"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(&format!("Released v{}", number + 2)), "{said}");
        assert!(said.contains(&format!("<= Recv header: {version} 200")), "{said}");
    }
}

#[test]
fn session_keys_change_in_the_middle() {
    let (daemon, alice) = daemon();
    let tree = WorkTree::with_pack("null");
    std::fs::write(tree.path().join("noise"), noise(1, 1_000_000)).unwrap();
    tree.commit("noise");
    let ssh = format!(
        "ssh -v -F /dev/null -i {} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o RekeyLimit=64K",
        alice.key.display()
    );
    let url = format!("ssh://git@{}/over-ssh.git", daemon.ssh);
    let output = tree.command().env("GIT_SSH_COMMAND", ssh).args(["push", &url, "main"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Released v2"), "{said}");
    let exchanges = said.matches("SSH2_MSG_KEXINIT received").count();
    assert!(exchanges > 5, "{exchanges} key exchanges: {said}");
}

/// A push of a work tree's commit to `topic`, as it goes over the wire behind the advertisement.
fn wire(tree: &WorkTree) -> Vec<u8> {
    let commit = tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let mut pack = tree.command();
    let pack = pack.args(["pack-objects", "-q", "--all", "--stdout"]).stdin(Stdio::null()).output().unwrap().stdout;
    let command = format!("{:0>40} {commit} refs/heads/topic\0report-status side-band-64k", 0);
    [format!("{:04x}{command}0000", command.len() + 4).into_bytes(), pack].concat()
}

/// Sends a part of a push over HTTP; every other time it waits for the answer.
fn cut_off_http(daemon: &Daemon, alice: &User, push: &[u8], bytes: usize) {
    let head = format!(
        "POST /over-http.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/x-git-receive-pack-request\r\nContent-Length: {}\r\n\r\n",
        alice.token,
        push.len()
    );
    let mut connection = TcpStream::connect(&daemon.http).unwrap();
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(&push[..bytes]).unwrap();
    if bytes.is_multiple_of(2) {
        connection.shutdown(Shutdown::Write).unwrap();
        let _ = connection.read_to_end(&mut Vec::new());
    }
}

/// Sends a part of a push over SSH; every other time the client is killed.
fn cut_off_ssh(daemon: &Daemon, alice: &User, push: &[u8], bytes: usize) {
    let (host, port) = daemon.ssh.rsplit_once(':').unwrap();
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"]);
    ssh.args(["-o", "UserKnownHostsFile=/dev/null", "-p", port, "-i"]).arg(&alice.key);
    ssh.arg(format!("git@{host}")).arg("git-receive-pack 'over-ssh.git'");
    let mut ssh = ssh.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    ssh.stdin.take().unwrap().write_all(&push[..bytes]).unwrap();
    if bytes.is_multiple_of(2) {
        ssh.kill().unwrap();
    }
    ssh.wait().unwrap();
}

#[test]
fn pushes_that_are_cut_off_leave_nothing() {
    let (daemon, alice) = daemon();
    let tree = WorkTree::with_pack("null");
    std::fs::write(tree.path().join("noise"), noise(1, 50_000)).unwrap();
    tree.commit("noise");
    let whole = wire(&tree);
    for number in 0..40_usize {
        let bytes = number.wrapping_mul(2_654_435_761) % whole.len();
        cut_off_http(&daemon, &alice, &whole, bytes);
        if number % 3 == 0 {
            cut_off_ssh(&daemon, &alice, &whole, bytes);
        }
    }
    let repos = daemon.data_dir().join("repos");
    for (app, push) in DOORS {
        let pushed = push(&tree, &daemon, &alice, app, &["main:refs/heads/topic"]);
        ok(&pushed);
        assert!(pushed.transcript.contains("[new branch]"), "{}", pushed.transcript);
    }
    // The last ones may still be on their way out.
    until(|| !walk(&repos).iter().any(|path| path.to_string_lossy().contains("incoming-")));
    let packs = walk(&repos);
    assert_eq!(packs.iter().filter(|path| path.extension().is_some_and(|extension| extension == "pack")).count(), DOORS.len());
}
