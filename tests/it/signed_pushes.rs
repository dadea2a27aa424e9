//! `git push --signed`: a certificate that a user's own SSH key has signed is kept with the release.

use std::io::Read as _;
use std::process::{Child, Command};

use crate::harness::{Daemon, Gated, Pushed, User, WorkTree, run, wait};

/// A daemon with an app that builds at once, alice, and her work tree.
fn shop() -> (Daemon, User, WorkTree) {
    let daemon = Daemon::start_with("engine = \"local\"\n");
    let alice = daemon.user("alice@example.com");
    daemon.client(&alice, &["apps:create", "shop"]);
    daemon.client(&alice, &["buildpacks:set", "./pack", "--app", "shop"]);
    (daemon, alice, WorkTree::with_pack("null"))
}

/// Has git sign with a user's key.
fn sign_as(tree: &WorkTree, user: &User) {
    tree.git(&["config", "gpg.format", "ssh"]);
    tree.git(&["config", "user.signingKey", user.key.to_str().unwrap()]);
}

fn fingerprint(user: &User) -> String {
    let line = run(Command::new("ssh-keygen").arg("-lf").arg(&user.key));
    line.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_release_keeps_what_it_was_signed_with() {
    let (daemon, alice, tree) = shop();
    sign_as(&tree, &alice);
    let pushed = tree.push(&daemon, &alice, "shop", &["--signed", "main"]);
    assert!(pushed.ok, "{}", pushed.transcript);
    let commit = tree.commit("second");
    let pushed = tree.push_http_with(&daemon, &alice, "shop", &["--signed", "-ocache=clear", "-oconfig:A=", "main"]);
    assert!(pushed.ok, "{}", pushed.transcript);

    for version in ["2", "3"] {
        let release = daemon.get(&alice, &format!("/apps/shop/releases/{version}"));
        assert_eq!(release["push_certificate"]["fingerprint"], fingerprint(&alice), "{release}");
    }
    let info = daemon.client(&alice, &["releases:info", "--app", "shop"]);
    assert!(info.lines().any(|line| line.starts_with("Signed with") && line.ends_with(&fingerprint(&alice))), "{info}");

    // Anybody can verify it again with OpenSSH's own tool.
    let release = daemon.get(&alice, "/apps/shop/releases/3");
    let certificate = release["push_certificate"]["certificate"].as_str().unwrap();
    assert!(certificate.contains(&format!("{commit} refs/heads/main\n")), "{certificate}");
    let (payload, signature) = certificate.split_at(certificate.find("-----BEGIN SSH").unwrap());
    let file = |name: &str, content: &str| {
        let path = daemon.data_dir().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let public = std::fs::read_to_string(alice.key.with_file_name("key-alice@example.com.pub")).unwrap();
    let (payload, signature) = (file("payload", payload), file("payload.sig", signature));
    let mut verify = Command::new("sh");
    verify.args(["-c", "ssh-keygen -Y verify -f \"$1\" -I alice -n git -s \"$2\" <\"$3\"", "sh"]);
    verify.args([file("signers", &format!("alice {public}")), signature, payload]);
    assert!(run(&mut verify).starts_with("Good \"git\" signature for alice"));
}

#[test]
fn other_releases_keep_none() {
    let (daemon, alice, tree) = shop();
    sign_as(&tree, &alice);
    assert!(tree.push(&daemon, &alice, "shop", &["--signed", "main"]).ok);
    tree.commit("second");
    assert!(tree.push_ssh(&daemon, &alice, "shop").ok);
    // Of the build that was signed, but nobody has signed this.
    daemon.client(&alice, &["rollback", "v2", "--app", "shop"]);
    for version in [3, 4] {
        let release = daemon.get(&alice, &format!("/apps/shop/releases/{version}"));
        assert!(release.get("push_certificate").is_none(), "{release}");
    }
    let info = daemon.client(&alice, &["releases:info", "--app", "shop"]);
    assert!(!info.contains("Signed with"), "{info}");
}

/// A push that is refused for its signature, and releases nothing.
#[track_caller]
fn refused(daemon: &Daemon, user: &User, pushed: &Pushed, text: &str) {
    assert!(!pushed.ok && pushed.transcript.contains(text), "{}", pushed.transcript);
    assert!(
        pushed.transcript.contains("! [remote rejected] main -> main (push certificate not accepted)"),
        "{}",
        pushed.transcript
    );
    assert_eq!(daemon.releases(user, "shop").len(), 1);
}

#[test]
fn somebody_elses_key_signs_for_nobody() {
    let (daemon, alice, tree) = shop();
    let bob = daemon.user("bob@example.com");
    sign_as(&tree, &bob);
    let text = format!("signed with the SSH key {}, which is not one of alice@example.com's", fingerprint(&bob));
    refused(&daemon, &alice, &tree.push(&daemon, &alice, "shop", &["--signed", "main"]), &text);
    refused(&daemon, &alice, &tree.push_http_with(&daemon, &alice, "shop", &["--signed", "main"]), &text);
    let unsigned = tree.push_ssh(&daemon, &alice, "shop");
    assert!(unsigned.ok, "{}", unsigned.transcript);
}

#[test]
fn what_is_kept_for_all_to_read_holds_no_config() {
    let (daemon, alice, tree) = shop();
    sign_as(&tree, &alice);
    let text = "what is signed is kept for all to read";
    refused(&daemon, &alice, &tree.push(&daemon, &alice, "shop", &["--signed", "-oconfig:TOKEN=hush-hush", "main"]), text);
    for entry in daemon.data_dir().read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        if entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hoist.db")) {
            let bytes = std::fs::read(&entry).unwrap();
            assert!(!bytes.windows(9).any(|part| part == b"hush-hush"), "{}", entry.display());
        }
    }
    assert!(tree.push(&daemon, &alice, "shop", &["-oconfig:TOKEN=hush-hush", "main"]).ok);
}

#[test]
fn openpgp_is_taken_as_unsigned_and_that_is_said() {
    let (daemon, alice, tree) = shop();
    // All that git asks of a gpg.
    let gpg = "#!/bin/sh\ncat >/dev/null\nprintf '\\n[GNUPG:] SIG_CREATED D\\n' >&2\n\
        printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nx\\n-----END PGP SIGNATURE-----\\n'\n";
    tree.write_program("gpg", gpg);
    tree.git(&["config", "gpg.program", "./gpg"]);
    tree.git(&["config", "push.gpgSign", "if-asked"]);
    // Nothing of what it signs is kept: it may hold config vars.
    for (number, push) in [WorkTree::push, WorkTree::push_http_with].into_iter().enumerate() {
        tree.commit("next");
        let pushed = push(&tree, &daemon, &alice, "shop", &["-oconfig:TOKEN=hush-hush", "main"]);
        assert!(pushed.ok && pushed.transcript.contains("it is taken as unsigned"), "{}", pushed.transcript);
        assert!(pushed.transcript.contains("git config gpg.format ssh"), "{}", pushed.transcript);
        let release = daemon.get(&alice, &format!("/apps/shop/releases/{}", number + 2));
        assert!(release.get("push_certificate").is_none(), "{release}");
    }
    tree.commit("last");
    let unsigned = tree.push(&daemon, &alice, "shop", &["--no-signed", "main"]);
    assert!(unsigned.ok && !unsigned.transcript.contains("unsigned"), "{}", unsigned.transcript);
}

/// Waits until the server has said something to a push.
#[track_caller]
fn until_said(push: &mut Child, text: &str) {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&said).contains(text) {
        let count = push.stderr.as_mut().unwrap().read(&mut byte).unwrap();
        assert_eq!(count, 1, "no `{text}` in {}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
}

#[test]
fn no_certificate_is_lost_to_a_build_that_runs_already() {
    let gated = Gated::new();
    let (daemon, alice, tree) = (&gated.daemon, &gated.user, &gated.tree);
    let bob = daemon.user("bob@example.com");
    daemon.client(alice, &["access:add", "bob@example.com", "--app", "shop"]);
    let refused = |pushed: &Pushed| {
        let text = "this commit is being built for a push that was not signed with this key";
        assert!(!pushed.ok && pushed.transcript.contains(text), "{}", pushed.transcript);
    };
    let unsigned = tree.start_push(daemon, alice, "shop", &["--no-signed", "main"]);
    gated.until_builds(1, "pending");
    sign_as(tree, alice);
    refused(&tree.push(daemon, alice, "shop", &["--signed", "main"]));
    gated.open_gate();
    assert!(wait(unsigned).ok);
    gated.close_gate();

    tree.commit("second");
    let signed = tree.start_push(daemon, alice, "shop", &["--signed", "main"]);
    gated.until_builds(1, "pending");
    let mut others = [["--signed", "main"], ["--no-signed", "main"]].map(|args| tree.start_push(daemon, alice, "shop", &args));
    for push in &mut others {
        until_said(push, "This commit is being built already");
    }
    sign_as(tree, &bob);
    refused(&tree.push(daemon, &bob, "shop", &["--signed", "main"]));
    gated.open_gate();
    assert!(wait(signed).ok && others.into_iter().all(|push| wait(push).ok));

    let releases = daemon.releases(alice, "shop");
    let deploys: Vec<_> = releases.iter().filter(|(_, what)| what.starts_with("Deploy")).collect();
    let signed_with = |version: u64| {
        let release = daemon.get(alice, &format!("/apps/shop/releases/{version}"));
        release["push_certificate"]["fingerprint"].as_str().map(str::to_owned)
    };
    assert_eq!(deploys.iter().map(|(version, _)| signed_with(*version)).collect::<Vec<_>>(), [None, Some(fingerprint(alice))]);
}

/// Asks the HTTP door as git does, with a user's token; gives the answer.
fn ask(daemon: &Daemon, user: &User, path: &str, body: Option<&[u8]>) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "50"]);
    curl.args(["--header", &format!("Authorization: Bearer {}", user.token)])
        .arg(format!("http://{}/shop.git/{path}", daemon.http));
    if let Some(body) = body {
        let file = daemon.data_dir().join("body");
        std::fs::write(&file, body).unwrap();
        curl.args(["--header", "Content-Type: application/x-git-receive-pack-request"]);
        curl.arg("--data-binary").arg(format!("@{}", file.display()));
    }
    run(&mut curl)
}

/// A signed push to `topic` of what is there already, as it goes over the wire.
fn signed_move(daemon: &Daemon, user: &User, [old, new]: [&str; 2], nonce: &str) -> Vec<u8> {
    let payload = format!(
        "certificate version 0.1\npusher a <a@example.com> 1 +0000\npushee x\nnonce {nonce}\n\n{old} {new} refs/heads/topic\n"
    );
    let file = daemon.data_dir().join("payload");
    std::fs::write(&file, &payload).unwrap();
    run(Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", "git", "-f"]).arg(&user.key).arg(&file));
    let certificate = payload + &std::fs::read_to_string(file.with_extension("sig")).unwrap();
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let lines: String = certificate.split_inclusive('\n').map(line).collect();
    let commands = line("push-cert\0report-status side-band-64k") + &lines + &line("push-cert-end\n") + "0000";
    // A pack of no objects.
    let mut push = [commands.as_bytes(), b"PACK\0\0\0\x02\0\0\0\0"].concat();
    let checksum = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &push[commands.len()..]);
    push.extend_from_slice(checksum.as_ref());
    push
}

#[test]
fn a_certificate_is_good_once() {
    let (daemon, alice, tree) = shop();
    let old = tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let new = tree.commit("second");
    assert!(tree.push_http_with(&daemon, &alice, "shop", &[&format!("{old}:refs/heads/topic"), "main:refs/tags/new"]).ok);

    let told = ask(&daemon, &alice, "info/refs?service=git-receive-pack", None);
    let nonce = told.split("push-cert=").nth(1).unwrap().split([' ', '\n']).next().unwrap();
    let push = signed_move(&daemon, &alice, [&old, &new], nonce);
    let answer = ask(&daemon, &alice, "git-receive-pack", Some(&push));
    assert!(answer.contains("ok refs/heads/topic"), "{answer}");

    // Somebody with the token, but without the key, shows it again when it would be worth something.
    assert!(tree.push_http_with(&daemon, &alice, "shop", &["--force", &format!("{old}:refs/heads/topic")]).ok);
    let answer = ask(&daemon, &alice, "git-receive-pack", Some(&push));
    assert!(
        answer.contains("ng refs/heads/topic push certificate not accepted") && answer.contains("or it was used"),
        "{answer}"
    );
    let told = ask(&daemon, &alice, "info/refs?service=git-receive-pack", None);
    assert!(told.contains(&format!("{old} refs/heads/topic")), "{told}");
}
