//! Packs that are made not for a client but for hoist itself, or for a file: some packs made into one, and everything that can
//! be reached from somewhere.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gix_hash::ObjectId;

use super::bits::Bits;
use super::entries::Entries;
use super::history::History;
use super::packets::{Band, Packets};
use super::packs::{Number, Packs};
use super::pulse::Pulse;
use super::reach::{Reachable, Search, Tips};
use super::select::{Objects, Selection};
use super::write::{Manner, Writer};
use crate::git::objects::open_packs;
use crate::git::quarantine::PackName;
use crate::model::CommitId;

/// Deltas name their bases by the distance, and all bases are in the pack.
const MANNER: Manner = Manner { ofs_delta: true, thin: false };

/// Objects of some packs. The packs may get company meanwhile, but must not go.
#[derive(Debug)]
pub(in crate::git) struct Chosen {
    packs: Vec<PackName>,
    /// By their numbers; `None`: all of them.
    objects: Option<Bits>,
}

impl Chosen {
    /// All objects of these packs.
    pub(in crate::git) fn all_of(packs: Vec<PackName>) -> Self {
        Self { packs, objects: None }
    }

    /// What can be reached from `roots`, in all packs of a folder. Fails when something is missing.
    pub(in crate::git) fn reachable(dir: &Path, roots: &[CommitId], pulse: &Pulse) -> io::Result<Self> {
        let mut packs = Packs::open(dir)?;
        let mut history = History::default();
        let roots: Vec<_> = roots.iter().map(|root| packs.get(&object_id(root))).collect::<io::Result<_>>()?;
        let tips = Tips::sort(&mut packs, &mut history, &roots)?;
        let reachable = Search { packs: &mut packs, history: &mut history, pulse }.reachable(&tips)?;
        let objects = match reachable {
            Reachable::Everything => None,
            Reachable::These(objects) => Some(objects),
        };
        Ok(Self { packs: packs.names(), objects })
    }

    /// The packs of which it is, or of which some are left out.
    pub(in crate::git) fn packs(&self) -> &[PackName] {
        &self.packs
    }

    /// Whether it is everything that is in the packs.
    pub(in crate::git) fn is_everything(&self) -> bool {
        self.objects.is_none()
    }

    /// Bytes of all the packs, and how many of them are of these objects; what is in several packs counts in one.
    pub(in crate::git) fn bytes(&self, dir: &Path) -> io::Result<(u64, u64)> {
        let packs = Packs::open_these(dir, &self.packs)?;
        let (mut all, mut chosen) = (0, 0);
        for pack in packs.all() {
            all += pack.bundle.pack.data_len() as u64;
            let mut entries = Entries::open(pack)?;
            for position in 0..pack.count() {
                let (place, bytes) = entries.at(&pack.bundle, position)?;
                if self.contains(&packs, Number(pack.first + place)) {
                    chosen += bytes;
                }
            }
        }
        Ok((all, chosen))
    }

    /// Writes the pack: the objects' bytes as they are, but for deltas upon something that is left out.
    pub(in crate::git) fn write(&self, dir: &Path, mut out: impl Write) -> io::Result<()> {
        let packs = Packs::open_these(dir, &self.packs)?;
        let had = Bits::none(packs.end());
        let objects = self.objects.clone().map_or(Objects::Everything, Objects::These);
        let mut writer = Writer::new(packs, Selection { objects, had }, MANNER)?;
        let mut buffer = Vec::new();
        loop {
            let mut packets = Packets::new(Band::None, buffer);
            let has_more = writer.write_piece(&mut packets)?;
            buffer = packets.into_bytes();
            out.write_all(&buffer)?;
            if !has_more {
                return Ok(());
            }
        }
    }

    /// Fails when not each of the objects is among the packs of another folder.
    pub(in crate::git) fn check_copy(&self, dir: &Path, copy: &Path) -> io::Result<()> {
        let packs = Packs::open_these(dir, &self.packs)?;
        let copies = open_packs(&[copy.to_owned()])?;
        let mut numbers = (0..packs.end()).map(Number).filter(|number| self.contains(&packs, *number));
        match numbers.find(|number| copies.iter().all(|copy| copy.index.lookup(packs.id(*number)).is_none())) {
            Some(lost) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("object {} is damaged", packs.id(lost)))),
            None => Ok(()),
        }
    }

    fn contains(&self, packs: &Packs, number: Number) -> bool {
        match &self.objects {
            Some(objects) => objects.contains(number),
            None => packs.is_first(number),
        }
    }
}

/// Tells of each commit whether history leads from the one that is to take its place back to it, among the packs of some
/// folders. What is no commit has no history.
pub(in crate::git) fn lead_back(dirs: &[PathBuf], moves: &[(CommitId, CommitId)]) -> io::Result<Vec<bool>> {
    let mut packs = Packs::open_all(dirs)?;
    let (mut history, pulse) = (History::default(), Pulse::default());
    let mut lead = Vec::with_capacity(moves.len());
    for (old, new) in moves {
        let (old, new) = (packs.get(&object_id(old))?, packs.get(&object_id(new))?);
        if packs.kind(old)? != gix_object::Kind::Commit || packs.kind(new)? != gix_object::Kind::Commit {
            lead.push(false);
            continue;
        }
        let tips = Tips::sort(&mut packs, &mut history, &[new])?;
        let mut search = Search { packs: &mut packs, history: &mut history, pulse: &pulse };
        lead.push(search.reaches_commits(&tips, [old].into())?);
    }
    Ok(lead)
}

/// The id as gix has it.
fn object_id(id: &CommitId) -> ObjectId {
    ObjectId::from_hex(id.as_str().as_bytes()).expect("a CommitId is an object id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::upload_pack::handmade::{Handmade, Object, blob, commit, index};

    fn id(id: ObjectId) -> CommitId {
        id.to_string().parse().unwrap()
    }

    fn names(dir: &Path) -> Vec<PackName> {
        Packs::open(dir).unwrap().names()
    }

    /// Writes the pack into a folder of its own and has git index it.
    fn copy(chosen: &Chosen, dir: &Path) -> tempfile::TempDir {
        let to = tempfile::tempdir().unwrap();
        let path = to.path().join("pack-copy.pack");
        chosen.write(dir, std::fs::File::create(&path).unwrap()).unwrap();
        index(&path);
        to
    }

    /// Two packs of which each has a delta upon an object that both have.
    #[test]
    fn deltas_stay_deltas_when_packs_become_one() {
        let dir = tempfile::tempdir().unwrap();
        let base = blob(&"the same line again\n".repeat(20));
        let texts: Vec<Object> = (0..2).map(|number| blob(&format!("{}{number}", "the same line again\n".repeat(20)))).collect();
        for text in &texts {
            let mut pack = Handmade::default();
            let at = pack.offset();
            pack.whole(&base);
            pack.delta(text, &base, at);
            pack.save(dir.path());
        }
        let chosen = Chosen::all_of(names(dir.path()));
        let to = copy(&chosen, dir.path());
        chosen.check_copy(dir.path(), to.path()).unwrap();
        let copied = Packs::open(to.path()).unwrap();
        assert_eq!(copied.end(), 3, "what both have is there once");
        let entry = |number| copied.all()[0].bundle.pack.entry(copied.offset(Number(number))).unwrap();
        assert_eq!((0..3).filter(|number| entry(*number).header.is_delta()).count(), 2);
        let (all, kept) = chosen.bytes(dir.path()).unwrap();
        assert!(kept < all && kept > 0);
    }

    #[test]
    fn only_what_can_be_reached_is_chosen() {
        let dir = tempfile::tempdir().unwrap();
        let mut pack = Handmade::default();
        let file = pack.whole(&blob("kept"));
        let tree = pack.tree(&[("file", file)]);
        let first = pack.whole(&commit(&tree, &[], 1));
        let kept = pack.whole(&commit(&tree, &[first], 2));
        let dropped = pack.whole(&commit(&tree, &[], 3));
        pack.save(dir.path());
        let chosen = Chosen::reachable(dir.path(), &[id(kept)], &Pulse::default()).unwrap();
        assert!(!chosen.is_everything());
        let to = copy(&chosen, dir.path());
        let copied = Packs::open(to.path()).unwrap();
        assert!(copied.find(&dropped).is_none() && copied.find(&first).is_some());
        chosen.check_copy(dir.path(), to.path()).unwrap();
        let lost = Chosen::all_of(names(dir.path())).check_copy(dir.path(), to.path()).unwrap_err();
        assert_eq!(lost.to_string(), format!("object {dropped} is damaged"));
        let (all, bytes) = chosen.bytes(dir.path()).unwrap();
        assert!(bytes < all - 32, "the dropped commit is not among {bytes} of {all}");
        let both = Chosen::reachable(dir.path(), &[id(kept), id(dropped)], &Pulse::default()).unwrap();
        assert_eq!(both.bytes(dir.path()).unwrap(), (all, all - 32), "all but head and checksum");
        let missing = Chosen::reachable(dir.path(), &["0123456789".repeat(4).parse().unwrap()], &Pulse::default());
        assert!(missing.unwrap_err().to_string().contains("is missing"));
    }

    #[test]
    fn history_leads_back_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut pack = Handmade::default();
        let tree = pack.tree(&[]);
        let first = pack.whole(&commit(&tree, &[], 10));
        let second = pack.whole(&commit(&tree, &[first], 5));
        let other = pack.whole(&commit(&tree, &[], 20));
        pack.save(dir.path());
        let moves = [(first, second), (second, first), (first, other), (tree, second), (first, first)];
        let moves = moves.map(|(old, new)| (id(old), id(new)));
        assert_eq!(lead_back(&[dir.path().to_owned()], &moves).unwrap(), [true, false, false, false, true]);
    }
}
