//! Commits, as far as they have been read.

use std::collections::HashMap;
use std::io;

use gix_hash::{Kind as Hash, ObjectId};
use gix_object::commit::ref_iter::Token;
use gix_object::{CommitRefIter, Kind};

use super::packs::{Number, Packs};

/// The commits that have been read, in an array, so that flags of them can be arrays too.
#[derive(Default)]
pub(super) struct History {
    commits: Vec<Commit>,
    nodes: HashMap<Number, Node>,
    /// The parents of all of them, one commit's after the other's.
    parents: Vec<Number>,
    buffer: Vec<u8>,
}

/// A commit's place in the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Node(u32);

struct Commit {
    number: Number,
    tree: Number,
    /// The committer's, in seconds.
    date: i64,
    parents_start: u32,
    parents_count: u32,
}

impl Node {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl History {
    /// Reads a commit, if it has not been read yet.
    pub(super) fn read(&mut self, packs: &mut Packs, number: Number) -> io::Result<Node> {
        if let Some(node) = self.nodes.get(&number) {
            return Ok(*node);
        }
        let kind = packs.read(number, &mut self.buffer)?;
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {}", packs.id(number)));
        if kind != Kind::Commit {
            return Err(bad("not a commit"));
        }
        let parents_start = u32::try_from(self.parents.len()).map_err(|_| bad("too many commits"))?;
        let (mut tree, mut date) = (None, 0);
        for token in CommitRefIter::from_bytes(&self.buffer, Hash::Sha1) {
            match token {
                Ok(Token::Tree { id }) => tree = Some(packs.get(&id)?),
                Ok(Token::Parent { id }) => {
                    let parent = packs.get(&id)?;
                    // git refuses to make such a commit, but not to take it.
                    if !self.parents[parents_start as usize..].contains(&parent) {
                        self.parents.push(parent);
                    }
                }
                Ok(Token::Author { .. }) => {}
                Ok(Token::Committer { signature }) => {
                    date = signature.seconds();
                    break;
                }
                // Old histories have odd people in them. Without a date there is just more to be walked over.
                _ => break,
            }
        }
        let parents_count = u32::try_from(self.parents.len()).map_err(|_| bad("too many commits"))? - parents_start;
        let node = Node(u32::try_from(self.commits.len()).expect("no more commits than objects"));
        let tree = tree.ok_or_else(|| bad("a commit without a tree"))?;
        self.commits.push(Commit { number, tree, date, parents_start, parents_count });
        self.nodes.insert(number, node);
        Ok(node)
    }

    /// Reads a commit's parents.
    pub(super) fn read_parents(&mut self, packs: &mut Packs, node: Node) -> io::Result<Vec<Node>> {
        let Commit { parents_start, parents_count, .. } = self.commits[node.index()];
        (parents_start..parents_start + parents_count).map(|at| self.read(packs, self.parents[at as usize])).collect()
    }

    pub(super) fn number(&self, node: Node) -> Number {
        self.commits[node.index()].number
    }

    pub(super) fn tree(&self, node: Node) -> Number {
        self.commits[node.index()].tree
    }

    pub(super) fn date(&self, node: Node) -> i64 {
        self.commits[node.index()].date
    }

    pub(super) fn id(&self, packs: &Packs, node: Node) -> ObjectId {
        packs.id(self.number(node)).to_owned()
    }
}

/// Flags of commits; all that have been read later have none.
#[derive(Default)]
pub(super) struct Flags(Vec<u8>);

impl Flags {
    pub(super) fn get(&self, node: Node) -> u8 {
        self.0.get(node.index()).copied().unwrap_or(0)
    }

    /// Sets flags and tells which of them were not set before.
    pub(super) fn set(&mut self, node: Node, flags: u8) -> u8 {
        if self.0.len() <= node.index() {
            self.0.resize(node.index() + 1, 0);
        }
        let old = self.0[node.index()];
        self.0[node.index()] |= flags;
        flags & !old
    }
}
