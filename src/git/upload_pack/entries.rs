//! Where the entries of a pack end, and which object is at a place.

use std::io;

use gix_pack::Bundle;

use super::packs::Pack;
use crate::git::objects::corrupt;
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
    pub(super) fn open(pack: &Pack) -> io::Result<Self> {
        let file = Order::open(&pack.bundle.pack.path().with_extension("rev"), pack.count(), &pack.checksum())?;
        let order = file.map_or_else(|| Kept::in_memory(&pack.bundle), Kept::File);
        Ok(Self { order, last: 0 })
    }

    /// Those of a pack of which nobody asks anything.
    pub(super) fn none() -> Self {
        Self { order: Kept::Memory(Vec::new()), last: 0 }
    }

    /// The place in the index of the object whose entry begins at `offset`.
    pub(super) fn place(&mut self, bundle: &Bundle, offset: u64) -> io::Result<u32> {
        let position = self.position(bundle, offset)?;
        self.order.place(bundle, position)
    }

    /// Where the entry ends that begins at `offset`.
    pub(super) fn end(&mut self, bundle: &Bundle, offset: u64) -> io::Result<u64> {
        let position = self.position(bundle, offset)?;
        self.last = position;
        if position + 1 == bundle.index.num_objects() {
            return Ok(bundle.pack.pack_end() as u64);
        }
        let end = self.order.offset(bundle, position + 1)?;
        if end <= offset {
            return Err(corrupt(bundle, &"the order of its entries is not what its index says"));
        }
        Ok(end)
    }

    /// The entry at a position: the place of its object in the index, and how long it is.
    pub(super) fn at(&mut self, bundle: &Bundle, position: u32) -> io::Result<(u32, u64)> {
        self.last = position;
        let place = self.order.place(bundle, position)?;
        let offset = bundle.index.pack_offset_at_index(place);
        Ok((place, self.end(bundle, offset)? - offset))
    }

    fn position(&mut self, bundle: &Bundle, offset: u64) -> io::Result<u32> {
        let count = bundle.index.num_objects();
        for near in [self.last, self.last + 1] {
            if near < count && self.order.offset(bundle, near)? == offset {
                return Ok(near);
            }
        }
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = u32::midpoint(low, high);
            match self.order.offset(bundle, middle)?.cmp(&offset) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(corrupt(bundle, &format!("no entry at {offset}")))
    }
}

impl Kept {
    fn in_memory(bundle: &Bundle) -> Self {
        let mut places: Vec<u32> = (0..bundle.index.num_objects()).collect();
        places.sort_unstable_by_key(|place| bundle.index.pack_offset_at_index(*place));
        Self::Memory(places)
    }

    fn offset(&mut self, bundle: &Bundle, position: u32) -> io::Result<u64> {
        Ok(bundle.index.pack_offset_at_index(self.place(bundle, position)?))
    }

    fn place(&mut self, bundle: &Bundle, position: u32) -> io::Result<u32> {
        let place = match self {
            Self::File(order) => order.place(position)?,
            Self::Memory(places) => places[position as usize],
        };
        if place >= bundle.index.num_objects() {
            return Err(corrupt(bundle, &"the order of its entries has an object that its index has not"));
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::side_files::ORDER_MAGIC;
    use crate::git::upload_pack::handmade::{Handmade, blob};
    use crate::git::upload_pack::packs::Packs;

    /// Entries of a pack of two objects beside which lies such an order.
    fn check(places: [u32; 2], is_of_pack: bool) -> io::Result<(u64, u64)> {
        let dir = tempfile::tempdir().unwrap();
        let (mut made, one) = (Handmade::default(), blob("one"));
        made.whole(&one);
        let second = made.offset();
        made.whole(&blob("two"));
        made.save(dir.path());
        let packs = Packs::open(dir.path()).unwrap();
        let pack = &packs.all()[0];
        let mut bytes = ORDER_MAGIC.to_vec();
        bytes.extend(places.into_iter().flat_map(u32::to_be_bytes));
        let checksum = if is_of_pack { pack.checksum() } else { gix_hash::ObjectId::null(gix_hash::Kind::Sha1) };
        bytes.extend_from_slice(checksum.as_slice());
        bytes.extend([0; 20]);
        // git writes one, too.
        let path = pack.bundle.pack.path().with_extension("rev");
        let _ = std::fs::remove_file(&path);
        std::fs::write(path, bytes).unwrap();
        let first = packs.offset(packs.get(&one.id()).unwrap());
        Ok((Entries::open(pack)?.end(&pack.bundle, first)?, second))
    }

    #[test]
    fn a_damaged_order_gives_no_wrong_end() {
        let good = [[0, 1], [1, 0]].map(|places| check(places, true));
        assert_eq!(good.iter().filter(|end| matches!(end, Ok((end, second)) if end == second)).count(), 1);
        for places in [[0, 7], [7, 0], [7, 7], [0, 0], [1, 1]] {
            match check(places, true) {
                Ok((end, second)) => assert_eq!(end, second, "{places:?}"),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{places:?}"),
            }
            let (end, second) = check(places, false).unwrap();
            assert_eq!(end, second, "another pack's is not looked at");
        }
    }
}
