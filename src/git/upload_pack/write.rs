//! A pack of chosen objects, made of the bytes that are there.
//!
//! Entries are copied as they are, in their order: nothing is inflated but what is kept as a delta upon something that
//! the client neither gets nor has.

use std::io::{self, Write};
use std::ops::Range;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix_hash::oid;
use gix_pack::data::Entry;
use gix_pack::data::entry::Header;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::bits::Bits;
use super::entries::Entries;
use super::packets::Packets;
use super::packs::{Number, Packs};
use super::select::{Objects, Selection};
use crate::git::objects::corrupt;

/// Bytes that are made at once, unless a test wants fewer.
const PIECE: usize = 512 * 1024;

/// How the client takes packs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Deltas may name their bases by the distance.
    pub ofs_delta: bool,
    /// Deltas may build upon what the client has.
    pub thin: bool,
}

/// What was sent, for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub objects: u32,
    pub deltas: u32,
    pub reused: u32,
    pub reused_deltas: u32,
    /// Objects that have gone out with their whole pack.
    pub pack_reused: u32,
}

/// Makes a pack piece by piece.
pub(super) struct Writer {
    packs: Packs,
    had: Bits,
    manner: Manner,
    parts: Vec<Part>,
    /// The part and entry that come next.
    next: (usize, usize),
    /// What is left to be copied from a pack as it is.
    copying: Option<(usize, Range<u64>)>,
    stage: Stage,
    done: Done,
    /// Bytes that are made at once.
    piece: usize,
    pub totals: Totals,
}

/// The new pack up to now.
struct Done {
    bytes: u64,
    hasher: Option<Context>,
}

impl Done {
    fn put(&mut self, bytes: &[u8], out: &mut Packets) {
        self.bytes += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        out.push(bytes);
    }
}

/// What is sent of one pack.
struct Part {
    entries: Entries,
    /// Where the entries begin that are sent, in order.
    offsets: Vec<u64>,
    /// From which entry on there is another distance between the old place and the new: both places.
    moves: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// One pack goes out as it is, with its own head and checksum.
    Whole,
    Entries,
    Over,
}

/// How an entry is to be written.
enum Form {
    /// As it is.
    Same,
    /// With another head.
    Head(Header),
    /// Built, and not as a delta.
    Built,
}

impl Writer {
    pub(super) fn new(packs: Packs, selection: Selection, manner: Manner) -> io::Result<Self> {
        let mut totals = Totals::default();
        let is_whole = matches!(selection.objects, Objects::Everything) && manner.ofs_delta && packs.all().len() == 1;
        let (mut parts, mut copying, mut stage) = (Vec::new(), None, Stage::Head);
        if is_whole {
            let data = &packs.all()[0].bundle.pack;
            totals = Totals { objects: data.num_objects(), pack_reused: data.num_objects(), ..totals };
            copying = Some((0, 0..data.data_len() as u64));
            stage = Stage::Whole;
        } else {
            parts = parts_of(&packs, &selection.objects)?;
            let count: usize = parts.iter().map(|part| part.offsets.len()).sum();
            totals.objects = u32::try_from(count).map_err(io::Error::other)?;
        }
        // A whole pack brings its own checksum.
        let hasher = (!is_whole).then(|| Context::new(&SHA1_FOR_LEGACY_USE_ONLY));
        let done = Done { bytes: 0, hasher };
        Ok(Self { packs, had: selection.had, manner, parts, next: (0, 0), copying, stage, done, piece: PIECE, totals })
    }

    /// Appends the next piece; `false` when that was the last one.
    pub(super) fn write_piece(&mut self, out: &mut Packets) -> io::Result<bool> {
        let mut has_more = true;
        while has_more && out.len() < self.piece {
            if let Some((pack, range)) = self.copying.take() {
                self.copy(pack, range, out);
                continue;
            }
            match self.stage {
                Stage::Head => {
                    let head = gix_pack::data::header::encode(gix_pack::data::Version::V2, self.totals.objects);
                    self.done.put(&head, out);
                    self.stage = Stage::Entries;
                }
                Stage::Entries if self.next.0 < self.parts.len() => self.write_entry(out)?,
                Stage::Entries => {
                    if let Some(hasher) = self.done.hasher.take() {
                        out.push(hasher.finish().as_ref());
                    }
                    self.stage = Stage::Over;
                }
                Stage::Whole => self.stage = Stage::Over,
                Stage::Over => has_more = false,
            }
        }
        out.finish();
        // The client may be slow to take it.
        self.packs.rest();
        Ok(has_more)
    }

    /// Copies as much as fits into the piece, and keeps the rest for the next one. An entry's new head may have filled it.
    fn copy(&mut self, pack: usize, range: Range<u64>, out: &mut Packets) {
        let end = range.end.min(range.start + self.piece.saturating_sub(out.len()) as u64);
        if end < range.end {
            self.copying = Some((pack, end..range.end));
        }
        let bytes = self.packs.all()[pack].bundle.pack.entry_slice(range.start..end).expect("the range is of the pack");
        self.done.put(bytes, out);
    }

    fn write_entry(&mut self, out: &mut Packets) -> io::Result<()> {
        let (part, place) = self.next;
        let Some(offset) = self.parts[part].offsets.get(place).copied() else {
            self.next = (part + 1, 0);
            return Ok(());
        };
        self.next.1 += 1;
        let bundle = &self.packs.all()[part].bundle;
        let entry = bundle.pack.entry(offset).map_err(|error| corrupt(bundle, &error))?;
        let end = self.parts[part].entries.end(bundle, offset)?;
        self.parts[part].note(offset, self.done.bytes);
        let form = self.form(part, &entry)?;
        self.count(&entry, &form);
        match form {
            Form::Same => self.copy(part, offset..end, out),
            Form::Head(header) => {
                let mut head = Vec::with_capacity(32);
                header.write_to(entry.decompressed_size, &mut head)?;
                self.done.put(&head, out);
                self.copy(part, entry.data_offset..end, out);
            }
            Form::Built => {
                let built = self.build(part, offset)?;
                self.done.put(&built, out);
            }
        }
        Ok(())
    }

    fn count(&mut self, entry: &Entry, form: &Form) {
        if matches!(form, Form::Built) {
            return;
        }
        let deltas = u32::from(entry.header.is_delta());
        self.totals.reused += 1;
        self.totals.reused_deltas += deltas;
        self.totals.deltas += deltas;
    }

    fn form(&mut self, part: usize, entry: &Entry) -> io::Result<Form> {
        match entry.header {
            Header::OfsDelta { base_distance } => {
                let base =
                    entry.checked_base_pack_offset(base_distance).ok_or_else(|| io::Error::other("a delta has no base"))?;
                if self.manner.ofs_delta
                    && let Some(new) = self.parts[part].new_place(base)
                {
                    let distance = self.done.bytes - new;
                    return Ok(if distance == base_distance {
                        Form::Same
                    } else {
                        Form::Head(Header::OfsDelta { base_distance: distance })
                    });
                }
                let place = self.parts[part].entries.place(&self.packs.all()[part].bundle, base)?;
                let id = self.packs.all()[part].bundle.index.oid_at_index(place).to_owned();
                Ok(if self.can_build_upon(&id) && !self.packs.is_twice(&id, part, base) {
                    Form::Head(Header::RefDelta { base_id: id })
                } else {
                    Form::Built
                })
            }
            Header::RefDelta { base_id } if !self.can_build_upon(&base_id) => Ok(Form::Built),
            _ => Ok(Form::Same),
        }
    }

    /// Whether the client gets an object in this pack, or has it.
    fn can_build_upon(&self, id: &oid) -> bool {
        let Some(number) = self.packs.find(id) else { return false };
        let (part, _) = self.packs.locate(number);
        let is_sent = self.parts[part].offsets.binary_search(&self.packs.offset(number)).is_ok();
        is_sent || self.manner.thin && self.had.contains(number)
    }

    /// An entry as no delta.
    fn build(&mut self, part: usize, offset: u64) -> io::Result<Vec<u8>> {
        let place = self.parts[part].entries.place(&self.packs.all()[part].bundle, offset)?;
        let number = Number(self.packs.all()[part].first + place);
        let mut bytes = Vec::new();
        let header = match self.packs.read(number, &mut bytes)? {
            gix_object::Kind::Commit => Header::Commit,
            gix_object::Kind::Tree => Header::Tree,
            gix_object::Kind::Blob => Header::Blob,
            gix_object::Kind::Tag => Header::Tag,
        };
        let mut built = Vec::with_capacity(bytes.len() / 2 + 32);
        header.write_to(bytes.len() as u64, &mut built)?;
        let mut zlib = ZlibEncoder::new(built, Compression::default());
        zlib.write_all(&bytes)?;
        zlib.finish()
    }
}

fn parts_of(packs: &Packs, objects: &Objects) -> io::Result<Vec<Part>> {
    let part = |pack: &super::packs::Pack| {
        let index = &pack.bundle.index;
        let (first, end) = (pack.first, pack.first + pack.count());
        let offset = |Number(number)| index.pack_offset_at_index(number - first);
        let mut offsets: Vec<u64> = match objects {
            // The first pack's objects are all at their first place.
            Objects::Everything if first == 0 => (first..end).map(Number).map(offset).collect(),
            Objects::Everything => (first..end).map(Number).filter(|number| packs.is_first(*number)).map(offset).collect(),
            Objects::These(objects) => objects.range(first, end).map(offset).collect(),
        };
        offsets.sort_unstable();
        let entries = if offsets.is_empty() { Entries::none() } else { Entries::open(pack)? };
        Ok(Part { entries, offsets, moves: Vec::new() })
    };
    packs.all().iter().map(part).collect()
}

impl Part {
    /// Notes that the entry at `old` is now at `new`.
    fn note(&mut self, old: u64, new: u64) {
        if self.moves.last().is_none_or(|(from, to)| old.wrapping_sub(*from) != new.wrapping_sub(*to)) {
            self.moves.push((old, new));
        }
    }

    /// Where an entry that has been written is now.
    fn new_place(&self, old: u64) -> Option<u64> {
        self.offsets.binary_search(&old).ok()?;
        let after = self.moves.partition_point(|(from, _)| *from <= old);
        let (from, to) = self.moves[after.checked_sub(1)?];
        Some(to + (old - from))
    }
}

#[cfg(test)]
mod tests;
