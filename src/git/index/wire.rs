//! What the daemon and the helper say to each other.

use std::io::{self, Write};
use std::path::PathBuf;

use gix_hash::ObjectId;
use serde::{Deserialize, Serialize};

/// Longest order: a bundle's 100,000 refs take about 7 MB.
pub(super) const MAX_ORDER: u64 = 16 * 1024 * 1024;

/// What the helper is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The folder of the repository's packs, which deltas and links may refer to.
    pub main: PathBuf,
    /// The folder that the pack goes into.
    pub incoming: PathBuf,
    /// The values that refs are to have.
    pub tips: Vec<Tip>,
    pub pack_bytes: u64,
    pub pack_objects: u32,
    pub blob_bytes: u64,
    /// Whether to report progress.
    pub verbose: bool,
    pub history: History,
    pub origin: Origin,
}

/// Whose the pack is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Origin {
    /// A stranger's.
    Pushed,
    /// hoist's own, in which each object has been checked before, perhaps by other rules. Nobody waits for it.
    Copied,
    /// A pack of the repository's that stays where it is and is looked at again. What lies beside it is made anew in the
    /// folder of incoming packs.
    Kept(PathBuf),
}

/// Which commits have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum History {
    /// The parents of each commit.
    Whole,
    /// None but those that come: the pack is a shallow one.
    Shallow,
}

/// A ref's new value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tip {
    pub id: String,
    /// Whether it must be a commit.
    pub branch: bool,
}

impl Tip {
    pub(super) fn id(&self) -> io::Result<ObjectId> {
        ObjectId::from_hex(self.id.as_bytes()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }
}

/// What the helper says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// Not the last word: a text for the pusher.
    Progress { text: String },
    /// The pack is good and lies in the quarantine under this name; no name: it was empty.
    Accepted {
        objects: usize,
        bytes: u64,
        pack: Option<String>,
        /// For each tip why it cannot be a ref's value, if so.
        tips: Vec<Option<String>>,
    },
    /// The pack is bad.
    Refused { reason: String },
    /// An object in it is bad, which git tells in words of their own.
    BadObject { reason: String },
    /// This machine is.
    Failed { what: String },
}

/// Says it, if anybody listens: without a listener the helper is about to be killed.
pub(super) fn say(verdict: &Verdict) {
    let mut line = serde_json::to_string(verdict).expect("plain data becomes JSON");
    line.push('\n');
    // The only reader is the daemon; its going away ends this process.
    let _ = io::stdout().write_all(line.as_bytes());
}
