//! Connectivity: whatever a new object refers to must come with it or be here already.
//!
//! That is enough, because the repository is closed: every object that it has was checked the same way when it came,
//! and none is ever removed alone.

use std::collections::BTreeSet;

use gix_hash::ObjectId;
use gix_object::Kind;

use super::check::Reference;
use super::check::special::{self, Special};
use super::wire::History;
use super::{Error, Flaw, Found};
use crate::git::objects::Objects;

/// Slots of the filter: 168 KiB per worker, which stay in the processor's cache.
const SLOTS: usize = 8192;

/// Links that are gathered before the first weeding out of duplicates.
const WEED_FROM: usize = 128 * 1024;

/// A reference from one object to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub id: ObjectId,
    /// What the other must be.
    pub kind: Kind,
}

/// A set of links, and the files among their ends whose content matters.
///
/// One version of a folder refers to nearly the same objects as the one before; a table of the links seen last keeps
/// most repetitions out, sorting does the rest.
#[derive(Debug)]
pub(super) struct Links {
    recent: Vec<Option<Link>>,
    list: Vec<Link>,
    weed_at: usize,
    special: BTreeSet<Special>,
}

impl Default for Links {
    fn default() -> Self {
        Self { recent: vec![None; SLOTS], list: Vec::new(), weed_at: WEED_FROM, special: BTreeSet::new() }
    }
}

impl Links {
    pub(super) fn add(&mut self, reference: Reference) {
        let link = match reference {
            Reference::Link(link) => link,
            Reference::Special(file) => {
                self.special.insert(file);
                return;
            }
        };
        let bytes = link.id.as_slice();
        let slot = usize::from(u16::from_le_bytes([bytes[18], bytes[19]])) % SLOTS;
        if self.recent[slot] != Some(link) {
            self.recent[slot] = Some(link);
            self.push(link);
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.special.extend(other.special);
        for link in other.list {
            self.push(link);
        }
    }

    fn push(&mut self, link: Link) {
        self.list.push(link);
        if self.list.len() >= self.weed_at {
            self.weed();
            self.weed_at = WEED_FROM.max(2 * self.list.len());
        }
    }

    fn weed(&mut self) {
        self.list.sort_unstable();
        self.list.dedup();
    }

    /// Reads the files whose content matters; `objects` are those of the pack and of the repository.
    pub(super) fn check_special(&self, objects: &mut Objects) -> Result<(), Error> {
        special::check(&self.special, objects)
    }

    /// The objects of the pack (sorted) that no link leads to.
    pub(super) fn roots(&mut self, found: &[Found]) -> Vec<ObjectId> {
        self.weed();
        let mut links = self.list.iter().peekable();
        let is_root = |object: &&Found| {
            while links.next_if(|link| link.id < object.id).is_some() {}
            links.peek().is_none_or(|link| link.id != object.id)
        };
        found.iter().filter(is_root).map(|object| object.id).collect()
    }

    /// Looks for every link's end, first among the objects of the pack (sorted), then in the repository.
    pub(super) fn check(&mut self, found: &[Found], main: &mut Objects, history: History) -> Result<(), Error> {
        if history == History::Shallow {
            self.list.retain(|link| link.kind != Kind::Commit);
        }
        self.weed();
        let mut found = found.iter().peekable();
        for &link in &self.list {
            while found.next_if(|object| object.id < link.id).is_some() {}
            let kind = match found.peek().filter(|object| object.id == link.id) {
                Some(object) => Some(object.kind),
                None => main.kind(&link.id)?,
            };
            check_kind(link, kind)?;
        }
        Ok(())
    }
}

fn check_kind(link: Link, kind: Option<Kind>) -> Result<(), Flaw> {
    match kind {
        Some(kind) if kind == link.kind => Ok(()),
        Some(kind) => Err(Flaw::Corrupt(format!("{} is a {kind}, but referred to as a {}", link.id, link.kind))),
        None => Err(Flaw::MissingObject { kind: link.kind, id: link.id }),
    }
}
