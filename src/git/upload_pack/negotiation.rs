//! What client and server have in common.

use std::collections::{BinaryHeap, HashSet};
use std::path::Path;
use std::{io, mem};

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
    /// Those that were noted since the last look for them.
    fresh: Vec<Node>,
    oldest: i64,
    /// The wanted commits that are not known to lead to one that the client has.
    unready: Vec<Node>,
    /// How far the last of these was followed.
    look: Look,
}

/// What has been seen behind a wanted commit.
#[derive(Default)]
struct Look {
    seen: Flags,
    /// Where it goes on as soon as the client is known to have something as old, the newest first.
    edge: BinaryHeap<(i64, Node)>,
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
            fresh: Vec::new(),
            oldest: i64::MAX,
            unready: Vec::new(),
            look: Look::default(),
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
        self.unready.clone_from(&self.wants.commits);
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
        self.pulse.beat()?;
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
        let is_news = self.note(node);
        for parent in self.history.read_parents(&mut self.packs, node)? {
            self.note(parent);
        }
        Ok(if is_news { Have::News } else { Have::Supposed })
    }

    /// Notes a commit of the client's, and tells whether it is news.
    fn note(&mut self, node: Node) -> bool {
        let is_news = self.theirs.set(node, THEIRS) != 0;
        if is_news {
            self.fresh.push(node);
        }
        is_news
    }

    /// Whether any object is common.
    pub(super) fn has_common(&self) -> bool {
        !self.common_ids.is_empty()
    }

    /// Whether every wanted commit leads to one that the client has, so that more of what it has need not be known.
    ///
    /// It is asked again and again while more becomes known; nothing is looked at twice for the same wanted commit.
    pub(super) fn is_ready(&mut self) -> io::Result<bool> {
        if self.common.is_empty() {
            return Ok(false);
        }
        while let Some(want) = self.unready.last().copied() {
            if !self.leads_to_theirs(want)? {
                return Ok(false);
            }
            self.unready.pop();
            self.look = Look::default();
        }
        Ok(true)
    }

    /// Looks no further back than what is known of the client's commits.
    fn leads_to_theirs(&mut self, want: Node) -> io::Result<bool> {
        let fresh = mem::take(&mut self.fresh);
        if fresh.iter().any(|node| self.look.seen.get(*node) & SEEN != 0) {
            return Ok(true);
        }
        self.see(want);
        while let Some((date, node)) = self.look.edge.pop() {
            if date < self.oldest && node != want {
                self.look.edge.push((date, node));
                return Ok(false);
            }
            self.pulse.beat()?;
            if self.theirs.get(node) & THEIRS != 0 {
                return Ok(true);
            }
            for parent in self.history.read_parents(&mut self.packs, node)? {
                if self.theirs.get(parent) & THEIRS != 0 {
                    return Ok(true);
                }
                self.see(parent);
            }
        }
        Ok(false)
    }

    fn see(&mut self, node: Node) {
        if self.look.seen.set(node, SEEN) != 0 {
            self.look.edge.push((self.history.date(node), node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::upload_pack::handmade::{Handmade, commit};

    /// A line of commits, the first of them first.
    fn line(pack: &mut Handmade, tree: &ObjectId, count: i64, from: i64) -> Vec<ObjectId> {
        let mut ids: Vec<ObjectId> = Vec::new();
        for date in from..from + count {
            let parents: Vec<_> = ids.last().copied().into_iter().collect();
            ids.push(pack.whole(&commit(tree, &parents, date)));
        }
        ids
    }

    #[test]
    fn nothing_is_looked_at_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut pack = Handmade::default();
        let tree = pack.tree(&[]);
        let (wanted, theirs) = (line(&mut pack, &tree, 300, 1000), line(&mut pack, &tree, 60, 10));
        pack.save(dir.path());
        let refs = [("refs/heads/main".parse().unwrap(), wanted[299].to_string().parse().unwrap())];
        let refs = Refs::new(&refs, &refs[0].0);
        let pulse = Pulse::default();
        let mut negotiation = Negotiation::open(dir.path(), pulse.clone(), Remembered::default()).unwrap();
        negotiation.want(&wanted[299..], &refs).unwrap();
        for id in &theirs {
            assert!(negotiation.have(id).unwrap() != Have::Unknown && !negotiation.is_ready().unwrap());
        }
        assert!(pulse.objects() < 500, "{}", pulse.objects());
        assert_eq!(negotiation.have(&wanted[7]).unwrap(), Have::News);
        assert!(negotiation.is_ready().unwrap());
    }

    /// Only as far back as what is known of the client's commits, until that is further.
    #[test]
    fn it_looks_further_when_it_has_to() {
        let dir = tempfile::tempdir().unwrap();
        let mut pack = Handmade::default();
        let tree = pack.tree(&[]);
        let (wanted, theirs) = (line(&mut pack, &tree, 300, 1000), line(&mut pack, &tree, 1, 1290));
        pack.save(dir.path());
        let refs = [("refs/heads/main".parse().unwrap(), wanted[299].to_string().parse().unwrap())];
        let refs = Refs::new(&refs, &refs[0].0);
        let pulse = Pulse::default();
        let mut negotiation = Negotiation::open(dir.path(), pulse.clone(), Remembered::default()).unwrap();
        negotiation.want(&wanted[299..], &refs).unwrap();
        negotiation.have(&theirs[0]).unwrap();
        assert!(!negotiation.is_ready().unwrap() && pulse.objects() < 20);
        negotiation.have(&wanted[3]).unwrap();
        assert!(negotiation.is_ready().unwrap());
    }
}
