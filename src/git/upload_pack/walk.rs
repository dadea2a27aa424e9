//! Which commits are to be sent: those that the wanted ones lead to, and those that the client has do not.

use std::collections::{BinaryHeap, HashSet};
use std::io;

use super::history::{Flags, History, Node};
use super::packs::Packs;
use super::pulse::Pulse;

/// A wanted commit leads to it.
const WANTED: u8 = 1;
/// The client has it.
const HAD: u8 = 2;
/// It is in the queue, as a commit that is wanted and not had.
const PENDING: u8 = 4;
/// It is among those found.
const FOUND: u8 = 8;

/// Where a walk goes, and where it ends.
pub(super) struct Walk<'a> {
    pub packs: &'a mut Packs,
    pub history: &'a mut History,
    pub pulse: &'a Pulse,
    /// Commits behind which nothing is looked at.
    pub grafts: &'a HashSet<Node>,
    /// Commits from before this time, and all behind them, are as good as had.
    pub since: Option<i64>,
}

/// What a walk has found.
pub(super) struct Found {
    /// The newest first, as far as the dates can be relied upon.
    pub commits: Vec<Node>,
    flags: Flags,
}

impl Found {
    pub(super) fn is_found(&self, node: Node) -> bool {
        self.flags.get(node) & (FOUND | HAD) == FOUND
    }

    pub(super) fn is_had(&self, node: Node) -> bool {
        self.flags.get(node) & HAD != 0
    }
}

#[derive(Default)]
struct Queue {
    heap: BinaryHeap<(i64, Node)>,
    flags: Flags,
    /// How many of the queue are wanted and not had: the walk ends when there are none.
    pending: usize,
}

impl Walk<'_> {
    /// Walks. The newest commits are visited first; a wrong date makes it find commits that the client has, but never
    /// leave out one that it has not.
    pub(super) fn find(mut self, wants: &[Node], haves: &[Node]) -> io::Result<Found> {
        let mut queue = Queue::default();
        for node in haves {
            self.enter(&mut queue, *node, HAD);
        }
        for node in wants {
            self.enter(&mut queue, *node, WANTED);
        }
        let mut commits = Vec::new();
        while queue.pending > 0 {
            let Some((_, node)) = queue.heap.pop() else { break };
            let flags = queue.flags.get(node);
            if flags & HAD == 0 && flags & FOUND == 0 {
                queue.pending -= 1;
                queue.flags.set(node, FOUND);
                commits.push(node);
                self.pulse.beat()?;
            }
            let colour = if flags & HAD == 0 { WANTED } else { HAD };
            if !self.grafts.contains(&node) {
                for parent in self.history.read_parents(self.packs, node)? {
                    self.enter(&mut queue, parent, colour);
                }
            }
        }
        commits.retain(|node| queue.flags.get(*node) & HAD == 0);
        Ok(Found { commits, flags: queue.flags })
    }

    /// Gives a commit a colour and queues it if that is news.
    fn enter(&mut self, queue: &mut Queue, node: Node, colour: u8) {
        let date = self.history.date(node);
        let colour = if self.since.is_some_and(|since| date < since) { HAD } else { colour };
        let flags = queue.flags.get(node);
        if queue.flags.set(node, colour) == 0 {
            return;
        }
        if colour == WANTED {
            if flags & HAD != 0 {
                return;
            }
            queue.flags.set(node, PENDING);
            queue.pending += 1;
        } else if flags & PENDING != 0 && flags & FOUND == 0 {
            queue.pending -= 1;
        }
        queue.heap.push((date, node));
    }
}
