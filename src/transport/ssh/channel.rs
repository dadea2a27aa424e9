//! One channel with one command, from the request to the exit status.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::io::{InspectReader, StreamReader};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::{debug, warn};

use super::command::{self, ReceivePack};
use crate::ctx::Ctx;
use crate::model::Account;
use crate::telemetry;
use crate::transport::push::{self, Refused, Visitor};

/// Exit statuses: as git's own for a refused push, and for what git calls fatal.
const OK: u32 = 0;
const REFUSED: u32 = 1;
const FATAL: u32 = 128;
/// The extended data type of RFC 4254, section 5.2.
const STDERR: u32 = 1;

/// What a channel asks for.
pub(super) enum Asked {
    Shell,
    Command(Vec<u8>),
}

/// Does it, sends the exit status and closes the channel. `gone` ends writes that nobody will ever take; a client that
/// stays and takes nothing is waited for as long as a silent connection is.
pub(super) async fn serve(
    ctx: Ctx,
    visitor: Visitor,
    here: SocketAddr,
    channel: Channel<Msg>,
    asked: Asked,
    gone: CancellationToken,
) {
    let (input, output) = channel.split();
    let (text, status) = match asked {
        Asked::Shell => (greeting(&visitor.account, here), REFUSED),
        Asked::Command(text) => match command::parse(&text) {
            Ok(command) => receive_pack(&ctx, &visitor, command, input, &output, &gone).await,
            Err(error) => (error.to_string(), FATAL),
        },
    };
    let patience = ctx.config.limits.idle_time;
    if let Some(Err(error)) = gone.run_until_cancelled(finish(&output, text, status, patience)).await {
        debug!(%error, "the client went before the end");
    }
}

async fn finish(output: &ChannelWriteHalf<Msg>, text: String, status: u32, patience: Duration) -> Result<(), russh::Error> {
    // What follows needs no room in the channel's window: it reaches a client that does not take the text.
    if let Ok(told) = timeout(patience, output.extended_data_bytes(STDERR, text)).await {
        told?;
    }
    output.exit_status(status).await?;
    output.eof().await?;
    output.close().await
}

/// For somebody at a terminal, which the client has put into raw mode: hence the carriage returns.
fn greeting(account: &Account, here: SocketAddr) -> String {
    format!(
        "Hi {}! You are known here, but hoist does not provide shell access.\r\n\
         To deploy an app, run in its repository: git push ssh://git@{here}/APP.git main\r\n",
        account.email
    )
}

/// Runs the push; what it returns goes to the client's stderr and exit status.
async fn receive_pack(
    ctx: &Ctx,
    visitor: &Visitor,
    ReceivePack { app }: ReceivePack,
    input: ChannelReadHalf,
    output: &ChannelWriteHalf<Msg>,
    gone: &CancellationToken,
) -> (String, u32) {
    let target = match push::open(ctx, visitor, app.as_str()).await {
        Ok(target) => target,
        Err(Refused::TooOften(wait)) => return (push::too_often(wait), REFUSED),
        Err(Refused::NotFound(text) | Refused::Forbidden(text) | Refused::Unavailable(text)) => {
            return (format!("{text}\n"), REFUSED);
        }
    };
    let mut writer = Output { writer: Box::pin(output.make_writer()), gone: Box::pin(gone.clone().cancelled_owned()) };
    let advertise = timeout(ctx.config.limits.idle_time, push::advertise(&target, &mut writer));
    if let Err(error) = advertise.await.map_err(io::Error::from).flatten() {
        debug!(app.name = %app, %error, "can't tell the refs");
        return (String::new(), FATAL);
    }
    let reader = InspectReader::new(reader(input), |bytes| telemetry::received("ssh", bytes.len()));
    match push::receive(ctx, visitor, target, reader, writer).await {
        Ok(()) => (String::new(), OK),
        Err(error) => {
            warn!(app.name = %app, error = &error as &dyn std::error::Error, "push failed");
            (String::new(), REFUSED)
        }
    }
}

/// What the client sends, to its end of input. russh's own reader takes an empty packet for the end, and the one that
/// can be moved to another task closes the channel before the exit status is sent.
fn reader(input: ChannelReadHalf) -> impl AsyncRead + Send + Unpin + 'static {
    StreamReader::new(Box::pin(stream::unfold(input, |mut input| async {
        let data = next(&mut input).await?;
        Some((io::Result::Ok(data), input))
    })))
}

async fn next(input: &mut ChannelReadHalf) -> Option<Bytes> {
    loop {
        match input.wait().await? {
            ChannelMsg::Data { data } if !data.is_empty() => return Some(data),
            ChannelMsg::Eof | ChannelMsg::Close => return None,
            _ => {}
        }
    }
}

/// What the client gets. A write waits for as long as the client takes nothing, but not for one that has gone: russh
/// would let it wait for ever.
struct Output<W> {
    writer: Pin<Box<W>>,
    gone: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<W: AsyncWrite> AsyncWrite for Output<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.gone.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.writer.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    /// Leaves the channel open: its end of output comes with the exit status.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
