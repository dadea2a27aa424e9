//! Starting and stopping.

use std::future::pending;
use std::time::Duration;

use hoist::server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::timeout;

use super::{Daemon, PATIENCE, config};

/// A push over SSH that has got the refs and now waits for its user.
async fn half_a_push(daemon: &Daemon) -> Child {
    let mut client = daemon.spawn(&mut daemon.with_key("ed25519").await.command(&["git-receive-pack 'my-app.git'"]));
    client.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).await.unwrap();
    client
}

#[tokio::test]
async fn a_push_may_end() {
    let daemon = Daemon::start().await;
    let mut client = half_a_push(&daemon).await;
    let stopping = daemon.server.ctx().stopping.clone();
    let end = async {
        stopping.cancelled().await;
        client.stdin.take().unwrap().write_all(b"0000").await.unwrap();
        client.wait().await.unwrap()
    };
    let (status, ()) = timeout(PATIENCE, async { tokio::join!(end, daemon.server.stop(PATIENCE * 2, pending())) }).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_push_that_does_not_end_loses_its_connection() {
    let daemon = Daemon::start().await;
    let mut client = half_a_push(&daemon).await;
    timeout(PATIENCE, daemon.server.stop(Duration::ZERO, pending())).await.unwrap();
    assert_ne!(client.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn stopping_closes_both_doors_and_what_is_open() {
    let daemon = Daemon::start().await;
    let (http, ssh) = (daemon.server.http(), daemon.server.ssh());
    let mut idle = TcpStream::connect(http).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 12]).await.unwrap();
    timeout(PATIENCE, daemon.server.stop(PATIENCE * 2, pending())).await.unwrap();
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    for address in [http, ssh] {
        TcpStream::connect(address).await.unwrap_err();
    }
}

#[tokio::test]
async fn what_does_not_end_is_killed() {
    let daemon = Daemon::start().await;
    let killing = daemon.server.ctx().killing.clone();
    daemon.server.ctx().tasks.spawn(async move { killing.cancelled().await });
    timeout(PATIENCE, daemon.server.stop(Duration::ZERO, pending())).await.unwrap();
}

#[tokio::test]
async fn a_second_signal_kills_at_once() {
    let daemon = Daemon::start().await;
    let killing = daemon.server.ctx().killing.clone();
    daemon.server.ctx().tasks.spawn(async move { killing.cancelled().await });
    timeout(PATIENCE, daemon.server.stop(PATIENCE * 2, async {})).await.unwrap();
}

#[tokio::test]
async fn a_data_folder_has_one_daemon() {
    let daemon = Daemon::start().await;
    let error = Server::start(config(daemon.path("data"))).await.err().unwrap().to_string();
    assert!(error.contains("another hoist"), "{error}");
}
