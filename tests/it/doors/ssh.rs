//! The SSH door, with OpenSSH's client.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Answer, Daemon, PATIENCE, add_user};

/// A flush packet: a push of nothing.
const NOTHING: &[u8] = b"0000";

impl Daemon {
    async fn make_key(&self, kind: &str) -> PathBuf {
        let path = self.path(&format!("id_{kind}"));
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", kind, "-N", "", "-C", "test", "-f", path.to_str().unwrap()]);
        self.run(&mut keygen, b"").await.expect(0);
        path
    }

    pub(super) async fn with_key(&self, kind: &str) -> Login<'_> {
        let key = self.make_key(kind).await;
        add_user(&self.server, "alice@example.com", Some(&key)).await;
        Login { daemon: self, user: "git", options: self.ssh_options(&key) }
    }

    fn ssh_options(&self, key: &Path) -> Vec<String> {
        let known_hosts = self.path("known_hosts");
        let port = self.server.ssh().port();
        format!(
            "-F none -p {port} -i {} -o UserKnownHostsFile={} -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes",
            key.display(),
            known_hosts.display()
        )
        .split(' ')
        .map(String::from)
        .collect()
    }
}

/// How somebody logs in.
pub(super) struct Login<'a> {
    daemon: &'a Daemon,
    user: &'static str,
    options: Vec<String>,
}

impl Login<'_> {
    pub(super) fn with(mut self, options: &str) -> Self {
        self.options.extend(options.split(' ').map(String::from));
        self
    }

    pub(super) fn command(&self, command: &[&str]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(&self.options).arg(format!("{}@127.0.0.1", self.user)).args(command);
        ssh
    }

    pub(super) async fn ask(&self, command: &[&str]) -> Answer {
        self.daemon.run(&mut self.command(command), NOTHING).await
    }
}

#[tokio::test]
async fn every_kind_of_key_gets_to_the_refs() {
    let daemon = Daemon::start().await;
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let answer = daemon.with_key(kind).await.ask(&["git-receive-pack 'my-app.git'"]).await.expect(0);
        assert!(answer.out.contains(" capabilities^{}\0"), "{kind}: {answer:?}");
    }
}

#[tokio::test]
async fn a_push_reads_the_refs() {
    let daemon = Daemon::start().await;
    let ssh = format!("core.sshCommand=ssh {}", daemon.with_key("ed25519").await.options.join(" "));
    for path in ["/my-app.git", "/my-app", "/~/my-app.git"] {
        let url = format!("ssh://git@127.0.0.1:{}{path}", daemon.server.ssh().port());
        daemon.git(&["-c", &ssh, "push", "--dry-run", &url, "main"]).await.expect(0).says("[new branch]      main -> main");
    }
}

#[tokio::test]
async fn an_unknown_key_hears_what_to_do() {
    let daemon = Daemon::start().await;
    let options = daemon.ssh_options(&daemon.make_key("ed25519").await);
    let stranger = Login { daemon: &daemon, user: "git", options };
    let answer = stranger.ask(&["git-receive-pack 'my-app.git'"]).await.expect(255);
    answer.says("hoist does not know your SSH key SHA256:").says("hoist keys:add").says("Permission denied");
}

#[tokio::test]
async fn the_user_is_git() {
    let daemon = Daemon::start().await;
    let alice = Login { user: "alice", ..daemon.with_key("ed25519").await };
    alice.ask(&[]).await.expect(255).says("The user name for hoist is `git`, not `alice`");
}

#[tokio::test]
async fn there_is_no_shell() {
    let daemon = Daemon::start().await;
    let alice = daemon.with_key("ed25519").await;
    alice.ask(&[]).await.expect(1).says("Hi alice@example.com!").says("git push ssh://git@127.0.0.1:");
    alice.with("-tt").ask(&[]).await.expect(1).says("Hi alice@example.com!");
}

#[tokio::test]
async fn other_commands_are_refused_in_words() {
    let daemon = Daemon::start().await;
    let alice = daemon.with_key("ed25519").await;
    alice.ask(&["git-upload-archive 'my-app.git'"]).await.expect(128).says("hoist keeps no archives of commits");
    alice.ask(&["rm -rf /"]).await.expect(128).says("It takes pushes and fetches only");
    alice.ask(&["git-receive-pack '../my-app.git'"]).await.expect(128).says("There is no app `../my-app.git`.");
    alice.with("-s").ask(&["sftp"]).await.expect(255).says("subsystem request failed");
}

#[tokio::test]
async fn forwarding_is_refused() {
    let daemon = Daemon::start().await;
    let target = daemon.server.http().to_string();
    let alice = daemon.with_key("ed25519").await.with(&format!("-W {target}"));
    alice.ask(&[]).await.expect(255).says("administratively prohibited");
}

#[tokio::test]
async fn an_app_of_somebody_else_is_no_app() {
    let daemon = Daemon::start().await;
    daemon.with_key("ed25519").await.ask(&["git-receive-pack 'my-app.git'"]).await.expect(0);
    let key = daemon.make_key("ecdsa").await;
    add_user(&daemon.server, "bob@example.com", Some(&key)).await;
    let bob = Login { daemon: &daemon, user: "git", options: daemon.ssh_options(&key) };
    let answer = bob.ask(&["git-receive-pack 'my-app.git'"]).await.expect(1);
    assert!(answer.out.is_empty() && !answer.err.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn who_does_not_log_in_is_shown_the_door() {
    let daemon = Daemon::with_limits("handshake_time = \"300ms\"").await;
    let mut silent = BufReader::new(TcpStream::connect(daemon.server.ssh()).await.unwrap());
    let mut id = String::new();
    silent.read_line(&mut id).await.unwrap();
    assert_eq!(id, "SSH-2.0-hoist\r\n");
    timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await.unwrap().unwrap();

    // One that speaks the protocol, but offers no key in time.
    let options = daemon.ssh_options(&daemon.path("no-such-key"));
    let slow = Login { daemon: &daemon, user: "git", options }.with("-o NumberOfPasswordPrompts=0");
    slow.ask(&[]).await.expect(255);
}

#[tokio::test]
async fn who_fails_too_often_is_turned_away() {
    let daemon = Daemon::with_limits("failed_logins_per_hour = 2").await;
    let options = daemon.ssh_options(&daemon.make_key("ecdsa").await);
    let alice = daemon.with_key("ed25519").await;
    let stranger = Login { daemon: &daemon, user: "git", options };
    stranger.ask(&[]).await.expect(255).says("hoist does not know your SSH key");
    for _ in 0..3 {
        alice.ask(&[]).await.expect(1);
    }
    stranger.ask(&[]).await.expect(255).says("hoist does not know your SSH key");
    let barred = stranger.ask(&[]).await.expect(255);
    assert!(!barred.err.contains("does not know your SSH key"), "{barred:?}");
    // Others at the same address have done nothing.
    alice.ask(&[]).await.expect(1).says("Hi alice@example.com!");
}

#[tokio::test]
async fn a_pusher_may_send_far_ahead_and_is_asked_for_a_sign_of_life() {
    // A quarter of it is how long a client may be quiet before it is asked.
    let daemon = Daemon::with_limits("idle_time = \"8s\"").await;
    let alice = daemon.with_key("ed25519").await.with("-vv");
    let mut ssh = alice.command(&["git-receive-pack 'my-app.git'"]);
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut ssh = ssh.spawn().unwrap();
    let mut said = BufReader::new(ssh.stderr.take().unwrap()).lines();
    for expected in ["open confirm rwindow 16777216", "rtype keepalive@openssh.com want_reply 1"] {
        let hears = async { while !said.next_line().await.unwrap().expect("the client has gone").contains(expected) {} };
        timeout(PATIENCE, hears).await.expect(expected);
    }
}

/// A client that is there but takes nothing: its channels have no window.
struct TakesNothing;

impl russh::client::Handler for TakesNothing {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let daemon = Daemon::with_limits("idle_time = \"1s\"").await;
    let key = daemon.make_key("ed25519").await;
    add_user(&daemon.server, "alice@example.com", Some(&key)).await;
    let key = russh::keys::PrivateKeyWithHashAlg::new(Arc::new(russh::keys::load_secret_key(key, None).unwrap()), None);
    let config = russh::client::Config { window_size: 0, ..russh::client::Config::default() };
    let mut session = russh::client::connect(Arc::new(config), daemon.server.ssh(), TakesNothing).await.unwrap();
    assert!(session.authenticate_publickey("git", key).await.unwrap().success());

    // The first makes the app that the second fetches from.
    for (command, expected) in [("git-receive-pack 'my-app.git'", 128), ("git-upload-pack 'my-app.git'", 128)] {
        let mut channel = session.channel_open_session().await.unwrap();
        channel.exec(false, command).await.unwrap();
        let status = async {
            loop {
                if let russh::ChannelMsg::ExitStatus { exit_status } = channel.wait().await.unwrap() {
                    return exit_status;
                }
            }
        };
        assert_eq!(timeout(PATIENCE, status).await.unwrap(), expected, "{command}");
    }
}
