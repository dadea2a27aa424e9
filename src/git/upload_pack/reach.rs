//! Whether objects can be reached from refs, or from what a client wants.
//!
//! A pack's roots are those of its objects that no other of its objects refers to (the indexer writes them down). Of
//! all packs together, take the objects that are roots in every pack that has them. Nothing refers to these; and as
//! objects cannot refer to one another in a circle, whoever goes from any object to one that refers to it, and on, ends
//! at one of them. So if these few can be reached, everything can, and nobody has to look at it.

use std::collections::{BinaryHeap, HashSet};
use std::io;

use gix_hash::ObjectId;
use gix_object::Kind;

use super::bits::Bits;
use super::filter::Filter;
use super::history::{Flags, History, Node};
use super::order::parents_first;
use super::packs::{Number, Packs};
use super::pulse::Pulse;
use super::trees::{Against, Trees};
use crate::git::side_files::read_roots;

const SEEN: u8 = 1;

/// What can be reached.
pub(super) enum Reachable {
    Everything,
    These(Bits),
}

impl Reachable {
    pub(super) fn contains(&self, number: Number) -> bool {
        match self {
            Self::Everything => true,
            Self::These(objects) => objects.contains(number),
        }
    }
}

/// What is needed to find out.
pub(super) struct Search<'a> {
    pub packs: &'a mut Packs,
    pub history: &'a mut History,
    pub pulse: &'a Pulse,
}

/// Objects where one begins, by their kinds; what annotated tags are about is among them.
#[derive(Default)]
pub(super) struct Tips {
    pub tags: Vec<Number>,
    pub commits: Vec<Node>,
    pub trees: Vec<Number>,
    /// Those that are here only because a tag is about them: a filter that leaves trees out leaves them out, too.
    pub tagged_trees: Vec<Number>,
    pub blobs: Vec<Number>,
}

impl Tips {
    /// Sorts objects by their kinds.
    pub(super) fn sort(packs: &mut Packs, history: &mut History, numbers: &[Number]) -> io::Result<Self> {
        let mut tips = Self::default();
        for number in numbers {
            let (tags, end, kind) = packs.peel(*number)?;
            tips.tags.extend(tags);
            match kind {
                Kind::Commit => tips.commits.push(history.read(packs, end)?),
                Kind::Tree if end != *number => tips.tagged_trees.push(end),
                Kind::Tree => tips.trees.push(end),
                Kind::Blob => tips.blobs.push(end),
                Kind::Tag => {}
            }
        }
        Ok(tips)
    }
}

impl Search<'_> {
    /// Whether every object of the repository can be reached. `false` may also mean that it would take long to find
    /// out.
    pub(super) fn reaches_everything(&mut self, tips: &Tips) -> io::Result<bool> {
        let Some(tops) = self.tops()? else { return Ok(false) };
        let others: HashSet<_> =
            tips.tags.iter().chain(&tips.trees).chain(&tips.tagged_trees).chain(&tips.blobs).copied().collect();
        let mut commits = HashSet::new();
        for top in tops {
            if self.packs.kind(top)? == Kind::Commit {
                commits.insert(top);
            } else if !others.contains(&top) {
                return Ok(false);
            }
        }
        self.reaches_commits(tips, commits)
    }

    /// The objects that no other object refers to; `None` when nobody has noted them.
    fn tops(&self) -> io::Result<Option<Vec<Number>>> {
        let mut roots = Vec::new();
        for pack in self.packs.all() {
            let Some(of_pack) = read_roots(&pack.bundle.pack.path().with_extension("roots"), &pack.checksum())? else {
                return Ok(None);
            };
            if of_pack.iter().any(|id| pack.bundle.index.lookup(id).is_none()) {
                return Ok(None);
            }
            roots.push(of_pack);
        }
        let is_inner = |id: &ObjectId| {
            let mut packs = self.packs.all().iter().zip(&roots);
            packs.any(|(pack, roots)| roots.binary_search(id).is_err() && pack.bundle.index.lookup(id).is_some())
        };
        let tops = roots.iter().flatten().filter(|id| !is_inner(id)).map(|id| self.packs.get(id));
        tops.collect::<io::Result<Vec<_>>>().map(Some)
    }

    /// Whether commits can be reached, the newest first.
    pub(super) fn reaches_commits(&mut self, tips: &Tips, mut missing: HashSet<Number>) -> io::Result<bool> {
        let mut seen = Flags::default();
        let mut open = BinaryHeap::new();
        let mut found = tips.commits.clone();
        while !missing.is_empty() {
            for node in found {
                if seen.set(node, SEEN) != 0 {
                    open.push((self.history.date(node), node));
                }
            }
            let Some((_, node)) = open.pop() else { return Ok(false) };
            self.pulse.beat()?;
            missing.remove(&self.history.number(node));
            found = self.history.read_parents(self.packs, node)?;
        }
        Ok(true)
    }

    /// Everything that can be reached.
    pub(super) fn reachable(&mut self, tips: &Tips) -> io::Result<Reachable> {
        if self.reaches_everything(tips)? {
            return Ok(Reachable::Everything);
        }
        let filter = Filter::default();
        let mut trees = Trees::new(self.packs.end(), &filter, self.pulse);
        for node in parents_first(self.packs, self.history, self.pulse, &tips.commits, |_| true)? {
            trees.chosen.choose(self.history.number(node));
            let parents = self.history.read_parents(self.packs, node)?;
            let against = parents.iter().map(|parent| Against { tree: self.history.tree(*parent), is_had: false }).collect();
            trees.choose(self.packs, self.history.tree(node), against)?;
        }
        for tree in tips.trees.iter().chain(&tips.tagged_trees) {
            trees.choose(self.packs, *tree, Vec::new())?;
        }
        for number in tips.tags.iter().chain(&tips.blobs) {
            trees.chosen.choose(*number);
        }
        Ok(Reachable::These(trees.chosen.objects))
    }
}
