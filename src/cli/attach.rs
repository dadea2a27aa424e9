//! Being attached to a one-off command: its input and output over a connection of their own (heroku-api 3.13).

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use ureq::http::Uri;

use super::error::CliError;

/// For the connection and the greeting.
const CONNECT_TIME: Duration = Duration::from_secs(30);
const PIECE_BYTES: usize = 64 * 1024;
const GREETING: &[u8] = b"rendezvous\r\n";

/// Connects standard input and output to the command that waits at `attach_url`, and returns at its end. The connection is
/// secured if that to the API at `api_url` is.
pub(super) fn attach(attach_url: &str, api_url: &str) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::from)?;
    let done = runtime.block_on(async {
        // Told to end, it returns: whoever has changed the terminal puts it back.
        let (mut end, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        tokio::select! {
            done = run(attach_url, api_url) => done,
            _ = end.recv() => Err(CliError::User("ended by a signal".into())),
            _ = hang_up.recv() => Err(CliError::User("the terminal is gone".into())),
        }
    });
    // A read of standard input that nobody waits for any more may go on for ever.
    runtime.shutdown_background();
    done
}

async fn run(attach_url: &str, api_url: &str) -> Result<(), CliError> {
    let lost = |error: io::Error| CliError::User(format!("lost the connection to the command: {error}"));
    let url: Uri = attach_url.parse().map_err(anyhow::Error::from)?;
    let (Some(host), Some(port)) = (url.host(), url.port_u16()) else {
        return Err(CliError::User(format!("hoist said to attach at {attach_url}, which has no host and port")));
    };
    let host = host.trim_matches(['[', ']']);
    let line = format!("{}?framed\r\n", url.path().trim_start_matches('/'));
    let connecting = timeout(CONNECT_TIME, TcpStream::connect((host, port)));
    let connection = connecting.await.map_err(io::Error::from).flatten().map_err(lost)?;
    if !api_url.starts_with("https:") {
        return talk(connection, &line).await.map_err(lost);
    }
    let config = ClientConfig::with_platform_verifier().map_err(anyhow::Error::from)?;
    let name = host.to_owned().try_into().map_err(anyhow::Error::from)?;
    let securing = timeout(CONNECT_TIME, TlsConnector::from(Arc::new(config)).connect(name, connection));
    talk(securing.await.map_err(io::Error::from).flatten().map_err(lost)?, &line).await.map_err(lost)
}

/// Says who is wanted, then copies both ways until the command has ended.
async fn talk(connection: impl AsyncRead + AsyncWrite + Unpin, line: &str) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(connection);
    writer.write_all(line.as_bytes()).await?;
    writer.flush().await?;
    let mut greeting = [0; GREETING.len()];
    timeout(CONNECT_TIME, reader.read_exact(&mut greeting)).await.map_err(io::Error::from)??;
    let sending = async {
        // The command may end before it has read all of its input.
        let _ = send_input(&mut writer).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        received = receive_output(&mut reader) => received,
        () = sending => Ok(()),
    }
}

/// Sends standard input in frames; an empty one is its end.
async fn send_input(writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut stdin = File::from_std(io::stdin().as_fd().try_clone_to_owned()?.into());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = stdin.read(&mut piece).await?;
        writer.write_u32(u32::try_from(length).expect("a piece is short")).await?;
        writer.write_all(&piece[..length]).await?;
        writer.flush().await?;
        if length == 0 {
            return Ok(());
        }
    }
}

async fn receive_output(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut stdout = File::from_std(io::stdout().as_fd().try_clone_to_owned()?.into());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = reader.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        stdout.write_all(&piece[..length]).await?;
        stdout.flush().await?;
    }
}
