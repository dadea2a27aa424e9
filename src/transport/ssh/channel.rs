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
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_util::io::{InspectReader, StreamReader};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::{debug, warn};

use super::command::{self, Command};
use crate::ctx::Ctx;
use crate::git::{FetchError, Version};
use crate::model::{Account, AppName, LfsOperation};
use crate::telemetry;
use crate::transport::fetch;
use crate::transport::lfs;
use crate::transport::push::{self, Refused, Visitor};

/// Exit statuses: as git's own for a refused push, and for what git calls fatal.
const OK: u32 = 0;
const REFUSED: u32 = 1;
const FATAL: u32 = 128;
/// The extended data type of RFC 4254, section 5.2.
const STDERR: u32 = 1;

/// A channel that has asked for something.
pub(super) struct Opened {
    pub channel: Channel<Msg>,
    /// Which version of git's protocol it has said to speak.
    pub version: Version,
}

/// What a channel asks for.
#[derive(Debug)]
pub(super) enum Asked {
    Shell,
    Command(Vec<u8>),
}

/// Does it, sends the exit status and closes the channel. `gone` ends writes that nobody will ever take; a client that
/// stays and takes nothing is waited for as long as a silent connection is.
pub(super) async fn serve(ctx: Ctx, visitor: Visitor, here: SocketAddr, channel: Opened, asked: Asked, gone: CancellationToken) {
    let Opened { channel, version } = channel;
    let (input, output) = channel.split();
    let (text, status) = match asked {
        Asked::Shell => (greeting(&visitor.account, here), REFUSED),
        Asked::Command(text) => match command::parse(&text) {
            Ok(Command::ReceivePack(app)) => receive_pack(&ctx, &visitor, &app, input, &output, &gone).await,
            Ok(Command::UploadPack(app)) => {
                let writer = writer(&output, &gone);
                let fetched = upload_pack(&ctx, &visitor, &app, version, reader(input), writer);
                // A fetch changes nothing, so that nothing is lost by ending it.
                gone.run_until_cancelled(Box::pin(fetched)).await.unwrap_or((String::new(), FATAL))
            }
            Ok(Command::LfsAuthenticate(app, operation)) => {
                let told = lfs_authenticate(&ctx, &visitor, here, (&app, operation), writer(&output, &gone));
                gone.run_until_cancelled(told).await.unwrap_or((String::new(), FATAL))
            }
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
    app: &AppName,
    input: ChannelReadHalf,
    output: &ChannelWriteHalf<Msg>,
    gone: &CancellationToken,
) -> (String, u32) {
    let target = match push::open(ctx, visitor, app.as_str()).await {
        Ok(target) => target,
        Err(why) => return (words(why), REFUSED),
    };
    let mut writer = writer(output, gone);
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

/// Runs the fetch, likewise.
async fn upload_pack(
    ctx: &Ctx,
    visitor: &Visitor,
    app: &AppName,
    version: Version,
    reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
) -> (String, u32) {
    let opened = async { fetch::open(ctx, visitor, fetch::begin(ctx, visitor, app.as_str()).await?).await };
    let source = match opened.await {
        Ok(source) => source,
        Err(why) => return (words(why), REFUSED),
    };
    let fetched = async {
        let refs = fetch::advertisement(&source, version, visitor.door).await?;
        let tell = async {
            writer.write_all(&refs).await?;
            writer.flush().await
        };
        let told = timeout(ctx.config.limits.idle_time, tell).await.map_err(io::Error::from).flatten();
        told.map_err(FetchError::Connection)?;
        fetch::serve(visitor, &source, version, reader, writer).await
    };
    match fetched.await {
        Ok(()) => (String::new(), OK),
        Err(error) => {
            fetch::log(app.as_str(), &error);
            (String::new(), FATAL)
        }
    }
}

/// Tells where files of Git LFS are.
async fn lfs_authenticate(
    ctx: &Ctx,
    visitor: &Visitor,
    here: SocketAddr,
    (app, operation): (&AppName, LfsOperation),
    mut writer: impl AsyncWrite + Unpin,
) -> (String, u32) {
    let told = match lfs::authenticate(ctx, visitor, here, app, operation).await {
        Ok(told) => told,
        Err(why) => return (words(why), REFUSED),
    };
    let tell = async {
        writer.write_all(told.as_bytes()).await?;
        writer.flush().await
    };
    match timeout(ctx.config.limits.idle_time, tell).await {
        Ok(Ok(())) => (String::new(), OK),
        _ => (String::new(), FATAL),
    }
}

/// Why an app is not open to somebody.
fn words(why: Refused) -> String {
    match why {
        Refused::TooOften(wait) => push::too_often(wait),
        Refused::NotFound(text) | Refused::Forbidden(text) | Refused::Unavailable(text) => format!("{text}\n"),
    }
}

fn writer(output: &ChannelWriteHalf<Msg>, gone: &CancellationToken) -> Output<impl AsyncWrite + Send + 'static> {
    Output { writer: Box::pin(output.make_writer()), gone: Box::pin(gone.clone().cancelled_owned()) }
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
