//! The accept loop of both doors.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument as _, info_span, warn};

use crate::ctx::Ctx;
use crate::telemetry::{self, Counted};

/// Waits after failed accepts: doubled each time, from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A connection's place among `Limits::connections`; free again when dropped.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

/// One bound port, its name in logs and metrics, and the places that it shares with the other door.
pub struct Listener {
    socket: TcpListener,
    door: &'static str,
    places: Arc<Semaphore>,
}

impl Listener {
    /// Binds a port. The error names the address.
    pub async fn bind(door: &'static str, address: SocketAddr, places: Arc<Semaphore>) -> io::Result<Self> {
        let bound = TcpListener::bind(address).await;
        let socket =
            bound.map_err(|error| io::Error::new(error.kind(), format!("can't listen on {address} ({door}): {error}")))?;
        Ok(Self { socket, door, places })
    }

    /// The address, with the port that the kernel chose if 0 was asked for.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until hoist stops, and runs `serve` for each connection as a task of `ctx.tasks`.
    pub async fn run<F>(self, ctx: Ctx, serve: impl Fn(TcpStream, SocketAddr, Place) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while let Some(Some((stream, peer, place))) = ctx.stopping.run_until_cancelled(self.next()).await {
            let span = info_span!("connection", door = self.door, %peer);
            ctx.tasks.spawn(serve(stream, peer, place).instrument(span));
        }
    }

    /// The next connection that has a place; those behind it wait in the kernel's queue.
    ///
    /// The place comes after the connection: a door where nobody knocks must not keep one from the other door.
    async fn next(&self) -> Option<(TcpStream, SocketAddr, Place)> {
        let (stream, peer) = self.accept_patiently().await;
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some((stream, peer, Place { _permit: permit, _counted: telemetry::connection_open(self.door) }))
    }

    /// Never gives up on errors: they are the peer's (reset before accept) or pass (no file descriptors left).
    async fn accept_patiently(&self) -> (TcpStream, SocketAddr) {
        let mut wait = FIRST_WAIT;
        loop {
            match self.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => warn!(door = self.door, %error, "can't accept a connection"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.socket.accept().await?;
        // Progress lines and keep-alives are small and must not wait for one another.
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}
