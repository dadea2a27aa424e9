//! Which objects are sent.

use std::io;

use gix_object::Kind;

use super::bits::Bits;
use super::history::{History, Node};
use super::order::parents_first;
use super::packs::{Number, Packs};
use super::pulse::Pulse;
use super::reach::{Search, Tips};
use super::request::Fetch;
use super::shallow::Boundary;
use super::trees::{Against, Trees, is_omitted};
use super::walk::{Found, Walk};

/// What is sent, and upon what else deltas may build.
pub(super) struct Selection {
    pub objects: Objects,
    /// Objects that the client has, as far as they were come across.
    pub had: Bits,
}

/// What is sent.
pub(super) enum Objects {
    /// All that there is.
    Everything,
    These(Bits),
}

/// An annotated tag that a ref names: itself and those that it is about, and in the end the object.
pub(super) struct Tag {
    pub tags: Vec<Number>,
    pub target: Number,
}

/// Who asks, and for what.
pub(super) struct Selecting<'a> {
    pub packs: &'a mut Packs,
    pub history: &'a mut History,
    pub pulse: &'a Pulse,
    pub fetch: &'a Fetch,
    pub wants: &'a Tips,
    pub haves: &'a [Node],
    pub boundary: &'a Boundary,
    /// The tags that are sent along with their objects.
    pub tags: &'a [Tag],
}

impl Selecting<'_> {
    pub(super) fn select(mut self) -> io::Result<Selection> {
        if self.is_clone() && self.reaches_everything()? {
            let none = Bits::none(self.packs.end());
            if self.fetch.filter.is_none() {
                return Ok(Selection { objects: Objects::Everything, had: none });
            }
            return Ok(Selection { objects: Objects::These(self.everything_but_filtered()?), had: none });
        }
        let found = self.walk()?;
        let mut trees = Trees::new(self.packs.end(), &self.fetch.filter, self.pulse);
        self.pass_over(&mut trees)?;
        self.choose_commits(&found, &mut trees)?;
        self.choose_named(&mut trees)?;
        let mut chosen = trees.chosen;
        for tag in self.tags {
            if chosen.objects.contains(tag.target) {
                tag.tags.iter().for_each(|tag| _ = chosen.choose(*tag));
            }
        }
        Ok(Selection { objects: Objects::These(chosen.objects), had: chosen.had })
    }

    /// Whether the client has nothing and wants all history behind what it wants.
    fn is_clone(&self) -> bool {
        self.haves.is_empty() && self.boundary.grafts.is_empty() && !self.fetch.shallow.changes()
    }

    fn reaches_everything(&mut self) -> io::Result<bool> {
        let mut search = Search { packs: &mut *self.packs, history: &mut *self.history, pulse: self.pulse };
        search.reaches_everything(self.wants)
    }

    fn everything_but_filtered(&mut self) -> io::Result<Bits> {
        let mut objects = Bits::none(self.packs.end());
        for number in (0..self.packs.end()).map(Number) {
            self.pulse.beat()?;
            let is_sent = match self.packs.kind(number)? {
                Kind::Commit | Kind::Tag => true,
                Kind::Tree => !self.fetch.filter.omits_trees(),
                Kind::Blob => !is_omitted(self.packs, &self.fetch.filter, number)?,
            };
            if is_sent && self.packs.is_first(number) {
                objects.insert(number);
            }
        }
        for named in self.wants.trees.iter().chain(&self.wants.blobs) {
            objects.insert(*named);
        }
        Ok(objects)
    }

    fn walk(&mut self) -> io::Result<Found> {
        let mut wants = self.wants.commits.clone();
        wants.extend(&self.boundary.also_wanted);
        let haves = [self.haves, &self.boundary.deepened].concat();
        let walk = Walk {
            packs: &mut *self.packs,
            history: &mut *self.history,
            pulse: self.pulse,
            grafts: &self.boundary.grafts,
            since: None,
        };
        walk.find(&wants, &haves)
    }

    /// Notes what a client has whose history is to end elsewhere: what it gets may be older than that, so that no
    /// parent tells what need not be sent.
    fn pass_over(&mut self, trees: &mut Trees<'_>) -> io::Result<()> {
        if self.fetch.shallow.changes() && self.fetch.filter.is_none() {
            for node in self.haves.iter().chain(&self.boundary.deepened) {
                trees.pass_over(self.packs, self.history.tree(*node))?;
            }
        }
        Ok(())
    }

    fn choose_commits(&mut self, found: &Found, trees: &mut Trees<'_>) -> io::Result<()> {
        let Self { packs, history, pulse, .. } = self;
        // What a parent brings is complete before anything is left out because the parent has it.
        let commits = parents_first(packs, history, pulse, &found.commits, |node| found.is_found(node))?;
        for node in &commits {
            trees.chosen.choose(self.history.number(*node));
            let mut against = Vec::new();
            if !self.boundary.grafts.contains(node) {
                for parent in self.history.read_parents(self.packs, *node)? {
                    against.push(Against { tree: self.history.tree(parent), is_had: found.is_had(parent) });
                }
            }
            trees.choose(self.packs, self.history.tree(*node), against)?;
        }
        Ok(())
    }

    /// What is asked for by its id is sent whatever else is.
    fn choose_named(&mut self, trees: &mut Trees<'_>) -> io::Result<()> {
        for number in self.wants.tags.iter().chain(&self.wants.blobs) {
            trees.chosen.insist(*number);
        }
        for tree in &self.wants.trees {
            trees.choose(self.packs, *tree, Vec::new())?;
            trees.chosen.insist(*tree);
        }
        for tree in &self.wants.tagged_trees {
            trees.choose(self.packs, *tree, Vec::new())?;
        }
        Ok(())
    }
}
