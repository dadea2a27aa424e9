//! Objects that were built lately: one version of a folder is usually kept as a delta upon the one read before.

use gix_object::Kind;

/// An object has one slot that it can be in; the next one for it takes its place.
const SLOTS: usize = 4096;

/// Bytes held by all of them. Then everything is let go, which happens rarely enough.
const HELD_BYTES: usize = 48 * 1024 * 1024;

/// Largest object that is held.
const LARGEST: usize = HELD_BYTES / 4;

#[derive(Default)]
pub(super) struct DeltaBases {
    slots: Vec<Slot>,
    held_bytes: usize,
}

#[derive(Clone)]
struct Slot {
    /// Of no pack, where there is nothing.
    pack: u32,
    offset: u64,
    kind: Kind,
    bytes: Vec<u8>,
}

const EMPTY: Slot = Slot { pack: u32::MAX, offset: 0, kind: Kind::Blob, bytes: Vec::new() };

/// Fibonacci hashing: neighbours in the pack get slots far apart.
fn slot(pack: u32, offset: u64) -> usize {
    let hash = (offset ^ (u64::from(pack) << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(hash >> 52).expect("twelve bits") % SLOTS
}

impl DeltaBases {
    /// Holds an object of a pack, unless it is too large.
    pub(super) fn put(&mut self, pack: u32, offset: u64, bytes: &[u8], kind: Kind) {
        if bytes.len() > LARGEST {
            return;
        }
        if self.slots.is_empty() || self.held_bytes > HELD_BYTES {
            self.slots = vec![EMPTY; SLOTS];
            self.held_bytes = 0;
        }
        let slot = &mut self.slots[slot(pack, offset)];
        self.held_bytes -= slot.bytes.capacity();
        slot.bytes.clear();
        slot.bytes.extend_from_slice(bytes);
        self.held_bytes += slot.bytes.capacity();
        (slot.pack, slot.offset, slot.kind) = (pack, offset, kind);
    }

    /// Copies an object that is held to `out`.
    pub(super) fn get(&self, pack: u32, offset: u64, out: &mut Vec<u8>) -> Option<Kind> {
        let slot = self.slots.get(slot(pack, offset)).filter(|slot| slot.pack == pack && slot.offset == offset)?;
        out.clear();
        out.extend_from_slice(&slot.bytes);
        Some(slot.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_got_until_there_is_too_much() {
        let mut bases = DeltaBases::default();
        let mut out = vec![7];
        assert_eq!(bases.get(0, 12, &mut out), None);
        bases.put(0, 12, b"tree", Kind::Tree);
        assert_eq!((bases.get(0, 12, &mut out), out.as_slice()), (Some(Kind::Tree), &b"tree"[..]));
        assert_eq!((bases.get(1, 12, &mut out), bases.get(0, 13, &mut out)), (None, None));
        bases.put(0, 14, &vec![0; LARGEST + 1], Kind::Blob);
        assert_eq!(bases.get(0, 14, &mut out), None);
        for offset in 0..20 {
            bases.put(0, 1000 * offset, &vec![0; LARGEST], Kind::Blob);
            assert!(bases.held_bytes <= HELD_BYTES + LARGEST);
        }
    }
}
