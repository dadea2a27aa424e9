//! One push, from its commands to its report. Knows bytes in and bytes out; SSH, HTTP and tests bring them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use gix_packetline::Channel;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};

use super::ProtocolError;
use super::admission::refuse_impossible;
use super::advertise::Advertised;
use super::certificate::UNVERIFIED;
use super::commands::{Capabilities, Command, RefUpdate, Request};
use super::drain::drain;
use super::index::{IndexError, Indexed, Tip, index};
use super::pkt_line::{FLUSH, error_line};
use super::progress::{Output, Progress};
use super::quarantine::Quarantine;
use super::refusal::{Refusal, Words, explain, refuse_at_once};
use super::repo::Repo;
use super::report::{RefStatus, encode_report};
use super::request::{RequestError, read_request};
use crate::model::PushCertificate;

/// Bytes read from the connection at once.
const BUFFER: usize = 256 * 1024;

/// A push that was received and checked, for the caller to decide upon.
#[derive(Debug)]
pub struct Push {
    /// The updates that can be. Those that cannot are refused already.
    pub updates: Vec<RefUpdate>,
    pub options: Vec<String>,
    /// Whether the updates are to be made all or none. The caller sees to it.
    pub atomic: bool,
    /// Whether the pusher asked for few words.
    pub quiet: bool,
    /// Of a push that an SSH key has signed: with which one. Whose that is, the caller finds out.
    pub certificate: Option<PushCertificate>,
    /// The new objects; `None` when the push brought none. Dropped unless published.
    pub quarantine: Option<Quarantine>,
    /// From the commands' end until the objects were checked.
    pub received_in: Duration,
}

/// How a push ended.
#[derive(Debug, Default)]
pub struct Received {
    /// One per command, in the order of the commands; empty when there was nothing to push.
    pub statuses: Vec<RefStatus>,
    /// Whether the report could be sent.
    pub reported: bool,
}

/// Why there was nothing to decide upon. The pusher has been told.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The client's fault.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The pusher's fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The pusher's fault, hoist's, or the network's: see there.
    #[error("the pack was not taken")]
    Pack(#[source] IndexError),
    /// The connection broke before everything was read.
    #[error("the connection broke")]
    Connection(#[from] io::Error),
}

impl From<IndexError> for ReceiveError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Connection(error) => Self::Connection(error),
            other => Self::Pack(other),
        }
    }
}

/// Receives one push, after `advertised` was told. The refs are those that there are now.
///
/// `decide` is called once the pack, if any, is checked and quarantined; it moves
/// the refs and answers for each of the push's updates. It runs to its end even if the pusher goes away, which it may
/// ask of its [`Progress`].
pub async fn receive_pack<R, W, D>(
    reader: R,
    writer: W,
    repo: &Repo,
    advertised: &Advertised,
    decide: D,
) -> Result<Received, ReceiveError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    D: AsyncFnOnce(Push, Progress) -> Vec<RefStatus>,
{
    let mut input = BufReader::with_capacity(BUFFER, reader);
    let idle = repo.limits().idle_time;
    let (mut request, options) = match read_request(&mut input, idle).await {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(Received::default()),
        Err(error) => return Err(refuse_request(error, input, Output::new(writer, false, idle)).await),
    };
    let mut output = Output::new(writer, request.capabilities.side_band, idle);
    let outcome = match refuse_at_once(&request, &options, advertised) {
        Err(refusal) => Err(refusal.into()),
        Ok(certificate) => {
            refuse_impossible(&mut request.commands, &advertised.refs);
            let said = Said { options, certificate };
            output.attend(async |progress| receive(&mut input, &mut request, said, repo, progress, decide).await).await
        }
    };
    let words = outcome.as_ref().err().map(explain);
    let unpack = words.as_ref().and_then(|words| words.unpack.as_deref()).map_or(Ok(()), Err);
    if let Some(text) = words.as_ref().and_then(|words| words.text.as_deref()) {
        output.send(Channel::Progress, text.as_bytes()).await;
    }
    let statuses = statuses(request.commands, words.as_ref(), outcome.as_deref().unwrap_or_default());
    report(&mut output, &request.capabilities, unpack, &statuses).await;
    if outcome.is_err() {
        drain(&mut input).await;
    }
    outcome.map(|_| Received { statuses, reported: output.is_open() })
}

/// What was said beside the commands.
struct Said {
    options: Vec<String>,
    certificate: Option<PushCertificate>,
}

/// Takes the pack and lets `decide` decide.
async fn receive(
    input: &mut (impl AsyncBufRead + Unpin),
    request: &mut Request,
    Said { options, certificate }: Said,
    repo: &Repo,
    progress: Progress,
    decide: impl AsyncFnOnce(Push, Progress) -> Vec<RefStatus>,
) -> Result<Vec<RefStatus>, ReceiveError> {
    let start = Instant::now();
    let quarantine = if request.brings_pack() { take_pack(input, request, repo, &progress).await? } else { None };
    let Capabilities { atomic, quiet, .. } = request.capabilities;
    if atomic && request.commands.iter().any(|command| command.update.is_err()) {
        for command in &mut request.commands {
            if command.update.is_ok() {
                command.update = Err("atomic push failure".to_owned());
            }
        }
    }
    let updates: Vec<_> = request.commands.iter().filter_map(|command| command.update.clone().ok()).collect();
    if updates.is_empty() {
        return Ok(Vec::new());
    }
    if updates.iter().any(|update| update.old.is_none() && update.new.is_none()) {
        // A pusher who has gone is noticed later.
        let _ = progress.write(b"warning: deleting a non-existent ref\n").await;
    }
    if request.certificate.is_some() && certificate.is_none() {
        // Likewise.
        let _ = progress.write(UNVERIFIED.as_bytes()).await;
    }
    let push = Push { updates, options, atomic, quiet, certificate, quarantine, received_in: start.elapsed() };
    tokio::select! {
        biased;
        statuses = decide(push, progress.clone()) => Ok(statuses),
        never = watch(input, &progress) => match never {},
    }
}

async fn take_pack(
    input: &mut (impl AsyncBufRead + Unpin),
    request: &mut Request,
    repo: &Repo,
    progress: &Progress,
) -> Result<Option<Quarantine>, ReceiveError> {
    let changes: Vec<&mut Command> =
        request.commands.iter_mut().filter(|command| command.update.as_ref().is_ok_and(|update| update.new.is_some())).collect();
    let tip = |command: &&mut Command| {
        let update = command.update.as_ref().ok()?;
        Some(Tip::new(update.new.as_ref()?, &update.name))
    };
    let tips = changes.iter().filter_map(tip).collect();
    let progress = (!request.capabilities.quiet).then_some(progress);
    let Indexed { quarantine, tips } = index(input, repo, tips, progress).await?;
    for (command, refusal) in changes.into_iter().zip(tips) {
        if let Some(reason) = refusal {
            command.update = Err(reason);
        }
    }
    Ok(quarantine)
}

/// Looks after the incoming side while the caller decides: a broken connection is noticed at once. A clean end is
/// none, see [`Progress::gone`].
async fn watch(input: &mut (impl AsyncBufRead + Unpin), progress: &Progress) -> Infallible {
    // Nothing more is expected; what comes anyway is passed over, but not for ever.
    let mut patience = 64 * 1024;
    while patience > 0 {
        match input.fill_buf().await {
            Ok([]) => break,
            Ok(bytes) => {
                let count = bytes.len();
                input.consume(count);
                patience -= count.min(patience);
            }
            Err(_) => {
                progress.set_gone();
                break;
            }
        }
    }
    pending().await
}

/// One status per command: its own refusal, the whole push's, or what was decided.
fn statuses(commands: Vec<Command>, refused: Option<&Words>, decided: &[RefStatus]) -> Vec<RefStatus> {
    let decided: HashMap<&str, &RefStatus> = decided.iter().map(|status| (status.name.as_str(), status)).collect();
    let status = |command: Command| match (command.update, refused) {
        (Err(reason), _) => RefStatus::refused(&command.name, reason),
        (Ok(_), Some(words)) => RefStatus::refused(&command.name, words.reason.as_str()),
        (Ok(_), None) => {
            let decision = decided.get(command.name.as_str()).copied().cloned();
            decision.unwrap_or_else(|| RefStatus::refused(&command.name, "not decided upon"))
        }
    };
    commands.into_iter().map(status).collect()
}

async fn report<W: AsyncWrite + Unpin>(
    output: &mut Output<W>,
    capabilities: &Capabilities,
    unpack: Result<(), &str>,
    statuses: &[RefStatus],
) {
    if capabilities.report_status {
        output.send(Channel::Data, &encode_report(unpack, statuses)).await;
    }
    if capabilities.side_band {
        output.put(FLUSH).await;
    }
}

/// Tells a client that is not understood, in the form that needs no negotiation.
async fn refuse_request<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    error: RequestError,
    mut input: BufReader<R>,
    mut output: Output<W>,
) -> ReceiveError {
    match error {
        RequestError::Protocol(error) => {
            output.put(&error_line(&error.to_string())).await;
            drain(&mut input).await;
            error.into()
        }
        RequestError::Io(error) => error.into(),
    }
}
