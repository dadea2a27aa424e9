//! Where the entries of a pack end, and which object is at a place.

use std::io;

use gix_pack::Bundle;

use crate::git::side_files::Order;

/// The entries of a pack in their order.
pub(super) struct Entries {
    order: Kept,
    /// What was asked for last: the next is asked for next.
    last: u32,
}

enum Kept {
    /// In a file beside the pack.
    File(Order),
    /// In memory, for packs that have none.
    Memory(Vec<u32>),
}

impl Entries {
    pub(super) fn open(bundle: &Bundle) -> io::Result<Self> {
        let count = bundle.index.num_objects();
        let order = if let Some(order) = Order::open(&bundle.pack.path().with_extension("rev"), count)? {
            Kept::File(order)
        } else {
            let mut places: Vec<u32> = (0..count).collect();
            places.sort_unstable_by_key(|place| bundle.index.pack_offset_at_index(*place));
            Kept::Memory(places)
        };
        Ok(Self { order, last: 0 })
    }

    /// Those of a pack of which nobody asks anything.
    pub(super) fn none() -> Self {
        Self { order: Kept::Memory(Vec::new()), last: 0 }
    }

    /// The place in the index of the object whose entry begins at `offset`.
    pub(super) fn place(&mut self, bundle: &Bundle, offset: u64) -> io::Result<u32> {
        let position = self.position(bundle, offset)?;
        self.order.place(position)
    }

    /// Where the entry ends that begins at `offset`.
    pub(super) fn end(&mut self, bundle: &Bundle, offset: u64) -> io::Result<u64> {
        let position = self.position(bundle, offset)?;
        self.last = position;
        if position + 1 == bundle.index.num_objects() {
            return Ok(bundle.pack.pack_end() as u64);
        }
        Ok(bundle.index.pack_offset_at_index(self.order.place(position + 1)?))
    }

    fn position(&mut self, bundle: &Bundle, offset: u64) -> io::Result<u32> {
        let count = bundle.index.num_objects();
        for near in [self.last, self.last + 1] {
            if near < count && bundle.index.pack_offset_at_index(self.order.place(near)?) == offset {
                return Ok(near);
            }
        }
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = u32::midpoint(low, high);
            match bundle.index.pack_offset_at_index(self.order.place(middle)?).cmp(&offset) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("{}: no entry at {offset}", bundle.pack.path().display())))
    }
}

impl Kept {
    fn place(&mut self, position: u32) -> io::Result<u32> {
        match self {
            Self::File(order) => order.place(position),
            Self::Memory(places) => Ok(places[position as usize]),
        }
    }
}
