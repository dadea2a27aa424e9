//! Starting and stopping.

use std::future::pending;
use std::time::Duration;

use hoist::config::{Config, Engine, PlaceArgs, ServeArgs};
use hoist::server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Daemon, PATIENCE};

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
    let any_port = Some(([127, 0, 0, 1], 0).into());
    let place = PlaceArgs { data_dir: Some(daemon.path("data")), engine: Some(Engine::Local), ..PlaceArgs::default() };
    let args = ServeArgs { place, http_listen: any_port, ssh_listen: any_port, public_url: None };
    let error = Server::start(Config::load(&args).unwrap()).await.err().unwrap().to_string();
    assert!(error.contains("another hoist"), "{error}");
}
