//! What commits bring besides themselves: the folders and files in which each differs from its parents.
//!
//! A commit's parents are sent as well, or the client has them. So nothing is needed of a folder that a parent has too,
//! and of the others only what is not the same there. That is much less to look up than whatever is in the folder.
//!
//! Parents come before their children. So what was chosen for one commit is complete, and whoever comes across it again,
//! wherever that is, need not look into it.

use std::collections::HashSet;
use std::{io, mem};

use gix_hash::{Kind as Hash, oid};
use gix_object::TreeRefIter;
use gix_object::tree::EntryRef;

use super::bits::Bits;
use super::filter::Filter;
use super::packs::{Number, Packs};
use super::pulse::Pulse;

/// Objects, as they are found.
pub(super) struct Chosen {
    /// What is to be sent.
    pub objects: Bits,
    /// What need not be looked at again, nor what is in it: all of these, and what the client is known to have.
    seen: Bits,
    /// What the client is known to have, as far as it was come across: what differs from the objects chosen is a good
    /// base for deltas.
    pub had: Bits,
}

impl Chosen {
    fn none(end: u32) -> Self {
        Self { objects: Bits::none(end), seen: Bits::none(end), had: Bits::none(end) }
    }

    /// Chooses an object and tells whether it is new.
    pub(super) fn choose(&mut self, number: Number) -> bool {
        let is_new = self.seen.insert(number);
        if is_new {
            self.objects.insert(number);
        }
        is_new
    }

    /// Chooses an object whatever is known of it.
    pub(super) fn insist(&mut self, number: Number) {
        self.seen.insert(number);
        self.objects.insert(number);
    }

    /// Notes that the client has an object, and tells whether that is news.
    fn pass_over(&mut self, number: Number) -> bool {
        self.had.insert(number);
        self.seen.insert(number)
    }
}

/// Most folders that one is compared with: each is held in memory meanwhile. What only others have is sent once more.
const MAX_AGAINST: usize = 16;

/// A folder that another one is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Against {
    pub tree: Number,
    /// Whether the client has it already; else it is sent as well.
    pub is_had: bool,
}

struct Job {
    tree: Number,
    against: Vec<Against>,
}

/// Looks into folders.
pub(super) struct Trees<'a> {
    pub chosen: Chosen,
    filter: &'a Filter,
    pulse: &'a Pulse,
    buffers: Buffers,
}

/// What folders are read into, kept for the next ones.
#[derive(Default)]
struct Buffers {
    tree: Vec<u8>,
    against: Vec<Vec<u8>>,
}

impl<'a> Trees<'a> {
    /// Of the objects with numbers below `end`, none is chosen yet.
    pub(super) fn new(end: u32, filter: &'a Filter, pulse: &'a Pulse) -> Self {
        Self { chosen: Chosen::none(end), filter, pulse, buffers: Buffers::default() }
    }

    /// Chooses a folder and all in it, but for what is in any of the others at the same place.
    pub(super) fn choose(&mut self, packs: &mut Packs, tree: Number, mut against: Vec<Against>) -> io::Result<()> {
        if self.filter.omits_trees() || against.iter().any(|other| other.tree == tree) || !self.chosen.choose(tree) {
            return Ok(());
        }
        for other in against.iter().filter(|other| other.is_had) {
            self.chosen.had.insert(other.tree);
        }
        weed(&mut against);
        // Trees may be nested deeper than a stack is long.
        let mut jobs = vec![Job { tree, against }];
        while let Some(job) = jobs.pop() {
            self.pulse.beat()?;
            self.compare(packs, &job, &mut jobs)?;
        }
        Ok(())
    }

    /// Notes that the client has a folder and all in it.
    pub(super) fn pass_over(&mut self, packs: &mut Packs, tree: Number) -> io::Result<()> {
        let mut trees = Vec::new();
        trees.extend(self.chosen.pass_over(tree).then_some(tree));
        while let Some(tree) = trees.pop() {
            self.pulse.beat()?;
            packs.read(tree, &mut self.buffers.tree)?;
            for entry in TreeRefIter::from_bytes(&self.buffers.tree, Hash::Sha1) {
                let entry = entry.map_err(unreadable)?;
                if entry.mode.is_commit() {
                    continue;
                }
                let number = packs.get(entry.oid)?;
                if self.chosen.pass_over(number) && entry.mode.is_tree() {
                    trees.push(number);
                }
            }
        }
        Ok(())
    }

    fn compare(&mut self, packs: &mut Packs, job: &Job, jobs: &mut Vec<Job>) -> io::Result<()> {
        let mut buffers = mem::take(&mut self.buffers);
        let Buffers { tree, against } = &mut buffers;
        packs.read(job.tree, tree)?;
        against.resize_with(against.len().max(job.against.len()), Vec::new);
        for (other, buffer) in job.against.iter().zip(&mut *against) {
            packs.read(other.tree, buffer)?;
        }
        let mut others: Vec<_> =
            job.against.iter().zip(&*against).map(|(other, bytes)| Cursor::new(bytes, other.is_had)).collect();
        for entry in TreeRefIter::from_bytes(tree, Hash::Sha1) {
            let entry = entry.map_err(unreadable)?;
            let mut is_known = entry.mode.is_commit();
            for other in &mut others {
                is_known |= other.advance(&entry)?.is_some_and(|same| same.oid == entry.oid);
            }
            if !is_known {
                self.choose_entry(packs, &entry, &others, jobs)?;
            }
        }
        self.buffers = buffers;
        Ok(())
    }

    fn choose_entry(
        &mut self,
        packs: &mut Packs,
        entry: &EntryRef<'_>,
        others: &[Cursor<'_>],
        jobs: &mut Vec<Job>,
    ) -> io::Result<()> {
        if !entry.mode.is_tree() && self.filter.blob_limit() == Some(0) {
            return Ok(());
        }
        let number = packs.get(entry.oid)?;
        if !entry.mode.is_tree() && is_omitted(packs, self.filter, number)? || !self.chosen.choose(number) {
            return Ok(());
        }
        let mut against = Vec::new();
        for before in others.iter().filter_map(|other| other.at(entry)) {
            let number = packs.get(before.oid)?;
            if before.is_had {
                self.chosen.had.insert(number);
            }
            if before.is_tree {
                against.push(Against { tree: number, is_had: before.is_had });
            }
        }
        if entry.mode.is_tree() {
            weed(&mut against);
            jobs.push(Job { tree: number, against });
            return Ok(());
        }
        self.pulse.beat()
    }
}

/// Leaves out what is there twice, and what is too much.
fn weed(against: &mut Vec<Against>) {
    let mut seen = HashSet::new();
    against.retain(|other| seen.len() < MAX_AGAINST && seen.insert(other.tree));
}

/// Whether a file is left out by a filter.
pub(super) fn is_omitted(packs: &mut Packs, filter: &Filter, blob: Number) -> io::Result<bool> {
    match filter.blob_limit() {
        None => Ok(false),
        Some(0) => Ok(true),
        Some(limit) => Ok(packs.size(blob)? >= limit),
    }
}

/// What is at the same place in another folder.
struct Before<'a> {
    oid: &'a oid,
    is_tree: bool,
    is_had: bool,
}

/// A place in a folder that is gone through along with another one.
struct Cursor<'a> {
    entries: TreeRefIter<'a>,
    next: Option<EntryRef<'a>>,
    is_had: bool,
}

impl<'a> Cursor<'a> {
    fn new(bytes: &'a [u8], is_had: bool) -> Self {
        Self { entries: TreeRefIter::from_bytes(bytes, Hash::Sha1), next: None, is_had }
    }

    /// Goes on to the entry of the same name and sort, and gives it if it is there.
    fn advance(&mut self, entry: &EntryRef<'_>) -> io::Result<Option<&EntryRef<'a>>> {
        loop {
            if self.next.is_none() {
                self.next = self.entries.next().transpose().map_err(unreadable)?;
            }
            let Some(next) = &self.next else { return Ok(None) };
            // git's own order of entries, in which folders have a slash at the end of their names.
            if *next < *entry {
                self.next = None;
            } else {
                break;
            }
        }
        Ok(self.next.as_ref().filter(|next| next.filename == entry.filename))
    }

    /// What was at an entry's place, which must be the one that was gone to last.
    fn at(&self, entry: &EntryRef<'_>) -> Option<Before<'a>> {
        let same = self.next.as_ref().filter(|next| next.filename == entry.filename && !next.mode.is_commit())?;
        Some(Before { oid: same.oid, is_tree: same.mode.is_tree(), is_had: self.is_had })
    }
}

fn unreadable(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a tree cannot be read: {error}"))
}
