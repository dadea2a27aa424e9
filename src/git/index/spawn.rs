//! The daemon's side: starts the helper, feeds it the pack, waits for its verdict.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use super::wire::{History, Order, Origin, Tip, Verdict};
use crate::git::progress::Progress;
use crate::git::quarantine::{PackName, Quarantine, Stats};
use crate::git::repo::Repo;
use crate::model::CommitId;

/// Time that the helper has once the whole pack is in, and for taking any part of it. The largest packs take a few
/// minutes.
const WORK_TIME: Duration = Duration::from_mins(20);
/// Likewise, for what nobody waits for, which is done when there is nothing else to do.
const OWN_WORK_TIME: Duration = Duration::from_hours(6);

/// Bytes in the pipe to the helper: the kernel's largest for ordinary users, so that the two processes take turns less.
const PIPE_BYTES: usize = 1024 * 1024;

/// Most bytes of the helper's dying words that are logged.
const MAX_LAST_WORDS: u64 = 4096;

/// A pack that was taken.
#[derive(Debug)]
pub(crate) struct Indexed {
    /// `None`: the pack was empty.
    pub quarantine: Option<Quarantine>,
    /// For each tip why it cannot be a ref's value, if so.
    pub tips: Vec<Option<String>>,
}

/// Why a pack was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The pusher's fault, or of the server from which it is fetched: what is wrong with the pack.
    #[error("{0}")]
    Refused(String),
    /// Theirs: what is wrong with an object.
    #[error("{0}")]
    BadObject(String),
    /// Theirs, or the network's: nothing came for so long.
    #[error("nothing was received for {} seconds", .0.as_secs())]
    Idle(Duration),
    /// The network's: the connection broke.
    #[error("the connection broke")]
    Connection(#[source] io::Error),
    /// hoist's fault: the helper says so.
    #[error("cannot store the pack: {0}")]
    Failed(String),
    /// hoist's fault: the helper did not get that far. A pack that needs more memory than the limits allow ends so.
    #[error("the indexer died ({status}): {last_words}")]
    Died { status: String, last_words: String },
    /// hoist's fault.
    #[error("the indexer took longer than {} minutes", .0.as_secs() / 60)]
    TooSlow(Duration),
    /// hoist's fault.
    #[error("cannot run the indexer")]
    Io(#[from] io::Error),
}

/// Reads a pack from `input`, no byte of which is lost but those after the pack, into a new quarantine.
pub(crate) async fn index(
    input: &mut (impl AsyncBufRead + Unpin),
    repo: &Repo,
    tips: Vec<Tip>,
    progress: Option<&Progress>,
) -> Result<Indexed, IndexError> {
    let mut quarantine = Quarantine::create(repo.dir())?;
    let order = Order { verbose: progress.is_some(), ..order(repo, repo.pack_dir(), quarantine.pack_dir(), tips) };
    let (stats, tips) = run(&order, input, repo, progress).await?;
    let quarantine = stats.map(|stats| {
        quarantine.fill(stats);
        quarantine
    });
    Ok(Indexed { quarantine, tips })
}

/// Reads the pack of another server's commit, without its history, into a folder of packs. Returns why the commit cannot be
/// used, if so.
pub(crate) async fn index_foreign(
    input: &mut (impl AsyncBufRead + Unpin),
    repo: &Repo,
    dir: &Path,
    commit: &CommitId,
) -> Result<Option<String>, IndexError> {
    let tip = Tip { id: commit.to_string(), branch: true };
    let order = Order { history: History::Shallow, ..order(repo, dir.to_owned(), dir.to_owned(), vec![tip]) };
    let (_, mut tips) = run(&order, input, repo, None).await?;
    Ok(tips.pop().flatten())
}

/// Reads a pack that hoist has made of its own into a new quarantine; `None` when it is empty.
pub(crate) async fn index_own(input: &mut (impl AsyncBufRead + Unpin), repo: &Repo) -> Result<Option<Quarantine>, IndexError> {
    let mut quarantine = Quarantine::create(repo.dir())?;
    let order = own_order(repo, quarantine.pack_dir(), Origin::Copied);
    let (stats, _) = run(&order, input, repo, None).await?;
    Ok(stats.map(|stats| {
        quarantine.fill(stats);
        quarantine
    }))
}

/// Looks at a pack of the repository again; gives how many objects it has if all is as it should be.
pub(crate) async fn examine(repo: &Repo, pack: &PackName) -> Result<usize, IndexError> {
    let made_anew = Quarantine::create(repo.dir())?;
    let order = own_order(repo, made_anew.pack_dir(), Origin::Kept(pack.file(&repo.pack_dir(), "pack")));
    let (stats, _) = run(&order, &mut tokio::io::empty(), repo, None).await?;
    Ok(stats.map_or(0, |stats| stats.objects))
}

fn order(repo: &Repo, main: PathBuf, incoming: PathBuf, tips: Vec<Tip>) -> Order {
    let limits = repo.limits();
    Order {
        main,
        incoming,
        tips,
        pack_bytes: limits.pack_bytes,
        pack_objects: limits.pack_objects,
        blob_bytes: limits.blob_bytes,
        verbose: false,
        history: History::Whole,
        origin: Origin::Pushed,
    }
}

/// An order about objects that are here already: they have been let in, whatever the limits are by now.
fn own_order(repo: &Repo, incoming: PathBuf, origin: Origin) -> Order {
    let order = order(repo, repo.pack_dir(), incoming, Vec::new());
    Order { pack_bytes: u64::MAX, pack_objects: u32::MAX, blob_bytes: u64::MAX, origin, ..order }
}

/// Has the helper carry out an order; returns what the pack holds, unless it is empty, and what is wrong with each tip.
async fn run(
    order: &Order,
    input: &mut (impl AsyncBufRead + Unpin),
    repo: &Repo,
    progress: Option<&Progress>,
) -> Result<(Option<Stats>, Vec<Option<String>>), IndexError> {
    let mut helper = start(repo)?;
    match converse(&mut helper, order, input, repo.limits().idle_time, progress).await? {
        Some(Verdict::Accepted { objects, bytes, pack, tips }) => {
            Ok((pack.map(|name| Stats { objects, bytes, pack: PackName::new(name) }), tips))
        }
        Some(Verdict::Refused { reason }) => Err(IndexError::Refused(reason)),
        Some(Verdict::BadObject { reason }) => Err(IndexError::BadObject(reason)),
        Some(Verdict::Failed { what }) => Err(IndexError::Failed(what)),
        Some(Verdict::Progress { .. }) | None => Err(died(helper).await),
    }
}

impl Tip {
    /// The new value of a branch or of another ref.
    pub(crate) fn new(id: &CommitId, name: &crate::model::RefName) -> Self {
        Self { id: id.to_string(), branch: name.branch().is_some() }
    }
}

#[expect(clippy::disallowed_methods, reason = "the process is hoist itself, as its own helper; no stranger names it")]
fn start(repo: &Repo) -> io::Result<Child> {
    let child = tokio::process::Command::new(repo.helper())
        .arg("index-pack")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(stdin) = &child.stdin {
        // A smaller pipe works as well.
        let _ = rustix::pipe::fcntl_setpipe_size(stdin, PIPE_BYTES);
    }
    Ok(child)
}

/// Feeds the helper until it has said its last word, which it may say before it has read everything.
async fn converse(
    helper: &mut Child,
    order: &Order,
    input: &mut (impl AsyncBufRead + Unpin),
    idle: Duration,
    progress: Option<&Progress>,
) -> Result<Option<Verdict>, IndexError> {
    let stdin = helper.stdin.take().expect("it was asked for");
    let stdout = helper.stdout.take().expect("it was asked for");
    let work_time = if order.origin == Origin::Pushed { WORK_TIME } else { OWN_WORK_TIME };
    let feeding = async {
        match feed(stdin, order, input, idle, work_time).await {
            Err(Feeding::Stuck) => IndexError::TooSlow(work_time),
            // The input is over, or the helper reads no more: its verdict is on the way.
            Ok(()) | Err(Feeding::Closed) => {
                tokio::time::sleep(work_time).await;
                IndexError::TooSlow(work_time)
            }
            Err(Feeding::Idle) => IndexError::Idle(idle),
            Err(Feeding::Input(error)) => IndexError::Connection(error),
        }
    };
    tokio::select! {
        biased;
        verdict = listen(stdout, progress) => Ok(verdict?),
        error = feeding => Err(error),
    }
}

/// Why feeding stopped early.
#[derive(Debug)]
enum Feeding {
    /// Nothing comes in.
    Idle,
    /// The helper reads no more.
    Closed,
    /// The helper takes nothing, and has not closed its input either.
    Stuck,
    /// The connection is broken.
    Input(io::Error),
}

/// Feeds the helper until the input is over. `idle` bounds each wait for the input, `busy` each for the helper.
async fn feed(
    mut stdin: impl AsyncWrite + Unpin,
    order: &Order,
    input: &mut (impl AsyncBufRead + Unpin),
    idle: Duration,
    busy: Duration,
) -> Result<(), Feeding> {
    let mut line = serde_json::to_vec(order).expect("plain data becomes JSON");
    line.push(b'\n');
    timeout(busy, stdin.write_all(&line)).await.map_err(|_| Feeding::Stuck)?.map_err(|_| Feeding::Closed)?;
    loop {
        let bytes = timeout(idle, input.fill_buf()).await.map_err(|_| Feeding::Idle)?.map_err(Feeding::Input)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let count = bytes.len();
        timeout(busy, stdin.write_all(bytes)).await.map_err(|_| Feeding::Stuck)?.map_err(|_| Feeding::Closed)?;
        input.consume(count);
    }
}

/// Hands progress on until the last word; `None` when there is none.
async fn listen(stdout: ChildStdout, progress: Option<&Progress>) -> io::Result<Option<Verdict>> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line)? {
            Verdict::Progress { text } => {
                if let Some(progress) = progress {
                    // Whether the pusher still listens is found out elsewhere.
                    let _ = progress.write(text.as_bytes()).await;
                }
            }
            verdict => return Ok(Some(verdict)),
        }
    }
    Ok(None)
}

async fn died(mut helper: Child) -> IndexError {
    let mut last_words = Vec::new();
    let reap = async {
        if let Some(stderr) = helper.stderr.take() {
            // What cannot be read is not logged.
            let _ = stderr.take(MAX_LAST_WORDS).read_to_end(&mut last_words).await;
        }
        helper.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string())
    };
    let status = timeout(Duration::from_secs(5), reap).await.unwrap_or_else(|_| "still running".to_owned());
    IndexError::Died { status, last_words: String::from_utf8_lossy(&last_words).trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_helper_that_takes_nothing_is_given_up() {
        let (stdin, _unread) = tokio::io::duplex(1024);
        let order = Order {
            main: "/main".into(),
            incoming: "/incoming".into(),
            tips: Vec::new(),
            pack_bytes: 0,
            pack_objects: 0,
            blob_bytes: 0,
            verbose: false,
            history: History::Whole,
            origin: Origin::Pushed,
        };
        let times = (Duration::from_mins(1), Duration::from_millis(10));
        let fed = feed(stdin, &order, &mut &[0; 4096][..], times.0, times.1).await;
        assert!(matches!(fed, Err(Feeding::Stuck)), "{fed:?}");
    }
}
