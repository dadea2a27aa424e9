//! upload-pack: clones and fetches, in versions 0, 1 and 2 of the protocol. Bytes in, bytes out, like receive-pack.
//!
//! In reading order:
//! - `request`, `filter`: what is asked for, as pure functions; `lines` reads it from the connection, `refs` tells the
//!   refs
//! - `version_2`, `version_0`: the conversations, with `negotiation`: what both have in common
//! - `packs`, `entries`, `history`: a repository as numbered objects and an array of commits; `bits` and `pulse` are what
//!   they need
//! - `select`: which objects are sent, by `walk` (commits; `order` sorts them), `shallow` (where history is to end), `trees` (what commits
//!   bring) and `reach` (whether that is everything, and whether somebody may have it, which is `remembered`)
//! - `write`: the pack, copied from the packs that there are; `packets` and `send` get it on its way
//! - `chosen`: the same for hoist's own ends: what is compacted or exported
//!
//! A repository is opened for each fetch: its packs are mapped into memory, which costs next to nothing, and no fetch
//! sees half of a push. The work is done on the blocking pool in short steps, of which only so many go on at once
//! ([`Fetches`]); a slow client holds up nobody, because between the steps its fetch is only a buffer.

mod filter;
mod request;

mod lines;
mod refs;

mod version_0;
mod version_2;

mod negotiation;

mod bits;
mod entries;
mod history;
mod packs;
mod pulse;

mod order;
mod reach;
mod remembered;
mod select;
mod shallow;
mod trees;
mod walk;

mod packets;
mod send;
mod write;

mod chosen;

#[cfg(test)]
pub(in crate::git) mod handmade;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ProtocolError;
use super::advertise::Greeting;
use super::progress::Output;
use super::repo::Repo;
use crate::model::{AccountId, CommitId, RefName};
use lines::Lines;
use packs::Packs;
use refs::Refs;
use remembered::Remembered;
use send::Conversation;

pub(super) use chosen::{Chosen, lead_back};
pub(super) use pulse::Pulse;
pub use refs::{Version, advertisement_v2};
pub use request::{Command, CommandReader, Fetch, LsRefs, MAX_OBJECTS, MAX_PREFIXES};

/// Bytes read from the connection at once.
const BUFFER: usize = 64 * 1024;

/// Longest time that one step may take, waiting for its turn included.
const STEP_TIME: Duration = Duration::from_mins(10);

/// Why a fetch ended early. The client has been told.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client's fault.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The client's fault, or there is something that it can't be given.
    #[error("upload-pack: {0}")]
    Request(String),
    /// The client's fault. git's own words.
    #[error("upload-pack: not our ref {0}")]
    NotOurRef(String),
    /// The network's.
    #[error("the connection broke")]
    Connection(#[source] io::Error),
    /// The client took nothing for too long, or went away.
    #[error("the client has gone away")]
    Gone,
    /// hoist's fault.
    #[error("cannot read the repository")]
    Store(#[from] io::Error),
}

impl FetchError {
    /// What the client reads.
    fn words(&self) -> String {
        match self {
            Self::Store(_) => "upload-pack: this is the server's fault, not yours; please try again".to_owned(),
            other => other.to_string(),
        }
    }
}

/// What a conversation came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Objects that were sent.
    pub objects: u64,
    /// Bytes of packs that were sent.
    pub bytes: u64,
}

/// The work of all fetches: only so many steps of it are done at once. Cheap to clone.
#[derive(Clone)]
pub struct Fetches(Arc<Work>);

struct Work {
    turns: Arc<Semaphore>,
    /// How many turns one account may have at once.
    share: usize,
    accounts: Mutex<HashMap<AccountId, Weak<Semaphore>>>,
    remembered: Remembered,
}

/// The work of one account's fetches: others get their turns whatever it asks for.
#[derive(Clone)]
struct Share {
    work: Arc<Work>,
    own: Arc<Semaphore>,
}

impl std::fmt::Debug for Fetches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetches").field("turns", &self.0.turns.available_permits()).finish_non_exhaustive()
    }
}

impl Fetches {
    /// At most so many steps at once.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Work {
            turns: Arc::new(Semaphore::new(at_once.max(1))),
            share: at_once.div_ceil(2).max(1),
            accounts: Mutex::default(),
            remembered: Remembered::default(),
        }))
    }

    /// An account's share, half of all turns.
    fn share(&self, account: AccountId) -> Share {
        // A panic between lock and unlock would leave a sound map.
        let mut accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = accounts.get(&account).and_then(Weak::upgrade).unwrap_or_else(|| {
            accounts.retain(|_, own| own.strong_count() > 0);
            let own = Arc::new(Semaphore::new(self.0.share));
            accounts.insert(account, Arc::downgrade(&own));
            own
        });
        Share { work: Arc::clone(&self.0), own }
    }
}

impl Share {
    fn remembered(&self) -> Remembered {
        self.work.remembered.clone()
    }

    /// Does a step of the work on a thread of its own, when its turn comes.
    async fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
    ) -> Result<T, FetchError> {
        let (own, turn) = (Arc::clone(&self.own), Arc::clone(&self.work.turns));
        let step = async {
            let own = own.acquire_owned().await.map_err(io::Error::other)?;
            let turn = turn.acquire_owned().await.map_err(io::Error::other)?;
            let work = move || {
                let _turns = (own, turn);
                work()
            };
            spawn_blocking(work).await.map_err(io::Error::other)?
        };
        timeout(STEP_TIME, step).await.map_err(io::Error::from)?
    }
}

/// How a client comes.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub version: Version,
    /// Whether each turn of the conversation is a request of its own, as over HTTP.
    pub is_stateless: bool,
}

/// A repository to be fetched from, with its refs as they are now.
pub struct UploadPack {
    packs: PathBuf,
    refs: Arc<Refs>,
    idle: Duration,
    fetches: Share,
}

impl UploadPack {
    /// `head` is the branch that HEAD stands for, whether it is there or not; `fetches` are all fetches, to which
    /// `account` adds one.
    #[must_use]
    pub fn new(repo: &Repo, refs: &[(RefName, CommitId)], head: &RefName, fetches: &Fetches, account: AccountId) -> Self {
        Self {
            packs: repo.pack_dir(),
            refs: Arc::new(Refs::new(refs, head)),
            idle: repo.limits().idle_time,
            fetches: fetches.share(account),
        }
    }

    /// The first thing that a client hears.
    pub async fn advertisement(&self, version: Version, greeting: Greeting) -> Result<Vec<u8>, FetchError> {
        if version == Version::V2 {
            return Ok(advertisement_v2());
        }
        let (packs, refs) = (self.packs.clone(), Arc::clone(&self.refs));
        self.fetches.step(move || Ok(refs.advertisement(&mut Packs::open(&packs)?, version, greeting)?)).await
    }

    /// Answers a client that has heard the advertisement.
    pub async fn serve<R, W>(&self, reader: R, writer: W, terms: Terms) -> Result<Served, FetchError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let lines = Lines::new(BufReader::with_capacity(BUFFER, reader), self.idle);
        let output = Output::new(writer, false, self.idle);
        let pulse = Pulse::default();
        let _stop = pulse.stop_on_drop();
        let is_stateless = terms.is_stateless;
        let mut conversation = Conversation { source: self, lines, output, is_stateless, pulse, served: Served::default() };
        let served = match terms.version {
            Version::V2 => conversation.version_2().await,
            Version::V0 | Version::V1 => conversation.version_0().await,
        };
        match served {
            Ok(()) => Ok(conversation.served),
            Err(error) => {
                conversation.tell(&error).await;
                conversation.lines.drain().await;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// One who keeps the server busy does not keep others waiting.
    #[tokio::test]
    async fn an_account_gets_no_more_than_its_share() {
        let fetches = Fetches::new(4);
        let (busy, other) = (fetches.share(AccountId::new()), fetches.share(AccountId::new()));
        let mut ends = Vec::new();
        let mut steps = Vec::new();
        for _ in 0..8 {
            let (end, wait) = mpsc::channel::<()>();
            let busy = busy.clone();
            ends.push(end);
            steps.push(tokio::spawn(async move { busy.step(move || Ok(wait.recv().is_err())).await }));
        }
        assert!(matches!(other.step(|| Ok(true)).await, Ok(true)));
        drop(ends);
        for step in steps {
            assert!(matches!(step.await.unwrap(), Ok(true)));
        }
        drop((busy, other));
        let _third = fetches.share(AccountId::new());
        assert_eq!(fetches.0.accounts.lock().unwrap().len(), 1, "those who have gone are forgotten");
    }
}
