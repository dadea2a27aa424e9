//! Builds objects of packs: whole ones, and those that are kept as deltas upon others.

use std::io;

use gix_hash::{Kind as Hash, ObjectId, oid};
use gix_object::Kind;
use gix_pack::Bundle;
use gix_pack::cache::Never;
use gix_pack::data::decode::entry::ResolvedBase as Base;
use gix_pack::data::decode::header::ResolvedBase;
use gix_pack::data::entry::Header;
use gix_pack::data::{Entry, File};
use gix_zlib::Inflate;

use super::delta_bases::DeltaBases;
use super::{MAX_CHAIN, corrupt};

/// Builds one object after the other. Those that deltas were upon are kept for the next, which are often deltas upon them as
/// well: gix's own way keeps no whole object, and builds a chain of deltas without what it is between.
#[derive(Default)]
pub(in crate::git) struct Builder {
    inflate: Inflate,
    bases: DeltaBases,
}

impl Builder {
    /// Builds the object whose entry begins at this offset of a pack in `out`.
    pub(in crate::git) fn build(&mut self, bundle: &Bundle, offset: u64, out: &mut Vec<u8>) -> io::Result<Kind> {
        out.clear();
        let mut deltas = Vec::new();
        let mut entry = entry_at(bundle, offset)?;
        let (kind, mut is_held) = loop {
            if let Some(kind) = self.bases.get(bundle.pack.id, entry.data_offset, out) {
                break (kind, true);
            }
            if let Some(kind) = entry.header.as_kind() {
                self.build_whole(bundle, entry.clone(), out)?;
                break (kind, false);
            }
            if deltas.len() == MAX_CHAIN {
                return Err(corrupt(bundle, &"too many deltas build upon one another"));
            }
            let base = entry_at(bundle, base_of(bundle, &entry)?)?;
            deltas.push(std::mem::replace(&mut entry, base));
        };
        while let Some(delta) = deltas.pop() {
            if !is_held {
                self.bases.put(bundle.pack.id, entry.data_offset, out, kind);
            }
            apply(&bundle.pack, delta.clone(), kind, &mut self.inflate, out).map_err(|error| corrupt(bundle, &error))?;
            (entry, is_held) = (delta, false);
        }
        if entry.header.is_delta() && !is_held {
            self.bases.put(bundle.pack.id, entry.data_offset, out, kind);
        }
        Ok(kind)
    }

    /// The kind and size of the object whose entry begins at this offset. Does not build it.
    pub(in crate::git) fn header(&mut self, bundle: &Bundle, offset: u64) -> io::Result<(Kind, u64)> {
        let resolve = |base: &oid| match bundle.index.lookup(base) {
            Some(at) => bundle.pack.entry(bundle.index.pack_offset_at_index(at)).map(|entry| Some(ResolvedBase::InPack(entry))),
            None => Ok(None),
        };
        let header = bundle.pack.entry(offset).and_then(|entry| bundle.pack.decode_header(entry, &mut self.inflate, &resolve));
        header.map(|header| (header.kind, header.object_size)).map_err(|error| corrupt(bundle, &error))
    }

    /// Lets go what is only held in order to be faster.
    pub(in crate::git) fn rest(&mut self) {
        self.bases = DeltaBases::default();
    }

    fn build_whole(&mut self, bundle: &Bundle, entry: Entry, out: &mut Vec<u8>) -> io::Result<()> {
        let built = bundle.pack.decode_entry(entry, out, &mut self.inflate, &|_, _| Ok(None), &mut Never);
        built.map(drop).map_err(|error| corrupt(bundle, &error))
    }
}

/// The entry that begins at this offset of a pack.
pub(in crate::git) fn entry_at(bundle: &Bundle, offset: u64) -> io::Result<Entry> {
    bundle.pack.entry(offset).map_err(|error| corrupt(bundle, &error))
}

/// Where the entry begins that a delta builds upon.
pub(in crate::git) fn base_of(bundle: &Bundle, entry: &Entry) -> io::Result<u64> {
    let base = match entry.header {
        Header::OfsDelta { base_distance } => entry.checked_base_pack_offset(base_distance),
        Header::RefDelta { base_id } => bundle.index.lookup(base_id).map(|at| bundle.index.pack_offset_at_index(at)),
        _ => None,
    };
    base.ok_or_else(|| corrupt(bundle, &"a delta has no base"))
}

/// Makes of the base in `out` what a delta makes of it.
pub(in crate::git) fn apply(
    data: &File,
    mut delta: Entry,
    kind: Kind,
    inflate: &mut Inflate,
    out: &mut Vec<u8>,
) -> Result<(), gix_error::Error> {
    // However the delta names its base, it is at hand: ask for it in the one way that asks back.
    delta.header = Header::RefDelta { base_id: ObjectId::null(Hash::Sha1) };
    let is_there = |_: &oid, out: &mut Vec<u8>| Ok(Some(Base::OutOfPack { kind, end: out.len() }));
    data.decode_entry(delta, out, inflate, &is_there, &mut Never).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::objects::open_packs;
    use crate::git::upload_pack::handmade::{Handmade, blob};

    #[test]
    fn what_deltas_are_upon_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, third] = ["one", "one two", "one two three"].map(blob);
        let mut pack = Handmade::default();
        let mut offsets = vec![pack.offset()];
        pack.whole(&first);
        offsets.push(pack.offset());
        pack.delta(&second, &first, offsets[0]);
        offsets.push(pack.offset());
        pack.delta(&third, &second, offsets[1]);
        pack.save(dir.path());
        let bundle = open_packs(&[dir.path().to_owned()]).unwrap().remove(0);

        let (mut builder, mut out) = (Builder::default(), Vec::new());
        for (offset, object) in [(offsets[1], &second), (offsets[2], &third)] {
            assert_eq!(builder.build(&bundle, offset, &mut out).unwrap(), Kind::Blob);
            assert_eq!(out, object.bytes);
        }
        for (offset, object) in offsets.into_iter().zip([first, second, third]) {
            let held = builder.bases.get(bundle.pack.id, entry_at(&bundle, offset).unwrap().data_offset, &mut out);
            assert_eq!((held, &out), (Some(Kind::Blob), &object.bytes));
            builder.build(&bundle, offset, &mut out).unwrap();
            assert_eq!(out, object.bytes);
            assert_eq!(builder.header(&bundle, offset).unwrap(), (Kind::Blob, object.bytes.len() as u64));
        }
    }
}
