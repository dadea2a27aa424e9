//! The packs of a repository, seen as one array of objects, each of which is known by a number rather than by its id.

use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};

use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use gix_pack::Bundle;

use crate::git::objects::{Builder, MAX_NESTED_TAGS, base_of, corrupt, entry_at, open_packs, tag_target};
use crate::git::quarantine::PackName;

/// An object's number: packs one after the other, the objects of each in the order of its index. An object that is in
/// several packs has the number that it has in the first of them, and in no other; so no two numbers that
/// [`Packs::find`] gives are of the same object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number(pub u32);

/// All packs that there are now. They stay readable while this lives, even if they are removed meanwhile.
pub(super) struct Packs {
    /// The largest first: most objects are found there.
    all: Vec<Pack>,
    builder: Builder,
}

pub(super) struct Pack {
    pub bundle: Bundle,
    /// Number of its first object.
    pub first: u32,
}

impl Pack {
    pub(super) fn count(&self) -> u32 {
        self.bundle.index.num_objects()
    }

    /// The pack's checksum, as its index has it.
    pub(super) fn checksum(&self) -> ObjectId {
        self.bundle.index.pack_checksum()
    }
}

impl Packs {
    /// Opens the packs of a folder.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        Self::number(open_packs(&[dir.to_owned()])?)
    }

    /// Opens the packs of some folders.
    pub(super) fn open_all(dirs: &[PathBuf]) -> io::Result<Self> {
        Self::number(open_packs(dirs)?)
    }

    /// Opens some packs of a folder. They get the same numbers each time.
    pub(super) fn open_these(dir: &Path, names: &[PackName]) -> io::Result<Self> {
        let mut bundles = open_packs(&[dir.to_owned()])?;
        bundles
            .retain(|bundle| bundle.pack.path().file_stem().is_some_and(|stem| names.iter().any(|name| stem == name.as_str())));
        if bundles.len() < names.len() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "a pack has gone meanwhile"));
        }
        Self::number(bundles)
    }

    fn number(mut bundles: Vec<Bundle>) -> io::Result<Self> {
        bundles.sort_by_cached_key(|bundle| (Reverse(bundle.index.num_objects()), bundle.pack.path().to_owned()));
        let mut first = 0_u32;
        let mut packs = Vec::with_capacity(bundles.len());
        for (at, mut bundle) in (0..).zip(bundles) {
            // gix makes it from the path's checksum, which two packs may share.
            bundle.pack.id = at;
            let next = first.checked_add(bundle.index.num_objects());
            packs.push(Pack { bundle, first });
            first = next.ok_or_else(|| io::Error::other("the repository has more objects than can be numbered"))?;
        }
        Ok(Self { all: packs, builder: Builder::default() })
    }

    pub(super) fn all(&self) -> &[Pack] {
        &self.all
    }

    /// The packs' names, in their order.
    pub(super) fn names(&self) -> Vec<PackName> {
        let stems = self.all.iter().filter_map(|pack| pack.bundle.pack.path().file_stem());
        stems.map(|stem| PackName::new(stem.to_string_lossy().into_owned())).collect()
    }

    /// One more than the highest number.
    pub(super) fn end(&self) -> u32 {
        self.all.last().map_or(0, |pack| pack.first + pack.count())
    }

    /// The number of an object, if it is there.
    pub(super) fn find(&self, id: &oid) -> Option<Number> {
        self.all.iter().find_map(|pack| pack.bundle.index.lookup(id).map(|place| Number(pack.first + place)))
    }

    /// The number of an object that must be there because another one refers to it.
    pub(super) fn get(&self, id: &oid) -> io::Result<Number> {
        self.find(id).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("object {id} is missing")))
    }

    /// Which pack an object is in, and at which place of its index.
    pub(super) fn locate(&self, number: Number) -> (usize, u32) {
        let pack = self.all.partition_point(|pack| pack.first <= number.0) - 1;
        (pack, number.0 - self.all[pack].first)
    }

    /// Whether this is the number that [`Packs::find`] gives.
    pub(super) fn is_first(&self, number: Number) -> bool {
        let (pack, place) = self.locate(number);
        let id = self.all[pack].bundle.index.oid_at_index(place);
        self.all[..pack].iter().all(|before| before.bundle.index.lookup(id).is_none())
    }

    /// Whether an object is twice in a pack, and this is the place that it is not sent from. At the other it may be a delta
    /// upon what builds upon it here.
    pub(super) fn is_twice(&self, id: &oid, pack: usize, offset: u64) -> bool {
        let sent = self.find(id).filter(|number| self.locate(*number).0 == pack);
        sent.is_some_and(|number| self.offset(number) != offset)
    }

    pub(super) fn id(&self, number: Number) -> &oid {
        let (pack, place) = self.locate(number);
        self.all[pack].bundle.index.oid_at_index(place)
    }

    pub(super) fn offset(&self, number: Number) -> u64 {
        let (pack, place) = self.locate(number);
        self.all[pack].bundle.index.pack_offset_at_index(place)
    }

    /// What kind of object it is, found out from the headers of its chain of deltas.
    pub(super) fn kind(&self, number: Number) -> io::Result<Kind> {
        let (pack, place) = self.locate(number);
        let pack = &self.all[pack];
        let mut offset = pack.bundle.index.pack_offset_at_index(place);
        for _ in 0..pack.count() {
            let entry = entry_at(&pack.bundle, offset)?;
            match entry.header.as_kind() {
                Some(kind) => return Ok(kind),
                None => offset = base_of(&pack.bundle, &entry)?,
            }
        }
        Err(corrupt(&pack.bundle, &"deltas build upon one another in a circle"))
    }

    /// How large an object is.
    pub(super) fn size(&mut self, number: Number) -> io::Result<u64> {
        let (pack, place) = self.locate(number);
        let bundle = &self.all[pack].bundle;
        let (_, size) = self.builder.header(bundle, bundle.index.pack_offset_at_index(place))?;
        Ok(size)
    }

    /// Builds an object in `out`. Of a folder, what it is kept as a delta upon is usually a later version of it: whoever reads the
    /// versions from the first to the last finds them built already.
    pub(super) fn read(&mut self, number: Number, out: &mut Vec<u8>) -> io::Result<Kind> {
        let (pack, place) = self.locate(number);
        let bundle = &self.all[pack].bundle;
        self.builder.build(bundle, bundle.index.pack_offset_at_index(place), out)
    }

    /// Lets go what is only held in order to be faster: nothing is read for a while.
    pub(super) fn rest(&mut self) {
        self.builder.rest();
    }

    /// Follows annotated tags to what they are about: the tags on the way, and the end.
    pub(super) fn peel(&mut self, number: Number) -> io::Result<(Vec<Number>, Number, Kind)> {
        let (mut tags, mut at, mut bytes) = (Vec::new(), number, Vec::new());
        loop {
            let kind = self.kind(at)?;
            if kind != Kind::Tag {
                return Ok((tags, at, kind));
            }
            if tags.len() == MAX_NESTED_TAGS {
                return Err(corrupt(&self.all[self.locate(at).0].bundle, &"too many tags are about one another"));
            }
            self.read(at, &mut bytes)?;
            tags.push(at);
            at = self.get(&tag_target(&bytes)?)?;
        }
    }
}
