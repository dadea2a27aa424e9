//! Runs a command on an SSH server that a stranger named, and whose key is known beforehand.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Config, Handle, Msg};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Preferred};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{Bounds, CONNECT_TIME, FetchError, SILENCE, address};
use crate::model::{DeployKey, RemoteUrl};

/// Until the command runs: connecting, agreeing on keys, logging in.
const LOGIN_TIME: Duration = Duration::from_secs(30);
/// What may wait between the connection and whoever reads it.
const PIPE_BYTES: usize = 256 * 1024;
const PIECE_BYTES: usize = 32 * 1024;
/// Most that is kept of what the command says beside its output.
const MAX_SAID: usize = 4096;
/// The stream of errors (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// A command that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct RemoteCommand {
    said: Arc<Mutex<Said>>,
    pump: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Said {
    errors: Vec<u8>,
    is_silent: bool,
}

impl RemoteCommand {
    /// Waits until the command has ended or was given up, its output having been read to the end; returns what it said of
    /// errors.
    pub async fn end(self) -> Result<String, FetchError> {
        // A panic there is told by what it left unsaid.
        let _ = self.pump.await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_silent { Err(FetchError::TimedOut) } else { Ok(String::from_utf8_lossy(&said.errors).trim().to_owned()) }
    }
}

/// Logs in and starts `command` with protocol version 2 of git asked for; returns it with its input and output.
pub async fn run_remotely(
    url: &RemoteUrl,
    key: &DeployKey,
    command: &str,
    bounds: &Bounds,
) -> Result<(RemoteCommand, DuplexStream), FetchError> {
    let opening = open(url, key, command, &bounds.allow_networks);
    let (connection, channel) = timeout(LOGIN_TIME, opening).await.map_err(|_| FetchError::TimedOut)??;
    let (here, there) = tokio::io::duplex(PIPE_BYTES);
    let said = Arc::new(Mutex::new(Said::default()));
    let saying = Arc::clone(&said);
    let pump = tokio::spawn(async move {
        pump(channel, there, &saying).await;
        drop(connection);
    });
    Ok((RemoteCommand { said, pump: AbortOnDropHandle::new(pump) }, here))
}

async fn open(
    url: &RemoteUrl,
    key: &DeployKey,
    command: &str,
    allowed: &[(IpAddr, u8)],
) -> Result<(Handle<Known>, Channel<Msg>), FetchError> {
    let known = key.known_hosts.keys_of(url.host(), url.port());
    if known.is_empty() {
        return Err(FetchError::UnknownHost(url.host().to_owned()));
    }
    let stream = connect(url.host(), url.port().unwrap_or(22), allowed).await?;
    let explain = |error| explain(&error, url.host());
    let mut connection = client::connect_stream(Arc::new(config(&known)), stream, Known(known)).await.map_err(explain)?;
    log_in(&mut connection, url.user(), key).await.map_err(explain)?.then_some(()).ok_or(FetchError::Login)?;
    let channel = connection.channel_open_session().await.map_err(explain)?;
    // Servers that do not know it pass it over, and answer by version 0.
    channel.set_env(false, "GIT_PROTOCOL", "version=2").await.map_err(explain)?;
    channel.exec(false, command).await.map_err(explain)?;
    Ok((connection, channel))
}

/// Tells whether the server takes the key.
async fn log_in(connection: &mut Handle<Known>, user: &str, key: &DeployKey) -> Result<bool, russh::Error> {
    let private = Arc::new(key.private());
    let hashes = if matches!(private.algorithm(), Algorithm::Rsa { .. }) {
        // What a server says that it knows (RFC 8308, 3.1) is not always what it takes. Never SHA-1.
        match connection.best_supported_rsa_hash().await?.flatten() {
            Some(HashAlg::Sha256) => vec![Some(HashAlg::Sha256), Some(HashAlg::Sha512)],
            _ => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
        }
    } else {
        vec![None]
    };
    for hash in hashes {
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&private), hash);
        if matches!(connection.authenticate_publickey(user, key).await?, AuthResult::Success) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn connect(host: &str, port: u16, allowed: &[(IpAddr, u8)]) -> Result<TcpStream, FetchError> {
    let found = timeout(CONNECT_TIME, lookup_host((host, port))).await.map_err(|_| FetchError::TimedOut)?;
    let found = found.map_err(|_| FetchError::NoHost(host.to_owned()))?;
    let checked: Vec<SocketAddr> = found.filter(|found| address::may_connect(found.ip(), allowed)).collect();
    if checked.is_empty() {
        return Err(FetchError::Private(host.to_owned()));
    }
    let connecting = timeout(CONNECT_TIME, TcpStream::connect(&checked[..])).await.map_err(|_| FetchError::TimedOut)?;
    connecting.map_err(|error| FetchError::Failed(error.to_string()))
}

/// Asks the server for a key of a kind that is known of it, as it may have several.
fn config(known: &[PublicKey]) -> Config {
    let mut kinds = Vec::new();
    for key in known {
        match key.algorithm() {
            // The same key, with the hashes that are still trusted.
            Algorithm::Rsa { .. } => {
                kinds.extend([HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) }));
            }
            kind => kinds.push(kind),
        }
    }
    let preferred = Preferred { key: Cow::Owned(kinds), ..Preferred::default() };
    Config { preferred, ..Config::default() }
}

fn explain(error: &russh::Error, host: &str) -> FetchError {
    match error {
        russh::Error::UnknownKey | russh::Error::NoCommonAlgo { .. } => FetchError::UnknownHost(host.to_owned()),
        error => FetchError::Failed(error.to_string()),
    }
}

/// The keys that a server may show.
struct Known(Vec<PublicKey>);

impl client::Handler for Known {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.0.iter().any(|known| known.key_data() == key.key_data()),
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

/// Carries bytes both ways until the command has ended, nothing comes any more, or nobody reads.
async fn pump(mut channel: Channel<Msg>, stream: DuplexStream, said: &Mutex<Said>) {
    let (mut input, mut output) = tokio::io::split(stream);
    let mut piece = vec![0; PIECE_BYTES];
    let mut has_input = true;
    let said = || said.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        tokio::select! {
            message = timeout(SILENCE, channel.wait()) => match message {
                Ok(Some(ChannelMsg::Data { data })) => if output.write_all(&data).await.is_err() { return },
                Ok(Some(ChannelMsg::ExtendedData { data, ext: STDERR })) => {
                    let mut said = said();
                    let room = MAX_SAID.saturating_sub(said.errors.len()).min(data.len());
                    said.errors.extend_from_slice(&data[..room]);
                }
                Ok(Some(ChannelMsg::Close | ChannelMsg::Failure) | None) => return,
                Ok(Some(_)) => {}
                Err(_) => {
                    said().is_silent = true;
                    return;
                }
            },
            read = input.read(&mut piece), if has_input => match read {
                Ok(count) if count > 0 => if channel.data(&piece[..count]).await.is_err() { return },
                _ => {
                    has_input = false;
                    // A server that is gone has been noticed above.
                    let _ = channel.eof().await;
                }
            },
        }
    }
}
