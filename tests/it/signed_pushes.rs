//! `git push --signed`: a certificate that a user's own SSH key has signed is kept with the release.

use std::process::Command;

use crate::harness::{Daemon, Pushed, User, WorkTree, run};

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
fn openpgp_is_refused_with_the_remedy() {
    let (daemon, alice, tree) = shop();
    // All that git asks of a gpg.
    let gpg = "#!/bin/sh\ncat >/dev/null\nprintf '\\n[GNUPG:] SIG_CREATED D\\n' >&2\n\
        printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nx\\n-----END PGP SIGNATURE-----\\n'\n";
    tree.write_program("gpg", gpg);
    tree.git(&["config", "gpg.program", "./gpg"]);
    tree.git(&["config", "push.gpgSign", "if-asked"]);
    let pushed = tree.push_ssh(&daemon, &alice, "shop");
    refused(&daemon, &alice, &pushed, "git config gpg.format ssh");
    let unsigned = tree.push(&daemon, &alice, "shop", &["--no-signed", "main"]);
    assert!(unsigned.ok, "{}", unsigned.transcript);
}
