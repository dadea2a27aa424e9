//! What client and server have in common.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use super::FetchError;
use super::history::{Flags, History, Node};
use super::packs::{Number, Packs};
use super::pulse::Pulse;
use super::reach::{Search, Tips};
use super::refs::Refs;
use super::remembered::{Key, Remembered};

const THEIRS: u8 = 1;
const SEEN: u8 = 2;

/// What an object of the client's is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Have {
    Unknown,
    /// It is here, and a parent of one that the client has, or told before.
    Supposed,
    /// It is here.
    News,
}

/// One fetch, up to the point where its pack begins.
pub(super) struct Negotiation {
    pub packs: Packs,
    pub history: History,
    pub pulse: Pulse,
    remembered: Remembered,
    pub wants: Tips,
    /// What both have; of commits, their places.
    pub common: Vec<Node>,
    common_ids: HashSet<ObjectId>,
    theirs: Flags,
    oldest: i64,
    /// Whether enough is known; `None` when that has to be looked at again.
    is_ready: Option<bool>,
}

impl Negotiation {
    pub(super) fn open(packs: &Path, pulse: Pulse, remembered: Remembered) -> io::Result<Self> {
        Ok(Self {
            remembered,
            packs: Packs::open(packs)?,
            history: History::default(),
            pulse,
            wants: Tips::default(),
            common: Vec::new(),
            common_ids: HashSet::new(),
            theirs: Flags::default(),
            oldest: i64::MAX,
            is_ready: None,
        })
    }

    /// Notes what the client wants, if it may: only what refs lead to. Nearly always these are refs' own values; what
    /// else there is, a partial clone asks for, or somebody whose refs have moved meanwhile.
    ///
    /// git's own server gives out any object in version 2. But what was deleted, or pushed by mistake and replaced, is
    /// not meant to be read any more.
    pub(super) fn want(&mut self, ids: &[ObjectId], refs: &Refs) -> Result<(), FetchError> {
        let values: HashSet<ObjectId> = refs.iter().map(|(_, id)| id).collect();
        let (mut wants, mut others) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            let number = self.packs.find(id).ok_or(FetchError::NotOurRef(id.to_string()))?;
            wants.push(number);
            if !values.contains(id) {
                others.push(number);
            }
        }
        if !others.is_empty() {
            self.check_reachable(&others, values.into_iter().collect())?;
        }
        self.wants = Tips::sort(&mut self.packs, &mut self.history, &wants)?;
        Ok(())
    }

    fn check_reachable(&mut self, wants: &[Number], mut values: Vec<ObjectId>) -> Result<(), FetchError> {
        values.sort_unstable();
        let key = Key::new(&self.packs, &values);
        let values: Vec<_> = values.iter().map(|id| self.packs.get(id)).collect::<io::Result<_>>()?;
        let tips = Tips::sort(&mut self.packs, &mut self.history, &values)?;
        let mut commits = HashSet::new();
        for want in wants {
            if self.packs.kind(*want)? == Kind::Commit {
                commits.insert(*want);
            }
        }
        let only_commits = commits.len() == wants.len();
        let mut search = Search { packs: &mut self.packs, history: &mut self.history, pulse: &self.pulse };
        if only_commits && search.reaches_commits(&tips, commits)? {
            return Ok(());
        }
        let reachable = match self.remembered.get(key) {
            Some(reachable) => reachable,
            None => self.remembered.put(key, search.reachable(&tips)?),
        };
        match wants.iter().find(|want| !reachable.contains(**want)) {
            None => Ok(()),
            Some(want) => Err(FetchError::NotOurRef(self.packs.id(*want).to_string())),
        }
    }

    /// Notes that the client has an object, and tells whether that is news.
    pub(super) fn have(&mut self, id: &oid) -> io::Result<Have> {
        let Some(number) = self.packs.find(id) else { return Ok(Have::Unknown) };
        if !self.common_ids.insert(id.to_owned()) {
            return Ok(Have::Supposed);
        }
        let (_, end, kind) = self.packs.peel(number)?;
        if kind != Kind::Commit {
            return Ok(Have::News);
        }
        let node = self.history.read(&mut self.packs, end)?;
        self.common.push(node);
        self.oldest = self.oldest.min(self.history.date(node));
        let is_news = self.theirs.set(node, THEIRS) != 0;
        for parent in self.history.read_parents(&mut self.packs, node)? {
            self.theirs.set(parent, THEIRS);
        }
        self.is_ready = None;
        Ok(if is_news { Have::News } else { Have::Supposed })
    }

    /// Whether any object is common.
    pub(super) fn has_common(&self) -> bool {
        !self.common_ids.is_empty()
    }

    /// Whether every wanted commit leads to one that the client has, so that more of what it has need not be known.
    pub(super) fn is_ready(&mut self) -> io::Result<bool> {
        if let Some(is_ready) = self.is_ready {
            return Ok(is_ready);
        }
        let mut is_ready = !self.common.is_empty();
        for want in self.wants.commits.clone() {
            is_ready = is_ready && self.leads_to_theirs(want)?;
        }
        self.is_ready = Some(is_ready);
        Ok(is_ready)
    }

    /// Looks no further back than what is known of the client's commits.
    fn leads_to_theirs(&mut self, want: Node) -> io::Result<bool> {
        let (mut seen, mut open) = (Flags::default(), vec![want]);
        while let Some(node) = open.pop() {
            if self.theirs.get(node) & THEIRS != 0 {
                return Ok(true);
            }
            if seen.set(node, SEEN) == 0 || node != want && self.history.date(node) < self.oldest {
                continue;
            }
            self.pulse.beat()?;
            open.extend(self.history.read_parents(&mut self.packs, node)?);
        }
        Ok(false)
    }
}
