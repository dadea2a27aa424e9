//! The HTTP door: plain HTTP and TLS on one port, HTTP/1.1 and HTTP/2, and who wants to attach to a one-off command.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::debug;

use super::idle::Idle;
use super::listener::Listener;
use super::request;
use crate::ctx::Ctx;
use crate::deploy;
use crate::model::{Limits, Peer, Scheme};

/// Largest header block of a request, in bytes.
const HEADER_BYTES: u32 = 32 * 1024;
/// Requests at once on one HTTP/2 connection. Neither git nor the CLI has more than a few.
const STREAMS: u32 = 32;
/// The first byte of a TLS connection: a record of type handshake. No HTTP request starts with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Longest line that names a one-off command.
const LINE_BYTES: u64 = 256;

type Fallible = Result<(), Box<dyn std::error::Error + Send + Sync>>;

struct Door {
    ctx: Ctx,
    tls: Option<TlsAcceptor>,
    routes: Router,
}

/// Serves `routes` until hoist stops.
pub async fn run(listener: Listener, tls: Option<TlsAcceptor>, routes: Router, ctx: Ctx) {
    let door = Arc::new(Door { ctx: ctx.clone(), tls, routes: request::observed(routes) });
    let serve = |stream, peer: SocketAddr, place| {
        let door = Arc::clone(&door);
        async move {
            if let Err(error) = door.serve(stream, peer).await {
                debug!(error, "connection failed");
            }
            drop(place);
        }
    };
    listener.run(ctx, serve).await;
}

impl Door {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr) -> Fallible {
        let limits = &self.ctx.config.limits;
        let stream = timeout(limits.handshake_time, self.open(stream)).await??;
        let scheme = if matches!(stream, Either::Left(_)) { Scheme::Https } else { Scheme::Http };
        let mut stream = BufReader::new(Idle::new(stream, limits.header_time, limits.idle_time));
        let first = tokio::select! {
            start = stream.fill_buf() => start?.first().copied(),
            () = self.ctx.stopping.cancelled() => return Ok(()),
        };
        if first == Some(deploy::RENDEZVOUS_MARK) {
            return self.attach(stream).await;
        }
        let stream = TokioIo::new(stream);
        let server = server(limits, &self.ctx.tasks);
        let routes = self.routes.clone().map_request(move |mut request: hyper::Request<_>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            request.extensions_mut().insert(scheme);
            request
        });
        let mut connection = pin!(server.serve_connection(stream, TowerToHyperService::new(routes)));
        tokio::select! {
            result = connection.as_mut() => return result,
            () = self.ctx.stopping.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            result = connection => result,
            () = self.ctx.killing.cancelled() => Ok(()),
        }
    }

    /// Serves a connection that is to be attached to a one-off command: its first line says to which.
    async fn attach(&self, mut stream: BufReader<Idle<impl AsyncRead + AsyncWrite + Send + Unpin + 'static>>) -> Fallible {
        let limits = &self.ctx.config.limits;
        let mut line = Vec::new();
        let mut start = (&mut stream).take(LINE_BYTES);
        timeout(limits.header_time, start.read_until(b'\n', &mut line)).await??;
        // A command may be silent for as long as it runs, and its own time-out comes first.
        stream.get_mut().set_silence(limits.run_time + limits.idle_time);
        let line = String::from_utf8(line)?;
        if !deploy::attach(&self.ctx, line.trim_end(), stream).await {
            return Err("nothing waits for this line".into());
        }
        Ok(())
    }

    /// Tells TLS from plain HTTP by the first byte, and shakes hands.
    async fn open(&self, stream: TcpStream) -> io::Result<Either<TlsStream<TcpStream>, TcpStream>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 || first[0] != TLS_HANDSHAKE {
            return Ok(Either::Right(stream));
        }
        match &self.tls {
            Some(tls) => tls.accept(stream).await.map(Either::Left),
            None => Err(io::Error::other("TLS was asked for, but there is no certificate")),
        }
    }
}

fn server(limits: &Limits, tasks: &TaskTracker) -> auto::Builder<Tracked> {
    let mut server = auto::Builder::new(Tracked(tasks.clone()));
    server.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_buf_size(HEADER_BYTES as usize);
    server.http2().timer(TokioTimer::new()).max_header_list_size(HEADER_BYTES).max_concurrent_streams(STREAMS);
    server
}

/// Runs HTTP/2's streams as tasks that hoist waits for when it stops.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
