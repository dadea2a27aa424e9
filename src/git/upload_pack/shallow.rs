//! Where the client's history is to end.

use std::collections::HashSet;
use std::io;

use gix_hash::ObjectId;

use super::FetchError;
use super::history::{Flags, History, Node};
use super::packs::Packs;
use super::pulse::Pulse;
use super::refs::Refs;
use super::request::{INFINITE, Shallow, quote};
use super::walk::Walk;

const SEEN: u8 = 1;

/// Where the history ends that the client has and gets.
#[derive(Default)]
pub(super) struct Boundary {
    /// The commits whose parents the client is not to have, as far as it does not know that yet.
    pub shallow: Vec<ObjectId>,
    /// The commits whose parents it is to have from now on.
    pub unshallow: Vec<ObjectId>,
    /// Behind these nothing is sent, nor supposed to be there.
    pub grafts: HashSet<Node>,
    /// Parents that are to be sent, though the client has their children.
    pub also_wanted: Vec<Node>,
    /// Their children.
    pub deepened: Vec<Node>,
}

/// What is needed to look at history.
pub(super) struct Survey<'a> {
    pub packs: &'a mut Packs,
    pub history: &'a mut History,
    pub pulse: &'a Pulse,
}

/// Where history begins.
pub(super) struct Starts<'a> {
    /// The commits asked for.
    pub wants: &'a [Node],
    /// Those whose history is not wanted.
    pub excluded: &'a [Node],
    /// Those that refs lead to, if the client wants all history.
    pub refs: &'a [Node],
}

/// Commits up to a new end of history.
#[derive(Default)]
struct Reach {
    /// Those with their parents.
    inner: HashSet<Node>,
    /// Those without.
    ends: Vec<Node>,
}

impl Survey<'_> {
    /// Finds out where the history ends.
    pub(super) fn boundary(mut self, asked: &Shallow, starts: &Starts<'_>) -> Result<Boundary, FetchError> {
        let wants = starts.wants;
        let mut client = Vec::new();
        for id in &asked.client {
            // A client may have been told of a commit that is gone since.
            if let Some(number) = self.packs.find(id)
                && let Ok(node) = self.history.read(self.packs, number)
            {
                client.push(node);
            }
        }
        let mut boundary = Boundary { grafts: client.iter().copied().collect(), ..Boundary::default() };
        let reach = match asked.depth {
            // A client may have been given what was deleted since: what is behind that is not given out any more.
            Some(INFINITE) => Reach { inner: self.reachable(starts.refs, &client)?.into_iter().collect(), ends: Vec::new() },
            Some(depth) if asked.is_relative => {
                let starts = self.reachable(wants, &client)?;
                self.by_depth(&starts, depth.saturating_add(1))?
            }
            Some(depth) => self.by_depth(wants, depth)?,
            None if asked.by_commits() => self.by_commits(asked, wants, starts.excluded)?,
            None => Reach::default(),
        };
        self.compare(&reach, &client, &mut boundary)?;
        Ok(boundary)
    }

    fn compare(&mut self, reach: &Reach, client: &[Node], boundary: &mut Boundary) -> io::Result<()> {
        let known: HashSet<_> = client.iter().copied().collect();
        for node in &reach.ends {
            boundary.grafts.insert(*node);
            if !known.contains(node) {
                boundary.shallow.push(self.history.id(self.packs, *node));
            }
        }
        for node in client.iter().filter(|node| reach.inner.contains(*node)) {
            boundary.unshallow.push(self.history.id(self.packs, *node));
            boundary.deepened.push(*node);
            boundary.also_wanted.extend(self.history.read_parents(self.packs, *node)?);
        }
        Ok(())
    }

    /// The commits at most so many generations away; those at the very distance are the end.
    fn by_depth(&mut self, starts: &[Node], depth: u32) -> io::Result<Reach> {
        let (mut reach, mut seen) = (Reach::default(), Flags::default());
        let mut generation: Vec<_> = starts.iter().copied().filter(|node| seen.set(*node, SEEN) != 0).collect();
        for _ in 1..depth {
            let mut next = Vec::new();
            for node in generation {
                self.pulse.beat()?;
                reach.inner.insert(node);
                let parents = self.history.read_parents(self.packs, node)?;
                next.extend(parents.into_iter().filter(|parent| seen.set(*parent, SEEN) != 0));
            }
            generation = next;
            if generation.is_empty() {
                break;
            }
        }
        reach.ends = generation;
        Ok(reach)
    }

    /// The commits since a time that are not in the history of others; those with a parent outside are the end.
    fn by_commits(&mut self, asked: &Shallow, wants: &[Node], excluded: &[Node]) -> Result<Reach, FetchError> {
        let walk = Walk {
            packs: &mut *self.packs,
            history: &mut *self.history,
            pulse: self.pulse,
            grafts: &HashSet::new(),
            since: asked.since,
        };
        let found: HashSet<_> = walk.find(wants, excluded)?.commits.into_iter().collect();
        if found.is_empty() {
            return Err(FetchError::Request("no commits selected for shallow requests".into()));
        }
        let mut reach = Reach::default();
        for node in &found {
            if self.history.read_parents(self.packs, *node)?.iter().all(|parent| found.contains(parent)) {
                reach.inner.insert(*node);
            } else {
                reach.ends.push(*node);
            }
        }
        reach.ends.sort_unstable();
        Ok(reach)
    }

    /// Those of some commits that others lead to.
    fn reachable(&mut self, starts: &[Node], targets: &[Node]) -> io::Result<Vec<Node>> {
        let (mut seen, mut found) = (Flags::default(), Vec::new());
        let mut missing: HashSet<_> = targets.iter().copied().collect();
        let mut open: Vec<_> = starts.iter().copied().filter(|node| seen.set(*node, SEEN) != 0).collect();
        while let Some(node) = open.pop()
            && !missing.is_empty()
        {
            self.pulse.beat()?;
            if missing.remove(&node) {
                found.push(node);
            }
            let parents = self.history.read_parents(self.packs, node)?;
            open.extend(parents.into_iter().filter(|parent| seen.set(*parent, SEEN) != 0));
        }
        Ok(found)
    }
}

/// A ref whose history is not wanted, by its name or a part of it, as git finds it.
pub(super) fn find_excluded(name: &str, refs: &Refs) -> Result<ObjectId, FetchError> {
    let candidates = [name.to_owned(), format!("refs/{name}"), format!("refs/tags/{name}"), format!("refs/heads/{name}")];
    let mut found = candidates.iter().filter_map(|candidate| refs.find(candidate));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        _ => Err(FetchError::Request(format!("git upload-pack: ambiguous deepen-not: {}", quote(name)))),
    }
}
