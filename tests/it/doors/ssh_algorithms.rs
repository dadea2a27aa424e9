//! What is spoken at the SSH door, to clients old and new, and what is not.

use tokio::process::Command;

use super::Daemon;

#[tokio::test]
async fn ssh_audit_finds_nothing_weak() {
    let daemon = Daemon::start().await;
    let port = daemon.server.ssh().port().to_string();
    let found = daemon.run(Command::new("ssh-audit").args(["--no-colors", "--port", &port, "127.0.0.1"]), b"").await;
    // 1 is a failure of its own, 3 one that it has found.
    assert!([0, 2].contains(&found.status) && !found.out.contains("[fail]"), "{}", found.out);
    for offered in
        ["mlkem768x25519-sha256", "curve25519-sha256", "kex-strict-s-v00@openssh.com", "ssh-ed25519", "aes256-gcm@openssh.com"]
    {
        assert!(found.out.contains(offered), "no {offered} in {}", found.out);
    }
}

#[tokio::test]
async fn weak_algorithms_are_not_spoken() {
    let daemon = Daemon::start().await;
    for weak in [
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "KexAlgorithms=ecdh-sha2-nistp256",
        "HostKeyAlgorithms=ssh-rsa",
        "HostKeyAlgorithms=ecdsa-sha2-nistp256",
        "Ciphers=aes128-cbc",
        "Ciphers=3des-cbc",
        "MACs=hmac-sha1",
        "MACs=umac-128@openssh.com",
    ] {
        // Without a cipher that needs no MAC, so that the MAC is negotiated.
        let ciphers = if weak.starts_with("MACs") { " -o Ciphers=aes256-ctr" } else { "" };
        let alice = daemon.with_key("ed25519").await.with(&format!("-o {weak}{ciphers}"));
        let answer = alice.ask(&["git-receive-pack 'my-app.git'"]).await.expect(255);
        assert!(answer.err.contains("no matching"), "{weak}: {answer:?}");
        std::fs::remove_file(daemon.path("id_ed25519")).unwrap();
    }
}

#[tokio::test]
async fn sha1_signatures_are_refused() {
    let daemon = Daemon::start().await;
    let old = daemon.with_key("rsa").await.with("-o PubkeyAcceptedAlgorithms=ssh-rsa");
    old.ask(&["git-receive-pack 'my-app.git'"]).await.expect(255).says("Permission denied");
}

#[tokio::test]
async fn libssh2_before_1_11_gets_in() {
    let daemon = Daemon::start().await;
    // The best of what it knows: no MAC of encrypted text, and no cipher that needs none.
    let spoken = "-o KexAlgorithms=curve25519-sha256 -o HostKeyAlgorithms=ssh-ed25519 -o Ciphers=aes256-ctr";
    for mac in ["hmac-sha2-512", "hmac-sha2-256"] {
        let alice = daemon.with_key("ed25519").await.with(&format!("{spoken} -o MACs={mac}"));
        alice.ask(&[]).await.expect(1).says("Hi alice@example.com!");
        std::fs::remove_file(daemon.path("id_ed25519")).unwrap();
    }
}

#[tokio::test]
async fn an_ecdsa_host_key_of_old_is_still_known_and_serves_fips_140() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let key = dir.path().join("data/ssh_host_ecdsa_key");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f"]).arg(&key);
    assert!(keygen.status().await.unwrap().success());
    let daemon = Daemon::start_in(dir, "").await;

    // Who knows hoist by this key does not take another one for it.
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let known = format!("[127.0.0.1]:{} {public}", daemon.server.ssh().port());
    std::fs::write(daemon.path("known_hosts"), known).unwrap();
    let alice = daemon.with_key("ecdsa").await.with("-o UpdateHostKeys=no");
    alice.ask(&[]).await.expect(1).says("Hi alice@example.com!");
    let alice = alice.with("-o KexAlgorithms=diffie-hellman-group16-sha512 -o HostKeyAlgorithms=ecdsa-sha2-nistp256");
    let alice = alice.with("-o Ciphers=aes256-gcm@openssh.com");
    alice.ask(&[]).await.expect(1).says("Hi alice@example.com!");
    // No other one was put beside it.
    assert_eq!(std::fs::read_to_string(daemon.path("known_hosts")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn host_keys_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let daemon = Daemon::start().await;
    let path = daemon.path("data").join("ssh_host_ed25519_key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for other in ["ssh_host_ecdsa_key", "ssh_host_rsa_key"] {
        assert!(!daemon.path("data").join(other).exists(), "{other}");
    }
}
