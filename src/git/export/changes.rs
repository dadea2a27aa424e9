//! What makes of one tree, as it was exported, another one: far less than all of it, where the two have much in common.

use std::collections::HashMap;
use std::io::Write;

use gix_hash::ObjectId;
use gix_object::tree::EntryKind;
use ignore::gitignore::Gitignore;
use serde::{Deserialize, Serialize};

use super::{Bounds, Entry, Export, Exported, append_name, folder, is_ignored, missing, read_tree};
use crate::git::client::Brought;
use crate::git::objects::{Objects, ReadError};
use crate::model::{CommitId, SourceRoot};

/// Most changes that are held in memory.
const MAX_CHANGES: u64 = 20_000;

/// With a larger part of it changed, a tree is as well exported anew.
const MAX_PART: u64 = 4;

/// A tree that was exported, with nothing added to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    pub commit: CommitId,
    /// The folder that was exported, `None` for all of it.
    pub root: Option<SourceRoot>,
    pub exported: Exported,
}

/// What makes of a [`Base`] the tree of another commit.
#[derive(Debug, Default)]
pub struct Changes {
    /// Paths of files, links and folders with all that is in them, each with a NUL behind it.
    pub removed: Vec<u8>,
    /// Folders before what is in them.
    added: Vec<Added>,
    /// What exporting all of the new tree would have said.
    pub exported: Exported,
}

#[derive(Debug)]
struct Added {
    path: Vec<u8>,
    entry: Entry,
}

/// See [`crate::git::Repo::changes`].
pub(in crate::git) fn changes(
    objects: &mut Objects,
    base: &Base,
    (commit, root): (&CommitId, Option<&SourceRoot>),
    ignore: &Gitignore,
    bounds: &Bounds,
) -> Result<Option<Changes>, ReadError> {
    let old = folder(objects, &base.commit, base.root.as_ref())?;
    let new = folder(objects, commit, root)?;
    let changes = Changes { exported: base.exported.clone(), ..Changes::default() };
    let left = MAX_CHANGES.min(base.exported.entries / MAX_PART);
    let both = Step { place: Place { path: Vec::new(), ignored: false, gone: false }, what: What::Both { old, new } };
    let mut search = Search { objects, ignore, changes, left, steps: vec![both] };
    while let Some(Step { place, what }) = search.steps.pop() {
        let is_fine = match what {
            What::Both { old, new } => search.compare(&place, old, new)?,
            What::Gone(entry) => search.gone(place, &entry)?,
            What::New(entry) => search.added(place, entry)?,
        };
        if !is_fine {
            return Ok(None);
        }
    }
    let exported = &search.changes.exported;
    let fits = exported.bytes <= bounds.bytes && exported.entries <= bounds.files;
    Ok(fits.then_some(search.changes))
}

/// Writes what has been added as [`super::export`] does.
pub(in crate::git) fn export_changes(
    objects: &mut Objects,
    changes: &Changes,
    bounds: &Bounds,
    out: impl Write,
) -> Result<(), ReadError> {
    let brought = Brought::default();
    let mut export = Export::new(objects, &brought, bounds, out);
    for Added { path, entry } in &changes.added {
        match entry.kind {
            EntryKind::Tree => export.add_folder(path, false)?,
            _ => export.add(path, entry, false)?,
        }
    }
    export.tar.finish().map_err(ReadError::Output)
}

/// Somewhere in the tree, and what is to be seen to there.
struct Step {
    place: Place,
    what: What,
}

struct Place {
    path: Vec<u8>,
    ignored: bool,
    /// With the folder that it is in.
    gone: bool,
}

enum What {
    Both { old: ObjectId, new: ObjectId },
    Gone(Entry),
    New(Entry),
}

struct Search<'a> {
    objects: &'a mut Objects,
    ignore: &'a Gitignore,
    changes: Changes,
    /// How many more changes are worth it.
    left: u64,
    // Trees may be nested deeper than a stack is long.
    steps: Vec<Step>,
}

/// All that follow tell whether the changes can be made of what they have found.
impl Search<'_> {
    fn compare(&mut self, at: &Place, old: ObjectId, new: ObjectId) -> Result<bool, ReadError> {
        let mut before: HashMap<_, _> =
            read_tree(self.objects, old)?.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        for entry in read_tree(self.objects, new)? {
            match before.remove(&entry.name) {
                Some(old) if old.id == entry.id && old.kind == entry.kind => {}
                Some(old) if old.kind == EntryKind::Tree && entry.kind == EntryKind::Tree => {
                    let (old, new) = (old.id, entry.id);
                    self.step(at, entry, |_| What::Both { old, new })?;
                }
                old => {
                    if let Some(old) = old {
                        self.step(at, old, What::Gone)?;
                    }
                    self.step(at, entry, What::New)?;
                }
            }
        }
        before.into_values().try_for_each(|old| self.step(at, old, What::Gone))?;
        Ok(self.left > 0)
    }

    fn gone(&mut self, place: Place, entry: &Entry) -> Result<bool, ReadError> {
        if !place.ignored && !place.gone {
            self.changes.removed.extend_from_slice(&place.path);
            self.changes.removed.push(0);
        }
        let size = self.size(&place, entry)?;
        let done = &mut self.changes.exported;
        let (files, ignored_files) = (u64::from(size.is_some()), u64::from(place.ignored && entry.kind != EntryKind::Tree));
        let left = || {
            Some(Exported {
                files: done.files.checked_sub(files)?,
                bytes: done.bytes.checked_sub(size.unwrap_or(0))?,
                ignored_files: done.ignored_files.checked_sub(ignored_files)?,
                entries: done.entries.checked_sub(1)?,
                submodules: Vec::new(),
            })
        };
        let Some(left) = left() else { return Ok(false) };
        *done = left;
        let below = Place { gone: true, ..place };
        self.descend(&below, entry, What::Gone)
    }

    fn added(&mut self, place: Place, entry: Entry) -> Result<bool, ReadError> {
        let size = self.size(&place, &entry)?;
        let done = &mut self.changes.exported;
        done.files += u64::from(size.is_some());
        done.bytes += size.unwrap_or(0);
        done.ignored_files += u64::from(place.ignored && entry.kind != EntryKind::Tree);
        done.entries += 1;
        let is_fine = self.descend(&place, &entry, What::New)?;
        if !place.ignored {
            self.changes.added.push(Added { path: place.path, entry });
        }
        Ok(is_fine)
    }

    /// Goes on with what is in a folder. What a submodule has in it is nowhere here.
    fn descend(&mut self, at: &Place, entry: &Entry, what: impl Fn(Entry) -> What) -> Result<bool, ReadError> {
        if entry.kind == EntryKind::Tree {
            for below in read_tree(self.objects, entry.id)? {
                self.step(at, below, &what)?;
            }
        }
        Ok(entry.kind != EntryKind::Commit && self.left > 0)
    }

    /// Sees to it that a difference is looked at, unless there are too many: each has a path of its own.
    fn step(&mut self, at: &Place, entry: Entry, what: impl FnOnce(Entry) -> What) -> Result<(), ReadError> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Ok(());
        }
        let place = self.place(at, &entry)?;
        self.steps.push(Step { place, what: what(entry) });
        Ok(())
    }

    /// Where an entry of a folder is.
    fn place(&self, at: &Place, entry: &Entry) -> Result<Place, ReadError> {
        let mut path = at.path.clone();
        append_name(&mut path, &entry.name)?;
        let ignored = at.ignored || is_ignored(self.ignore, &path, entry.kind);
        Ok(Place { path, ignored, gone: at.gone })
    }

    /// The size of a file or link that is exported.
    fn size(&mut self, place: &Place, entry: &Entry) -> Result<Option<u64>, ReadError> {
        if place.ignored || matches!(entry.kind, EntryKind::Tree | EntryKind::Commit) {
            return Ok(None);
        }
        let (_, size) = self.objects.header(&entry.id)?.ok_or_else(|| missing("blob", entry.id))?;
        Ok(Some(size))
    }
}
