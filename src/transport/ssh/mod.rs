//! The SSH door: public keys in, one git command per channel out.
//!
//! In reading order: this file serves a connection from its first byte to its end; `logins` bounds strangers,
//! `handler` logs users in and opens channels, `advice` is what it tells who may not, `channel` runs what a channel
//! asks for, `command` reads that, `host_keys` keeps hoist's own keys.

mod logins;

mod handler;

mod advice;
mod channel;
mod command;
mod host_keys;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::server::{self, RunningSession};
use russh::{Disconnect, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use rustix::net::{Shutdown, shutdown};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use super::listener::{Listener, Place};
use crate::ctx::Ctx;
use handler::{Handler, LoginError};
use logins::{Barred, Logins};

pub use host_keys::{HostKeyError, HostKeys};

/// How long a refused key is answered late, so that trying many costs time. Users with several keys in their agent
/// wait for it, too.
const REJECTION_TIME: Duration = Duration::from_millis(100);
/// Keys that a client may try, and a request for advice. OpenSSH's own limit is 6.
const LOGIN_ATTEMPTS: usize = 12;
/// Silence after which a client is asked for a sign of life; it is given up after three without one.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Packets (of at most 32 KiB) that wait for a slow reader before the client is made to wait.
const CHANNEL_BUFFER: usize = 32;
/// What a client may send before it hears that it was read: enough for 1 Gbit/s over 100 ms. Nothing is set aside for it:
/// what waits in memory is bounded by [`CHANNEL_BUFFER`].
const WINDOW: u32 = 16 * 1024 * 1024;
/// How long a client has for going, once it has nothing to do here or was told to go.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether what a client asks to run is one of the commands that there are. For the fuzzer.
#[must_use]
pub fn is_command(text: &[u8]) -> bool {
    command::parse(text).is_ok()
}

struct Door {
    ctx: Ctx,
    config: Arc<server::Config>,
    logins: Logins,
}

/// Serves git over SSH until hoist stops.
pub async fn run(listener: Listener, keys: HostKeys, ctx: Ctx) {
    let door = Arc::new(Door {
        ctx: ctx.clone(),
        config: Arc::new(config(&ctx, keys)),
        logins: Logins::new(ctx.rates.clone(), ctx.config.limits.handshake_time),
    });
    let serve = |stream, peer, place| {
        let door = Arc::clone(&door);
        async move { door.serve(stream, peer, place).await }
    };
    listener.run(ctx, serve).await;
}

/// New session keys after 1 GiB or an hour (RFC 4253, section 9) are russh's own default.
fn config(ctx: &Ctx, keys: HostKeys) -> server::Config {
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-hoist")),
        // Keyboard-interactive never logs anybody in: it is the one way to tell a client in words why its keys don't.
        methods: MethodSet::from([MethodKind::PublicKey, MethodKind::KeyboardInteractive].as_slice()),
        auth_rejection_time: REJECTION_TIME,
        // Every client first asks which methods there are.
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: LOGIN_ATTEMPTS,
        keys: keys.0,
        preferred: algorithms(),
        window_size: WINDOW,
        channel_buffer_size: CHANNEL_BUFFER,
        inactivity_timeout: Some(ctx.config.limits.idle_time),
        keepalive_interval: Some(KEEPALIVE.min(ctx.config.limits.idle_time / 4)),
        ..server::Config::default()
    }
}

/// What OpenSSH 6.5 (2014) and newer can all do, without SHA-1 or compression before login.
/// The one finite field group is for clients that are bound to FIPS 140, which know no curve 25519 and need an ECDSA host key,
/// too (`host_keys`); larger groups cost too much before login. The MACs over plain text are for libssh2 before 1.11, with which
/// libgit2 is still built: it knows no other, and no cipher that needs none.
fn algorithms() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::DH_G16_SHA512,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        key: Cow::Borrowed(&[
            Algorithm::Ed25519,
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
            Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
            Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        ]),
        cipher: Cow::Borrowed(&[
            cipher::AES_256_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512, mac::HMAC_SHA256]),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    }
}

/// A connection's life outside russh's own task.
struct Connection {
    /// To be closed when the client does not go by itself.
    socket: OwnedFd,
    deadline: Instant,
    logged_in: oneshot::Receiver<()>,
    commands: TaskTracker,
}

/// Says why, as OpenSSH's own server does: before any version is exchanged, where `ssh -v` shows it.
async fn turn_away(mut stream: TcpStream, barred: Barred) {
    debug!("turned away: {barred}");
    // It fails for a client that has gone.
    let _ = timeout(FAREWELL, stream.write_all(format!("{barred}\r\n").as_bytes())).await;
}

impl Door {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr, place: Place) {
        let login = match self.logins.enter(peer.ip()).await {
            Ok(login) => login,
            Err(barred) => return turn_away(stream, barred).await,
        };
        let gone = CancellationToken::new();
        // Tells the channels' commands that nobody listens any more, whichever way this ends.
        let _ends = gone.clone().drop_guard();
        if let Err(error) = self.talk(stream, peer, login, gone).await {
            debug!(error = &error as &dyn std::error::Error, "connection failed");
        }
        drop(place);
    }

    async fn talk(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        login: logins::Login,
        gone: CancellationToken,
    ) -> Result<(), LoginError> {
        let deadline = Instant::now() + self.ctx.config.limits.handshake_time;
        let (tell_login, logged_in) = oneshot::channel();
        let commands = TaskTracker::new();
        let connection =
            Connection { socket: stream.as_fd().try_clone_to_owned()?, deadline, logged_in, commands: commands.clone() };
        let here = stream.local_addr()?;
        let handler = Handler::new(self.ctx.clone(), (here, peer), login, tell_login, commands, gone);
        let config = Arc::clone(&self.config);
        let session =
            timeout_at(deadline, server::run_stream(config, stream, handler)).await.map_err(|_| LoginError::TooSlow)??;
        self.watch(session, connection).await
    }

    /// Waits for the session's end, or ends it: a login that takes too long, or hoist stopping.
    async fn watch(&self, mut session: RunningSession<Handler>, mut connection: Connection) -> Result<(), LoginError> {
        let why = tokio::select! {
            result = &mut session => return result,
            why = self.must_end(&mut connection) => why,
        };
        info!("connection closed: {why}");
        let farewell = async {
            // Fails when the session has ended meanwhile, which is what is wanted.
            let _ = session.handle().disconnect(Disconnect::ByApplication, why.into(), String::new()).await;
            (&mut session).await
        };
        if let Ok(result) = timeout(FAREWELL, farewell).await {
            return result;
        }
        // Fails when the client has gone meanwhile.
        let _ = shutdown(&connection.socket, Shutdown::Both);
        timeout(FAREWELL, session).await.unwrap_or(Ok(()))
    }

    async fn must_end(&self, connection: &mut Connection) -> &'static str {
        match timeout_at(connection.deadline, &mut connection.logged_in).await {
            Ok(Ok(())) => {}
            // The handler is gone, so the session ends by itself.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return "the login took too long",
        }
        self.ctx.stopping.cancelled().await;
        connection.commands.close();
        let last_command = async {
            connection.commands.wait().await;
            // A client that is told to go before it has taken its exit status fails.
            sleep(FAREWELL).await;
        };
        self.ctx.killing.run_until_cancelled(last_command).await;
        "hoist is stopping"
    }
}
